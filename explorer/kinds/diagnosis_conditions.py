"""The numbers of each symptom against their thresholds, read off a diagnosis.

Thresholds stand here and in no settings: they change what is said of an answer, not the answer.
"""

import math
from dataclasses import dataclass
from enum import StrEnum

import numpy as np

from explorer.kinds.diagnosis_result import Diagnosis, DiagnosisRole
from explorer.kinds.stability_threshold import threshold

VANISHING_RATIO = 1e-3
EXPLODING_NORM = 1e2
FLAT_SHARE = 1e-3
NEGATIVE_SHARE = 1e-2
ILL_CONDITION = 1e4  # small networks that train well lie at 1e3 to 1e4
GAP_SHARE = 0.5
RISE = 1.1
SPREAD = 0.1
ROUNDING = 1e-9


class Verdict(StrEnum):
    """What the numbers of a symptom say together."""

    SHOWN = "shown"
    ABSENT = "not shown"
    OPEN = "not measured"


@dataclass(frozen=True)
class TrainedBy:
    """The rule that a run was trained by, as far as it is known."""

    rate: float = 0.0  # 0: unknown
    optimiser: str = "gradient descent"
    momentum: float = 0.0

    @property
    def limit(self) -> float:
        """The largest eigenvalue of the Hessian at which its full-batch steps converge.

        NaN without a rate, and for Adam, whose threshold is one of the preconditioned Hessian.
        """
        if not self.rate or self.optimiser == "Adam":
            return math.nan
        return threshold(self.optimiser, self.rate, self.momentum)


@dataclass(frozen=True)
class Condition:
    """One number of a symptom against its threshold."""

    words: str  # what the number is
    value: float  # NaN where it was not measured
    threshold: float
    above: bool  # whether the symptom is shown above the threshold, or below
    missing: str = ""  # why it was not measured, in a sentence

    @property
    def excess(self) -> float:
        """How many times beyond its threshold the number is; below 1 it is not."""
        with np.errstate(divide="ignore", invalid="ignore"):
            over = float(np.float64(self.value) / self.threshold)
            return over if self.above else float(np.float64(1) / over)

    @property
    def verdict(self) -> Verdict:
        """Whether it is beyond its threshold."""
        if math.isnan(self.value):
            return Verdict.OPEN
        return Verdict.SHOWN if self.excess > 1 else Verdict.ABSENT


def _at(diagnosis: Diagnosis, place: int) -> str:
    """Which snapshot a number is of, in words."""
    count = diagnosis.snapshots
    return "" if count < 2 else f", at snapshot {place + 1} of {count}"


def _place_of(values: np.ndarray, largest: bool) -> int:
    """Where the worst of the values is; 0 where none is known."""
    ranked_values = np.where(np.isnan(values), -np.inf if largest else np.inf, values)
    if not len(ranked_values):
        return 0
    return int(ranked_values.argmax() if largest else ranked_values.argmin())


def _value_at(values: np.ndarray, place: int) -> float:
    return float(values[place]) if place < len(values) else math.nan


def vanishing(diagnosis: Diagnosis, trained: TrainedBy) -> list[Condition]:
    """The gradient of the first layer over that of the last, where it is least."""
    ratios = diagnosis.gradient_ratios
    place = _place_of(ratios, largest=False)
    missing = diagnosis.facts.no_gradient or (
        "The model has fewer than two tensors of weights to compare."
        if len(diagnosis.facts.layers) < 2
        else "The gradient is zero, or not finite."
    )
    words = "gradient of the first layer over that of the last" + _at(diagnosis, place)
    return [Condition(words, _value_at(ratios, place), VANISHING_RATIO, False, missing)]


def exploding(diagnosis: Diagnosis, trained: TrainedBy) -> list[Condition]:
    """The largest norm of the gradient; what is not finite is infinite."""
    norms = diagnosis.along(DiagnosisRole.GRADIENT)
    if not diagnosis.facts.no_gradient:  # what is not finite is the worst of all
        computed = diagnosis.computed[: diagnosis.snapshots]
        norms = np.where(computed & ~np.isfinite(norms), np.inf, norms)
    place = _place_of(norms, largest=True)
    words = "largest norm of the gradient" + _at(diagnosis, place)
    value = _value_at(norms, place)
    return [Condition(words, value, EXPLODING_NORM, True, diagnosis.facts.no_gradient)]


def _no_fall(diagnosis: Diagnosis) -> str:
    """Why it is not known what a gradient step brings."""
    facts = diagnosis.facts
    return facts.no_gradient or facts.no_curvature or "Loss, gradient or curvature is not finite."


