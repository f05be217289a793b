"""Which matrix of second derivatives, how much is to be found out, and what its rows hold."""

from dataclasses import dataclass
from enum import IntEnum
from typing import Annotated

from explorer.kinds.curvature_settings import (
    MOST_PAIRS,
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
SPLIT_MATRICES = ("hessian", "scaled_hessian", "gauss_newton")  # whose trace is that of two parts
NOT_HESSIAN = tuple(name for name in MATRICES if name != "hessian")
MOST_STEPS, MOST_BATCHES = 500, 2000
MOST_LABELS = 1000
MAX_DENSE_PARAMETERS = 3000  # up to so many parameters the whole matrix is made: exact
PASSES_PER_PRODUCT = 3  # forward passes that a product with kept graphs takes, about
BATCH_STEPS = 25  # of Lanczos for the largest eigenvalue of a mini-batch, about
COMPARED = ("none", "gauss_newton", "empirical_fisher")  # with the Hessian
GAP_PROBES = 20  # random vectors that both matrices are seen by, where they are not made whole
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
    TRACE = 7  # an estimate of the trace by `i` vectors beside a Krylov space, its standard error
    GAP = 8  # norm(Hv - Fv)^2 and norm(Hv)^2 of a vector; of a small matrix squared Frobenius norms
    COVARIANCE = 9  # an eigenvalue of the gradients' covariance and its residual, the largest first
    OVERLAP = 10  # of the eigenspaces of the `i` + 1 largest of both, and what chance gives


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
            "Trace alone",
            "Products, or passes as long, for the trace alone (Chen and Hallman 2023); 0: it is "
            "from the probes.",
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
    fisher_gap: Annotated[
        str,
        Setting(
            "Hessian against",
            "How far this matrix is from the Hessian: norm(H − F) over norm(H), of Frobenius, "
            "exactly for small models and by common random vectors for others.",
            choices=COMPARED,
            unused_with={"matrix": NOT_HESSIAN},
        ),
    ] = COMPARED[0]
    covariance: Annotated[
        int,
        Setting(
            "Gradient covariance",
            "So many of the largest eigenvalues of the covariance of the examples' gradients, and "
            "how much of the Hessian's own they span (Thomas et al. 2020); 0: none.",
            least=0,
            most=MOST_PAIRS,
            unit="eigenvalues",
            unused_with={"matrix": NOT_HESSIAN},
        ),
    ] = 0

    def evaluations(self, parameters: int, examples: int) -> float:
        """About how many evaluations of the loss over all examples the whole answer takes."""
        size = max(1, parameters)
        pairs = self.top + self.bottom
        search = size if size <= MAX_DENSE_PARAMETERS else min(self.room, size, 20 + 6 * pairs)
        products: float = 2 + search + pairs + self.trace_products
        products += self.probes * min(self.steps, size)
        products += self._comparing_products(size)
        share = min(1.0, self.batch_examples / max(1, examples))
        products += self.batches * share * min(self.room, size, BATCH_STEPS)
        return PASSES_PER_PRODUCT * products + ESCAPE_POINTS

    def _comparing_products(self, size: int) -> int:
        """Products that what is set against the Hessian takes, about."""
        small = size <= MAX_DENSE_PARAMETERS
        gap = 2 * (size if small else GAP_PROBES) if self.has_gap else 0
        search = size if small else min(self.room, size, 20 + 6 * self.covariance)
        return gap + (2 * search if self.covariance else 0)

    @property
    def revision(self) -> int:
        """See `ObjectiveSettings.revision`: products for the trace alone once went into XTrace.

        For matrices of two parts all went into one Krylov space and vectors of the parameters then.
        """
        return (2 if self.matrix in SPLIT_MATRICES else 1) if self.trace_products else 0

    @property
    def has_gap(self) -> bool:
        """Whether a matrix is set against the Hessian."""
        return self.fisher_gap != COMPARED[0]

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
        """The extreme pairs, each probe, the trace, each mini-batch, what is set against it."""
        extra = self.has_gap + bool(self.covariance)
        return self.unit_of(MatrixRole.BATCH) + self.batches + extra

    def unit_of(self, role: MatrixRole, number: int = 0) -> int:
        """Which unit of work a probe, the trace, a mini-batch or a comparison is."""
        batch = 1 + self.probes + bool(self.trace_products)
        return {
            MatrixRole.TRACE: 1 + self.probes,
            MatrixRole.BATCH: batch + number,
            MatrixRole.GAP: batch + self.batches,
            MatrixRole.COVARIANCE: batch + self.batches + self.has_gap,
        }.get(role, 1 + number)
