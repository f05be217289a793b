"""A rendered picture and what belongs around it, together as one figure."""

import base64
import io
from collections.abc import Sequence

import altair as alt
import numpy as np
from PIL import Image, ImageChops

from explorer.kinds.provenance import Provenance
from explorer.render.drawing import Drawing
from explorer.render.export.figure import require_figure, save_figure
from explorer.render.export.fonts import SANS
from explorer.render.export.metadata import with_provenance
from explorer.render.export.svg import POINTS
from explorer.render.marks.arrow import arrow_table
from explorer.render.marks.layers import layered_chart
from explorer.render.marks.plane import bar_title, colour_bar
from explorer.render.relief3d.client import renderer
from explorer.render.relief3d.frame import Frame
from explorer.render.relief3d.frame import axes_frame as frame_of
from explorer.render.relief3d.height import HeightField
from explorer.render.relief3d.relief import Relief

BAR_SHARE = 0.6  # of the picture's height that a colour bar takes
PLOT_SHARE = 0.8  # of the figure's width, the rest being axes and the colour bar
OVERSAMPLING = 1.25  # pixels rendered for one in the figure, as margins are cut off
ASPECT = 4 / 3  # width of a relief's picture over its height


def composed_still(
    png: bytes,
    field: HeightField,
    width_inches: float,
    *,
    frame: Frame | None = None,
    bar: bool = True,
) -> alt.LayerChart:
    """A rendered picture with its axes and a colour bar as vector text, for `save_figure`.

    Args:
        png: the picture without any text.
        field: what it shows; gives the colour bar its units.
        width_inches: the width it is made for; `save_figure` may give it another.
        frame: numbers and names of the axes.
        bar: whether there is a colour bar.
    """
    with Image.open(io.BytesIO(png)) as picture:
        ratio = picture.height / picture.width
    width = round(width_inches * POINTS * PLOT_SHARE)
    height = round(width * ratio)
    layers = [_picture_layer(png)]
    if bar and np.isfinite(field.heights).any():
        words = bar_title(field.scale, field.z[field.computed], field.z_label)
        layers.append(colour_bar(field.scale, words, round(height * BAR_SHARE)))
    if frame is not None:
        layers += _frame_layers(frame)
    description = f"{field.z_label} in three dimensions."
    return layered_chart(layers, width, height, "", description)


def _picture_layer(png: bytes) -> alt.Chart:
    """The picture over all of the plot."""
    url = "data:image/png;base64," + base64.b64encode(png).decode()
    unit = {"domain": [0, 1], "nice": False, "zero": False}
    return (
        alt.Chart(arrow_table([{"url": url, "left": 0, "right": 1, "bottom": 0, "top": 1}]))
        .mark_image(aspect=False)
        .encode(
            x=alt.X("left:Q", scale=unit, axis=None),
            x2=alt.X2("right:Q"),
            y=alt.Y("top:Q", scale=unit, axis=None),
            y2=alt.Y2("bottom:Q"),
            url=alt.Url("url:N"),
        )
    )


def _frame_layers(frame: Frame) -> list[alt.Chart]:
    """The frame's strokes and texts, at fractions of the picture."""

    def place(x: float, y: float) -> tuple[float, float]:
        return x / frame.width, 1 - y / frame.height

    layers = []
    strokes: list[dict[str, object]] = []
    for x, y, x2, y2 in frame.strokes:
        (left, low), (right, high) = place(x, y), place(x2, y2)
        strokes.append({"x": left, "y": low, "x2": right, "y2": high})
    if strokes:
        tick_rules = alt.Chart(arrow_table(strokes)).mark_rule(
            style="tick", color="#777777", strokeWidth=0.5
        )
        layers.append(
            tick_rules.encode(x=alt.X("x:Q"), y=alt.Y("y:Q"), x2=alt.X2("x2:Q"), y2=alt.Y2("y2:Q"))
        )
    for size in sorted({word.size for word in frame.words}):
        rows = []
        for word in frame.words:
            if word.size == size:
                x, y = place(word.x, word.y)
                rows.append({"x": x, "y": y, "text": word.text, "angle": word.angle})
        text = alt.Chart(arrow_table(rows)).mark_text(fontSize=size, baseline="middle", limit=0)
        angle = alt.Angle("angle:Q", scale=None)
        layers.append(
            text.encode(x=alt.X("x:Q"), y=alt.Y("y:Q"), text=alt.Text("text:N"), angle=angle)
        )
    return layers


def save_drawing(
    drawing: Drawing,
    format: str,
    width_inches: float,
    dpi: int = 300,
    *,
    fonts: Sequence[str] = SANS,
    provenance: Sequence[Provenance] = (),
) -> bytes:
    """A chart, or a relief with axes and colour bar, as a figure of exactly that width.

    Raises:
        NoOpenGL: this machine cannot draw a relief.
        RenderError: the renderer failed.
        ValueError: see `save_figure`.
    """
    require_figure(format, width_inches, dpi)
    chart = relief_chart(drawing, width_inches, dpi) if isinstance(drawing, Relief) else drawing
    return save_figure(chart, format, width_inches, dpi=dpi, fonts=fonts, provenance=provenance)


def relief_chart(relief: Relief, width_inches: float, dpi: int) -> alt.LayerChart:
    """The relief with axes, numbers and a colour bar, from where it was looked at.

    Raises:
        NoOpenGL: this machine cannot draw.
        RenderError: the renderer failed.
    """
    field, camera = relief.field, relief.camera
    side = round(width_inches * PLOT_SHARE * dpi * OVERSAMPLING)
    png = renderer().still(field, camera, (side, round(side / ASPECT)))
    with Image.open(io.BytesIO(png)) as picture:
        rgb_picture = picture.convert("RGB")
    left, top, right, bottom = _content_box(rgb_picture)
    points = width_inches * POINTS * PLOT_SHARE / (right - left)  # of a pixel, in the figure
    uncropped = frame_of(field, camera, rgb_picture.width * points, rgb_picture.height * points)
    content_file = io.BytesIO()
    rgb_picture.crop((left, top, right, bottom)).save(content_file, "PNG")
    frame = uncropped.crop(*(edge * points for edge in (left, top, right, bottom)))
    return composed_still(content_file.getvalue(), field, width_inches, frame=frame, bar=relief.bar)


def _content_box(picture: Image.Image) -> tuple[int, int, int, int]:
    """Left, top, right and bottom of what is not white; all of a white picture."""
    white = Image.new("RGB", picture.size, "white")
    return ImageChops.difference(picture, white).getbbox() or (0, 0, *picture.size)


def bare_still(
    relief: Relief,
    width_inches: float,
    dpi: int,
    provenance: Sequence[Provenance] = (),
) -> bytes:
    """The relief as a transparent PNG without any text.

    Raises:
        NoOpenGL: this machine cannot draw.
        RenderError: the renderer failed.
    """
    width = round(width_inches * dpi)
    png = renderer().still(
        relief.field, relief.camera, (width, round(width / ASPECT)), background=None
    )
    return with_provenance(png, "png", provenance)
