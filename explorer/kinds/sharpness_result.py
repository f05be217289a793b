"""The measures of one point's sharpness, as far as they are known."""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import IntEnum

import numpy as np

from explorer.codec import OTHERS, Json
from explorer.kinds.facts import AnswerFacts
from explorer.kinds.measures import (
    LAYERS,
    MEASURE_PLACES,
    MEASURES,
    MISSING_REASONS,
    STANDARD,
    YES,
    Measure,
)
from explorer.kinds.numbers import ResultNumber, ResultNumbers
from explorer.kinds.piece import Piece
from explorer.kinds.sharpness_settings import SharpnessSettings

ALONG = 21  # points at which the loss along a direction found is known
ROUNDING_UNITS = 10  # units in the last place by which a mean loss may be off
NOT_YET = "Not computed yet."
NOT_ASKED = "Not asked for."
COLUMNS = ("unit", "role", "i", "why", "at", "value", "low", "high")


class MeasureRole(IntEnum):
    """What a row of an answer holds."""

    MEASURE = 0  # a value with the ends of its interval; `i` is the measure
    ALONG = 1  # the loss at distance `at` along the worst direction found; `i` is the measure


@dataclass(frozen=True)
class Value:
    """A measure's value so far: NaN with a sentence where there is none."""

    value: float = np.nan
    low: float = np.nan  # ends of a 95 % interval, or of where it must lie; equal where exact
    high: float = np.nan  # inf where the value is only a lower bound
    why: str = ""

    @property
    def is_bound(self) -> bool:
        """Whether it is the best that was found of a maximum."""
        return bool(np.isposinf(self.high)) and self.low == self.value


@dataclass(frozen=True, kw_only=True)
class RescalingFacts:
    """How the parameters were rescaled, and what that changed of the outputs."""

    pairs: str = ""  # of layers; empty where there are none
    gap: float | None = None  # largest difference of outputs over their largest
    others: Json = field(default_factory=dict, metadata=OTHERS)


@dataclass(frozen=True, kw_only=True)
class SharpnessFacts(AnswerFacts):
    """What holds for all measures."""

    accuracy: float | None = None
    epsilon: float = 0.0  # of the numbers that the parameters are
    theta_norm: float = math.nan
    started: bool = False  # whether there is a point where training began
    rescaling: RescalingFacts | None = None


@dataclass(frozen=True)
class Sharpness:
    """What is known of a point's measures so far."""

    rows: Mapping[str, np.ndarray]  # by `COLUMNS`, (R,) each
    computed: np.ndarray  # (units,) bool
    facts: SharpnessFacts = SharpnessFacts()
    chosen: tuple[str, ...] = STANDARD  # names of the measures asked for

    @classmethod
    def from_pieces(cls, settings: SharpnessSettings, pieces: Iterable[Piece]) -> "Sharpness":
        """The measures as far as the pieces go."""
        all_pieces = list(pieces)
        rows = {
            name: np.concatenate([np.empty(0, kind), *(p.columns[name] for p in all_pieces)])
            for name, kind in zip(COLUMNS, [np.int64] * 4 + [np.float64] * 4, strict=True)
        }
        computed = np.zeros(settings.units, dtype=bool)
        computed[rows["unit"].astype(int)] = True
        return cls(rows, computed, SharpnessFacts.of_pieces(all_pieces), settings.chosen)

    @property
    def places(self) -> dict[str, np.ndarray]:
        """What each row is, for tables."""
        names = np.array([measure.name for measure in MEASURES])
        index = self.rows["i"].astype(int)
        moved = (self.rows["unit"] >= len(self.chosen)).astype(np.int64)
        return {
            "unit": self.rows["unit"],
            "role": self.rows["role"],
            "measure": names[index],
            "rescaled": moved,
            "at": self.rows["at"],
        }

    @property
    def values(self) -> dict[str, np.ndarray]:
        """The numbers of each row, for tables."""
        return {name: self.rows[name] for name in ("value", "low", "high")}

    def of(self, name: str, rescaled: bool = False) -> Value:
        """A measure at the point, or at the rescaled one."""
        if name not in self.chosen:
            return Value(why=NOT_ASKED)
        unit = self.chosen.index(name) + rescaled * len(self.chosen)
        own = (self.rows["unit"] == unit) & (self.rows["role"] == MeasureRole.MEASURE)
        if not own.any():
            return Value(why=NOT_YET)
        value, low, high = (float(self.rows[n][own][0]) for n in ("value", "low", "high"))
        return Value(value, low, high, MISSING_REASONS[int(self.rows["why"][own][0])])

    @property
    def numbers(self) -> ResultNumbers:
        """Every measure that has a value, by its name."""
        measures = {name: self.of(name) for name in self.chosen}
        return {
            name: ResultNumber(one.value, one.low, one.high)
            for name, one in measures.items()
            if not one.why
        }

    def along(self, name: str) -> tuple[np.ndarray, np.ndarray]:
        """Distances along the worst direction that a measure found, and the losses there."""
        own = (self.rows["i"] == MEASURE_PLACES[name]) & (self.rows["role"] == MeasureRole.ALONG)
        at, loss = self.rows["at"][own], self.rows["value"][own]
        order = np.argsort(at)
        return at[order], loss[order]

    @property
    def directions(self) -> list[Measure]:
        """The measures that found a worst direction."""
        return [measure for measure in MEASURES if len(self.along(measure.name)[0])]

    @property
    def ratios(self) -> dict[str, float]:
        """Value at the rescaled point over that at the point, of each measure that has both."""
        measure_ratios = {}
        for measure in MEASURES:
            here, there = self.of(measure.name), self.of(measure.name, rescaled=True)
            if np.isfinite([here.value, there.value]).all() and here.value:
                measure_ratios[measure.name] = there.value / here.value
        return measure_ratios

    def moved_measures(self, settings: SharpnessSettings) -> list[str]:
        """The titles of measures that moved by more than 1 % and rounding though they should not.

        Most are differences of losses, each of which is rounded to its own last digits.
        """
        expected = {YES, LAYERS} if settings.rescaling == "layer" else {YES}
        rounding = ROUNDING_UNITS * self.facts.epsilon * abs(self.loss)
        return [
            measure.title
            for measure in MEASURES
            if measure.invariant in expected and self._has_moved(measure.name, rounding)
        ]

    def _has_moved(self, name: str, rounding: float) -> bool:
        """Whether a measure differs at the rescaled point by more than 1 % and rounding."""
        here, there = self.of(name).value, self.of(name, rescaled=True).value
        if not np.isfinite([here, there]).all():
            return False
        return abs(there - here) > 0.01 * abs(here) + rounding  # no ratio: it may be 0

    @property
    def loss(self) -> float:
        """The mean loss at the point; NaN before anything is known."""
        return math.nan if self.facts.loss is None else self.facts.loss
