"""Places that are marked on a plane, and what its holes mean, in one legend of symbols."""

import pandas  # noqa: F401 - whole before altair looks at it: another thread may be at it

# isort: split
import itertools
from collections.abc import Sequence
from dataclasses import dataclass, replace

import altair as alt
import numpy as np
import pyarrow as pa

from explorer.kinds.look import PlaneLook
from explorer.kinds.preview import Preview
from explorer.kinds.surface import Surface
from explorer.render.marks.arrow import arrow_table
from explorer.render.marks.given import NamedMark
from explorer.render.marks.image import cell_extent
from explorer.render.marks.ticks import number_text

NAMED_SHAPES = ("circle", "square", "triangle-up", "triangle-down", "triangle-right")

# The legend's symbols, as Vega's SVG paths in a box from -1 to 1.
BOX = "M-1,-1L1,-1L1,1L-1,1L-1,-1"
CENTRE, LOWEST, NAN, INFINITE, NOT_POSITIVE, PREVIEW = (
    "cross",
    "diamond",
    BOX + "M-1,0L0,-1M-1,1L1,-1M0,1L1,0",
    BOX + "M-1,-1L1,1M-1,1L1,-1",
    BOX + "M-1,0L1,0",
    BOX,
)


@dataclass(frozen=True)
class MarkedPlace:
    """A place that is marked, and what it is called in the legend."""

    x: float
    y: float
    words: str
    shape: str


def marker_layers(
    surface: Surface,
    surface_preview: Preview,
    look: PlaneLook,
    marks: Sequence[NamedMark],
    places: Sequence[MarkedPlace] | None = None,
) -> list[alt.Chart]:
    """The centre, the lowest computed value, named points; and what the holes mean, in one legend.

    A named point that lies beyond what is shown is in the legend alone.

    Args:
        surface: the plane.
        surface_preview: its values.
        look: how it is drawn.
        marks: the named points.
        places: what is marked instead of all these, where the plane has no centre.
    """
    markers = list(places or ())
    if places is None:
        markers = [*_markers(surface, surface_preview.values), *_named_places(marks)]
    shapes = {marker.words: marker.shape for marker in markers}
    shapes |= hole_shapes(surface, surface_preview, look.log)
    if not shapes:
        return []
    return [symbol_legend(shapes, look.width), *map(marker_layer, markers)]


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


def hole_shapes(surface: Surface, surface_preview: Preview, log: bool) -> dict[str, str]:
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


def marker_layer(marker: MarkedPlace) -> alt.Chart:
    """The mark of a place."""
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


def symbol_legend(shapes: dict[str, str], width: int) -> alt.Chart:
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
