"""A surface from above: colours, contour lines, markers, tooltips, one legend in true units."""

import pandas  # noqa: F401 - whole before altair looks at it: another thread may be at it

# isort: split
import itertools
import textwrap
from collections.abc import Sequence
from dataclasses import dataclass, replace

import altair as alt
import numpy as np
import pyarrow as pa

from explorer.kinds.look import PlaneLook
from explorer.kinds.preview import Preview, preview
from explorer.kinds.surface import Surface
from explorer.render.marks.arrow import arrow_table
from explorer.render.marks.contours import contour_layers
from explorer.render.marks.given import NamedMark
from explorer.render.marks.hover import hover_layer
from explorer.render.marks.image import cell_extent, image_layer
from explorer.render.marks.layers import layered_chart
from explorer.render.marks.scale import (
    ColourScale,
    colour_scale,
    plane_axes_titles,
    require_value,
    value_title,
)
from explorer.render.marks.ticks import (
    VALUE_TICKS,
    coordinate_ticks,
    number_text,
    tick_label,
    tick_label_expression,
)

NAMED_SHAPES = ("circle", "square", "triangle-up", "triangle-down", "triangle-right")
LETTER_WIDTH, LEAST_LETTERS = 7, 12  # px of a letter of an axis' title; letters in a line
SQUARE_WITHIN = 3.0  # ranges that differ by less share one scale per unit

# The legend's symbols, as Vega's SVG paths in a box from -1 to 1.
BAR_TITLE_HEIGHT = 30  # px, of one line and the gap below it
BOX = "M-1,-1L1,-1L1,1L-1,1L-1,-1"
CENTRE, LOWEST, NAN, INFINITE, NOT_POSITIVE, PREVIEW = (
    "cross",
    "diamond",
    BOX + "M-1,0L0,-1M-1,1L1,-1M0,1L1,0",
    BOX + "M-1,-1L1,1M-1,1L1,-1",
    BOX + "M-1,0L1,0",
    BOX,
)


def plane_chart(
    surface: Surface,
    look: PlaneLook,
    axis_titles: Sequence[str] = (),
    marks: Sequence[NamedMark] = (),
) -> alt.LayerChart:
    """The surface from above.

    Every value fills a cell centred at its own coordinate. Places not computed yet show their
    preview, pale: interpolated, or else the nearest computed value. The tooltips hold every point
    of a grid up to 60 x 60 (fewer with many metrics), above that every second, third, ..., which
    keeps them below 0.4 MB; they name the coordinates of the point they tell of. Axes are called
    what they are, unless they are given titles.

    Raises:
        ValueError: the surface has no such value, or its axes are not evenly spaced.
    """
    require_value(surface, look.value)
    values = surface.values[look.value]
    surface_preview = preview(values, surface.computed)
    scale = colour_scale(values[surface.computed], look)
    titles = axis_titles or plane_axes_titles(surface.facts)
    ratio = plot_ratio(surface)
    height = round(look.width * ratio)
    x, y = (
        _axis_keywords(axis, _title_lines(title, length))
        for axis, title, length in zip(
            (surface.x, surface.y), titles, (look.width, height), strict=True
        )
    )
    layers = [image_layer(surface, surface_preview, scale, look, x, y)]
    if scale is not None and look.bar:
        layers.append(colour_bar(scale, bar_title(scale, values, value_title(look.value)), height))
    if scale is not None:
        layers += contour_layers(surface, surface_preview, scale, look, ratio)
    layers += [
        *_marker_layers(surface, surface_preview, look, marks),
        *hover_layer(surface, surface_preview, look.value),
    ]
    return layered_chart(layers, look.width, height, look.title)


def plot_ratio(surface: Surface) -> float:
    """Height of a plane's plot in widths: one scale per unit unless the ranges differ too much."""
    spans = [float(np.ptp(cell_extent(axis))) for axis in (surface.x, surface.y)]
    ratio = spans[1] / spans[0]
    return ratio if 1 / SQUARE_WITHIN <= ratio <= SQUARE_WITHIN else 0.8


