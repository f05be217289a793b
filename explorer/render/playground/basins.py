"""Which critical point each start on a plane ends in: a colour each, contours over them."""

import base64
import io

import altair as alt
import numpy as np
from PIL import Image

from explorer.kinds.look import PlaneLook
from explorer.kinds.preview import preview
from explorer.playground.basins import BasinMap
from explorer.playground.functions import ExampleFunction
from explorer.render.drawing import Chart
from explorer.render.marks.arrow import arrow_table
from explorer.render.marks.contours import contour_layers
from explorer.render.marks.image import cell_extent
from explorer.render.marks.layers import layered_chart
from explorer.render.marks.plane import plot_ratio
from explorer.render.marks.scale import colour_scale
from explorer.render.marks.ticks import number_text
from explorer.render.playground.axes import axis_keywords
from explorer.render.playground.colours import basin_colour
from explorer.render.playground.plane import VALUE, surface_of

INK = "#333333"  # of the contours
PAINT = 0.72  # opacity of the colours: lines on them are seen
SIDE = 600  # px of the picture at least


def draw_basins(function: ExampleFunction, basins: BasinMap, look: PlaneLook) -> Chart:
    """The basins with the function's contours, and a mark at each place that is reached."""
    surface = surface_of(function)
    ratio = plot_ratio(surface)
    scale = colour_scale(surface.values[VALUE], look)
    layers = [_image_layer(basins, surface.x, surface.y)]
    if scale is not None:
        plane = preview(surface.values[VALUE], surface.computed)
        layers += contour_layers(surface, plane, scale, look, ratio, ink=INK)
    if basins.points:
        layers.append(_ends_layer(basins))
    return layered_chart(layers, look.width, round(look.width * ratio), look.title)


def _image_layer(basins: BasinMap, x: np.ndarray, y: np.ndarray) -> alt.Chart:
    """A block of colour for each start; it sets the axes too, which are those of the function."""
    pixels = np.array(
        [list(bytes.fromhex(basin_colour(label)[1:])) for label in basins.labels.ravel().tolist()],
        dtype=np.uint8,
    ).reshape(*basins.labels.shape, 3)
    repeat = [-(-SIDE // count) for count in basins.labels.shape]
    large = pixels[::-1].repeat(repeat[0], axis=0).repeat(repeat[1], axis=1)
    file = io.BytesIO()
    Image.fromarray(large).save(file, "PNG", compress_level=9)
    url = "data:image/png;base64," + base64.b64encode(file.getvalue()).decode()
    (left, right), (bottom, top) = (cell_extent(axis) for axis in basins.axes)
    row = {"url": url, "left": left, "right": right, "bottom": bottom, "top": top}
    across, along = (axis_keywords(*cell_extent(axis), name) for name, axis in (("x", x), ("y", y)))
    return (
        alt.Chart(arrow_table([row]))
        .mark_image(aspect=False, clip=True, opacity=PAINT)
        .encode(
            x=alt.X("left:Q", **across),
            x2="right:Q",
            y=alt.Y("top:Q", **along),
            y2="bottom:Q",
            url="url:N",
        )
    )


def _ends_layer(basins: BasinMap) -> alt.Chart:
    rows = [
        {
            "x": point.place[0],
            "y": point.place[1],
            "colour": basin_colour(label),
            "sort": point.sort,
            "place": f"({number_text(point.place[0], 4)}, {number_text(point.place[1], 4)})",
            "share": f"{basins.share(label):.1%}",
        }
        for label, point in enumerate(basins.points)
    ]
    return (
        alt.Chart(arrow_table(rows))
        .mark_point(size=90, strokeWidth=1.5, stroke="#ffffff", filled=True, opacity=1, clip=True)
        .encode(
            x="x:Q",
            y="y:Q",
            fill=alt.Fill("colour:N", scale=None),
            tooltip=[
                alt.Tooltip("sort:N", title="ends in a"),
                alt.Tooltip("place:N", title="at"),
                alt.Tooltip("share:N", title="of the starts"),
            ],
        )
    )
