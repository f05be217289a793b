"""A surface as a relief: the height field of a surface result, and its thumbnail."""

import io
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from explorer.kinds.surface import Surface
from explorer.render.marks.colours import colour_table
from explorer.render.marks.scale import plane_axes_titles, tick_label, value_title
from explorer.render.relief3d.client import NoOpenGL, renderer
from explorer.render.relief3d.height import HeightField

if TYPE_CHECKING:
    from PIL import Image

THUMBNAIL_SIZE = (480, 330)
BAR_WIDTH = 40  # px of a thumbnail for the bar of its colours
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
    x_label, y_label = plane_axes_titles(surface.facts)
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
        z_label=value_title(value),
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
        png = flat_picture(surface.loss, log)
    return _framed_thumbnail(png, field)


def _framed_thumbnail(png: bytes, field: HeightField) -> bytes:
    """The picture without its empty margins, in the thumbnail's size, with a bar of its colours."""
    from PIL import Image, ImageOps

    with Image.open(io.BytesIO(png)) as picture:
        cropped_picture = picture.convert("RGBA").crop(picture.getbbox())
    picture_size = THUMBNAIL_SIZE[0] - BAR_WIDTH, THUMBNAIL_SIZE[1]
    canvas = Image.new("RGBA", THUMBNAIL_SIZE, (0, 0, 0, 0))
    canvas.paste(
        ImageOps.pad(cropped_picture, picture_size, Image.Resampling.LANCZOS, color=(0, 0, 0, 0))
    )
    if np.isfinite(field.heights).any():
        _draw_colour_bar(canvas, field)
    png_file = io.BytesIO()
    canvas.save(png_file, "PNG")
    return png_file.getvalue()


def _draw_colour_bar(picture: "Image.Image", field: HeightField) -> None:
    """Draw the colours on the right, with the lowest and the highest loss at their ends.

    The numbers stand on white: so they read on any page.
    """
    import matplotlib
    from PIL import Image, ImageDraw, ImageFont

    width, height = picture.size
    top, bottom, left = 52, height - 52, width - 26
    ramp = np.repeat(colour_table(field.colour_map)[::-1][:, None], 18, axis=1)
    picture.paste(Image.fromarray(ramp).resize((18, bottom - top)), (left, top))
    file = Path(matplotlib.get_data_path()) / "fonts" / "ttf" / "DejaVuSans.ttf"
    font = ImageFont.truetype(str(file), 22)
    pen = ImageDraw.Draw(picture)
    low, high = (tick_label(float(end), 2) for end in field.loss_at(field.range))
    for text, y in ((high, top - 22), (low, bottom + 22)):
        box = pen.textbbox((width - 8, y), text, font, anchor="rm")
        pen.rounded_rectangle((box[0] - 5, y - 16, width - 2, y + 16), 6, fill=(255, 255, 255, 235))
        pen.text((width - 8, y), text, (32, 32, 32, 255), font, anchor="rm")


def flat_picture(loss: np.ndarray, log: bool) -> bytes:
    """The loss from above, coloured; transparent where it is not finite."""
    from PIL import Image

    with np.errstate(divide="ignore", invalid="ignore"):
        heights = np.log10(loss) if log else loss
    finite = np.isfinite(heights)
    low, high = (heights[finite].min(), heights[finite].max()) if finite.any() else (0.0, 1.0)
    shade = np.where(finite, (heights - low) / max(high - low, 1e-300), 0) * 255
    pixels = np.dstack(
        [colour_table("viridis")[shade.astype(np.uint8)], finite.astype(np.uint8) * 255]
    )
    picture = io.BytesIO()
    image = Image.fromarray(pixels[::-1].astype(np.uint8))
    image.resize((THUMBNAIL_SIZE[1], THUMBNAIL_SIZE[1]), Image.Resampling.BICUBIC).save(
        picture, "PNG"
    )
    return picture.getvalue()
