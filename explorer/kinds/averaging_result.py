"""What several points are worth alone, and what their average is worth."""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import IntEnum

import numpy as np

from explorer.kinds.averaging_settings import AveragingSettings
from explorer.kinds.facts import AnswerFacts
from explorer.kinds.numbers import ResultNumber, ResultNumbers, largest
from explorer.kinds.piece import Piece, partial_answer
from explorer.kinds.statistics import Interval, loss_interval


class Role(IntEnum):
    """What a row is about; the numbers are stored."""

    INGREDIENT = 0
    BASE = 1
    TRIAL = 2  # of a greedy soup: what it was before, and one ingredient more
    AVERAGE = 3


@dataclass(frozen=True, kw_only=True)
class AveragingFacts(AnswerFacts):
    """What holds for the average."""

    entered: tuple[int, ...] = ()  # numbers of the ingredients that it is made of
    weights: tuple[float, ...] = ()  # of all ingredients, where they have weights of their own
    distances: tuple[float | None, ...] = ()  # of each ingredient from the average
    base_distance: float | None = None  # of the average from the base
    angle: float | None = None  # in radians, between the two that SLERP is of
    recalibrated: bool = False  # whether the average's running statistics were recomputed


@dataclass(frozen=True)
class Averaging:
    """Values of the ingredients, the base, the trials and the average; NaN where not computed."""

    settings: AveragingSettings
    values: Mapping[str, np.ndarray]  # (U,) each: loss, metrics, `tried`, `kept`, `distance`
    computed: np.ndarray  # (U,) bool
    facts: AveragingFacts = field(default_factory=AveragingFacts)
    available: int | None = None  # examples of which random ones were evaluated; None: no such part

    @classmethod
    def from_pieces(cls, settings: AveragingSettings, pieces: Iterable[Piece]) -> "Averaging":
        """The average as far as the pieces go."""
        answer = partial_answer((settings.units,), ("unit",), ("role",), pieces)
        values = {name: np.full(settings.units, np.nan) for name in ("loss", "tried", "kept")}
        values |= answer.values
        facts = AveragingFacts.of(answer.facts)
        values["distance"] = np.full(settings.units, np.nan)
        for number, distance in enumerate(facts.distances[: settings.members]):
            values["distance"][number] = math.nan if distance is None else distance
        available = facts.available or None if settings.subset == "random" else None
        return cls(settings, values, answer.computed, facts, available)

    @property
    def loss(self) -> np.ndarray:
        """Mean loss per example of each row, (U,)."""
        return self.values["loss"]

    @property
    def roles(self) -> np.ndarray:
        """What each row is about, (U,) of `Role`."""
        settings = self.settings
        counts = {
            Role.INGREDIENT: settings.members,
            Role.BASE: len(settings.further_subjects),
            Role.TRIAL: settings.trials,
            Role.AVERAGE: 1,
        }
        return np.repeat([int(role) for role in counts], list(counts.values()))

    @property
    def places(self) -> dict[str, np.ndarray]:
        """What each row is about, (U,)."""
        return {"role": self.roles}

    @property
    def interval(self) -> Interval | None:
        """95 % interval around each loss, (U,) twice; None where losses have no such thing."""
        return loss_interval(self.values, self.facts.examples, self.available)

    def of(self, role: Role, name: str = "loss") -> np.ndarray:
        """A value of all rows of a role."""
        return np.asarray(self.values[name][self.roles == role])

    @property
    def average(self) -> int | None:
        """The row of the average; None before it is there."""
        return len(self.computed) - 1 if self.computed[-1] else None

    def mean_of_ingredients(self, name: str = "loss") -> float:
        """The mean of a value over the ingredients; NaN before all are known."""
        return float(np.mean(self.of(Role.INGREDIENT, name)))

    @property
    def rise(self) -> float:
        """Loss of the average minus the mean of the ingredients' losses.

        Of the midpoint of two it is a lower bound of the barrier between them (Entezari et al.
        2022, arXiv:2110.06296, definition 2.1), and it is not above 0 where the loss is convex
        (Jensen). Of another combination than a mean it is only a comparison.
        """
        return float(self.loss[-1]) - self.mean_of_ingredients()

    @property
    def numbers(self) -> ResultNumbers:
        """Losses of the average and of its ingredients, and how far they are from it."""
        ingredients = self.of(Role.INGREDIENT)
        numbers: dict[str, ResultNumber] = {}
        if self.average is not None:
            low, high = self.interval or (np.full(len(self.loss), np.nan),) * 2
            numbers["average_loss"] = ResultNumber(
                float(self.loss[-1]), float(low[-1]), float(high[-1])
            )
            if "accuracy" in self.values:
                numbers["average_accuracy"] = ResultNumber(float(self.values["accuracy"][-1]))
            numbers["average_rise"] = ResultNumber(self.rise)
            numbers["farthest_ingredient"] = ResultNumber(largest(self.values["distance"]))
        if np.isfinite(ingredients).any():
            numbers["best_member_loss"] = ResultNumber(float(np.nanmin(ingredients)))
        if self.computed[: self.settings.members].all():
            numbers["mean_member_loss"] = ResultNumber(self.mean_of_ingredients())
        return numbers


def average_text(averaging: Averaging, unit: int) -> str:
    """What is known of the average, as "loss 0.31, of 3"."""
    loss = float(averaging.loss[unit])
    return f"loss {loss:.4g}, of {len(averaging.facts.entered)}" if math.isfinite(loss) else ""
