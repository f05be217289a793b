"""Curves over one axis, in rows below each other: as a chart, and as a small picture."""

import pandas  # noqa: F401 - whole before altair looks at it: another thread may be at it

# isort: split
from collections.abc import Mapping, Sequence

import altair as alt
from altair.typing import Optional

from explorer.render.marks.cells import PlotFrame
from explorer.render.marks.colours import series_colours
from explorer.render.marks.cursor import (
    POINTED,
    cursor_layers,
    dimming_test,
    room_for_words,
)
from explorer.render.marks.curve import GREY, Curve, Row, axis_limits
from explorer.render.marks.gaps import rug_layer, undrawable_rows
from explorer.render.marks.layers import layered_chart
from explorer.render.marks.scale import value_title
from explorer.render.marks.series import dimmed, shown_alone, with_mouse
from explorer.render.marks.strokes import stroke_layers
from explorer.render.marks.ticks import tick_label_expression, ticks

CurvesChart = alt.LayerChart | alt.VConcatChart  # of one row, or of several


def chart(
    rows: Sequence[Row],
    x_title: str,
    width: int,
    title: str = "",
    span: tuple[float, float] | None = None,
    whole: bool = False,
) -> CurvesChart:
    """The points computed so far of each curve, joined.

    Where a value is NaN, infinite or, on a log scale, not positive, a curve has a gap and the foot
    of its plot a mark. Each plot goes as far as its curves, unless all have one span.

    Args:
        rows: the plots, from above.
        x_title: below the last one.
        width: of each, in pixels.
        title: of all.
        span: of x, where all have one.
        whole: x counts something: there are ticks at whole numbers alone.
    """
    colours = _colours_by_name(rows)
    plots = []
    for row in rows:
        ends = span or _x_range(row.curves)
        x = _x_encoding(ends, x_title if row is rows[-1] else None, width, whole)
        frame = _frame(row, ends, x, width)
        strokes = _stroke_layers(row, frame, colours)
        cursor = cursor_layers(row, frame, hides=_is_named(row, colours))
        if len(rows) > 1:
            cursor.append(room_for_words(width))
        plots.append(layered_chart([*strokes, *cursor], width, row.height))
    stacked = plots[0] if len(plots) == 1 else alt.VConcatChart(vconcat=plots, spacing=16)
    if title:
        stacked.title = title
    return with_mouse(stacked, POINTED, list(colours))


def _colours_by_name(rows: Sequence[Row]) -> dict[str, str]:
    """The colour of each curve of the plots that have several; a name has one in all of them."""
    several = [row for row in rows if len(row.curves) > 1]
    names = list(dict.fromkeys(name for row in several for name in row.curves))
    colours = dict(zip(names, series_colours(names), strict=True))
    for row in reversed(several):
        colours |= dict(zip(row.curves, row.colours, strict=False))
    return colours


def _is_named(row: Row, colours: Mapping[str, str]) -> bool:
    """Whether the legend tells its curves."""
    return all(name in colours for name in row.curves)


def _x_range(curves: Mapping[str, Curve]) -> tuple[float, float]:
    """First and last x of any curve."""
    ends = [(float(curve.x[0]), float(curve.x[-1])) for curve in curves.values()]
    return min(low for low, _ in ends), max(high for _, high in ends)


def _x_encoding(
    span: tuple[float, float], title: str | None, width: int, whole: bool = False
) -> alt.X:
    low, high = span
    scale = {"domain": [low, high], "nice": False, "zero": False}
    places = [place for place in ticks(low, high, False, 6) if not whole or place.is_integer()]
    axis = _axis(places, title, grid=False)
    axis["titleLimit"] = width  # a title with long names would widen the picture
    return alt.X("x:Q", scale=scale, axis=axis)


def _axis(values: list[float], title: str | None, grid: bool) -> dict[str, object]:
    return {
        "title": title,
        "values": values,
        "labelExpr": tick_label_expression(values),
        "labelFlush": False,
        "grid": grid,
        "gridColor": GREY,
        "gridOpacity": 0.22,
    }


def _frame(row: Row, span: tuple[float, float], x: alt.X, width: int) -> PlotFrame:
    """The axes of a plot."""
    low, high = axis_limits(row)
    places = ticks(low, high, row.log, max(3, row.height // 45))
    scale = {"type": "log" if row.log else "linear", "domain": [low, high], "nice": False}
    if not row.log:
        scale["zero"] = False
    y = alt.Y("y:Q", scale=scale, axis=_axis(places, value_title(row.value), grid=True))
    return PlotFrame(x, y, span, (low, high), width, row.height, row.log)


def _stroke_layers(row: Row, frame: PlotFrame, colours: Mapping[str, str]) -> list[alt.Chart]:
    """Lines and areas, and marks of what has no place."""
    named = _is_named(row, colours)
    colour = _colour_encoding(colours, frame.width) if named else alt.Undefined
    shared = {"x": frame.x, "y": frame.y, "color": colour}
    layers = stroke_layers(row, shared, frame.limits[0])
    hole_rows = [
        hole for name, curve in row.curves.items() for hole in undrawable_rows(name, curve, row.log)
    ]
    if hole_rows:
        layers.append(rug_layer(hole_rows, shared, row))
    if not named:
        return layers
    test = dimming_test(row.curves)
    return [shown_alone(dimmed(layer, test)) for layer in layers]


def _colour_encoding(colours: Mapping[str, str], width: int) -> Optional[alt.Color]:
    """One colour a name."""
    legend = {
        "title": None,
        "orient": "top",
        "columns": max(1, width // (50 + 6 * max(map(len, colours)))),
        "symbolType": "stroke",
        "symbolStrokeWidth": 2,
        "symbolOpacity": 1,
        "labelLimit": width,
    }
    scale = {"domain": list(colours), "range": list(colours.values())}
    return alt.Color("line:N", legend=legend, scale=scale)
