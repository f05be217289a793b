"""Curvature and gradient noise at each snapshot of a run, as far as they are known."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np

from explorer.kinds import gradient_noise
from explorer.kinds.facts import AnswerFacts
from explorer.kinds.numbers import ResultNumber, ResultNumbers, largest
from explorer.kinds.piece import Piece, partial_answer
from explorer.kinds.stability_settings import StabilitySettings
from explorer.kinds.statistics import student_quantile
from explorer.kinds.trajectory import snapshot_places, spans

VALUE_COLUMNS = ("lambda_max", "residual", "trace", "trace_se", "squares", "gradient_norm", "noise")
# Columns of those that were asked for them.
CRITICAL, PROJECTION = "critical_sharpness", "projection"
STEP_COLUMNS = ("step_low", "step_high", "gradient_change", "smoothness")
EDGE_SHARE = 0.9  # of the threshold: from there on a run is at the edge of stability


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
        return snapshot_places(self.lengths)

    @property
    def numbers(self) -> ResultNumbers:
        """Curvature at the last snapshot by each measure, and the largest eigenvalue of all."""
        if not self.computed.any():
            return {}
        last, tops = int(np.flatnonzero(self.computed)[-1]), self.values["lambda_max"]
        low, high = (float(end[last]) for end in self.trace_interval)
        extra = (CRITICAL, "gradient_change", "smoothness")
        rising = self.rising_share()
        return {
            **{n: ResultNumber(float(self.values[n][last])) for n in extra if n in self.values},
            **({} if np.isnan(rising) else {"rising_share": ResultNumber(rising)}),
            "lambda_max": ResultNumber.within(tops[last], self.values["residual"][last]),
            "highest_lambda_max": ResultNumber(largest(tops)),
            "trace": ResultNumber(float(self.values["trace"][last]), low, high),
        }

    @property
    def trace_interval(self) -> tuple[np.ndarray, np.ndarray]:
        """Ends of the 95 % interval of the trace by its probes, (T,) each."""
        reach = student_quantile(self.probes - 1) * self.values["trace_se"]
        return self.values["trace"] - reach, self.values["trace"] + reach

    def rising_share(self, thresholds: np.ndarray | None = None) -> float:
        """Share of the ways from a snapshot to the next on which the loss rises; NaN of none.

        Args:
            thresholds: (T,) or one: ways count whose start is at the edge of stability, its largest
                eigenvalue above EDGE_SHARE of it; none: all count.
        """
        rises: list[np.ndarray] = []
        for span in self.runs:
            loss, top = self.loss[span], self.values["lambda_max"][span]
            counted = np.isfinite(loss[:-1]) & ~np.isnan(loss[1:])
            if thresholds is not None:
                own = np.broadcast_to(thresholds, self.loss.shape)[span]
                counted &= top[:-1] >= EDGE_SHARE * own[:-1]
            rises.append((loss[1:] > loss[:-1])[counted])
        every = np.concatenate(rises)
        return float(every.mean()) if len(every) else float("nan")

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
