"""A search for critical points from models, their snapshots and perturbed copies of them."""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from enum import IntEnum
from typing import Annotated

import numpy as np

from explorer.kinds.eigenvalues import point_class
from explorer.kinds.facts import AnswerFacts
from explorer.kinds.kind import Kind, Piece, partial_answer
from explorer.kinds.look import SMALL_HEIGHT, SMALL_WIDTH, LogScale, Look, PlotHeight
from explorer.kinds.matrix import (
    MAX_DENSE_PARAMETERS,
    MOST_PAIRS,
    MOST_PROBES,
    PASSES_PER_PRODUCT,
    product_count,
)
from explorer.kinds.setting import Setting
from explorer.kinds.settings import (
    CURVATURE_PRECISIONS,
    CurvatureSettings,
    SearchSteps,
    Seed,
    Tolerance,
)
from explorer.kinds.trajectory import OfRuns, spans

METHODS = ("newton_mr", "gradient_norm")
CRITICAL_PICTURES = ("index", "gradients")
KERNEL_REMAINDER = (
    0.9  # of the gradient that a Newton step leaves: from here on it is in the kernel, nearly
)
KERNEL_CURVATURE = (
    1e-4  # norm(Hg) / norm(g) in norms of the Hessian: smaller, and g is in the kernel, nearly
)
SAME_LOSS_SHARE = 1e-6  # of the range of losses: no nearer are two different ones
USUAL_STEPS_SHARE = 0.2  # of the steps that a search may take (measured on a digits classifier)
PROBE_STEPS = 80  # of Lanczos for each probe of the index


class EndReason(IntEnum):
    """Why a search ended; the numbers are stored."""

    CRITICAL = 0  # the gradient is below the target
    GRADIENT_FLAT = 1  # the gradient is nearly in the kernel of the Hessian
    STALLED = 2  # no step makes the gradient smaller
    STEPS = 3
    NOT_FINITE = 4
    VANISHING = 5  # below the target, but a Newton step would still go far: the loss levels off


END_WORDS = {
    EndReason.CRITICAL: "critical",
    EndReason.GRADIENT_FLAT: "gradient-flat",
    EndReason.STALLED: "stalled",
    EndReason.STEPS: "steps used up",
    EndReason.NOT_FINITE: "not finite",
    EndReason.VANISHING: "levelling off",
}
VALUE_COLUMNS = (  # of each search; NaN where the loss is not finite
    *("start_loss", "start_gradient", "gradient", "hessian_gradient", "left", "ahead"),
    *(
        "distance",
        "length",
        "lambda_min",
        "lambda_max",
        "residual_min",
        "residual_max",
        "sign_tolerance",
    ),
    *("index", "index_low", "index_high", "index_bound"),
)


