"""What is known of a matrix so far: extreme pairs, density, traces."""

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

import numpy as np

from explorer.kinds.eigenvalues import point_class
from explorer.kinds.estimates import Estimate
from explorer.kinds.facts import AnswerFacts
from explorer.kinds.matrix import MatrixRole, SpectrumSettings
from explorer.kinds.numbers import ResultNumber, ResultNumbers
from explorer.kinds.piece import Piece
from explorer.kinds.quadrature import Quadrature, correct_probes
from explorer.kinds.spectrum_fisher import Alignment, relative_gap
from explorer.kinds.statistics import student_quantile

RESOLUTION = 1e-3  # of the largest absolute eigenvalue, of a quadrature's nodes about 0
PAIR_FACTS = (  # facts of the pairs
    *("asymmetry", "converged", "ended", "lanczos_steps", "dense", "epsilon"),
    *("gradient_norm", "theta_norm", "escape_slope", "loss"),
    *("held_bytes", "budget_bytes", "classes"),
    *("size", "layers", "examples", "available"),  # without them nothing can be said of the rows
)


@dataclass(frozen=True, kw_only=True)
class SpectrumFacts(AnswerFacts):
    """What holds for the whole spectrum; those from `asymmetry` on come with the pairs."""

    size: int = 0  # of the matrix
    layers: tuple[str, ...] = ()  # names of the tensors whose blocks' traces are told apart
    asymmetry: float = math.nan
    converged: bool | None = None  # whether the pairs are within their tolerance
    ended: bool | None = None  # whether the search for them came to its natural end
    lanczos_steps: int = 0
    dense: bool | None = None  # whether all eigenvalues are exact
    epsilon: float = math.nan  # of the numbers that the parameters are
    gradient_norm: float = math.nan
    theta_norm: float = math.nan
    escape_slope: float = math.nan  # of the loss along the last pair's vector
    classes: int | None = None  # that the outputs tell apart


