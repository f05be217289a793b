"""Which matrix of second derivatives, how much is to be found out, and what its rows hold."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import IntEnum
from typing import Any

from explorer.kinds.settings import ObjectiveSettings, one_of, require, seed_fits

MATRIX_WORDS = {
    "hessian": "Hessian",
    "gauss_newton": "Gauss-Newton",
    "empirical_fisher": "empirical Fisher",
    "fisher": "Monte-Carlo Fisher",
    "scaled_hessian": "|w|-scaled Hessian",
}
MATRICES = tuple(MATRIX_WORDS)
MOST_PROBES, MOST_STEPS, MOST_PAIRS, MOST_BATCHES = 1000, 500, 200, 2000
MOST_LABELS = 1000
MAX_DENSE_PARAMETERS = 3000  # up to so many parameters the whole matrix is made: exact
PASSES_PER_PRODUCT = 3  # forward passes that a product with kept graphs takes, about
BATCH_STEPS = 25  # of Lanczos for the largest eigenvalue of a mini-batch, about
ESCAPE_POINTS = 41  # points of the line along the last pair's vector


class MatrixRole(IntEnum):
    """What a row of an answer holds in `value` and `weight`."""

    PAIR = 0  # an eigenvalue and its residual, the largest first
    NODE = 1  # a node of a probe's quadrature and its weight
    PROBE = 2  # v'Hv / v'v and norm(Hv)^2 / v'v of a probe
    LAYER = 3  # v_l'(Hv)_l of tensor `i`, so that a probe's sum over `i` is v'Hv
    ALL = 4  # one of all eigenvalues, ascending, where the matrix is small
    ESCAPE = 5  # a distance along the last pair's vector, downhill first, and the loss there
    BATCH = 6  # the largest eigenvalue of mini-batch `i` alone and its residual
    TRACE = 7  # an estimate of the trace by XTrace and its standard error


def product_count(facts: Mapping[str, Any]) -> int:
    """Products with the matrix that an answer's facts count, over all its units of work."""
    return sum(int(count) for name, count in facts.items() if name.startswith("products_"))


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
    labels: int = 1  # that the Monte-Carlo Fisher draws for each of the data's

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
            labels=(1, MOST_LABELS),
        )
        require(0 < self.tolerance < 1, "tolerance must be between 0 and 1", self.tolerance)
        if not self.probes:
            self.reset_unused("steps")
        if not self.batches:
            self.reset_unused("batch_examples")
        if self.matrix != "fisher":
            self.reset_unused("labels")

    def evaluations(self, parameters: int, examples: int) -> float:
        """About how many evaluations of the loss over all examples the whole answer takes."""
        size = max(1, parameters)
        pairs = self.top + self.bottom
        search = size if size <= MAX_DENSE_PARAMETERS else min(self.room, size, 20 + 6 * pairs)
        products: float = 2 + search + pairs + self.trace_products
        products += self.probes * min(self.steps, size)
        share = min(1.0, self.batch_examples / max(1, examples))
        products += self.batches * share * min(self.room, size, BATCH_STEPS)
        return PASSES_PER_PRODUCT * products + ESCAPE_POINTS

    @property
    def distinguishing_words(self) -> tuple[str, ...]:
        """Which matrix, the split, which tensor, and how many probes."""
        layer = (self.layer,) if self.layer else ()
        words = super().distinguishing_words
        return (MATRIX_WORDS[self.matrix], *words, *layer, f"{self.probes} probes")

    def counted_evaluations(self, facts: Mapping[str, Any]) -> float:
        """Passes of the products that the facts count; those of mini-batches are not counted."""
        return 0.0 if self.batches else PASSES_PER_PRODUCT * product_count(facts)

    @property
    def units(self) -> int:
        """The extreme pairs, each probe, the trace, each mini-batch."""
        return 1 + self.probes + bool(self.trace_products) + self.batches

    def unit_of(self, role: MatrixRole, number: int = 0) -> int:
        """Which unit of work a probe, the trace or a mini-batch is."""
        if role == MatrixRole.BATCH:
            return 1 + self.probes + bool(self.trace_products) + number
        if role == MatrixRole.TRACE:
            return 1 + self.probes
        return 1 + number
