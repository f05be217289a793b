"""Which points of an experiment are drawn: as many as a screen can show, extreme ones always."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from explorer.kinds.experiment_result import ExperimentResult, SeriesFacts
from explorer.render.marks.series import FIELD
from explorer.render.marks.ticks import number_text

DIGITS = 4
MOST_DRAWN = 4000  # points of a picture: more lie on each other, and make the page slow
FEWEST_DRAWN = 40  # of a series, however many there are
PlotRow = dict[str, object]


@dataclass(frozen=True)
class PlacedPoints:
    """Points of one series that have a place in its panel, by increasing x, (N,) each."""

    series: SeriesFacts
    x: np.ndarray
    y: np.ndarray
    low: np.ndarray  # that of y where there is no interval
    high: np.ndarray

    def __len__(self) -> int:
        """How many there are."""
        return len(self.x)

    def at(self, places: np.ndarray) -> "PlacedPoints":
        """Some of them."""
        columns = (values[places] for values in (self.x, self.y, self.low, self.high))
        return PlacedPoints(self.series, *columns)

    @property
    def rows(self) -> list[PlotRow]:
        """A row each, with what is said under the mouse."""
        columns = (values.tolist() for values in (self.x, self.y, self.low, self.high))
        return [
            {
                **{FIELD: self.series.name, "x": x, "y": y, "low": low, "high": high},
                **{"words": _words(y, low, high), "there": True},
            }
            for x, y, low, high in zip(*columns, strict=True)
        ]


def placed_points(result: ExperimentResult) -> dict[str, PlacedPoints]:
    """All points that have a place, by the name of their series.

    What is NaN, infinite or, on a log scale, not positive has none.
    """
    facts = result.facts
    points = {}
    for series in facts.series:
        own = result.points(series.name)
        y_log = series.panel in facts.log
        has_ends = _has_place(own.low, y_log) & _has_place(own.high, y_log)
        low, high = (np.where(has_ends, ends, own.y) for ends in (own.low, own.high))
        has_place = _has_place(own.x, "x" in facts.log) & _has_place(own.y, y_log)
        points[series.name] = PlacedPoints(series, own.x, own.y, low, high).at(
            np.flatnonzero(has_place)
        )
    return points


def drawn_points(points: Mapping[str, PlacedPoints]) -> dict[str, PlacedPoints]:
    """At most `MOST_DRAWN` of all points: of each series its share, its ends among them."""
    most = max(FEWEST_DRAWN, MOST_DRAWN // max(1, len(points)))
    spare = sum(max(0, most - len(own)) for own in points.values())
    long = sum(len(own) > most for own in points.values())
    most += spare // max(1, long)
    return {name: own.at(_chosen(own, most)) for name, own in points.items()}


def thinning_words(result: ExperimentResult) -> str:
    """That not all points are drawn, and how many are; "" where all are."""
    points = placed_points(result)
    every = sum(len(own) for own in points.values())
    drawn = sum(len(own) for own in drawn_points(points).values())
    if drawn == every:
        return ""
    return (
        f"{drawn:,} of {every:,} points are drawn, the highest and lowest of each series among "
        "them; the numbers that are stored and exported are whole."
    )


def _chosen(points: PlacedPoints, most: int) -> np.ndarray:
    """Places of at most so many points, rising.

    Of a cloud every n-th: it keeps its shape. Of lines and bars the lowest and highest of each
    stretch of x: no spike is lost.
    """
    if len(points) <= most:
        return np.arange(len(points))
    ends = [values.argmin() for values in (points.x, points.y, points.low)]
    ends += [values.argmax() for values in (points.x, points.y, points.high)]
    if points.series.mark == "points":
        inner = np.linspace(0, len(points) - 1, most - len(ends)).astype(int)
    else:
        stretches = np.array_split(np.arange(len(points)), (most - len(ends)) // 2)
        lows = [own[points.y[own].argmin()] for own in stretches]
        highs = [own[points.y[own].argmax()] for own in stretches]
        inner = np.concatenate([lows, highs])
    return np.unique(np.concatenate([inner, ends]).astype(int))


def _has_place(values: np.ndarray, log: bool) -> np.ndarray:
    return np.isfinite(values) & ((values > 0) | (not log))


def _words(y: float, low: float, high: float) -> str:
    """A value and its interval, if it has one."""
    words = number_text(y, DIGITS)
    if low == y == high:
        return words
    return f"{words} ({number_text(low, DIGITS)} to {number_text(high, DIGITS)})"
