"""The steps of a walk on which outputs are kept: ahead by the null space, back by least norm."""

from dataclasses import dataclass

import numpy as np

from explorer.analysis.curvature.gradient import gradient
from explorer.analysis.curvature.matrices import dense_matrix
from explorer.analysis.curvature.output_constraints import Factors, OutputConstraints
from explorer.analysis.curvature.products import Curvature, hessian
from explorer.analysis.objective.flat_model import present_tensors
from explorer.analysis.objective.named_tensors import Tensors
from explorer.analysis.objective.objective import Objective
from explorer.analysis.objective.pieces import piece_point
from explorer.codec import JsonValue
from explorer.kinds.manifold import MANIFOLD
from explorer.kinds.manifold_result import KEPT_OUTPUTS, KEPT_TARGETS, VALUE_COLUMNS
from explorer.kinds.manifold_settings import ManifoldSettings
from explorer.kinds.piece import PiecePoint

HALVINGS = 8  # of a step before there is none
CORRECTIONS = 20  # by one Jacobian, at most
NO_DIRECTION = "no direction leaves all outputs as they are"
NO_STEP = f"no step could be corrected, not even a {2**HALVINGS}th of its length"


@dataclass
class Walker:
    """Where a walk stands, and where it is headed."""

    theta: np.ndarray  # (D,)
    direction: np.ndarray  # (D,) of length 1 and changing no output; zeros where there is none
    path_length: float = 0.0


class Walk:
    """The steps of one walk; the objective stands on the last place."""

    def __init__(self, objective: Objective, settings: ManifoldSettings, subject: Tensors) -> None:
        self._objective, self._settings, self._subject = objective, settings, subject
        self._constraints = OutputConstraints(objective)
        self._factored: tuple[np.ndarray, Factors] | None = None
        self._start = self._constraints.theta
        self._loss = objective.means()["loss"]
        self._norm = float(np.linalg.norm(self._start)) or 1.0
        self._kept_targets = self._constraints.are_targets
        if self._kept_targets and not self._loss <= settings.most_loss:
            raise ValueError(
                f"the loss is {self._loss:.3g}; a solution manifold needs one of at most "
                f"{settings.most_loss:g}: train further, or allow more loss to begin with"
            )
        targets = self._constraints.targets() if self._kept_targets else None
        self._goal = self._constraints.outputs() if targets is None else targets

    @property
    def facts(self) -> dict[str, JsonValue]:
        """What holds for the whole walk."""
        return {
            "constraints": len(self._goal),
            "kept": KEPT_TARGETS if self._kept_targets else KEPT_OUTPUTS,
            "start_loss": self._loss,
            "parameters_norm": self._norm,
        }

    def begin(self) -> tuple[Walker, dict[str, float], str]:
        """The first place: the point, corrected to its targets, and a random way from there."""
        self._constraints.move_to(self._start)
        factors = self._factors()
        corrections = self._correct(factors)
        if corrections is None:
            self._constraints.move_to(self._start)
        elif corrections:
            factors = self._factors()
        noise = np.random.RandomState([self._settings.seed, 0]).standard_normal(len(self._start))
        walker = Walker(self._constraints.theta, _unit_vector(factors.null_part(noise)))
        values = self._values(0, walker, factors, self._loss) | {"corrections": corrections or 0}
        ended = NO_STEP if corrections is None else ""
        return walker, values, ended or ("" if walker.direction.any() else NO_DIRECTION)

    def step(self, walker: Walker, unit: int) -> tuple[Walker, dict[str, float], str]:
        """The next place, or why there is none."""
        self._constraints.move_to(walker.theta)
        factors = self._factors()
        length = self._settings.step_length * self._norm
        for _ in range(HALVINGS + 1):
            ahead = walker.theta + length * walker.direction
            self._constraints.move_to(ahead)
            before = self._objective.means()["loss"]
            corrections = self._correct(factors, length)
            if corrections is not None:
                break
            length /= 2
        else:
            self._constraints.move_to(walker.theta)
            names = ("loss", *self._objective.names, *VALUE_COLUMNS)
            return walker, {**dict.fromkeys(names, np.nan), "corrections": 0}, NO_STEP
        theta = self._constraints.theta
        moved = float(np.linalg.norm(theta - walker.theta))
        factors = self._factors()
        direction = _unit_vector(factors.null_part(walker.direction))
        after = Walker(theta, direction, walker.path_length + moved)
        values = self._values(unit, after, factors, before)
        values |= {"corrections": corrections, "step_length": moved}
        return after, values, "" if direction.any() else NO_DIRECTION

    def point(self, unit: int) -> list[PiecePoint]:
        """The point where the walk stands."""
        tensors = present_tensors(self._objective.flat, self._subject)
        return [piece_point(*MANIFOLD.unit_point(unit), tensors, unit)]

    def _factors(self) -> Factors:
        """The factors of the Jacobian where the walk stands; a step begins where the last ended."""
        theta = self._constraints.theta
        if self._factored is None or not np.array_equal(self._factored[0], theta):
            self._factored = theta, self._constraints.factors(self._settings.rank_tolerance)
        return self._factored[1]

    def _correct(self, factors: Factors, longest: float = np.inf) -> int | None:
        """Gauss-Newton steps of least norm until the outputs are what they are to be; how many.

        All by one Jacobian, of where the step began. None where they do not get there, or go
        farther than the step that they correct.
        """
        begun, last = self._constraints.theta, np.inf
        for number in range(CORRECTIONS + 1):
            off = factors.reachable(self._constraints.outputs() - self._goal)
            size = float(off @ off) / len(self._goal)
            if size <= self._settings.target:
                return number
            if not size < last or number == CORRECTIONS:
                return None
            last = size
            theta = self._constraints.theta - factors.least_norm(off)
            if not float(np.linalg.norm(theta - begun)) <= longest:
                return None
            self._constraints.move_to(theta)
        return None

    def _values(
        self, unit: int, walker: Walker, factors: Factors, before: float
    ) -> dict[str, float]:
        """The row of the place where the walk stands."""
        off = self._constraints.outputs() - self._goal
        return {
            **dict.fromkeys(VALUE_COLUMNS, np.nan),
            **self._objective.means(),
            "loss_before": before,
            "difference": float(off @ off) / len(off),
            "distance": float(np.linalg.norm(walker.theta - self._start)),
            "path_length": walker.path_length,
            "gradient_norm": float(np.linalg.norm(gradient(self._objective).numpy())),
            "rank": float(factors.rank),
            "last_singular": factors.last,
            "next_singular": factors.following,
            "zero_modes": self._zero_modes() if self._counts_zeros(unit, walker) else np.nan,
        }

    def _counts_zeros(self, unit: int, walker: Walker) -> bool:
        return unit in self._settings.hessian_units or not walker.direction.any()

    def _zero_modes(self) -> float:
        """How many eigenvalues of the Hessian count as 0."""
        dense = dense_matrix(Curvature(self._objective, hessian))
        if not np.isfinite(dense).all():
            return np.nan
        sizes = np.abs(np.linalg.eigvalsh(dense))
        return float((sizes <= self._settings.zero_tolerance * sizes.max()).sum())


def _unit_vector(vector: np.ndarray) -> np.ndarray:
    """The vector in length 1; zeros where it is no more than rounding."""
    norm = float(np.linalg.norm(vector))
    return vector / norm if norm > 1e-8 else np.zeros_like(vector)