def plateau(diagnosis: Diagnosis, trained: TrainedBy) -> list[Condition]:
    """Change of the loss, and what a gradient step brings, where both are least together."""
    losses = diagnosis.along(DiagnosisRole.LOSS)
    with np.errstate(divide="ignore", invalid="ignore"):
        changes = np.abs(np.diff(losses)) / np.abs(losses[:-1])
    falls = diagnosis.foretold_falls
    worse = np.fmax(changes, falls[:-1]) if len(changes) else changes
    place = _place_of(worse, largest=False) if len(changes) else 0
    after = f" to {place + 2}" if len(changes) else ""
    return [
        Condition(
            "relative change of the loss" + _at(diagnosis, place) + after,
            _value_at(changes, place),
            FLAT_SHARE,
            False,
            "One snapshot has no change of the loss: import several of its training.",
        ),
        _fall_of_a_step(diagnosis, falls, place),
    ]


def _fall_of_a_step(diagnosis: Diagnosis, falls: np.ndarray, place: int) -> Condition:
    """That a gradient step brings little at a snapshot."""
    return Condition(
        "share of the loss that a gradient step of 1/λ takes off" + _at(diagnosis, place),
        _value_at(falls, place),
        FLAT_SHARE,
        False,
        _no_fall(diagnosis),
    )


def saddle(diagnosis: Diagnosis, trained: TrainedBy) -> list[Condition]:
    """What a gradient step brings, and the way down beside it, at the snapshot that is most so."""
    falls, shares = diagnosis.foretold_falls, diagnosis.negative_shares
    with np.errstate(divide="ignore"):
        worse = np.fmax(falls / FLAT_SHARE, NEGATIVE_SHARE / shares)
    place = _place_of(worse, largest=False)
    return [
        _fall_of_a_step(diagnosis, falls, place),
        Condition(
            "lowest eigenvalue below 0, as a share of the largest" + _at(diagnosis, place),
            _value_at(shares, place),
            NEGATIVE_SHARE,
            True,
            diagnosis.facts.no_curvature or "The curvature is not finite.",
        ),
    ]


def sharp(diagnosis: Diagnosis, trained: TrainedBy) -> list[Condition]:
    """The largest eigenvalue of the run over what the rate stands."""
    tops = diagnosis.along(DiagnosisRole.HIGHEST)
    place = _place_of(tops, largest=True)
    missing = diagnosis.facts.no_curvature or "The curvature is not finite."
    if not trained.rate:
        missing = "The learning rate is unknown: give it on the left."
    elif trained.optimiser == "Adam":
        missing = "Adam's steps see the preconditioned Hessian: see Curvature along a run."
    words = f"largest eigenvalue over the threshold of {trained.optimiser}"
    value = _value_at(tops, place) / trained.limit
    return [Condition(words + _at(diagnosis, place), value, 1.0, True, missing)]


def ill_conditioned(diagnosis: Diagnosis, trained: TrainedBy) -> list[Condition]:
    """Largest over median size of an eigenvalue, at the last snapshot."""
    conditions = diagnosis.conditions
    place = len(conditions) - 1
    missing = diagnosis.facts.no_curvature or "The curvature is not finite."
    words = "largest over median absolute eigenvalue" + _at(diagnosis, place)
    return [Condition(words, _value_at(conditions, place), ILL_CONDITION, True, missing)]


def overfit(diagnosis: Diagnosis, trained: TrainedBy) -> list[Condition]:
    """The gap to the held-out data at the end, and along a run the rise of their loss."""
    losses = diagnosis.along(DiagnosisRole.LOSS)
    held_out = diagnosis.along(DiagnosisRole.HELD_OUT_LOSS)
    missing = diagnosis.facts.no_held_out or "The loss is not finite."
    with np.errstate(divide="ignore", invalid="ignore"):
        gaps = np.where(held_out > 0, (held_out - losses) / held_out, np.nan)
        rises = np.where(held_out > 0, held_out / np.fmin.accumulate(held_out), np.nan)
    last = len(losses) - 1
    conditions = [
        Condition(
            "share of the held-out loss that the data do not have" + _at(diagnosis, last),
            _value_at(gaps, last),
            GAP_SHARE,
            True,
            missing,
        )
    ]
    if len(losses) > 1:
        words = "held-out loss at the end over its lowest of the run"
        conditions.append(Condition(words, _value_at(rises, last), RISE, True, missing))
    return conditions


def unstable(diagnosis: Diagnosis, trained: TrainedBy) -> list[Condition]:
    """Spread over batch orders at the trained rate, or the one below it, or the best one."""
    losses, rates = diagnosis.rate_losses, diagnosis.settings.rates
    rate = trained.rate or diagnosis.best_rate
    value, at = math.nan, ""
    if losses.shape[1] > 1 and not diagnosis.facts.one_order and not math.isnan(rate):
        place = max(0, int((rates <= rate * (1 + ROUNDING)).sum()) - 1)
        at = f" at rate {rates[place]:.2g}"
        own = losses[place]
        with np.errstate(divide="ignore", invalid="ignore"):
            value = float(own.std(ddof=1) / abs(own.mean())) if np.isfinite(own).all() else math.inf
        value = math.nan if np.isnan(own).any() else value
    missing = diagnosis.facts.no_rates or diagnosis.facts.one_order
    missing = missing or "Batches had but one order: give several on the left."
    words = f"spread of the loss over batch orders{at}"
    return [Condition(words, value, SPREAD, True, missing)]
