"""A surface as a relief: the height field of a surface result, and its thumbnail."""

import io
from dataclasses import replace

import numpy as np

from explorer.kinds.surface import Surface
from explorer.render.client import NoOpenGL, renderer
from explorer.render.colours import lut
from explorer.render.height import HeightField
from explorer.render.scale import axes_titles, title_of

THUMBNAIL = (480, 330)
SHARED = (-3.0, 3.0)  # decades of the loss that all thumbnails of surfaces share
DECADES_FOR_LOG = 1.5  # a loss that spans more is first shown on a log scale


def spans_decades(values: np.ndarray) -> bool:
    """Whether positive finite values span so much that a log scale shows more."""
    positive = values[np.isfinite(values) & (values > 0)]
    if positive.size < 2:
        return False
    return bool(np.log10(positive.max()) - np.log10(positive.min()) > DECADES_FOR_LOG)


def height_field(
    surface: Surface,
    value: str = "loss",
    log: bool = False,
    clip: float | None = None,
    colour_map: str = "viridis",
    contours: int = 16,
) -> HeightField:
    """The surface as a height field, with its centre marked; called as in the contour plot."""
    x_label, y_label = axes_titles(surface.facts)
    return HeightField(
        surface.x,
        surface.y,
        surface.values[value],
        surface.computed,
        log=log,
        clip=clip,
        colour_map=colour_map,
        contours=contours,
        x_label=x_label,
        y_label=y_label,
        z_label=title_of(value),
        markers=((0.0, 0.0, "centre", "#d03030"),),
    )


def thumbnail(surface: Surface) -> bytes:
    """A small picture (PNG) of the loss: in relief, or flat where the machine has no OpenGL."""
    known = surface.loss[surface.computed & np.isfinite(surface.loss)]
    log = bool(known.size) and bool((known > 0).all())
    limits = _shared(known) if log else None
    try:
        field = replace(height_field(surface, log=log), limits=limits)
        return _framed(renderer().still(field, size=(960, 720), background=None))
    except NoOpenGL:
        return flat(surface.loss, log, limits)


def _shared(losses: np.ndarray) -> tuple[float, float]:
    """Heights of floor and top: one scale for all thumbnails but those beyond it.

    So a surface of many decades is seen to be one, and two models are told apart by their losses.
    """
    low, high = np.log10([losses.min(), losses.max()])
    return min(SHARED[0], float(low)), max(SHARED[1], float(high))


def _framed(png: bytes) -> bytes:
    """The picture without its empty margins, in the thumbnail's size."""
    from PIL import Image, ImageOps

    with Image.open(io.BytesIO(png)) as picture:
        cut = picture.crop(picture.getbbox())
    fitted = ImageOps.pad(cut, THUMBNAIL, Image.Resampling.LANCZOS, color=(0, 0, 0, 0))
    framed = io.BytesIO()
    fitted.save(framed, "PNG")
    return framed.getvalue()


def flat(loss: np.ndarray, log: bool, limits: tuple[float, float] | None = None) -> bytes:
    """The loss from above, coloured; transparent where it is not finite.

    Args:
        loss: on the grid.
        log: whether its logarithm is coloured.
        limits: of what is coloured; those of the values unless given.
    """
    from PIL import Image

    with np.errstate(divide="ignore", invalid="ignore"):
        heights = np.log10(loss) if log else loss
    finite = np.isfinite(heights)
    low, high = (heights[finite].min(), heights[finite].max()) if finite.any() else (0.0, 1.0)
    low, high = limits or (low, high)
    shade = np.where(finite, (heights - low) / max(high - low, 1e-300), 0) * 255
    pixels = np.dstack([lut("viridis")[shade.astype(np.uint8)], finite.astype(np.uint8) * 255])
    picture = io.BytesIO()
    image = Image.fromarray(pixels[::-1].astype(np.uint8))
    image.resize((THUMBNAIL[1], THUMBNAIL[1]), Image.Resampling.BICUBIC).save(picture, "PNG")
    return picture.getvalue()
