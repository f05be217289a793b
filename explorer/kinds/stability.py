"""Curvature and gradient noise along a training run, against what its optimiser can stand."""

import dataclasses
import itertools
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Self

import numpy as np
from scipy.special import stdtrit

from explorer.kinds import gradient_noise
from explorer.kinds.facts import AnswerFacts
from explorer.kinds.kind import Kind, Piece, partial_answer
from explorer.kinds.look import (
    SMALL_HEIGHT,
    SMALL_WIDTH,
    CurvesLook,
    LogScale,
    PlotHeight,
)
from explorer.kinds.setting import Setting
from explorer.kinds.settings import (
    CurvatureSettings,
    Needs,
    SearchSteps,
    Seed,
    Tolerance,
    one_of,
    require,
)
from explorer.kinds.statistics import CONFIDENCE_LEVEL
from explorer.kinds.trajectory import OfRuns, RunSnapshots, spans

PASSES_PER_SNAPSHOT = 200  # evaluations of the loss, about
OPTIMISERS = ("gradient descent", "heavy ball", "Nesterov", "Adam")
VALUE_COLUMNS = ("lambda_max", "residual", "trace", "trace_se", "squares", "gradient_norm", "noise")


@dataclass(frozen=True, kw_only=True)
class StabilitySettings(OfRuns, CurvatureSettings):
    """How exactly curvature is found at each snapshot of a run."""

    tolerance: Tolerance = 1e-3
    room: SearchSteps = 300
    probes: Annotated[
        int,
        Setting(
            "Probes", "Random vectors of the trace and the effective rank.", least=2, most=1000
        ),
    ] = 10
    seed: Seed = 0
    preconditioned: Annotated[
        bool,
        Setting(
            "Precondition by second moments",
            "Adam's steps see P^-½ H P^-½ with P = √v + ε of each snapshot (Cohen et al. 2022). "
            "This is another question than that about the Hessian H itself.",
        ),
    ] = False
    moments: Annotated[
        tuple[str, ...],
        Setting(
            "Moments",
            "Hash of each snapshot's second moments, empty without.",
            unused_with={"preconditioned": (False,)},
            filled_in=True,
        ),
    ] = ()

    @property
    def needs(self) -> Needs:
        """Each snapshot's optimiser state, where the Hessian is preconditioned by it."""
        return Needs(optimiser_states=self.moments)

    @property
    def distinguishing_words(self) -> tuple[str, ...]:
        """The split, whether the Hessian is preconditioned, and the seed."""
        preconditioned = ("preconditioned",) if self.preconditioned else ()
        return (*super().distinguishing_words, *preconditioned, f"seed {self.seed}")

    def about(self, runs: Sequence[RunSnapshots]) -> Self:
        """The settings about these runs, with the second moments of their snapshots if wanted.

        Raises:
            ValueError: a run has no second moments at all.
        """
        divided = super().about(runs)
        if not self.preconditioned:
            return divided
        for run in runs:
            if not any(run.optimiser_states):
                raise ValueError(
                    f"no snapshot of {run.name} has Adam's second moments; record its run by "
                    "Recorder(..., optimizer_state=True) with snapshot(..., optimizer=optimizer), "
                    "and import it again"
                )
        moments = itertools.chain.from_iterable(run.optimiser_states for run in runs)
        return dataclasses.replace(divided, moments=tuple(moments))

    def evaluations(self, parameters: int, examples: int) -> float:
        """About how many evaluations of the loss all snapshots take."""
        return float(PASSES_PER_SNAPSHOT * self.units)

    @property
    def units(self) -> int:
        """Snapshots of all runs; one unit of work each."""
        return sum(self.lengths)


@dataclass(frozen=True, kw_only=True)
class StabilityFacts(AnswerFacts):
    """What holds for all snapshots."""

    tolerance: float = 0.0  # of a residual, in largest absolute eigenvalues


