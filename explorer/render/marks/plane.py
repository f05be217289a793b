"""A surface from above: colours, contour lines, markers, tooltips, one legend in true units."""

import pandas  # noqa: F401 - whole before altair looks at it: another thread may be at it

# isort: split
import textwrap
from collections.abc import Sequence

import altair as alt
import numpy as np

from explorer.kinds.look import PlaneLook
from explorer.kinds.preview import preview
from explorer.kinds.surface import Surface
from explorer.render.marks.arrow import arrow_table
from explorer.render.marks.contours import contour_layers
from explorer.render.marks.given import NamedMark
from explorer.render.marks.hover import hover_layer
from explorer.render.marks.image import cell_extent, image_layer
from explorer.render.marks.layers import layered_chart
from explorer.render.marks.markers import MarkedPlace, marker_layers
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
    tick_label,
    tick_label_expression,
)

LETTER_WIDTH, LEAST_LETTERS = 7, 12  # px of a letter of an axis' title; letters in a line
SQUARE_WITHIN = 3.0  # ranges that differ by less share one scale per unit

BAR_TITLE_HEIGHT = 30  # px, of one line and the gap below it


def plane_chart(
    surface: Surface,
    look: PlaneLook,
    axis_titles: Sequence[str] = (),
    marks: Sequence[NamedMark] = (),
    places: Sequence[MarkedPlace] | None = None,
) -> alt.LayerChart:
    """The surface from above.

    Every value fills a cell centred at its own coordinate. Places not computed yet show their
    preview, pale: interpolated, or else the nearest computed value. The tooltips hold every point
    of a grid up to 60 x 60 (fewer with many metrics), above that every second, third, ..., which
    keeps them below 0.4 MB; they name the coordinates of the point they tell of. Axes are called
    what they are, unless they are given titles.

    Args:
        surface: what is drawn.
        look: how.
        axis_titles: what the axes are called, where the facts do not say it.
        marks: points that are marked beside the centre and the lowest value.
        places: what is marked instead of all these, where the plane has no centre.

    Raises:
        ValueError: the surface has no such value, or its axes are not evenly spaced.
    """
    require_value(surface, look.value)
    values = surface.values[look.value]
    surface_preview = preview(values, surface.computed)
    scale = colour_scale(values[surface.computed], look)
    ratio = plot_ratio(surface)
    height = round(look.width * ratio)
    x, y = plane_axes(surface, axis_titles, (look.width, height))
    layers = [image_layer(surface, surface_preview, scale, look, x, y)]
    if scale is not None and look.bar:
        layers.append(colour_bar(scale, bar_title(scale, values, value_title(look.value)), height))
    if scale is not None:
        layers += contour_layers(surface, surface_preview, scale, look, ratio)
    layers += [
        *marker_layers(surface, surface_preview, look, marks, places),
        *hover_layer(surface, surface_preview, look.value),
    ]
    return layered_chart(layers, look.width, height, look.title)


def plane_axes(
    surface: Surface, titles: Sequence[str], lengths: tuple[int, int]
) -> tuple[dict[str, object], dict[str, object]]:
    """Scale and axis of x and y, as keywords of their channels.

    Args:
        surface: the plane.
        titles: of both; none for what its facts call them.
        lengths: width and height of the plot, in px.
    """
    x, y = (
        _axis_keywords(axis, _title_lines(title, length))
        for axis, title, length in zip(
            (surface.x, surface.y),
            titles or plane_axes_titles(surface.facts),
            lengths,
            strict=True,
        )
    )
    return x, y


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
