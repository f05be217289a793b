"""Small pictures of answers: the same drawing, without axes, on no paper of its own."""

import io
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from explorer.kinds import Kind
from explorer.kinds.look import SMALL_HEIGHT, SMALL_WIDTH, PlaneLook, SubjectName
from explorer.render.drawing import Chart, as_chart, drawing_of
from explorer.render.export.views import Spec, inner_views, static_spec
from explorer.render.marks.colours import BLUE, SERIES_COLOURS, colour_table
from explorer.render.marks.ticks import tick_label
from explorer.render.relief3d.client import NoOpenGL, renderer
from explorer.render.relief3d.height import HeightField
from explorer.render.relief3d.relief import Relief

if TYPE_CHECKING:
    from PIL import Image

MARGIN = 14  # px around a plot
THUMBNAIL_SIZE = (SMALL_WIDTH + 2 * MARGIN, SMALL_HEIGHT + 2 * MARGIN)
BAR_WIDTH = 40  # px for the bar of a relief's colours
MOST_PLOTS = 2  # of those below each other
RENDERED_SIZE = (960, 720)  # px of a relief before its margins are cut off
# Marks of the screen, by their style, as they are in a picture that is shown at half its size.
SMALL_MARKS: dict[str, dict[str, float | str]] = {
    "band": {"color": BLUE},
    "profile": {"strokeWidth": 4},
    "density": {"strokeWidth": 4},
    "faint": {"strokeWidth": 1.5},
    "chord": {"strokeWidth": 2.5},
    "spike": {"strokeWidth": 2.5},
    "end": {"size": 200, "strokeWidth": 4},
    "contour": {"strokeWidth": 1.4},
    "marker": {"size": 140},
    "search": {"size": 420, "strokeWidth": 4},
    "path": {"strokeWidth": 4},
    "snapshot": {"size": 90},
    "path-end": {"size": 260},
}
TEXTS = ("contour-label", "contour-halo", "rank", "label")


def thumbnail(kind: Kind, result: object, names: Sequence[SubjectName] = ()) -> bytes:
    """A small picture (PNG) of a result, readable on light and dark pages.

    A relief has a bar that says from which loss to which; where the machine has no OpenGL it is
    drawn from above.

    Raises:
        RenderError: the renderer failed.
    """
    look = kind.look.small(result)
    drawing = drawing_of(kind, result, look, names)
    if not isinstance(drawing, Relief):
        return small_chart(drawing)
    try:
        png = renderer().still(drawing.field, size=RENDERED_SIZE, background=None)
    except NoOpenGL:
        assert isinstance(look, PlaneLook)
        png = small_chart(as_chart(drawing_of(kind, result, replace(look, view="contour"), names)))
    return _framed_thumbnail(png, drawing.field)


def small_chart(chart: Chart) -> bytes:
    """The chart as a small PNG: its marks alone, of the first plots where it has several."""
    import vl_convert
    from PIL import Image

    spec = _bare(static_spec(chart))
    for key in ("vconcat", "concat"):
        if key in spec:
            spec[key] = spec[key][:MOST_PLOTS]
    spec |= {"background": "transparent", "padding": MARGIN, "spacing": 0}
    config: Spec = {mark: {"color": BLUE} for mark in ("line", "area", "bar", "point")}
    spec["config"] = config | {
        "view": {"stroke": None},
        "range": {"category": list(SERIES_COLOURS)},
    }
    png = bytes(vl_convert.vegalite_to_png(spec, allowed_base_urls=[]))
    with Image.open(io.BytesIO(png)) as picture:
        if picture.width <= THUMBNAIL_SIZE[0] and picture.height <= THUMBNAIL_SIZE[1]:
            return png
        picture.thumbnail(THUMBNAIL_SIZE)
        file = io.BytesIO()
        picture.save(file, "PNG")
    return file.getvalue()


def _bare(view: Spec) -> Spec:
    """The view without axes, legends, titles and words."""
    bare = {name: part for name, part in view.items() if name not in ("title", "resolve")}
    for key, inner in inner_views(view):
        bare[key] = [_bare(one) for one in inner if _mark_style(one) not in TEXTS]
    if "mark" in bare:
        bare["mark"] = {**bare["mark"], **SMALL_MARKS.get(_mark_style(bare), {})}
    if "encoding" in bare:
        bare["encoding"] = {n: _bare_channel(n, c) for n, c in bare["encoding"].items()}
    return bare


def _mark_style(view: Spec) -> str:
    mark = view.get("mark")
    return str(mark.get("style", "")) if isinstance(mark, dict) else ""


def _bare_channel(name: str, channel: object) -> object:
    """A channel without what tells its scale."""
    if not isinstance(channel, dict) or not {"field", "datum"} & channel.keys():
        return channel
    if name in ("x", "y"):
        return {**channel, "axis": None}
    return channel if name in ("x2", "y2", "order", "detail") else {**channel, "legend": None}


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
