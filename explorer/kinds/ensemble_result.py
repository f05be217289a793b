"""What an ensemble of the first members is worth, beside each member alone."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

import numpy as np

from explorer.kinds.ensemble_settings import EnsembleSettings
from explorer.kinds.facts import AnswerFacts
from explorer.kinds.numbers import ResultNumber, ResultNumbers
from explorer.kinds.piece import Piece, measured_names, partial_answer
from explorer.kinds.statistics import Interval, loss_interval

ALONE = "member_"  # before the name of a value of a member by itself
DIVERSITY = ("disagreement", "spread")  # of classes, and of other outputs


@dataclass(frozen=True, kw_only=True)
class EnsembleFacts(AnswerFacts):
    """What holds for all members."""

    pooled: str = ""  # what is averaged: probabilities or outputs


@dataclass(frozen=True)
class Ensemble:
    """Values of the ensemble of the first 1, 2, ... members, and of each member by itself.

    Those of a member by itself stand under `ALONE` and their name. Values that are not computed yet
    are NaN, and so is the diversity of one member.
    """

    settings: EnsembleSettings
    values: Mapping[str, np.ndarray]  # (n,) each
    computed: np.ndarray  # (n,) bool
    facts: EnsembleFacts = field(default_factory=EnsembleFacts)
    available: int | None = None  # examples of which random ones were evaluated; None: no such part

    @classmethod
    def from_pieces(cls, settings: EnsembleSettings, pieces: Iterable[Piece]) -> "Ensemble":
        """The ensemble as far as the pieces go."""
        answer = partial_answer((settings.units,), ("unit",), (), pieces)
        names = ("loss", f"{ALONE}loss")
        values = {name: np.full(settings.units, np.nan) for name in names} | answer.values
        facts = EnsembleFacts.of(answer.facts)
        available = facts.available or None if settings.subset == "random" else None
        return cls(settings, values, answer.computed, facts, available)

    @property
    def loss(self) -> np.ndarray:
        """Mean loss per example of the ensemble of the first members, (n,)."""
        return self.values["loss"]

    @property
    def places(self) -> dict[str, np.ndarray]:
        """How many members each ensemble has, (n,)."""
        return {"size": np.arange(1, len(self.computed) + 1)}

    @property
    def measured(self) -> list[str]:
        """The loss and the metrics, by name."""
        return [name for name in measured_names(self.values) if f"{ALONE}{name}" in self.values]

    def alone(self, name: str = "loss") -> np.ndarray:
        """A value of each member by itself, (n,)."""
        return self.values[f"{ALONE}{name}"]

    @property
    def interval(self) -> Interval | None:
        """95 % interval around each loss of an ensemble, (n,) twice; None without such a thing."""
        return loss_interval(self.values, self.facts.examples, self.available)

    @property
    def diversity(self) -> tuple[str, np.ndarray]:
        """How much the first members differ, (n,), and what that is called; NaN where unknown."""
        name = next((name for name in DIVERSITY if name in self.values), DIVERSITY[0])
        return name, self.values.get(name, np.full(len(self.computed), np.nan))

    @property
    def numbers(self) -> ResultNumbers:
        """Losses and accuracies of the whole ensemble and of its members, and their diversity."""
        if not self.computed.all() or not len(self.computed):
            return {}
        low, high = self.interval or (np.full(len(self.loss), np.nan),) * 2
        numbers = {
            "ensemble_loss": ResultNumber(float(self.loss[-1]), float(low[-1]), float(high[-1])),
            "mean_member_loss": ResultNumber(float(np.mean(self.alone()))),
            "best_member_loss": ResultNumber(float(np.min(self.alone()))),
        }
        if "accuracy" in self.measured:
            numbers["ensemble_accuracy"] = ResultNumber(float(self.values["accuracy"][-1]))
            accuracy = float(np.mean(self.alone("accuracy")))
            numbers["mean_member_accuracy"] = ResultNumber(accuracy)
        name, diversity = self.diversity
        return {**numbers, name: ResultNumber(float(diversity[-1]))}