@dataclass(frozen=True, kw_only=True)
class CriticalSettings(OfRuns, CurvatureSettings):
    """Where searches begin, how they go on, and how exactly their ends are looked at."""

    precision: Annotated[
        str,
        Setting(
            "Precision",
            "Of the loss and its derivatives: gradients near 0 drown in float32's rounding.",
            choices=CURVATURE_PRECISIONS,
        ),
    ] = "float64"
    method: Annotated[
        str,
        Setting(
            "Method",
            "newton_mr: Newton steps by MINRES, drawn to saddles as much as to minima; "
            "gradient_norm: L-BFGS on half the squared norm of the gradient. Neither samples "
            "critical points evenly.",
            choices=METHODS,
        ),
    ] = "newton_mr"
    starts: Annotated[
        int,
        Setting(
            "Starts",
            "Each run's final model, and copies of it with noise; other snapshots come besides.",
            least=1,
            most=1000,
            in_links=True,
        ),
    ] = 5
    every: Annotated[
        int,
        Setting(
            "Every",
            "So many snapshots are a start, counted back from each run's final one.",
            least=1,
            most=1_000_000,
            unit="snapshots",
            in_links=True,
        ),
    ] = 1
    noise: Annotated[
        float,
        Setting(
            "Noise",
            "Of a copy, in root mean squares of each tensor.",
            above=0,
            most=100,
            unused_with={"starts": (1,)},
        ),
    ] = 0.5
    steps: Annotated[
        int, Setting("Steps", "Of a search, at most.", least=5, most=500, unit="steps")
    ] = 100
    products: Annotated[
        int,
        Setting(
            "Products",
            "With the Hessian for a Newton step, at most.",
            least=1,
            most=2000,
            unit="products",
        ),
    ] = 200
    target: Annotated[
        float, Setting("Target", "Norm of the gradient that ends a search.", above=0)
    ] = 1e-8
    bottom: Annotated[
        int,
        Setting(
            "Smallest",
            "Eigenvalues found where the matrix is not small: a sure lower bound of the index.",
            least=1,
            most=MOST_PAIRS,
            unit="eigenvalues",
        ),
    ] = 10
    tolerance: Tolerance = 1e-3
    room: SearchSteps = 300
    probes: Annotated[
        int,
        Setting(
            "Probes",
            "Random vectors that estimate the index where the matrix is not small.",
            least=2,
            most=MOST_PROBES,
        ),
    ] = 10
    seed: Seed = 0

    @property
    def search_starts(self) -> list[tuple[int, int]]:
        """Where each search begins: at a snapshot, counted over all runs, or at a copy of it.

        Copy 0 is the snapshot itself, others are of a run's final one and come last, so that more
        of them leave the others their numbers.
        """
        runs = spans(self.lengths or (1,))
        own = [
            (at, 0) for run in runs for at in range(run.start, run.stop) if self._is_start(run, at)
        ]
        return own + [(run.stop - 1, copy) for copy in range(1, self.starts) for run in runs]

    def run_of(self, unit: int) -> int:
        """The run, counted from 0, whose parameters a search begins with."""
        snapshot, _ = self.search_starts[unit]
        runs = spans(self.lengths or (1,))
        return next(place for place, run in enumerate(runs) if run.start <= snapshot < run.stop)

    def _is_start(self, run: slice, snapshot: int) -> bool:
        return (run.stop - 1 - snapshot) % self.every == 0

    @property
    def units(self) -> int:
        """Searches."""
        return len(self.search_starts)

    def evaluations(self, parameters: int, examples: int) -> float:
        """About how many evaluations of the loss all searches take, where they end as usual."""
        size = max(1, parameters)
        each = min(self.products, size) + 3 if self.method == "newton_mr" else 2
        index_products = (
            size if size <= MAX_DENSE_PARAMETERS else self.room + self.probes * PROBE_STEPS
        )
        return (
            PASSES_PER_PRODUCT
            * self.units
            * (USUAL_STEPS_SHARE * self.steps * each + index_products)
        )

    @property
    def distinguishing_words(self) -> tuple[str, ...]:
        """The split, the method and the seed."""
        return (*super().distinguishing_words, self.method, f"seed {self.seed}")

    def counted_evaluations(self, facts: Mapping[str, object]) -> float:
        """Passes of the products that the facts count."""
        return float(PASSES_PER_PRODUCT * product_count(facts))


