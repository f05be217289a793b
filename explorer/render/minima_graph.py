"""Many minima drawn in a plane of their distances, with the ways between them."""

import pandas  # noqa: F401 - whole before altair looks at it: another thread may be at it

# isort: split
from collections.abc import Mapping, Sequence
from typing import Any

import altair as alt
import numpy as np

from explorer.kinds.minima import DistancePlane, Minima
from explorer.render.marks.arrow import arrow_table
from explorer.render.marks.colours import SERIES_COLOURS
from explorer.render.marks.curve import GREY
from explorer.render.marks.layers import layered_chart
from explorer.render.marks.plane import colour_bar
from explorer.render.marks.scale import ColourScale
from explorer.render.marks.ticks import number_text, tick_label_expression, ticks
from explorer.render.minima import (
    DIGITS,
    LINE_MAP,
    MOST_LABELLED,
    MinimaLook,
    number_title,
    pair_colours,
    pair_scale,
)

FAINT, CLEAR = 0.3, 0.65  # of the lines beside the tree: where they are many, and few
GRAPH_MARGIN = 0.12  # of the plane's size, beyond the outermost minima


def draw_graph(minima: Minima, plane: DistancePlane, look: MinimaLook) -> alt.LayerChart:
    """The minima in the plane of their distances: strong lines are the tree's.

    Args:
        minima: what is known.
        plane: where they lie, of the same minima.
        look: how; its number gives the lines their colour.
    """
    values = minima.matrix(look.number)
    scale = pair_scale(values, look, LINE_MAP)
    kept = {(way.first, way.second) for way in minima.ways}
    rows = [_line(minima, plane, pair, values[pair], scale, look) for pair in minima.pairs]
    strong = [row for pair, row in zip(minima.pairs, rows, strict=True) if pair in kept]
    thin = [row for pair, row in zip(minima.pairs, rows, strict=True) if pair not in kept]
    many = len(minima) > MOST_LABELLED
    axes, height = _plane_axes(plane, look.width)
    layers = [
        _lines(thin, axes, {"strokeWidth": 1, "opacity": FAINT if many else CLEAR}, look),
        _lines(strong, axes, {"strokeWidth": 7, "strokeCap": "round", "opacity": 0.55}, look, GREY),
        _lines(strong, axes, {"strokeWidth": 4, "strokeCap": "round"}, look),
    ]
    dots = alt.Chart(arrow_table(_dots(minima, plane)))
    place = {"x": alt.X("x:Q", **axes["x"]), "y": alt.Y("y:Q", **axes["y"])}
    tooltip = [alt.Tooltip("name:N"), alt.Tooltip("loss:N", title="loss")]
    layers.append(
        dots.mark_point(size=110, filled=True, opacity=1, color=SERIES_COLOURS[0]).encode(
            tooltip=tooltip, **place
        )
    )
    layers.append(
        dots.mark_text(align="left", dx=9, dy=-8, limit=160).encode(text="name:N", **place)
    )
    if strong and not many:
        middles = alt.Chart(arrow_table(strong)).mark_text(align="left", dx=6, dy=-6, fontSize=10)
        layers.append(
            middles.encode(
                x=alt.X("middle_x:Q", **axes["x"]),
                y=alt.Y("middle_y:Q", **axes["y"]),
                text="words:N",
            )
        )
    if scale is not None:
        layers.append(colour_bar(scale, [number_title(look.number)], height))
    return layered_chart([layer for layer in layers if layer is not None], look.width, height)


def _line(
    minima: Minima,
    plane: DistancePlane,
    pair: tuple[int, int],
    value: float,
    scale: ColourScale | None,
    look: MinimaLook,
) -> dict[str, object]:
    (x, y), (x2, y2) = (plane.places[place].tolist() for place in pair)
    return {
        "x": x,
        "y": y,
        "x2": x2,
        "y2": y2,
        "middle_x": (x + x2) / 2,
        "middle_y": (y + y2) / 2,
        "pair": " to ".join(minima.names[place] for place in pair),
        "words": number_text(value, DIGITS),
        "paint": pair_colours(value, scale)[0],
        "href": look.links.get(pair),
    }


def _dots(minima: Minima, plane: DistancePlane) -> list[dict[str, object]]:
    return [
        {"name": name, "x": x, "y": y, "loss": number_text(loss, 4)}
        for name, (x, y), loss in zip(
            minima.names, plane.places.tolist(), minima.losses.tolist(), strict=True
        )
    ]


def _plane_axes(plane: DistancePlane, width: int) -> tuple[dict[str, dict[str, Any]], int]:
    """Both axes of one scale a px, and the height that this takes."""
    low, high = plane.places.min(axis=0), plane.places.max(axis=0)
    spans = high - low
    margin = GRAPH_MARGIN * max(*spans, np.finfo(float).tiny)
    spans = np.maximum(spans + 2 * margin, 0.35 * (spans.max() + 2 * margin))
    middle = (low + high) / 2
    axes = {}
    for name, centre, span in zip("xy", middle, spans, strict=True):
        low_end, high_end = float(centre - span / 2), float(centre + span / 2)
        domain = [low_end, high_end]
        places = ticks(low_end, high_end, False, 6)
        labels = tick_label_expression(places)
        title = "distance in weight space" if name == "x" else None
        axis = {"title": title, "values": places, "labelExpr": labels, "gridOpacity": 0.22}
        axes[name] = {"scale": {"domain": domain, "nice": False, "zero": False}, "axis": axis}
    return axes, round(width * spans[1] / spans[0])


def _lines(
    rows: Sequence[Mapping[str, object]],
    axes: Mapping[str, Mapping[str, Any]],
    mark: Mapping[str, Any],
    look: MinimaLook,
    colour: str = "",
) -> alt.Chart | None:
    """Lines between minima, in their own colours or all in one."""
    if not rows:
        return None
    tooltip = [
        alt.Tooltip("pair:N", title="pair"),
        alt.Tooltip("words:N", title=number_title(look.number)),
    ]
    encodings: dict[str, Any] = {"href": alt.Href("href:N")} if look.links else {}
    return (
        alt.Chart(arrow_table(rows))
        .mark_rule(**mark)
        .encode(
            x=alt.X("x:Q", **axes["x"]),
            y=alt.Y("y:Q", **axes["y"]),
            x2="x2:Q",
            y2="y2:Q",
            stroke=alt.value(colour) if colour else alt.Stroke("paint:N", scale=None),
            tooltip=tooltip,
            **encodings,
        )
    )
