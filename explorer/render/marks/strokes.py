"""The lines and areas of a plot of curves: bands, thin lines, curves, marked places."""

import math
from collections.abc import Iterator

import altair as alt
import numpy as np

from explorer.render.marks.arrow import Encodings, arrow_table, tooltip_title
from explorer.render.marks.curve import GREY, Curve, Row
from explorer.render.marks.gaps import PointRow, PointRows, drawable_rows, isolated_rows
from explorer.render.marks.scale import is_drawable
from explorer.render.marks.ticks import number_text

FAINT_POINTS = 20_000  # of all thin lines of a curve; more would make the page slow
# Opacity and stroke width of what a curve is made of. In the legend a band is a broad stroke.
PART_LOOKS = {"curve": (1.0, 1.8), "faint": (0.35, 0.8), "band": (0.2, 9.0)}


def stroke_layers(row: Row, shared: Encodings, bottom: float) -> list[alt.Chart]:
    """Bands below thin lines below curves below marked places.

    Args:
        row: the plot.
        shared: encodings of place and colour.
        bottom: lower end of the value axis.
    """
    areas = [
        area for name, curve in row.curves.items() for area in _band_rows(name, curve, row, bottom)
    ]
    thin = [line for name, curve in row.curves.items() for line in _faint_rows(name, curve, row)]
    layers = []
    if areas:
        layers.append(_stroke_layer(row, "band", areas).encode(**shared, y2=alt.Y2("low:Q")))
    if thin:
        layers.append(_stroke_layer(row, "faint", thin).encode(**shared))
    return [*layers, *_curve_layers(row, shared), *_spot_layers(row, shared)]


def _stroke_layer(row: Row, part: str, rows: PointRows) -> alt.Chart:
    """Lines or areas through the rows, in the look of that part; curves with the legend."""
    opacity, width = PART_LOOKS[part]
    words = row.parts.get(part, "")
    base = alt.Chart(arrow_table([{**point, "part": words} for point in rows]))
    if part == "band":
        layer = base.mark_area(style="band", opacity=opacity)
    else:
        style = "profile" if part == "curve" else part
        layer = base.mark_line(style=style, opacity=opacity, strokeWidth=width, strokeJoin="round")
    layer = layer.encode(detail=[alt.Detail("line:N"), alt.Detail("number:Q"), alt.Detail("gap:Q")])
    if part != "band":  # Vega makes a path of its own of each point of an ordered area
        layer = layer.encode(order=alt.Order("x:Q"))
    return layer.encode(**_part_legend(row)) if part == "curve" and row.parts else layer


def _part_legend(row: Row) -> Encodings:
    """Opacity and width by part: two channels that share one legend.

    Only curves have them: Vega gives a legend the look of the first layer that has it.
    """
    looks = [PART_LOOKS[part] for part in row.parts]
    scale: dict[str, object] = {"type": "ordinal", "domain": list(row.parts.values())}
    legend = {"title": None, "orient": "top", "symbolType": "stroke", "labelLimit": 0}
    return {
        "opacity": alt.Opacity(
            "part:N", legend=legend, scale=scale | {"range": [opacity for opacity, _ in looks]}
        ),
        "strokeWidth": alt.StrokeWidth(
            "part:N", legend=legend, scale=scale | {"range": [width for _, width in looks]}
        ),
    }


def _band_rows(name: str, curve: Curve, row: Row, bottom: float) -> Iterator[PointRow]:
    """Rows of the area of a band; on a log scale what is not above 0 is cut off."""
    if curve.band is None:
        return
    has_band = curve.computed & is_drawable(curve.y, row.log)
    has_band &= np.isfinite(curve.band[0]) & is_drawable(curve.band[1], row.log)
    x, low = curve.x[curve.computed], curve.band[0][curve.computed]
    top = np.where(has_band, curve.band[1], np.nan)[curve.computed]
    lower: dict[float | str, float] = dict(
        zip(x.tolist(), np.maximum(low, bottom).tolist(), strict=True)
    )
    for point in drawable_rows(name, x, top, row.log):
        yield {**point, "number": 0, "low": lower[point["x"]]}


def _faint_rows(name: str, curve: Curve, row: Row) -> Iterator[PointRow]:
    """Rows of the thin lines, every n-th point where they have very many."""
    if curve.faint is None:
        return
    step = math.ceil(curve.faint.size / FAINT_POINTS)
    for place, line in enumerate(curve.faint):
        places_known = np.flatnonzero(~np.isnan(line))[::step]
        for point in drawable_rows(name, curve.x[places_known], line[places_known], row.log):
            yield {**point, "number": place}


def _curve_layers(row: Row, shared: Encodings) -> list[alt.Chart]:
    """The curves, and a dot for each point of one that still grows or has no neighbour."""
    point_rows: PointRows = []
    for name, curve in row.curves.items():
        point_rows += drawable_rows(name, curve.x[curve.computed], curve.y[curve.computed], row.log)
    if not point_rows:
        return []
    layers = [
        _stroke_layer(row, "curve", [{**point, "number": 0} for point in point_rows]).encode(
            **shared
        )
    ]
    growing = any(not curve.computed.all() for curve in row.curves.values())
    dot_rows = point_rows if growing else isolated_rows(point_rows)
    if dot_rows:
        dots = alt.Chart(arrow_table(dot_rows)).encode(**shared)
        layers.append(dots.mark_point(style="profile-point", size=16, filled=True, opacity=1))
    return layers


def _spot_layers(row: Row, shared: Encodings) -> list[alt.Chart]:
    """Dashed lines and rings, with their words under the mouse."""
    places = {"x": shared["x"], "y": shared["y"]}
    layers = []
    ends = [
        {"x": x, "y": y, "spot": place, "line": spot.line}
        for place, spot in enumerate(row.spots)
        if spot.to is not None and is_drawable(np.array([spot.y, spot.to[1]]), row.log).all()
        for x, y in ((spot.x, spot.y), spot.to)
    ]
    if ends:
        layer = alt.Chart(arrow_table(ends)).mark_line(
            style="chord", color=GREY, strokeDash=[5, 4], strokeWidth=1.3, clip=True
        )
        layers.append(layer.encode(**places, detail=alt.Detail("spot:Q")))
    rings = [
        {
            "x": spot.x,
            "y": spot.y,
            "line": spot.line,
            "words": spot.words,
            "value": number_text(spot.y),
        }
        for spot in row.spots
        if spot.to is None and is_drawable(np.array([spot.y]), row.log).all()
    ]
    if rings:
        tooltips = [
            alt.Tooltip("words:N", title=" "),
            alt.Tooltip("value:N", title=tooltip_title(row.words)),
        ]
        layer = alt.Chart(arrow_table(rings)).mark_point(
            style="end", size=80, strokeWidth=2, opacity=1
        )
        layers.append(layer.encode(**shared, tooltip=tooltips))
    return layers
