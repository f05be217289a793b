"""The cells of a surface as one picture, each at its own coordinate."""

import base64
import io
import math

import altair as alt
import numpy as np
from PIL import Image

from explorer.kinds.look import PlaneLook
from explorer.kinds.preview import Preview
from explorer.kinds.surface import Surface
from explorer.render.marks.arrow import Encodings, arrow_table
from explorer.render.marks.scale import ColourScale, is_drawable

IMAGE_PIXELS = 600  # per side at least: cell edges and hatching stay sharp on paper
PREVIEW_OPACITY = 0.75


def cell_extent(axis: np.ndarray) -> tuple[float, float]:
    """Outer edges of the first and the last cell.

    Raises:
        ValueError: the axis is not evenly spaced.
    """
    half = (axis[-1] - axis[0]) / (len(axis) - 1) / 2
    if not np.allclose(np.diff(axis), 2 * half, rtol=1e-6):
        raise ValueError("the values of an axis must be evenly spaced")
    return float(axis[0] - half), float(axis[-1] + half)


def image_layer(
    surface: Surface,
    preview: Preview,
    scale: ColourScale | None,
    look: PlaneLook,
    x: Encodings,
    y: Encodings,
) -> alt.Chart:
    """The colours, one PNG stretched over the cells; it also sets the axes of the whole chart."""
    return png_layer(surface, surface_png(preview, scale, look), x, y)


def png_layer(surface: Surface, png: bytes, x: Encodings, y: Encodings) -> alt.Chart:
    """A PNG stretched over the cells of a surface; it also sets the axes of the whole chart."""
    left, right = cell_extent(surface.x)
    bottom, top = cell_extent(surface.y)
    url = "data:image/png;base64," + base64.b64encode(png).decode()
    row = {"url": url, "left": left, "right": right, "bottom": bottom, "top": top}
    return (
        alt.Chart(arrow_table([row]))
        .mark_image(aspect=False)
        .encode(
            x=alt.X("left:Q", **x),
            x2=alt.X2("right:Q"),
            y=alt.Y("top:Q", **y),
            y2=alt.Y2("bottom:Q"),
            url=alt.Url("url:N"),
        )
    )


def surface_png(preview: Preview, scale: ColourScale | None, look: PlaneLook) -> bytes:
    """The surface as a PNG, largest y in the first row; each cell is a block of whole pixels.

    What is not computed is pale.
    """
    values = preview.values
    pixels = np.empty((*values.shape, 4), dtype=np.uint8)
    pixels[..., :3] = 255 if scale is None else scale.colours(values)
    pixels[..., 3] = np.where(preview.computed, 255, round(255 * PREVIEW_OPACITY))
    repeat = [math.ceil(IMAGE_PIXELS / count) for count in values.shape]

    def blocks(cells: np.ndarray) -> np.ndarray:
        return cells[::-1].repeat(repeat[0], axis=0).repeat(repeat[1], axis=1)

    large = blocks(pixels)
    _hatch_holes(large, blocks(values), look.log)
    if not preview.computed.any():
        large[:] = 0
    file = io.BytesIO()
    Image.fromarray(large).save(file, "PNG", compress_level=9)
    return file.getvalue()


def _hatch_holes(pixels: np.ndarray, values: np.ndarray, log: bool) -> None:
    """Draw holes on light grey: NaN as diagonals, Inf crossed, not positive (log) as levels."""
    row, column = np.arange(values.shape[0])[:, None], np.arange(values.shape[1])[None, :]
    rising, falling, level = (
        (axis % period) < thick
        for axis, period, thick in ((row + column, 12, 2), (row - column, 12, 2), (row, 10, 2))
    )
    infinite, nan = np.isinf(values), np.isnan(values)
    hole = ~is_drawable(values, log)
    lines = np.where(nan, rising, np.where(infinite, rising | falling, level)) & hole
    pixels[hole, :3] = 225
    pixels[lines, :3] = 90
