"""The basins of a surface from above: a colour each, over it the contour lines of the values."""

import pandas  # noqa: F401 - whole before altair looks at it: another thread may be at it

# isort: split
import io
import math
from collections.abc import Sequence

import altair as alt
import numpy as np
from PIL import Image

from explorer.kinds.preview import preview
from explorer.kinds.surface import Surface, SurfaceLook
from explorer.kinds.topology import GridTopology
from explorer.render.marks.arrow import arrow_table
from explorer.render.marks.colours import SERIES_COLOURS, SERIES_GREY
from explorer.render.marks.contours import contour_layers
from explorer.render.marks.hover import hover_layer
from explorer.render.marks.image import IMAGE_PIXELS, png_layer
from explorer.render.marks.layers import layered_chart
from explorer.render.marks.markers import hole_shapes, symbol_legend
from explorer.render.marks.plane import plane_axes, plot_ratio
from explorer.render.marks.scale import ColourScale, colour_scale
from explorer.render.marks.ticks import number_text
from explorer.topology.merge_tree import NOWHERE, MergeTree

BASIN_COLOURS = tuple(colour for colour in SERIES_COLOURS if colour != SERIES_GREY)
MOST_NUMBERED = 30  # basins whose number stands at their lowest point: the deepest
DEEPEST_SHARE, HIGHEST_SHARE = 0.85, 0.35  # of the colour beside white, from low to high values
BEYOND_SHARE = 0.4  # of that above the level at which a basin joins a deeper one
WALL_GREY = 205
INK = "#222222"
SADDLE = "M-1,-1L1,1M-1,1L1,-1"


def basin_colours(tree: MergeTree) -> list[str]:
    """The colour of each basin in every picture: those that persist for longest each their own."""
    order = np.argsort(-tree.persistence, kind="stable")
    colours = np.empty(len(tree), dtype=object)
    colours[order] = [BASIN_COLOURS[place % len(BASIN_COLOURS)] for place in range(len(tree))]
    return list(colours)


def basins_chart(
    surface: Surface, look: SurfaceLook, topology: GridTopology, axis_titles: Sequence[str] = ()
) -> alt.LayerChart:
    """Which points lie in which basin; paler where the value is higher, grey where it is none.

    Steepest descent from a point ends in its basin. Above the level at which that joins a deeper
    one it is much paler.

    Numbers stand at the lowest point of each basin, from the deepest on; a cross is the saddle at
    which a basin joins a deeper one.

    Args:
        surface: whose values these are.
        look: how it is drawn.
        topology: its basins.
        axis_titles: where its facts do not say them.
    """
    ratio = plot_ratio(surface)
    height = round(look.width * ratio)
    x, y = plane_axes(surface, axis_titles, (look.width, height))
    values = preview(surface.values[look.value], surface.computed)
    scale = colour_scale(topology.values, look)
    layers = [png_layer(surface, _basins_png(topology, scale), x, y)]
    if scale is not None:
        layers += contour_layers(surface, values, scale, look, ratio, ink=INK, bold=False)
    shapes = {"Lowest point of a basin": "circle"}
    if topology.tree.joins.any():
        shapes["Saddle where it joins a deeper one"] = SADDLE
    shapes |= hole_shapes(surface, values, log=False)
    layers += [
        symbol_legend(shapes, look.width),
        *hover_layer(surface, values, look.value),
        *_saddle_layers(surface, topology),
        *_minimum_layers(surface, topology),
    ]
    return layered_chart(layers, look.width, height, look.title)


def _basins_png(topology: GridTopology, scale: ColourScale | None) -> bytes:
    """The basins as a PNG, largest y in the first row; each cell is a block of whole pixels."""
    basins = topology.tree.basins
    hexes = [*basin_colours(topology.tree), "#ffffff"]  # the last is that of NOWHERE
    colours = np.array([list(bytes.fromhex(colour[1:])) for colour in hexes], float)
    heights = np.zeros(basins.shape) if scale is None else scale.fractions(topology.values)
    heights = np.nan_to_num(heights)[..., None]
    share = DEEPEST_SHARE + (HIGHEST_SHARE - DEEPEST_SHARE) * heights
    with np.errstate(invalid="ignore"):
        beyond = topology.values >= np.append(topology.tree.deaths, np.inf)[basins]
    share[beyond] *= BEYOND_SHARE
    pixels = 255 + share * (colours[basins] - 255)
    pixels[basins == NOWHERE] = WALL_GREY
    repeat = [math.ceil(IMAGE_PIXELS / count) for count in basins.shape]
    large = np.rint(pixels).astype(np.uint8)[::-1].repeat(repeat[0], 0).repeat(repeat[1], 1)
    file = io.BytesIO()
    Image.fromarray(large).save(file, "PNG", compress_level=9)
    return file.getvalue()


def _saddle_layers(surface: Surface, topology: GridTopology) -> list[alt.Chart]:
    """A cross for each saddle of the deepest basins."""
    tree = topology.tree
    places = np.flatnonzero(tree.joins)[:MOST_NUMBERED]
    rows: list[dict[str, object]] = []
    for place in places.tolist():
        row, column = np.unravel_index(tree.saddles[place], tree.basins.shape)
        words = f"{place + 1} joins {tree.parents[place] + 1}"
        level = number_text(tree.deaths[place], 4)
        where = {"x": float(surface.x[column]), "y": float(surface.y[row])}
        rows.append({**where, "words": words, "level": level})
    if not rows:
        return []
    tooltip = [alt.Tooltip("words:N", title="saddle"), alt.Tooltip("level:N", title="level")]
    base = alt.Chart(arrow_table(rows)).encode(x="x:Q", y="y:Q", tooltip=tooltip)
    halo = base.mark_point(shape=SADDLE, size=60, stroke="#ffffff", strokeWidth=4, opacity=1)
    return [halo, base.mark_point(shape=SADDLE, size=60, stroke=INK, strokeWidth=1.6, opacity=1)]


def _minimum_layers(surface: Surface, topology: GridTopology) -> list[alt.Chart]:
    """A numbered disc at the lowest point of each of the deepest basins."""
    tree = topology.tree
    rows: list[dict[str, object]] = []
    for place, minimum in enumerate(tree.minima[:MOST_NUMBERED].tolist()):
        row, column = np.unravel_index(minimum, tree.basins.shape)
        level = number_text(tree.births[place], 4)
        where = {"x": float(surface.x[column]), "y": float(surface.y[row])}
        rows.append({**where, "number": str(place + 1), "level": level})
    if not rows:
        return []
    tooltip = [alt.Tooltip("number:N", title="basin"), alt.Tooltip("level:N", title="lowest value")]
    base = alt.Chart(arrow_table(rows)).encode(x="x:Q", y="y:Q")
    disc = base.mark_point(
        shape="circle", size=190, fill="white", stroke=INK, strokeWidth=0.9, opacity=1
    ).encode(tooltip=tooltip)
    return [disc, base.mark_text(fontSize=10, color=INK).encode(text="number:N")]
