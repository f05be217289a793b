"""A rendered picture and what belongs beside it, together as one figure."""

import base64
import io
from collections.abc import Mapping

import altair as alt
from PIL import Image

from explorer.kinds.surface import Surface
from explorer.render.figure import POINTS
from explorer.render.rows import table
from explorer.render.scale import ContourStyle, colour_scale
from explorer.render.surface import bar_title, colour_bar


def composed_still(
    png: bytes,
    surface: Surface,
    style: ContourStyle,
    width_inches: float,
    *,
    title: str | None = None,
    labels: Mapping[str, tuple[float, float]] | None = None,
) -> alt.LayerChart:
    """A rendered picture with a colour bar, title and labels as vector text, for `save_figure`.

    Args:
        png: the picture without any text, rendered at the colours and limits of `style`.
        surface: what it shows; gives the colour bar its units.
        style: value, colour map, log, clip and limits.
        width_inches: the width it is made for; `save_figure` may give it another.
        title: above the picture.
        labels: text -> its place as fractions of the picture's width and height, from below left.
    """
    with Image.open(io.BytesIO(png)) as picture:
        ratio = picture.height / picture.width
    width = round(width_inches * POINTS * 0.85)
    height = round(width * ratio)
    url = "data:image/png;base64," + base64.b64encode(png).decode()
    unit = alt.Scale(domain=[0, 1], nice=False, zero=False)
    image = (
        alt.Chart(table([{"url": url, "left": 0, "right": 1, "bottom": 0, "top": 1}]))
        .mark_image(aspect=False)
        .encode(
            x=alt.X("left:Q", scale=unit, axis=None),
            x2="right:Q",
            y=alt.Y("top:Q", scale=unit, axis=None),
            y2="bottom:Q",
            url="url:N",
        )
    )
    layers = [image]
    values = surface.values[style.value]
    scale = colour_scale(values[surface.computed], style)
    if scale is not None:
        layers.append(colour_bar(scale, bar_title(scale, values, style), round(height * 0.7)))
    if labels:
        rows = [{"x": x, "y": y, "text": text} for text, (x, y) in labels.items()]
        text = alt.Chart(table(rows)).mark_text(style="label", fontSize=11)
        layers.append(text.encode(x="x:Q", y="y:Q", text="text:N"))
    return alt.LayerChart(
        layer=layers,
        width=width,
        height=height,
        title=title or alt.Undefined,
        autosize=alt.AutoSizeParams(type="pad", contains="padding"),
    )
