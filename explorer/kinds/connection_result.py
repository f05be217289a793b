"""A path between two points as far as it is trained, and the losses along it."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

import numpy as np

from explorer.kinds.connection_settings import ConnectionSettings
from explorer.kinds.facts import ChordFacts
from explorer.kinds.numbers import ResultNumber, ResultNumbers
from explorer.kinds.path_heights import PathHeights
from explorer.kinds.piece import Piece, partial_answer

STEP_COLUMNS = ("step", "batch_loss", "learning_rate", "bends")  # the same at all places of a unit


@dataclass(frozen=True, kw_only=True)
class ConnectionFacts(ChordFacts):
    """What holds for the whole training."""

    good_enough_at: int | None = None  # the step at which it ended before its last one


@dataclass(frozen=True)
class Connection(PathHeights):
    """Losses along the path before the first step and after every so many; NaN where not yet.

    U measurements at T places each, from t = 0 at the first point to t = 1 at the second. Heights
    are those of the latest measurement.
    """

    settings: ConnectionSettings
    t: np.ndarray  # (T,)
    values: Mapping[str, np.ndarray]  # (U, T) each: "loss", metrics, "arc_length", "squared_norm"
    computed: np.ndarray  # (U, T) bool
    training: Mapping[str, np.ndarray]  # (U,) each: `STEP_COLUMNS`
    facts: ConnectionFacts = field(default_factory=ConnectionFacts)

    @classmethod
    def from_pieces(cls, settings: ConnectionSettings, pieces: Iterable[Piece]) -> "Connection":
        """The training as far as the pieces go."""
        shape = (settings.units, settings.t_count)
        answer = partial_answer(shape, ("measurement", "i"), ("t",), pieces)
        values = {name: np.full(shape, np.nan) for name in ("loss", *STEP_COLUMNS)} | answer.values
        training = {name: values.pop(name)[:, 0] for name in STEP_COLUMNS}
        facts = ConnectionFacts.of(answer.facts)
        return cls(settings, settings.t, values, answer.computed, training, facts)

    @property
    def places(self) -> dict[str, np.ndarray]:
        """Measurement, index and place of each value, (U, T) each."""
        measurement, i = np.indices(self.computed.shape)
        return {"measurement": measurement, "i": i, "t": self.t[i]}

    @property
    def loss(self) -> np.ndarray:
        """Mean loss per example at each place, (U, T)."""
        return self.values["loss"]

    @property
    def measured(self) -> np.ndarray:
        """The numbers of the measurements that are there."""
        return np.flatnonzero(self.computed.all(axis=1))

    @property
    def last(self) -> int | None:
        """The number of the latest measurement; None before the first."""
        return int(self.measured[-1]) if len(self.measured) else None

    def values_between(self, name: str = "loss") -> tuple[np.ndarray, np.ndarray]:
        """The places and a value there at the latest measurement, (T,) each; NaN before any."""
        return self.t, self.values[name][self.last or 0]

    @property
    def highest(self) -> np.ndarray:
        """The highest loss along the path at each measurement, (U,)."""
        return np.asarray(self.loss.max(axis=1))

    @property
    def mean(self) -> np.ndarray:
        """The mean of the loss over t at each measurement, by the trapezoidal rule, (U,)."""
        return np.asarray(np.trapezoid(self.loss, self.t, axis=1))

    @property
    def end_losses(self) -> tuple[float, float]:
        """The losses of both ends; NaN before they are measured."""
        _, loss = self.values_between()
        return float(loss[0]), float(loss[-1])

    @property
    def numbers(self) -> ResultNumbers:
        """How high the path is, how long, and how far it was trained."""
        if self.last is None:
            return {}
        numbers = {
            "saddle": self.saddle,
            "barrier": self.barrier,
            "path_mean": float(self.mean[self.last]),
            "arc_length": float(self.values["arc_length"][self.last, -1]),
            "bends": float(self.training["bends"][self.last]),
            "path_steps": float(self.training["step"][self.last]),
        }
        if self.facts.distance is not None:
            numbers["distance"] = self.facts.distance
        return {name: ResultNumber(value) for name, value in numbers.items()}
