"""What an experiment has measured so far: points of its series."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

import numpy as np

from explorer.codec import OTHERS, Json
from explorer.kinds.experiment_settings import ExperimentSettings
from explorer.kinds.facts import AnswerFacts
from explorer.kinds.numbers import ResultNumber, ResultNumbers
from explorer.kinds.piece import Piece

COLUMNS: Mapping[str, type[np.int64] | type[np.float64]] = {
    "series": np.int64,
    **dict.fromkeys(("x", "y", "low", "high"), np.float64),
}


@dataclass(frozen=True, kw_only=True)
class SeriesFacts:
    """One series, as the problem declares it."""

    name: str
    mark: str = "line"  # or "dashed", "points", "bars"
    panel: str = ""  # what its y is
    others: Json = field(default_factory=dict, metadata=OTHERS)


@dataclass(frozen=True, kw_only=True)
class ExperimentFacts(AnswerFacts):
    """What the problem declares of the experiment."""

    title: str = ""
    x_title: str = ""
    log: tuple[str, ...] = ()  # axes on a log scale: "x", or panels
    series: tuple[SeriesFacts, ...] = ()


@dataclass(frozen=True)
class SeriesPoints:
    """Points of one series by increasing x, (N,) each; NaN where something did not come out."""

    x: np.ndarray
    y: np.ndarray
    low: np.ndarray  # ends of an interval; NaN where there is none
    high: np.ndarray


@dataclass(frozen=True)
class ExperimentResult:
    """The points of an experiment, a row each."""

    rows: Mapping[str, np.ndarray]  # (R,) each: "unit" and `COLUMNS`
    computed: np.ndarray  # (parts,) bool
    facts: ExperimentFacts = ExperimentFacts()

    @classmethod
    def from_pieces(
        cls, settings: ExperimentSettings, pieces: Iterable[Piece]
    ) -> "ExperimentResult":
        """The points as far as the pieces go."""
        all_pieces = list(pieces)
        rows = {
            name: np.concatenate([np.empty(0, type), *(p.columns[name] for p in all_pieces)])
            for name, type in (("unit", np.int64), *COLUMNS.items())
        }
        order = np.argsort(rows["unit"], kind="stable")
        rows = {name: values[order] for name, values in rows.items()}
        computed = np.zeros(settings.units, dtype=bool)
        computed[rows["unit"].astype(int)] = True
        facts = ExperimentFacts.of_pieces(all_pieces)
        if len(rows["series"]) and not 0 <= rows["series"].min() <= rows["series"].max() < len(
            facts.series
        ):
            raise IndexError("a row belongs to none of the series")
        return cls(rows, computed, facts)

    def points(self, name: str) -> SeriesPoints:
        """The points of a series so far.

        Raises:
            KeyError: there is no such series.
        """
        names = [series.name for series in self.facts.series]
        if name not in names:
            raise KeyError(f"series must be one of {', '.join(names)}, got {name}")
        own = self.rows["series"] == names.index(name)
        order = np.argsort(self.rows["x"][own], kind="stable")
        x, y, low, high = (self.rows[column][own][order] for column in ("x", "y", "low", "high"))
        return SeriesPoints(x, y, low, high)

    @property
    def places(self) -> dict[str, np.ndarray]:
        """Part, series and x of each row."""
        # objects: else each row would take the room of the longest name
        names = np.array([series.name for series in self.facts.series] or [""], dtype=object)
        return {
            "unit": self.rows["unit"],
            "series": names[self.rows["series"].astype(int)],
            "x": self.rows["x"],
        }

    @property
    def values(self) -> dict[str, np.ndarray]:
        """The measured numbers of each row."""
        return {name: self.rows[name] for name in ("y", "low", "high")}

    @property
    def numbers(self) -> ResultNumbers:
        """How many points there are."""
        return {"measured_points": ResultNumber(float(len(self.rows["y"])))}
