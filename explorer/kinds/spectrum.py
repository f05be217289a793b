"""The spectrum of a matrix of second derivatives at a point: extreme pairs, density, traces."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Any

import numpy as np
from scipy.special import stdtrit

from explorer.kinds.kind import Kind, Piece
from explorer.kinds.settings import ObjectiveSettings, one_of, require, seed_fits

MATRIX_WORDS = {
    "hessian": "Hessian",
    "gauss_newton": "Gauss-Newton",
    "empirical_fisher": "empirical Fisher",
    "scaled_hessian": "|w|-scaled Hessian",
}
MATRICES = tuple(MATRIX_WORDS)
MOST_PROBES, MOST_STEPS, MOST_PAIRS, MOST_BATCHES = 1000, 500, 200, 2000
LEVEL = 0.95
DENSE = 3000  # up to so many parameters the whole matrix is made: exact
CRITICAL = 1e-3  # a gradient so small that a Newton step moves the point by a smaller share of it
RESOLUTION = 1e-3  # of the largest absolute eigenvalue, of a quadrature's nodes about 0
NEAR = 1e-4  # of the largest absolute eigenvalue: two values so near are the same
PASSES = 3  # forward passes that a product with kept graphs takes, about
BATCH_STEPS = 25  # of Lanczos for the largest eigenvalue of a mini-batch, about
ESCAPES = 41  # points of the line along the last pair's vector
WIDTH = 0.005  # of the range: the usual width of the kernel that smooths a density


class Role(IntEnum):
    """What a row of an answer holds in `value` and `weight`."""

    PAIR = 0  # an eigenvalue and its residual, the largest first
    NODE = 1  # a node of a probe's quadrature and its weight
    PROBE = 2  # v'Hv / v'v and norm(Hv)^2 / v'v of a probe
    LAYER = 3  # v_l'(Hv)_l of tensor `i`, so that a probe's sum over `i` is v'Hv
    ALL = 4  # one of all eigenvalues, ascending, where the matrix is small
    ESCAPE = 5  # a distance along the last pair's vector, downhill first, and the loss there
    BATCH = 6  # the largest eigenvalue of mini-batch `i` alone and its residual
    TRACE = 7  # an estimate of the trace by XTrace and its standard error


@dataclass(frozen=True, kw_only=True)
class SpectrumSettings(ObjectiveSettings):
    """Which matrix, and how much is found out about it."""

    matrix: str = "hessian"
    layer: str = ""  # a parameter tensor: the diagonal block of that one alone
    top: int = 10  # largest eigenvalues
    bottom: int = 3  # smallest ones, the negative if there are any
    tolerance: float = 1e-3  # of a residual, in largest absolute eigenvalues
    room: int = 300  # Lanczos steps at most to find them; as many vectors are held
    probes: int = 10  # of the density, each with Lanczos steps of its own
    steps: int = 80
    trace_products: int = 0  # for an estimate of the trace by XTrace; 0: by the probes alone
    batches: int = 0  # mini-batches whose largest eigenvalues are found
    batch_examples: int = 64
    seed: int = 0

    def __post_init__(self) -> None:
        """Refuse what has no spectrum."""
        super().__post_init__()
        one_of("matrix", self.matrix, MATRICES)
        self.require_curvature()
        seed_fits("seed", self.seed)
        self.require_within(
            top=(1, MOST_PAIRS),
            bottom=(1, MOST_PAIRS),
            room=(10, 2000),
            probes=(0, MOST_PROBES),
            steps=(5, MOST_STEPS),
            trace_products=(0, 2000),
            batches=(0, MOST_BATCHES),
            batch_examples=(1, 1_000_000),
        )
        require(0 < self.tolerance < 1, "tolerance must be between 0 and 1", self.tolerance)
        if not self.probes:
            self.unused("steps")
        if not self.batches:
            self.unused("batch_examples")

    def evaluations(self, parameters: int, examples: int) -> float:
        """About how many evaluations of the loss over all examples the whole answer takes."""
        size = max(1, parameters)
        pairs = self.top + self.bottom
        search = size if size <= DENSE else min(self.room, size, 20 + 6 * pairs)
        products: float = 2 + search + pairs + self.trace_products
        products += self.probes * min(self.steps, size)
        share = min(1.0, self.batch_examples / max(1, examples))
        products += self.batches * share * min(self.room, size, BATCH_STEPS)
        return PASSES * products + ESCAPES

    @property
    def units(self) -> int:
        """The extreme pairs, each probe, the trace, each mini-batch."""
        return 1 + self.probes + bool(self.trace_products) + self.batches

    def unit_of(self, role: Role, number: int = 0) -> int:
        """Which unit of work a probe, the trace or a mini-batch is."""
        if role == Role.BATCH:
            return 1 + self.probes + bool(self.trace_products) + number
        if role == Role.TRACE:
            return 1 + self.probes
        return 1 + number


@dataclass(frozen=True)
class Estimate:
    """A mean over probes with its 95 % interval; exact where the ends are equal."""

    value: float
    low: float
    high: float
    probes: int

    @classmethod
    def of(cls, values: np.ndarray) -> "Estimate":
        """Mean +- t sd / sqrt(m) of values (m,); an unbounded interval for a single one."""
        count, mean = len(values), float(np.mean(values))
        if count < 2:
            return cls(mean, -np.inf, np.inf, count)
        reach = stdtrit(count - 1, (1 + LEVEL) / 2) * np.std(values, ddof=1) / np.sqrt(count)
        return cls(mean, float(mean - reach), float(mean + reach), count)


@dataclass(frozen=True)
class Spectrum:
    """What is known of a matrix so far."""

    settings: SpectrumSettings
    rows: Mapping[str, np.ndarray]  # unit, role, i, value, weight; (R,) each
    answered: np.ndarray  # (units,) bool
    facts: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def from_pieces(cls, settings: SpectrumSettings, pieces: Iterable[Piece]) -> "Spectrum":
        """The spectrum as far as the pieces go."""
        found = list(pieces)
        names = ("unit", "role", "i", "value", "weight")
        kinds = (np.int64, np.int64, np.int64, np.float64, np.float64)
        rows = {
            name: np.concatenate([np.empty(0, kind), *(p.columns[name] for p in found)])
            for name, kind in zip(names, kinds, strict=True)
        }
        answered = np.zeros(settings.units, dtype=bool)
        answered[rows["unit"].astype(int)] = True
        facts = {name: value for piece in found for name, value in piece.facts.items()}
        return cls(settings, rows, answered, facts)

    @property
    def places(self) -> dict[str, np.ndarray]:
        """What each row is, for tables; the role as a word."""
        words = np.array([role.name.lower() for role in Role])
        found = {name: self.rows[name] for name in ("unit", "role", "i")}
        return found | {"role": words[self.rows["role"].astype(int)]}

    @property
    def values(self) -> dict[str, np.ndarray]:
        """The numbers of each row, for tables."""
        return {name: self.rows[name] for name in ("value", "weight")}

    @property
    def computed(self) -> np.ndarray:
        """True for each row, for tables: there are none but computed ones."""
        return np.ones(len(self.rows["unit"]), dtype=bool)

    def of(self, role: Role) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Index, value and weight of the rows of a role, in their order."""
        chosen = self.rows["role"] == role
        order = np.lexsort((self.rows["i"][chosen], self.rows["unit"][chosen]))
        return tuple(self.rows[n][chosen][order] for n in ("i", "value", "weight"))

    @property
    def size(self) -> int:
        """Rows of the matrix; 0 before anything is known."""
        return int(self.facts.get("size", 0))

    @property
    def eigenvalues(self) -> tuple[np.ndarray, np.ndarray]:
        """Extreme eigenvalues, descending, and their residuals."""
        _, values, residuals = self.of(Role.PAIR)
        return values, residuals

    @property
    def ranks(self) -> list[str]:
        """The number of each extreme eigenvalue: 1, 2, ... from the top, and ..., -2, -1."""
        count = len(self.eigenvalues[0])
        top = min(self.settings.top, count)
        whole = count == self.size
        return [
            str(n + 1) if whole or n < top else f"\N{MINUS SIGN}{count - n}" for n in range(count)
        ]

    def predicted_losses(self, steps: np.ndarray) -> np.ndarray:
        """The loss (T,) at distances along the last pair's vector by slope and eigenvalue.

        The eigenvalue is the curvature along its vector only for the Hessian itself.
        """
        values, _ = self.eigenvalues
        slope = self.facts["escape_slope"]
        return np.asarray(self.facts["loss"] + slope * steps + values[-1] * steps**2 / 2)

    @property
    def tolerance(self) -> float:
        """How far from 0 an eigenvalue must be to have a sign: the largest residual, or rounding.

        The rounding of a product grows with the square root of the size.
        """
        values, residuals = self.eigenvalues
        if not len(values):
            return 0.0
        rounding = 10 * np.sqrt(self.size) * self.facts["epsilon"] * np.abs(values).max()
        return float(max(residuals.max(), rounding))

    @property
    def probes(self) -> list[tuple[np.ndarray, np.ndarray]]:
        """Nodes and weights of each probe's quadrature."""
        chosen = self.rows["role"] == Role.NODE
        units = self.rows["unit"][chosen]
        values, weights = (self.rows[name][chosen] for name in ("value", "weight"))
        return [(values[units == u], weights[units == u]) for u in np.unique(units)]

    @property
    def settled(self) -> list[tuple[np.ndarray, np.ndarray]]:
        """The probes' quadratures with what is known for sure put in for what chance gave.

        A node that is an eigenvalue found apart weighs (q'v)^2 / n, of mean 1 / n; where every
        probe has found that eigenvalue, it gets this weight. The sum over a probe keeps its mean
        and loses the largest, most skewed part of its variance.

        Source: deflation as in Meyer, Musco, Musco and Woodruff 2021, arXiv:2010.09649, here by
        the Ritz vectors that the quadrature holds anyway.
        """
        probes, n = self.probes, self.size
        values, residuals = self.eigenvalues
        scale = np.abs(values).max() if len(values) else 0.0
        settled = [(nodes, weights.copy()) for nodes, weights in probes]
        for value, residual in zip(values, residuals, strict=True):
            reach = max(residual, NEAR * scale)
            others = np.abs(values - value)
            if (others < 2 * reach).sum() > 1:  # a pair of eigenvalues, told apart by nobody
                continue
            near = [np.flatnonzero(np.abs(nodes - value) <= reach) for nodes, _ in probes]
            if all(len(found) == 1 for found in near):
                for (_, weights), found in zip(settled, near, strict=True):
                    weights[found] = 1 / n
        return settled

    def mean_of(self, function: Callable[[np.ndarray], np.ndarray]) -> Estimate | None:
        """Mean of a function of the eigenvalues: exact if all are known, else by the probes.

        Source: Ubaru, Chen and Saad 2017: stochastic Lanczos quadrature.
        """
        _, exact, _ = self.of(Role.ALL)
        if len(exact):
            value = float(np.mean(function(exact)))
            return Estimate(value, value, value, 0)
        found = [float(weights @ function(nodes)) for nodes, weights in self.settled]
        return Estimate.of(np.array(found)) if found else None

    @property
    def trace(self) -> Estimate | None:
        """Sum of the eigenvalues: exact, by XTrace, or by the probes."""
        _, values, errors = self.of(Role.TRACE)
        if len(values) and not len(self.of(Role.ALL)[1]):
            reach = 1.96 * float(errors[0])
            value = float(values[0])
            return Estimate(value, value - reach, value + reach, 0)
        return self._sum_of(lambda nodes: nodes)

    @property
    def squared_norm(self) -> Estimate | None:
        """Sum of the squared eigenvalues: the squared Frobenius norm."""
        return self._sum_of(np.square)

    def effective_dimension(self, z: float) -> Estimate | None:
        """Sum of lambda+ / (lambda+ + z).

        Source: Maddox, Benton and Wilson 2020, arXiv:2003.02139; MacKay 1992.
        """
        return self._sum_of(lambda nodes: nodes.clip(min=0) / (nodes.clip(min=0) + z))

    def log_determinant(self, z: float) -> Estimate | None:
        """Log of the determinant of the positive part plus z."""
        return self._sum_of(lambda nodes: np.log(nodes.clip(min=0) + z))

    def _sum_of(self, function: Callable[[np.ndarray], np.ndarray]) -> Estimate | None:
        mean, n = self.mean_of(function), self.size
        if mean is None:
            return None
        return Estimate(mean.value * n, mean.low * n, mean.high * n, mean.probes)

    @property
    def layers(self) -> dict[str, Estimate]:
        """The trace of each parameter tensor's diagonal block, from the same probes."""
        index, values, _ = self.of(Role.LAYER)
        names = self.facts.get("layers", [])
        return {
            name: Estimate.of(values[index == number])
            for number, name in enumerate(names)
            if (index == number).any()
        }

    def density(
        self, grid: np.ndarray, width: float
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray] | None:
        """The density of eigenvalues at values (G,): its mean over probes, and mean -+ their sd.

        Each node is a Gaussian of standard deviation `width`; the densities integrate to 1.
        """
        _, exact, _ = self.of(Role.ALL)
        sets = [(exact, np.full(len(exact), 1 / len(exact)))] if len(exact) else self.settled
        if not sets:
            return None
        each = np.stack([smoothed(grid, nodes, weights, width) for nodes, weights in sets])
        spread = each.std(axis=0, ddof=1) if len(each) > 1 else np.zeros(len(grid))
        mean = each.mean(axis=0)
        return mean, (mean - spread).clip(min=0), mean + spread

    @property
    def ends(self) -> tuple[float, float] | None:
        """Smallest and largest eigenvalue known."""
        known = np.concatenate([self.eigenvalues[0], self.of(Role.NODE)[1], self.of(Role.ALL)[1]])
        return (float(known.min()), float(known.max())) if len(known) else None

    @property
    def kind_of_point(self) -> str:
        """What the point is: "minimum", "saddle", ... or "not critical"; "" before it is known.

        A point counts as critical when one Newton step along its gradient, norm(g) over the
        largest absolute eigenvalue, is shorter than a thousandth of the parameters. The signs are
        those of the extreme eigenvalues beyond the largest residual.
        """
        values, _ = self.eigenvalues
        if not len(values):
            return ""
        scale = float(np.abs(values).max())
        gradient, theta = self.facts["gradient_norm"], self.facts["theta_norm"]
        if not gradient <= CRITICAL * scale * (theta or 1.0):
            return "not critical"
        low, high, tau = float(values.min()), float(values.max()), self.tolerance
        if low > tau:
            return "minimum"
        if high < -tau:
            return "maximum"
        if low < -tau:
            return "saddle" if high > tau else "degenerate maximum"
        return "degenerate minimum" if high > tau else "flat"

    @property
    def index(self) -> int:
        """Eigenvalues below minus the tolerance: all of a small matrix, else a lower bound."""
        _, exact, _ = self.of(Role.ALL)
        known = exact if len(exact) else self.eigenvalues[0]
        return int((known < -self.tolerance).sum())

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
        return self._sum_of(lambda nodes: (nodes < -self.resolution).astype(float))


