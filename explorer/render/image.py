"""The cells of a surface as one picture, each at its own coordinate."""

import base64
import io
import math
from typing import Any

import altair as alt
import numpy as np
from PIL import Image
from scipy.ndimage import distance_transform_edt

from explorer.kinds.surface import Surface
from explorer.render.rows import table
from explorer.render.scale import (
    ColourScale,
    ContourStyle,
    drawable,
)

IMAGE_PIXELS = 600  # per side at least: cell edges and hatching stay sharp on paper
PREVIEW_OPACITY = 0.75


def preview(values: np.ndarray, computed: np.ndarray) -> np.ndarray:
    """The values, places not computed yet filled from the nearest one that is; for drawing only.

    A computed NaN stays one and is passed on as one; with nothing computed all is NaN.
    """
    rows, columns = nearest_computed(computed)
    return values[rows, columns] if computed.any() else np.full(values.shape, np.nan)


def nearest_computed(computed: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Row and column of the nearest computed place of each place, two arrays (Y, X)."""
    rows, columns = distance_transform_edt(~computed, return_distances=False, return_indices=True)
    return rows, columns


def extent(axis: np.ndarray) -> tuple[float, float]:
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
    values: np.ndarray,
    scale: ColourScale | None,
    style: ContourStyle,
    x: dict[str, Any],
    y: dict[str, Any],
) -> alt.Chart:
    """The colours, one PNG stretched over the cells; it also sets the axes of the whole chart."""
    left, right = extent(surface.x)
    bottom, top = extent(surface.y)
    url = "data:image/png;base64," + base64.b64encode(png(surface, values, scale, style)).decode()
    row = {"url": url, "left": left, "right": right, "bottom": bottom, "top": top}
    return (
        alt.Chart(table([row]))
        .mark_image(aspect=False)
        .encode(
            x=alt.X("left:Q", **x),
            x2="right:Q",
            y=alt.Y("top:Q", **y),
            y2="bottom:Q",
            url="url:N",
        )
    )


def png(
    surface: Surface, values: np.ndarray, scale: ColourScale | None, style: ContourStyle
) -> bytes:
    """The surface as a PNG, largest y in the first row; each cell is a block of whole pixels."""
    shown = preview(values, surface.computed)
    pixels = np.empty((*shown.shape, 4), dtype=np.uint8)
    pixels[..., :3] = 255 if scale is None else scale.colours(shown)
    pixels[..., 3] = np.where(surface.computed, 255, round(255 * PREVIEW_OPACITY))
    repeat = [math.ceil(IMAGE_PIXELS / count) for count in shown.shape]

    def blocks(cells: np.ndarray) -> np.ndarray:
        return cells[::-1].repeat(repeat[0], axis=0).repeat(repeat[1], axis=1)

    large, large_shown = blocks(pixels), blocks(shown)
    _hatch(large, large_shown, style.log)
    if not surface.computed.any():
        large[:] = 0
    file = io.BytesIO()
    Image.fromarray(large).save(file, "PNG", compress_level=9)
    return file.getvalue()


def _hatch(pixels: np.ndarray, values: np.ndarray, log: bool) -> None:
    """Draw holes on light grey: NaN as diagonals, Inf crossed, not positive (log) as levels."""
    row, column = np.arange(values.shape[0])[:, None], np.arange(values.shape[1])[None, :]
    rising, falling, level = (
        (axis % period) < thick
        for axis, period, thick in ((row + column, 12, 2), (row - column, 12, 2), (row, 10, 2))
    )
    infinite, nan = np.isinf(values), np.isnan(values)
    hole = ~drawable(values, log)
    lines = np.where(nan, rising, np.where(infinite, rising | falling, level)) & hole
    pixels[hole, :3] = 225
    pixels[lines, :3] = 90