@dataclass(frozen=True)
class Spectrum:
    """What is known of a matrix so far."""

    settings: SpectrumSettings
    rows: Mapping[str, np.ndarray]  # unit, role, i, value, weight; (R,) each
    answered: np.ndarray  # (units,) bool
    facts: SpectrumFacts = SpectrumFacts()

    @classmethod
    def from_pieces(cls, settings: SpectrumSettings, pieces: Iterable[Piece]) -> "Spectrum":
        """The spectrum as far as the pieces go."""
        all_pieces = list(pieces)
        names = ("unit", "role", "i", "value", "weight")
        kinds = (np.int64, np.int64, np.int64, np.float64, np.float64)
        rows = {
            name: np.concatenate([np.empty(0, kind), *(p.columns[name] for p in all_pieces)])
            for name, kind in zip(names, kinds, strict=True)
        }
        answered = np.zeros(settings.units, dtype=bool)
        answered[rows["unit"].astype(int)] = True
        return cls(settings, rows, answered, SpectrumFacts.of_pieces(all_pieces))

    @property
    def places(self) -> dict[str, np.ndarray]:
        """What each row is, for tables; the role as a word."""
        words = np.array([role.name.lower() for role in MatrixRole])
        columns = {name: self.rows[name] for name in ("unit", "role", "i")}
        return columns | {"role": words[self.rows["role"].astype(int)]}

    @property
    def values(self) -> dict[str, np.ndarray]:
        """The numbers of each row, for tables."""
        return {name: self.rows[name] for name in ("value", "weight")}

    @property
    def computed(self) -> np.ndarray:
        """True for each row, for tables: there are none but computed ones."""
        return np.ones(len(self.rows["unit"]), dtype=bool)

    def of(self, role: MatrixRole) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Index, value and weight of the rows of a role, in their order."""
        of_role = self.rows["role"] == role
        order = np.lexsort((self.rows["i"][of_role], self.rows["unit"][of_role]))
        return tuple(self.rows[n][of_role][order] for n in ("i", "value", "weight"))

    @property
    def size(self) -> int:
        """Rows of the matrix; 0 before anything is known."""
        return self.facts.size

    @property
    def eigenvalues(self) -> tuple[np.ndarray, np.ndarray]:
        """Extreme eigenvalues, descending, and their residuals."""
        _, values, residuals = self.of(MatrixRole.PAIR)
        return values, residuals

    @property
    def ranks(self) -> list[str]:
        """The number of each extreme eigenvalue: 1, 2, ... from the top, and ..., -2, -1."""
        count = len(self.eigenvalues[0])
        top = min(self.settings.top, count)
        complete = count == self.size
        return [
            str(n + 1) if complete or n < top else f"\N{MINUS SIGN}{count - n}"
            for n in range(count)
        ]

    def predicted_losses(self, steps: np.ndarray) -> np.ndarray:
        """The loss (T,) at distances along the last pair's vector by slope and eigenvalue.

        The eigenvalue is the curvature along its vector only for the Hessian itself.
        """
        values, _ = self.eigenvalues
        slope, loss = self.facts.escape_slope, self.facts.loss
        return np.asarray(
            (math.nan if loss is None else loss) + slope * steps + values[-1] * steps**2 / 2
        )

    @property
    def numbers(self) -> ResultNumbers:
        """Extreme eigenvalues, the trace, and how many eigenvalues are negative."""
        numbers = {}
        values, residuals = self.eigenvalues
        if len(values):
            for name, place in (("lambda_max", 0), ("lambda_min", -1)):
                error = float(residuals[place])
                numbers[name] = ResultNumber.within(float(values[place]), error)
        estimates = {"trace": self.trace, **self.signs, "fisher_gap": self.fisher_gap}
        for name, estimate in estimates.items():
            if estimate is not None:
                numbers[name] = ResultNumber(estimate.value, estimate.low, estimate.high)
        if math.isfinite(self.facts.gradient_norm):
            numbers["gradient_norm"] = ResultNumber(self.facts.gradient_norm)
        if alignment := self.alignment:
            numbers["covariance_overlap"] = ResultNumber(alignment.overlap)
        return numbers

    @property
    def tolerance(self) -> float:
        """How far from 0 an eigenvalue must be to have a sign: the largest residual, or rounding.

        The rounding of a product grows with the square root of the size.
        """
        values, residuals = self.eigenvalues
        if not len(values):
            return 0.0
        rounding = 10 * np.sqrt(self.size) * self.facts.epsilon * np.abs(values).max()
        return float(max(residuals.max(), rounding))

    @property
    def probes(self) -> list[tuple[np.ndarray, np.ndarray]]:
        """Nodes and weights of each probe's quadrature."""
        is_node = self.rows["role"] == MatrixRole.NODE
        units = self.rows["unit"][is_node]
        values, weights = (self.rows[name][is_node] for name in ("value", "weight"))
        return [(values[units == u], weights[units == u]) for u in np.unique(units)]

    @property
    def quadrature(self) -> Quadrature:
        """All eigenvalues where they are known, else the probes, with the pairs put in."""
        _, exact, _ = self.of(MatrixRole.ALL)
        if len(exact):
            return Quadrature(self.size, [(exact, np.full(len(exact), 1 / len(exact)))], exact=True)
        return Quadrature(self.size, correct_probes(self.probes, *self.eigenvalues, self.size))

    @property
    def trace(self) -> Estimate | None:
        """Sum of the eigenvalues: exact, by products of its own, or by the probes.

        Products of its own give k independent forms of vectors beside a Krylov space; the standard
        error of their mean has k - 1 degrees of freedom.
        """
        counts, values, errors = self.of(MatrixRole.TRACE)
        if len(values) and not len(self.of(MatrixRole.ALL)[1]):
            reach = student_quantile(max(1, int(counts[0]) - 1)) * float(errors[0])
            value = float(values[0])
            return Estimate(value, float(value - reach), float(value + reach), 0)
        return self.quadrature.sum_of(lambda nodes: nodes)

    @property
    def layers(self) -> dict[str, Estimate]:
        """The trace of each parameter tensor's diagonal block, from the same probes."""
        index, values, _ = self.of(MatrixRole.LAYER)
        names = self.facts.layers
        return {
            name: Estimate.of(values[index == number])
            for number, name in enumerate(names)
            if (index == number).any()
        }

    @property
    def ends(self) -> tuple[float, float] | None:
        """Smallest and largest eigenvalue known."""
        all_estimates = np.concatenate(
            [self.eigenvalues[0], self.of(MatrixRole.NODE)[1], self.of(MatrixRole.ALL)[1]]
        )
        return (
            (float(all_estimates.min()), float(all_estimates.max())) if len(all_estimates) else None
        )

    @property
    def kind_of_point(self) -> str:
        """What the point is: "minimum", "saddle", ... or "not critical"; "" before it is known."""
        values, _ = self.eigenvalues
        if not len(values):
            return ""
        return point_class(values, self.tolerance, self.facts.gradient_norm, self.facts.theta_norm)

    @property
    def index(self) -> int:
        """Eigenvalues below minus the tolerance: all of a small matrix, else a lower bound."""
        _, exact, _ = self.of(MatrixRole.ALL)
        computed_eigenvalues = exact if len(exact) else self.eigenvalues[0]
        return int((computed_eigenvalues < -self.tolerance).sum())

    @property
    def resolution(self) -> float:
        """How far from 0 a node must be to have a sign; nearer, quadrature blurs eigenvalues of 0.

        A thousandth of the largest absolute eigenvalue: a choice, to be told with what it gives.
        """
        values, _ = self.eigenvalues
        scale = float(np.abs(values).max()) if len(values) else 0.0
        return max(self.tolerance, RESOLUTION * scale)

    @property
    def negative(self) -> Estimate | None:
        """How many eigenvalues are below minus the resolution; an estimate of the index."""
        return self.signs["negative"]

    @property
    def signs(self) -> dict[str, Estimate | None]:
        """How many eigenvalues are below, within and above the resolution around 0."""
        reach = self.resolution
        tests: dict[str, Callable[[np.ndarray], np.ndarray]] = {
            "negative": lambda nodes: nodes < -reach,
            "zero": lambda nodes: np.abs(nodes) <= reach,
            "positive": lambda nodes: nodes > reach,
        }
        sums = self.quadrature
        return {
            name: sums.sum_of(lambda nodes, test=test: test(nodes).astype(float))  # type: ignore[misc]
            for name, test in tests.items()
        }

    @property
    def exact_signs(self) -> dict[str, int]:
        """The same of all eigenvalues by the tolerance; empty where not all are known."""
        _, every, _ = self.of(MatrixRole.ALL)
        if not len(every):
            return {}
        negative, positive = (int((sign * every > self.tolerance).sum()) for sign in (-1, 1))
        zero = len(every) - negative - positive
        return {"negative": negative, "zero": zero, "positive": positive}

    @property
    def fisher_gap(self) -> Estimate | None:
        """How far the matrix that is set against the Hessian is from it, in norms of that."""
        _, differences, squares = self.of(MatrixRole.GAP)
        return relative_gap(differences, squares, exact=len(squares) == 1)

    @property
    def alignment(self) -> Alignment | None:
        """The gradients' covariance beside the Hessian; None before it is known."""
        _, values, residuals = self.of(MatrixRole.COVARIANCE)
        _, overlaps, by_chance = self.of(MatrixRole.OVERLAP)
        return Alignment(values, residuals, overlaps, by_chance) if len(values) else None