@dataclass(frozen=True)
class Critical:
    """What each search found; NaN where there is nothing yet or the loss is not finite."""

    settings: CriticalSettings
    values: Mapping[str, np.ndarray]  # (T,) each
    computed: np.ndarray  # (T,) bool
    facts: AnswerFacts = field(default_factory=AnswerFacts)

    @classmethod
    def from_pieces(cls, settings: CriticalSettings, pieces: Iterable[Piece]) -> "Critical":
        """The searches as far as the pieces go."""
        answer = partial_answer((settings.units,), ("unit",), ("snapshot", "copy"), pieces)
        names = ("loss", *VALUE_COLUMNS, "steps", "products", "ended")
        values = {name: np.full(settings.units, np.nan) for name in names}
        return cls(settings, values | answer.values, answer.computed, AnswerFacts.of(answer.facts))

    @property
    def loss(self) -> np.ndarray:
        """Mean loss per example where each search ended, (T,)."""
        return self.values["loss"]

    @property
    def places(self) -> dict[str, np.ndarray]:
        """Of each search the snapshot, counted over all runs, and the copy that it began at."""
        snapshots, copies = np.array(self.settings.search_starts).T
        return {"snapshot": snapshots, "copy": copies}

    @property
    def parameters(self) -> int:
        """Dimensions of the space."""
        return self.facts.parameters

    @property
    def exact(self) -> bool:
        """Whether indices are counted, not estimated."""
        return self.parameters <= MAX_DENSE_PARAMETERS

    @property
    def end_words(self) -> list[str]:
        """Why each search ended, in words; "" for those to come."""
        codes = self.values["ended"]
        return ["" if np.isnan(code) else END_WORDS[EndReason(int(code))] for code in codes]

    @property
    def is_critical(self) -> np.ndarray:
        """Which searches ended at a critical point, (T,) bool."""
        return np.asarray(self.values["ended"] == EndReason.CRITICAL)

    @property
    def levels(self) -> int:
        """How many different losses, to a millionth of their range, the critical points have."""
        losses = np.sort(self.loss[self.is_critical])
        gaps = (
            np.diff(losses) > SAME_LOSS_SHARE * np.ptp(losses) if len(losses) else np.zeros(0, bool)
        )
        return int(gaps.sum()) + bool(len(losses))

    @property
    def relative_gradient(self) -> np.ndarray:
        """Norm of the gradient over largest absolute eigenvalue and parameters' norm, (T,).

        It bounds the length of a Newton step from below, in parameters' norms.
        """
        ends = np.abs([self.values["lambda_min"], self.values["lambda_max"]]).max(axis=0)
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.asarray(self.values["gradient"] / (ends * self.values["length"]))

    @property
    def relative_step(self) -> np.ndarray:
        """Length of a Newton step over the parameters' norm, (T,)."""
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.asarray(self.values["ahead"] / self.values["length"])

    @property
    def index_shares(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Index over the number of parameters, and the ends of its 95 % interval, (T,) each."""
        size = self.parameters or 1
        index_shares = (self.values[name] / size for name in ("index", "index_low", "index_high"))
        value, low, high = index_shares
        return value, low, high

    @property
    def classes(self) -> list[str]:
        """What each end is: "saddle", "minimum", ..., "not critical"; "" where nothing is known."""
        names = ("lambda_min", "lambda_max", "sign_tolerance", "gradient", "length")
        rows = zip(*(self.values[name].tolist() for name in names), self.is_critical, strict=True)
        return [
            ""
            if math.isnan(low)
            else point_class(np.array([low, high]), tolerance, gradient, length)
            if critical
            else "not critical"
            for low, high, tolerance, gradient, length, critical in rows
        ]


@dataclass(frozen=True, kw_only=True)
class CriticalLook(Look):
    """Which picture of a search is drawn: index against loss, or gradients before and after."""

    picture: Annotated[
        str,
        Setting(
            "Picture",
            "index: against the loss; gradients: before and after each search.",
            choices=CRITICAL_PICTURES,
        ),
    ] = CRITICAL_PICTURES[0]
    log: LogScale = False
    height: PlotHeight = 380

    @classmethod
    def usual(cls, result: Critical) -> "CriticalLook":
        """On a log scale where all losses are above 0 and span two decades."""
        losses = result.loss[result.computed & np.isfinite(result.loss)]
        wide = bool(len(losses) and losses.min() > 0 and losses.max() > 100 * losses.min())
        return cls(log=wide)

    @classmethod
    def small(cls, result: Critical) -> "CriticalLook":
        """Index against loss."""
        return replace(cls.usual(result), width=SMALL_WIDTH, height=SMALL_HEIGHT)


def taken_over(settings: CriticalSettings, old: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """The searches of another answer with more or fewer copies or snapshots."""
    units = {place: unit for unit, place in enumerate(settings.search_starts)}
    places = zip(old["snapshot"].tolist(), old["copy"].tolist(), strict=True)
    unit = np.array([units.get(place, -1) for place in places], dtype=np.int64)
    return {name: values[unit >= 0] for name, values in {**old, "unit": unit}.items()}


CRITICAL = Kind(
    name="critical",
    title="Critical points",
    subjects=("run",),
    runs_from=0,
    settings=CriticalSettings,
    result=Critical,
    version=1,
    answer="explorer.analysis.critical:answer",
    look=CriticalLook,
    draw="explorer.render.critical:draw",
    page="explorer/pages/critical.py",
    icon=":material/adjust:",
    axes=("starts", "every"),
    taken_over="explorer.kinds.critical:taken_over",
    unit="searches",
    point_words="end of search {}",
    own_pace=True,
)
