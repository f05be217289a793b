"""An experiment drawn: a plot for each of its panels, lines for theory, points with intervals."""

import pandas  # noqa: F401 - whole before altair looks at it: another thread may be at it

# isort: split
import math
from collections.abc import Sequence
from dataclasses import dataclass

import altair as alt
import numpy as np

from explorer.kinds.experiment import ExperimentLook
from explorer.kinds.experiment_result import ExperimentResult, SeriesFacts
from explorer.kinds.look import SubjectName
from explorer.render.experiment_points import PlotRow, drawn_points, placed_points
from explorer.render.marks.arrow import arrow_table
from explorer.render.marks.colours import series_colours
from explorer.render.marks.layers import layered_chart
from explorer.render.marks.series import (
    FEELS,
    FIELD,
    dimmed,
    other_is_pointed,
    shown_alone,
    with_mouse,
)
from explorer.render.marks.ticks import tick_label_expression, ticks

GRID = 0.22
LETTER_WIDTH, SYMBOL_WIDTH = 7, 32  # px of a legend's names, and beside each
LARGEST = float(np.finfo(np.float64).max)
Ends = tuple[float, float]


@dataclass(frozen=True)
class PlotAxis:
    """Scale and axis of one channel, as Vega-Lite reads them."""

    scale: dict[str, object]
    axis: dict[str, object]

    def x(self, field: str) -> alt.X:
        """The channel x."""
        return alt.X(f"{field}:Q", scale=self.scale, axis=self.axis)

    def y(self, field: str) -> alt.Y:
        """The channel y."""
        return alt.Y(f"{field}:Q", scale=self.scale, axis=self.axis)


def draw(
    result: ExperimentResult, look: ExperimentLook, names: Sequence[SubjectName] = ()
) -> alt.LayerChart | alt.VConcatChart:
    """An Altair chart of the points so far, a plot for each panel, below each other.

    What is NaN, infinite or, on a log scale, not positive has no place and is left out; of very
    many points some are drawn, see `experiment_points`.

    Args:
        result: the experiment.
        look: how it is drawn.
        names: of the point.
    """
    declared = result.facts.series
    panels = list(dict.fromkeys(series.panel for series in declared)) or [""]
    colours = dict(zip(names_of(declared), series_colours(names_of(declared)), strict=True))
    points = placed_points(result)
    drawn = {name: own.rows for name, own in drawn_points(points).items()}
    x_log = "x" in result.facts.log
    x_ends = _ends([own.x for own in points.values()], x_log)
    plots = []
    for panel in panels:
        own = [series for series in declared if series.panel == panel]
        is_last = panel == panels[-1]
        x = _axis(x_ends, result.facts.x_title if is_last else None, x_log)
        log = panel in result.facts.log
        placed = [points[series.name] for series in own]
        values = [ends for one in placed for ends in (one.y, one.low, one.high)]
        y = _axis(_ends(values, log, bars=any(s.mark == "bars" for s in own)), panel, log)
        colour = _colour(colours, look.width)
        layers = [layer for s in own for layer in _layers(s, drawn[s.name], x, y, colour)]
        if len(colours) > 1:
            layers = [shown_alone(dimmed(layer, other_is_pointed())) for layer in layers]
        layers.append(_felt_layer([row for s in own for row in drawn[s.name]], x, y))
        plots.append(layered_chart(layers, look.width, look.height))
    stacked = plots[0] if len(plots) == 1 else alt.VConcatChart(vconcat=plots, spacing=16)
    if look.title:
        stacked.title = look.title
    return with_mouse(stacked, [FIELD], list(colours) if len(colours) > 1 else [])


def names_of(declared: Sequence[SeriesFacts]) -> list[str]:
    """The names of the series in their order."""
    return [series.name for series in declared]


