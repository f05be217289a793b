"""A surface as a relief: the height field of a surface result, and its thumbnail."""

import io
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from explorer.kinds.surface import Surface
from explorer.render.marks.colours import lut
from explorer.render.marks.scale import axes_titles, label, title_of
from explorer.render.relief3d.client import NoOpenGL, renderer
from explorer.render.relief3d.height import HeightField

if TYPE_CHECKING:
    from PIL import Image

THUMBNAIL = (480, 330)
BAR = 40  # px of a thumbnail for the bar of its colours
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
    """A small picture (PNG) of the loss: in relief, or flat where the machine has no OpenGL.

    Both have a log scale where the loss spans decades, and a bar that says from where to where.
    """
    log = spans_decades(surface.loss)
    try:
        field = height_field(surface, log=log, contours=12)
        png = renderer().still(field, size=(960, 720), background=None)
    except NoOpenGL:
        png = flat(surface.loss, log)
    return _framed(png, field)


def _framed(png: bytes, field: HeightField) -> bytes:
    """The picture without its empty margins, in the thumbnail's size, with a bar of its colours."""
    from PIL import Image, ImageOps

    with Image.open(io.BytesIO(png)) as picture:
        cut = picture.convert("RGBA").crop(picture.getbbox())
    room = THUMBNAIL[0] - BAR, THUMBNAIL[1]
    fitted = Image.new("RGBA", THUMBNAIL, (0, 0, 0, 0))
    fitted.paste(ImageOps.pad(cut, room, Image.Resampling.LANCZOS, color=(0, 0, 0, 0)))
    if np.isfinite(field.heights).any():
        _barred(fitted, field)
    framed = io.BytesIO()
    fitted.save(framed, "PNG")
    return framed.getvalue()


def _barred(picture: "Image.Image", field: HeightField) -> None:
    """Draw the colours on the right, with the lowest and the highest loss at their ends.

    The numbers stand on white: so they read on any page.
    """
    import matplotlib
    from PIL import Image, ImageDraw, ImageFont

    width, height = picture.size
    top, bottom, left = 52, height - 52, width - 26
    ramp = np.repeat(lut(field.colour_map)[::-1][:, None], 18, axis=1)
    picture.paste(Image.fromarray(ramp).resize((18, bottom - top)), (left, top))
    file = Path(matplotlib.get_data_path()) / "fonts" / "ttf" / "DejaVuSans.ttf"
    font = ImageFont.truetype(str(file), 22)
    pen = ImageDraw.Draw(picture)
    low, high = (label(float(end), 2) for end in field.loss_at(field.range))
    for text, y in ((high, top - 22), (low, bottom + 22)):
        box = pen.textbbox((width - 8, y), text, font, anchor="rm")
        pen.rounded_rectangle((box[0] - 5, y - 16, width - 2, y + 16), 6, fill=(255, 255, 255, 235))
        pen.text((width - 8, y), text, (32, 32, 32, 255), font, anchor="rm")


def flat(loss: np.ndarray, log: bool) -> bytes:
    """The loss from above, coloured; transparent where it is not finite."""
    from PIL import Image

    with np.errstate(divide="ignore", invalid="ignore"):
        heights = np.log10(loss) if log else loss
    finite = np.isfinite(heights)
    low, high = (heights[finite].min(), heights[finite].max()) if finite.any() else (0.0, 1.0)
    shade = np.where(finite, (heights - low) / max(high - low, 1e-300), 0) * 255
    pixels = np.dstack([lut("viridis")[shade.astype(np.uint8)], finite.astype(np.uint8) * 255])
    picture = io.BytesIO()
    image = Image.fromarray(pixels[::-1].astype(np.uint8))
    image.resize((THUMBNAIL[1], THUMBNAIL[1]), Image.Resampling.BICUBIC).save(picture, "PNG")
    return picture.getvalue()
