"""The lines and areas of a plot of curves: bands, thin lines, curves, marked places."""

import math
from collections.abc import Iterator, Mapping
from typing import Any

import altair as alt
import numpy as np

from explorer.render.marks.arrow import table, tip_title
from explorer.render.marks.curve import GREY, Curve, Row
from explorer.render.marks.gaps import Rows, alone, points
from explorer.render.marks.scale import drawable, number

FAINT_POINTS = 20_000  # of all thin lines of a curve; more would make the page slow
# Opacity and stroke width of what a curve is made of. In the legend a band is a broad stroke.
LOOKS = {"curve": (1.0, 1.8), "faint": (0.35, 0.8), "band": (0.2, 9.0)}


def strokes(row: Row, shared: Mapping[str, Any], bottom: float) -> list[alt.Chart]:
    """Bands below thin lines below curves below marked places.

    Args:
        row: the plot.
        shared: encodings of place and colour.
        bottom: lower end of the value axis.
    """
    areas = [area for name, curve in row.curves.items() for area in _band(name, curve, row, bottom)]
    thin = [line for name, curve in row.curves.items() for line in _faint(name, curve, row)]
    layers = []
    if areas:
        layers.append(_drawn(row, "band", areas).encode(**shared, y2="low:Q"))
    if thin:
        layers.append(_drawn(row, "faint", thin).encode(**shared))
    return [*layers, *_joined(row, shared), *_spots(row, shared)]


def _drawn(row: Row, part: str, rows: Rows) -> alt.Chart:
    """Lines or areas through the rows, in the look of that part; curves with the legend."""
    opacity, width = LOOKS[part]
    words = row.parts.get(part, "")
    base = alt.Chart(table([{**found, "part": words} for found in rows]))
    if part == "band":
        made = base.mark_area(style="band", opacity=opacity)
    else:
        style = "profile" if part == "curve" else part
        made = base.mark_line(style=style, opacity=opacity, strokeWidth=width, strokeJoin="round")
    made = made.encode(detail=["line:N", "number:Q", "gap:Q"])
    if part != "band":  # Vega makes a path of its own of each point of an ordered area
        made = made.encode(order="x:Q")
    return made.encode(**_legend(row)) if part == "curve" and row.parts else made


def _legend(row: Row) -> dict[str, Any]:
    """Opacity and width by part: two channels that share one legend.

    Only curves have them: Vega gives a legend the look of the first layer that has it.
    """
    looks = [LOOKS[part] for part in row.parts]
    domain = list(row.parts.values())
    legend = alt.Legend(title=None, orient="top", symbolType="stroke", labelLimit=0)
    return {
        "opacity": alt.Opacity("part:N", legend=legend).scale(
            type="ordinal", domain=domain, range=[opacity for opacity, _ in looks]
        ),
        "strokeWidth": alt.StrokeWidth("part:N", legend=legend).scale(
            type="ordinal", domain=domain, range=[width for _, width in looks]
        ),
    }


def _band(name: str, curve: Curve, row: Row, bottom: float) -> Iterator[dict[str, Any]]:
    """Rows of the area of a band; on a log scale what is not above 0 is cut off."""
    if curve.band is None:
        return
    known = curve.computed & drawable(curve.y, row.log)
    known &= np.isfinite(curve.band[0]) & drawable(curve.band[1], row.log)
    x, low = curve.x[curve.computed], curve.band[0][curve.computed]
    top = np.where(known, curve.band[1], np.nan)[curve.computed]
    lower = dict(zip(x.tolist(), np.maximum(low, bottom).tolist(), strict=True))
    for point in points(name, x, top, row.log):
        yield {**point, "number": 0, "low": lower[point["x"]]}


def _faint(name: str, curve: Curve, row: Row) -> Iterator[dict[str, Any]]:
    """Rows of the thin lines, every n-th point where they have very many."""
    if curve.faint is None:
        return
    step = math.ceil(curve.faint.size / FAINT_POINTS)
    for place, line in enumerate(curve.faint):
        known = np.flatnonzero(~np.isnan(line))[::step]
        for point in points(name, curve.x[known], line[known], row.log):
            yield {**point, "number": place}


def _joined(row: Row, shared: Mapping[str, Any]) -> list[alt.Chart]:
    """The curves, and a dot for each point of one that still grows or has no neighbour."""
    found: Rows = []
    for name, curve in row.curves.items():
        found += points(name, curve.x[curve.computed], curve.y[curve.computed], row.log)
    if not found:
        return []
    layers = [_drawn(row, "curve", [{**point, "number": 0} for point in found]).encode(**shared)]
    growing = any(not curve.computed.all() for curve in row.curves.values())
    dotted = found if growing else alone(found)
    if dotted:
        dots = alt.Chart(table(dotted)).encode(**shared)
        layers.append(dots.mark_point(style="profile-point", size=16, filled=True, opacity=1))
    return layers


def _spots(row: Row, shared: Mapping[str, Any]) -> list[alt.Chart]:
    """Dashed lines and rings, with their words under the mouse."""
    places = {"x": shared["x"], "y": shared["y"]}
    layers = []
    ends = [
        {"x": x, "y": y, "spot": place}
        for place, spot in enumerate(row.spots)
        if spot.to is not None and drawable(np.array([spot.y, spot.to[1]]), row.log).all()
        for x, y in ((spot.x, spot.y), spot.to)
    ]
    if ends:
        made = alt.Chart(table(ends)).mark_line(
            style="chord", color=GREY, strokeDash=[5, 4], strokeWidth=1.3, clip=True
        )
        layers.append(made.encode(**places, detail="spot:Q"))
    rings = [
        {"x": spot.x, "y": spot.y, "line": spot.line, "words": spot.words, "value": number(spot.y)}
        for spot in row.spots
        if spot.to is None and drawable(np.array([spot.y]), row.log).all()
    ]
    if rings:
        told = [
            alt.Tooltip("words:N", title=" "),
            alt.Tooltip("value:N", title=tip_title(row.words)),
        ]
        made = alt.Chart(table(rings)).mark_point(style="end", size=80, strokeWidth=2, opacity=1)
        layers.append(made.encode(**shared, tooltip=told))
    return layers
