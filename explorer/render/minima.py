"""Many minima drawn: a number of all pairs as a matrix."""

import pandas  # noqa: F401 - whole before altair looks at it: another thread may be at it

# isort: split
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import altair as alt
import numpy as np

from explorer.kinds.minima import LOSS_NUMBER, LOWEST_PASS, Minima
from explorer.render.marks.arrow import arrow_table
from explorer.render.marks.curve import GREY
from explorer.render.marks.layers import layered_chart
from explorer.render.marks.plane import colour_bar
from explorer.render.marks.scale import ColourScale, fit_scale, ink_colour
from explorer.render.marks.ticks import number_text

COLOUR_MAP = "viridis"
LINE_MAP = "coolwarm"  # neither end of it is lost on a white or a dark page
SMALLEST_CELL, LARGEST_CELL = 14, 84  # px
TEXT_CELL = 40  # px from which on a cell says its number
DIGITS = 3
MOST_LABELLED = 12  # minima whose trees have their numbers beside them
NAME_LETTERS = 150  # px of a name at most
Links = Mapping[tuple[int, int], str]  # first < second -> address of the pair's page


@dataclass(frozen=True)
class MinimaLook:
    """How many minima are drawn."""

    number: str = LOSS_NUMBER  # of the pairs
    log: bool = False
    width: int = 640  # px
    links: Links = field(default_factory=dict)  # none in files


def number_title(number: str) -> str:
    """What a number of pairs is called."""
    title = {LOSS_NUMBER: "saddle loss", LOWEST_PASS: "lowest pass"}.get(number, number)
    return title.replace("_", " ")


def draw_matrix(minima: Minima, look: MinimaLook) -> alt.LayerChart:
    """The number of each pair in a cell, in the order of the tree; grey is what is not finite.

    Where the number is a loss the diagonal has each minimum's own.

    Args:
        minima: what is known.
        look: how.
    """
    values = minima.matrix(look.number)
    if look.number in (LOSS_NUMBER, LOWEST_PASS):
        np.fill_diagonal(values, minima.losses)
    scale = pair_scale(values, look)
    size = int(np.clip(look.width / max(len(minima), 1), SMALLEST_CELL, LARGEST_CELL))
    rows = _cells(minima, values, scale, look)
    names = [minima.names[place] for place in minima.order]
    axis = {
        "title": None,
        "labelLimit": NAME_LETTERS,
        "labelOverlap": False,
        "labelFlush": False,
        "labelFontSize": min(12, size - 3),
        "ticks": False,
        "domain": False,
    }
    turned = {**axis, "labelAngle": -40 if size >= TEXT_CELL else -90}
    base = alt.Chart(arrow_table(rows)).encode(
        x=alt.X("to:N", sort=names, axis=turned, scale={"domain": names}),
        y=alt.Y("from:N", sort=names, axis=axis, scale={"domain": names}),
    )
    titles = {"from": "from", "to": "to", "words": number_title(look.number)}
    encodings: dict[str, Any] = {
        "tooltip": [alt.Tooltip(f"{name}:N", title=title) for name, title in titles.items()]
    }
    if look.links:
        encodings["href"] = alt.Href("href:N")
    cells = base.mark_rect(stroke=GREY, strokeOpacity=0.35, strokeWidth=0.5).encode(
        fill=alt.Fill("paint:N", scale=None), **encodings
    )
    layers = [cells]
    if size >= TEXT_CELL:
        text = base.mark_text(fontSize=11 if size >= 56 else 9).encode(
            text="text:N", fill=alt.Fill("ink:N", scale=None), **encodings
        )
        layers.append(text)
    side = size * len(minima)
    if scale is not None:
        layers.append(colour_bar(scale, [number_title(look.number)], side))
    return layered_chart(layers, side, side)


def pair_scale(
    values: np.ndarray, look: MinimaLook, colour_map: str = COLOUR_MAP
) -> ColourScale | None:
    """The colours of the numbers of pairs; None where none is finite."""
    return fit_scale(values, ColourScale(math.nan, math.nan, look.log, colour_map), None, ())


def _cells(
    minima: Minima, values: np.ndarray, scale: ColourScale | None, look: MinimaLook
) -> list[dict[str, object]]:
    rows: list[dict[str, object]] = []
    for i, j in np.ndindex(values.shape):
        pair, value = (min(i, j), max(i, j)), float(values[i, j])
        unknown = math.isnan(value) and pair not in minima.pairs
        paint, ink = ("#00000000", GREY) if unknown else pair_colours(value, scale)
        words = "not computed" if i != j and unknown else _words(value, unknown)
        rows.append(
            {
                "from": minima.names[i],
                "to": minima.names[j],
                "words": words or "itself",
                "text": "" if unknown else _words(value, unknown),
                "paint": paint,
                "ink": ink,
                "href": look.links.get(pair),
            }
        )
    return rows


def _words(value: float, unknown: bool) -> str:
    return "" if unknown else number_text(value, DIGITS)


def pair_colours(value: float, scale: ColourScale | None) -> tuple[str, str]:
    """Of a cell and of the text in it; grey where the value has no place on the scale."""
    if scale is None or math.isnan(scale.fractions(np.array([value]))[0]):
        return GREY, "#000000"
    colour = scale.colours(np.array([value]))[0]
    return f"#{bytes(colour).hex()}", ink_colour(colour)