def _title_lines(title: str, length: int) -> str | list[str]:
    """A title in as many lines as an axis of so many px has room for."""
    lines = textwrap.wrap(title, max(LEAST_LETTERS, length // LETTER_WIDTH))
    return lines if len(lines) > 1 else title


def _axis_keywords(axis: np.ndarray, title: str | list[str]) -> dict[str, object]:
    """Scale and axis of one coordinate, as keywords of its channel."""
    values = coordinate_ticks(axis)
    return {
        "scale": {"domain": list(cell_extent(axis)), "nice": False, "zero": False},
        "axis": {
            "title": title,
            "grid": False,
            "values": values,
            "labelExpr": tick_label_expression(values),
        },
    }


def bar_title(scale: ColourScale, values: np.ndarray, name: str) -> list[str]:
    """Lines of the title: the value's name, and that it is clipped when it is."""
    with np.errstate(invalid="ignore"):
        clipped = bool((values[np.isfinite(values)] > scale.high).any())
    return [name, f"clipped at {tick_label(scale.high)}"] if clipped else [name]


def colour_bar(scale: ColourScale, title: list[str], height: int) -> alt.Chart:
    """The scale as Vega's own legend of an unseen point: so themes reach its text."""
    values = scale.ticks(VALUE_TICKS)
    stops = scale.stops()
    hexes = ["#" + bytes(colour).hex() for colour in scale.colours(np.array(stops))]
    return (
        alt.Chart(arrow_table([{"value": scale.low}]))
        .mark_point(opacity=0, size=0)
        .encode(
            color=alt.Color(
                "value:Q",
                scale={
                    "type": "log" if scale.log else "linear",
                    "domain": stops,
                    "range": hexes,
                    "interpolate": "rgb",
                },
                legend={
                    "title": title,
                    "values": values,
                    "labelExpr": tick_label_expression(values),
                    "gradientLength": max(60, height - BAR_TITLE_HEIGHT - 17 * (len(title) - 1)),
                    "titlePadding": 8,
                },
            )
        )
    )


def _marker_layers(
    surface: Surface, surface_preview: Preview, look: PlaneLook, marks: Sequence[NamedMark]
) -> list[alt.Chart]:
    """The centre, the lowest computed value, named points; and what the holes mean, in one legend.

    A named point that lies beyond what is shown is in the legend alone.
    """
    markers = [*_markers(surface, surface_preview.values), *_named_places(marks)]
    shapes = {marker.words: marker.shape for marker in markers}
    shapes |= _hole_shapes(surface, surface_preview, look.log)
    if not shapes:
        return []
    return [_symbol_legend(shapes, look.width), *map(_marker_layer, markers)]


@dataclass(frozen=True)
class MarkedPlace:
    """A place that is marked, and what it is called in the legend."""

    x: float
    y: float
    words: str
    shape: str


def _markers(surface: Surface, values: np.ndarray) -> list[MarkedPlace]:
    """The centre where it is in view, and the place of the lowest computed value; one if both."""
    markers = []
    (left, right), (bottom, top) = cell_extent(surface.x), cell_extent(surface.y)
    if left <= 0 <= right and bottom <= 0 <= top:
        markers.append(MarkedPlace(0.0, 0.0, "Centre", CENTRE))
    finite_values = np.where(surface.computed & np.isfinite(values), values, np.inf)
    if not np.isfinite(finite_values).any():
        return markers
    j, i = np.unravel_index(finite_values.argmin(), finite_values.shape)
    x, y = float(surface.x[i]), float(surface.y[j])
    words = f"lowest, {number_text(finite_values[j, i], 4)}"
    if markers and (x, y) == (0.0, 0.0):
        return [replace(markers[0], words=f"Centre and {words}")]
    return [*markers, MarkedPlace(x, y, words.capitalize(), LOWEST)]


def _named_places(marks: Sequence[NamedMark]) -> list[MarkedPlace]:
    """Named points, each with a shape of its own."""
    shapes = zip(marks, itertools.cycle(NAMED_SHAPES), strict=False)
    return [MarkedPlace(mark.x, mark.y, mark.words, shape) for mark, shape in shapes]


def _hole_shapes(surface: Surface, surface_preview: Preview, log: bool) -> dict[str, str]:
    """The shapes of the sorts of holes that there are, by their words in the legend."""
    values = surface_preview.values
    computed, gap = surface.computed, surface_preview.interpolated
    holes = {
        "NaN": (computed & np.isnan(values), NAN),
        "Infinite": (computed & np.isinf(values), INFINITE),
        "Not above 0": (computed & np.isfinite(values) & (values <= 0) & log, NOT_POSITIVE),
        "Interpolated": (gap, PREVIEW),
        "Not computed": (~computed & ~gap, PREVIEW),
    }
    return {
        f"{name}, {where.sum():,}": shape for name, (where, shape) in holes.items() if where.any()
    }


def _marker_layer(marker: MarkedPlace) -> alt.Chart:
    return (
        alt.Chart(arrow_table([{"x": marker.x, "y": marker.y}]))
        .mark_point(
            style="marker",
            shape=marker.shape,
            size=90,
            fill="white",
            stroke="#222222",
            strokeWidth=0.9,
            opacity=1,
            clip=True,
        )
        .encode(x=alt.X("x:Q"), y=alt.Y("y:Q"))
    )


def _symbol_legend(shapes: dict[str, str], width: int) -> alt.Chart:
    """A legend of outlines without a point, in a grey that reads on any page.

    It hangs on the shape alone: with fill and stroke beside it Streamlit shows three legends.
    """
    legend = {
        "title": None,
        "orient": "bottom",
        "direction": "horizontal",
        "columns": max(1, width // 140),
        "symbolSize": 90,
        "symbolStrokeWidth": 1,
        "labelLimit": 0,
    }
    scale = {"domain": list(shapes), "range": list(shapes.values())}
    nowhere = pa.nulls(len(shapes), pa.float64())  # a NaN would not be JSON
    return (
        alt.Chart(pa.table({"x": nowhere, "y": nowhere, "mark": list(shapes)}))
        .mark_point(size=90, color="#888888", opacity=1)
        .encode(
            x=alt.X("x:Q"),
            y=alt.Y("y:Q"),
            shape=alt.Shape("mark:N", legend=legend, scale=scale),
        )
    )
