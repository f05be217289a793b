"""Curves over one axis, in rows below each other: as a chart, and as a small picture."""

import pandas  # noqa: F401 - whole before altair looks at it: another thread may be at it

# isort: split
from collections.abc import Mapping, Sequence

import altair as alt
from altair.typing import Optional

from explorer.render.marks.colours import series_colours
from explorer.render.marks.curve import GREY, Curve, Row, axis_limits
from explorer.render.marks.gaps import rug_layer, undrawable_rows
from explorer.render.marks.layers import layered_chart
from explorer.render.marks.rule import hover_rule
from explorer.render.marks.scale import value_title
from explorer.render.marks.strokes import stroke_layers
from explorer.render.marks.ticks import tick_label_expression, ticks

CurvesChart = alt.LayerChart | alt.VConcatChart  # of one row, or of several


def chart(
    rows: Sequence[Row],
    x_title: str,
    width: int,
    title: str = "",
    span: tuple[float, float] | None = None,
) -> CurvesChart:
    """The points computed so far of each curve, joined.

    Where a value is NaN, infinite or, on a log scale, not positive, a curve has a gap and the foot
    of its plot a mark. Each plot goes as far as its curves, unless all have one span.
    """
    plots = []
    for row in rows:
        x = _x_encoding(span or _x_range(row.curves), x_title if row is rows[-1] else None, width)
        plots.append(layered_chart(_plot_layers(row, x, width), width, row.height))
    stacked = plots[0] if len(plots) == 1 else alt.VConcatChart(vconcat=plots, spacing=12)
    if title:
        stacked.title = title
    return stacked


def _x_range(curves: Mapping[str, Curve]) -> tuple[float, float]:
    """First and last x of any curve."""
    ends = [(float(curve.x[0]), float(curve.x[-1])) for curve in curves.values()]
    return min(low for low, _ in ends), max(high for _, high in ends)


def _x_encoding(span: tuple[float, float], title: str | None, width: int) -> alt.X:
    low, high = span
    scale = {"domain": [low, high], "nice": False, "zero": False}
    axis = _axis(ticks(low, high, False, 6), title, grid=False)
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


def _plot_layers(row: Row, x: alt.X, width: int) -> list[alt.Chart]:
    """Lines and areas, marks of what has no place, the rule that tells the values."""
    low, high = axis_limits(row)
    places = ticks(low, high, row.log, max(3, row.height // 45))
    scale = {"type": "log" if row.log else "linear", "domain": [low, high], "nice": False}
    if not row.log:
        scale["zero"] = False
    y = alt.Y("y:Q", scale=scale, axis=_axis(places, value_title(row.value), grid=True))
    shared = {"x": x, "y": y, "color": _colour_encoding(row, width)}
    layers = stroke_layers(row, shared, low)
    hole_rows = [
        hole for name, curve in row.curves.items() for hole in undrawable_rows(name, curve, row.log)
    ]
    if hole_rows:
        layers.append(rug_layer(hole_rows, shared, row))
    return [*layers, hover_rule(row, x)]


def _colour_encoding(row: Row, width: int) -> Optional[alt.Color]:
    """One colour a name; for one curve the page's own, and no legend."""
    names = list(row.curves)
    if len(names) == 1:
        return alt.Undefined
    legend = {
        "title": None,
        "orient": "top",
        "columns": max(1, width // (50 + 6 * max(map(len, names)))),
        "symbolType": "stroke",
        "symbolStrokeWidth": 2,
        "symbolOpacity": 1,
        "labelLimit": width,
    }
    scale = {"domain": names, "range": list(row.colours) or series_colours(names)}
    return alt.Color("line:N", legend=legend, scale=scale)
