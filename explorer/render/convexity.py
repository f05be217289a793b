"""A convexity map drawn: any of its values from above, and a small picture of the ratio."""

from dataclasses import replace

import altair as alt

from explorer.kinds.convexity import Convexity
from explorer.render import surface
from explorer.render.marks.scale import ContourStyle
from explorer.render.relief3d.relief import flat_picture

VALUE_NAMES = {
    "smallest eigenvalue": "lambda_min",
    "largest eigenvalue": "lambda_max",
    "residual, smallest": "residual_min",
    "residual, largest": "residual_max",
    "Lanczos steps": "lanczos_steps",
}


def contour_chart(
    plane: Convexity, style: ContourStyle | None = None, title: str | None = None
) -> alt.LayerChart:
    """The map from above, its ratio unless the style says another value.

    Raises:
        ValueError: the map has no such value.
    """
    return surface.contour_chart(plane, style or ContourStyle("ratio"), title=title)


def with_words(plane: Convexity) -> Convexity:
    """The map with its values under the words that a reader knows."""
    names_on_screen = {name: words for words, name in VALUE_NAMES.items()}
    return replace(plane, values={names_on_screen.get(n, n): v for n, v in plane.values.items()})


def thumbnail(plane: Convexity) -> bytes:
    """A small picture (PNG) of the ratio from above, transparent where there is none."""
    return flat_picture(plane.values["ratio"], log=False)
