"""Which matrix of second derivatives, how much is to be found out, and what its rows hold."""

from dataclasses import dataclass
from enum import IntEnum
from typing import Annotated

from explorer.kinds.curvature_settings import (
    CurvatureSettings,
    SearchSteps,
    Tolerance,
    eigenvalue_count,
    probe_count,
)
from explorer.kinds.facts import AnswerFacts
from explorer.kinds.seed import Seed
from explorer.kinds.setting import Setting

MATRIX_WORDS = {
    "hessian": "Hessian",
    "gauss_newton": "Gauss-Newton",
    "empirical_fisher": "empirical Fisher",
    "fisher": "Monte-Carlo Fisher",
    "scaled_hessian": "|w|-scaled Hessian",
}
MATRICES = tuple(MATRIX_WORDS)
MOST_STEPS, MOST_BATCHES = 500, 2000
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


@dataclass(frozen=True, kw_only=True)
class SpectrumSettings(CurvatureSettings):
    """Which matrix, and how much is found out about it."""

    matrix: Annotated[
        str,
        Setting(
            "Matrix",
            "gauss_newton (Martens 2020): J' H J, with H the second derivatives of the loss by the "
            "outputs; "
            "empirical_fisher: mean of the outer products of each example's gradient; fisher: the "
            "same with labels that the model draws from its own prediction; scaled_hessian: each "
            "entry times the sizes of both its weights, which rescalings of a ReLU network do not "
            "change (Dinh et al. 2017).",
            choices=MATRICES,
        ),
    ] = "hessian"
    layer: Annotated[
        str, Setting("Parameters", "All, or the diagonal block of one tensor alone, by its name.")
    ] = ""
    top: Annotated[
        int,
        eigenvalue_count("Largest", "So many of the largest eigenvalues, with their residuals."),
    ] = 10
    bottom: Annotated[
        int,
        eigenvalue_count(
            "Smallest", "So many of the smallest: the negative ones, if there are any."
        ),
    ] = 3
    tolerance: Tolerance = 1e-3
    room: SearchSteps = 300
    probes: Annotated[
        int,
        probe_count("Random vectors of density (Ghorbani et al. 2019) and traces.", least=0),
    ] = 10
    steps: Annotated[
        int,
        Setting(
            "Steps each",
            "Of Lanczos: products with the matrix for each probe (Ubaru et al. 2017).",
            least=5,
            most=MOST_STEPS,
            unit="steps",
            unused_with={"probes": (0,)},
        ),
    ] = 80
    trace_products: Annotated[
        int,
        Setting(
            "XTrace",
            "Products for the trace alone (Epperly et al. 2024); 0: it is from the probes.",
            least=0,
            most=2000,
            unit="products",
        ),
    ] = 0
    batches: Annotated[
        int,
        Setting(
            "Mini-batches",
            "Whose largest eigenvalues are found one by one; 0: none.",
            least=0,
            most=MOST_BATCHES,
        ),
    ] = 0
    batch_examples: Annotated[
        int,
        Setting(
            "Batch size",
            "Examples of each mini-batch.",
            least=1,
            most=1_000_000,
            unit="examples",
            unused_with={"batches": (0,)},
        ),
    ] = 64
    seed: Seed = 0
    labels: Annotated[
        int,
        Setting(
            "Labels drawn",
            "For each label of the data, from the seed. More come nearer to Gauss-Newton, and cost "
            "little.",
            least=1,
            most=MOST_LABELS,
            unit="labels",
            unused_with={"matrix": tuple(name for name in MATRICES if name != "fisher")},
        ),
    ] = 1

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

    def counted_evaluations(self, facts: AnswerFacts) -> float:
        """Passes of the products that the facts count; those of mini-batches are not counted."""
        return 0.0 if self.batches else PASSES_PER_PRODUCT * facts.product_count

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