def _ends(values: Sequence[np.ndarray], log: bool, bars: bool = False) -> Ends:
    """Ends of an axis: those of its values and a little room; bars stand on 0."""
    numbers = np.concatenate([np.empty(0), *values])
    if not len(numbers):
        return (0.1, 10.0) if log else (0.0, 1.0)
    low, high = float(numbers.min()), float(numbers.max())
    if log:
        factor = math.exp((math.log(high) - math.log(low)) * 0.04 or 0.1)
        return low / factor, high * factor
    low = min(low, 0.0) if bars else low
    room = (high * 0.05 - low * 0.05) or 0.05 * abs(high) or 0.5
    least = low if bars and low == 0 else max(low - room, -LARGEST)
    return least, min(high + room, LARGEST)


def _axis(ends: Ends, title: str | None, log: bool) -> PlotAxis:
    """Scale and axis from one end to the other."""
    places = ticks(*ends, log, 6)
    scale: dict[str, object] = {
        "type": "log" if log else "linear",
        "domain": list(ends),
        "nice": False,
    }
    if not log:
        scale["zero"] = False
    axis: dict[str, object] = {
        "title": title or None,
        "values": places,
        "labelExpr": tick_label_expression(places),
        "gridOpacity": GRID,
    }
    return PlotAxis(scale, axis)


def _layers(
    series: SeriesFacts,
    own: Sequence[PlotRow],
    x: PlotAxis,
    y: PlotAxis,
    colour: alt.Color,
) -> list[alt.Chart]:
    """The marks of one series: a line, points with their intervals, or bars."""
    base = alt.Chart(arrow_table(list(own) or [_NOWHERE])).transform_filter("datum.there")
    shared = {"x": x.x("x"), "y": y.y("y"), "color": colour}
    if series.mark in ("line", "dashed"):
        dash = [5, 4] if series.mark == "dashed" else alt.Undefined
        marks = [base.mark_line(strokeDash=dash, strokeWidth=1.8).encode(order="x:Q", **shared)]
        if series.mark == "line":
            marks.append(base.mark_point(size=22, filled=True).encode(**shared))
    elif series.mark == "bars":
        bars = base.mark_bar(opacity=0.75, width=_bar_width(len(own)))
        marks = [bars.encode(**shared, y2=alt.datum(0))]
    else:
        marks = [base.mark_point(size=45, filled=True, opacity=0.85).encode(**shared)]
    if any(row["low"] != row["high"] for row in own):
        ends = {**shared, "y": y.y("low")}
        marks.append(base.mark_rule(opacity=0.6).encode(**ends, y2="high:Q"))
    return marks


def _felt_layer(rows: Sequence[PlotRow], x: PlotAxis, y: PlotAxis) -> alt.Chart:
    """What feels the mouse and says the numbers of a point."""
    base = alt.Chart(arrow_table(list(rows) or [_NOWHERE])).transform_filter("datum.there")
    felt = base.mark_point(size=200, filled=True, opacity=0, style=FEELS)
    tooltip = [
        alt.Tooltip(f"{FIELD}:N", title="series"),
        alt.Tooltip("x:Q", format=".6~g"),
        alt.Tooltip("words:N", title="y"),
    ]
    return felt.encode(x=x.x("x"), y=y.y("y"), tooltip=tooltip)


_NOWHERE: PlotRow = {
    **{FIELD: "", "words": "", "there": False},
    **dict.fromkeys(("x", "y", "low", "high"), 0.0),
}


def _bar_width(count: int) -> int:
    return max(2, min(28, 300 // max(1, count)))


def _colour(colours: dict[str, str], width: float) -> alt.Color:
    """The colour of each series by its name; a legend where there are several."""
    scale = alt.Scale(domain=list(colours), range=list(colours.values()))
    columns = legend_columns(list(colours), width)
    legend = alt.Legend(orient="top", title=None, columns=columns) if len(colours) > 1 else None
    return alt.Color(f"{FIELD}:N", scale=scale, legend=legend)


def legend_columns(names: Sequence[str], width: float) -> int:
    """In how many columns, three at most, names are read in a legend of so many pixels."""
    for count in (3, 2):
        longest = [max(map(len, names[place::count]), default=0) for place in range(count)]
        if sum(LETTER_WIDTH * length + SYMBOL_WIDTH for length in longest) <= width:
            return count
    return 1