def smoothed(grid: np.ndarray, nodes: np.ndarray, weights: np.ndarray, width: float) -> np.ndarray:
    """Sum of weighted Gaussians at the nodes, (G,)."""
    far = (grid[:, None] - nodes[None, :]) / width
    return np.exp(-(far**2) / 2) @ weights / (width * np.sqrt(2 * np.pi))


def density_grid(low: float, high: float, width: float, count: int = 1000) -> np.ndarray:
    """Values (G,) that reach five widths past both ends, where a smoothed density has ended."""
    return np.linspace(low - 5 * width, high + 5 * width, count)


def taken_over(settings: SpectrumSettings, old: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """The rows of another answer with fewer or more probes, trace products or mini-batches."""
    probe = np.isin(old["role"], (Role.NODE, Role.PROBE, Role.LAYER))
    batch = old["role"] == Role.BATCH
    number = np.where(batch, old["i"], old["unit"] - 1)
    kept = (old["unit"] == 0) | (probe & (number < settings.probes))
    kept |= batch & (number < settings.batches)
    unit = np.where(batch, settings.unit_of(Role.BATCH) + number, old["unit"])
    return {name: values[kept] for name, values in {**old, "unit": unit}.items()}


SPECTRUM = Kind(
    name="spectrum",
    title="Spectrum",
    subjects=("point",),
    settings=SpectrumSettings,
    result=Spectrum,
    version=1,
    answer="explorer.analysis.spectrum:answer",
    draw="explorer.render.spectrum:density",
    thumbnail="explorer.render.spectrum:thumbnail",
    page="explorer/pages/spectrum.py",
    icon=":material/bar_chart:",
    axes=("probes", "batches", "trace_products"),
    taken_over="explorer.kinds.spectrum:taken_over",
    unit="parts",
    first_facts=(
        "asymmetry",
        "converged",
        "ended",
        "lanczos_steps",
        "dense",
        "epsilon",
        "gradient_norm",
        "theta_norm",
        "escape_slope",
        "loss",
        "held_bytes",
        "budget_bytes",
        "classes",
    ),
)