@dataclass(frozen=True)
class Stability:
    """What is known of each snapshot; NaN where not computed yet or where the loss is not finite.

    `noise` is tr(Sigma), the trace of the covariance (over N) of the examples' gradients; `squares`
    is the sum of the squared eigenvalues. Eigenvalues are those of the preconditioned Hessian where
    that was asked, NaN for snapshots without second moments.
    """

    lengths: tuple[int, ...]
    probes: int
    values: Mapping[str, np.ndarray]  # (T,) each
    computed: np.ndarray  # (T,) bool
    facts: StabilityFacts = StabilityFacts()
    preconditioned: bool = False

    @classmethod
    def from_pieces(cls, settings: StabilitySettings, pieces: Iterable[Piece]) -> "Stability":
        """The run as far as the pieces go."""
        answer = partial_answer((settings.units,), ("unit",), (), pieces)
        values = {name: np.full(settings.units, np.nan) for name in ("loss", *VALUE_COLUMNS)}
        return cls(
            settings.lengths,
            settings.probes,
            values | answer.values,
            answer.computed,
            StabilityFacts.of(answer.facts),
            settings.preconditioned,
        )

    @property
    def loss(self) -> np.ndarray:
        """Mean loss per example at each snapshot, (T,)."""
        return self.values["loss"]

    @property
    def runs(self) -> list[slice]:
        """The part of all snapshots that each run is."""
        return spans(self.lengths)

    @property
    def places(self) -> dict[str, np.ndarray]:
        """Run and number of each snapshot within it, (T,) each."""
        runs = [np.full(length, run) for run, length in enumerate(self.lengths)]
        numbers = [np.arange(length) for length in self.lengths]
        return {"run": np.concatenate(runs), "snapshot": np.concatenate(numbers)}

    @property
    def trace_interval(self) -> tuple[np.ndarray, np.ndarray]:
        """Ends of the 95 % interval of the trace by its probes, (T,) each."""
        reach = stdtrit(self.probes - 1, (1 + CONFIDENCE_LEVEL) / 2) * self.values["trace_se"]
        return self.values["trace"] - reach, self.values["trace"] + reach

    @property
    def effective_rank(self) -> np.ndarray:
        """(sum of eigenvalues)^2 / sum of their squares, (T,): how many of one size would do that.

        Both sums are estimates by the same probes. It is the participation ratio.
        """
        return _ratio(self.values["trace"] ** 2, self.values["squares"])

    @property
    def noise_scale(self) -> np.ndarray:
        """Examples at which noise and gradient are of one size, (T,)."""
        squared_norms = self.values["gradient_norm"] ** 2
        examples = self.facts.examples or np.nan  # not known before the first snapshot
        return gradient_noise.noise_scale(self.values["noise"], squared_norms, examples)

    def regulariser(self, rate: float | np.ndarray, batch: int) -> np.ndarray:
        """What small steps of random batches add to the loss that is followed, (T,).

        Source: Smith et al. 2021, arXiv:2101.12176, equations 1 and 22: without noise rate / 4
        norm(g)^2 (Barrett and Dherin 2021, arXiv:2009.11162); sampling without replacement adds
        rate (N - B) / (4 B (N - 1)) tr(Sigma). N is the whole split, of which the noise may be
        estimated on a part; both formulas are those of steps without momentum.
        """
        count = self.facts.available
        smooth = rate / 4 * self.values["gradient_norm"] ** 2
        if batch >= count:
            return smooth
        return smooth + rate * (count - batch) / (4 * batch * (count - 1)) * self.values["noise"]


def _ratio(over: np.ndarray, under: np.ndarray) -> np.ndarray:
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.asarray(over / under)


def threshold(optimiser: str, rate: float, momentum: float = 0.0) -> float:
    """The largest eigenvalue at which full-batch steps on a quadratic loss still converge.

    For Adam it is that of the preconditioned Hessian, `momentum` being its beta1.

    Source: Cohen et al. 2021, arXiv:2103.00065, equation 1 and appendix B; Adam: Cohen et al. 2022,
    arXiv:2207.14484, section 2.

    Raises:
        ValueError: no such optimiser, or a rate or momentum that it does not take.
    """
    one_of("optimiser", optimiser, OPTIMISERS)
    require(0 < rate < math.inf, "the learning rate must be above 0 and finite", rate)
    require(0 <= momentum < 1, "momentum must be at least 0 and below 1", momentum)
    if optimiser == "gradient descent":
        return 2 / rate
    own = (2 + 2 * momentum) / rate
    return own / {"heavy ball": 1, "Nesterov": 1 + 2 * momentum, "Adam": 1 - momentum}[optimiser]


def temperature(rate: float, batch: int, momentum: float = 0.0) -> float:
    """Rate / (2 batch (1 - momentum)), the scale of the noise that keeps the parameters moving.

    Source: Mandt et al. 2017, arXiv:1704.04289, section 4; Jastrzebski et al. 2018,
    arXiv:1711.04623; momentum: Smith and Le 2018, arXiv:1710.06451, section 5.
    """
    return rate / (2 * batch * (1 - momentum))


@dataclass(frozen=True, kw_only=True)
class StabilityLook(CurvesLook):
    """How curvature along a run is drawn, and the training that it is held against."""

    log: LogScale = True
    height: PlotHeight = 220  # of the largest eigenvalue; half of it of everything else
    optimiser: Annotated[
        str, Setting("Optimiser", "Whose threshold is drawn.", choices=OPTIMISERS)
    ] = OPTIMISERS[0]
    rates: Annotated[
        tuple[float, ...],
        Setting("Learning rates", "One, or one a snapshot; none: no threshold.", least=0),
    ] = ()
    momentum: Annotated[float, Setting("Momentum", "beta1 of Adam.", least=0, below=1)] = 0.0
    batch: Annotated[int, Setting("Batch size", "Examples of a step; 0: all.", least=0)] = 0

    @classmethod
    def small(cls, result: Stability) -> "StabilityLook":
        """Its first two plots in the height of one."""
        return cls(width=SMALL_WIDTH, height=2 * SMALL_HEIGHT // 3)

    def thresholds(self, preconditioned: bool) -> np.ndarray | None:
        """Of the largest eigenvalue, one number or one a snapshot; NaN where the rate is 0.

        None without a rate, and for another matrix than is shown.
        """
        if not self.rates or (self.optimiser == "Adam") != preconditioned:
            return None
        own = [threshold(self.optimiser, r, self.momentum) if r > 0 else np.nan for r in self.rates]
        return np.array(own)


STABILITY = Kind(
    name="stability",
    title="Curvature along a run",
    subjects=("run",),
    runs_from=0,
    fewest=3,
    settings=StabilitySettings,
    result=Stability,
    version=1,
    answer="explorer.analysis.stability:answer",
    look=StabilityLook,
    draw="explorer.render.stability:draw",
    page="explorer/pages/stability.py",
    icon=":material/ssid_chart:",
    unit="snapshots",
    later=("preconditioned", "moments"),
)
