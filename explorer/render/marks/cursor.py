"""A vertical rule under the mouse, with the value of every curve there, and the curve it is on."""

import hashlib
import json
from collections.abc import Iterable

import altair as alt
import pyarrow as pa

from explorer.render.marks.arrow import arrow_table, column_name, tooltip_title
from explorer.render.marks.cells import PlotFrame, curve_cells, x_cells
from explorer.render.marks.curve import GREY, Row
from explorer.render.marks.series import (
    CURSOR,
    FEELS,
    other_is_pointed,
    shown_alone,
)

POINTED = ("x", "line", "names", "plot")  # columns of the cell under the mouse
# Whether the mouse is nearest to the x of a row, in its own plot or in another with the same rule.
IS_HERE = f"isArray({CURSOR}.x) && {CURSOR}.x[0] >= datum.left && {CURSOR}.x[0] < datum.right"


def dimming_test(names: Iterable[str]) -> str:
    """The test whether the mouse is on another of these curves, in their plot or one like it."""
    at = f"{CURSOR}.names"
    return f"isArray({at}) && {at}[0] === '{_names_word(names)}' && {other_is_pointed()}"


def cursor_layers(row: Row, frame: PlotFrame, hides: bool = False) -> list[alt.Chart]:
    """The rule at the nearest x of any curve, and unseen cells that feel the mouse.

    Where the mouse is in another plot with the same rule, the values stand above this one.

    Args:
        row: the plot's curves.
        frame: what they are drawn in.
        hides: whether a click in the legend hides curves.
    """
    cells = x_cells(row, frame.span)
    plot = f"plot_{_short_hash(cells.to_pydict())}"
    same = {"names": _names_word(row.curves), "plot": plot}
    everywhere = _with_words(cells, {**same, "line": ""})
    base = alt.Chart(everywhere).transform_filter(IS_HERE)
    rule = base.mark_rule(style="hover-rule", color=GREY, strokeWidth=1, opacity=0.8, clip=True)
    elsewhere = base.transform_filter(f"{CURSOR}.plot[0] !== datum.plot")
    elsewhere = elsewhere.transform_calculate(words=_words_expression(row))
    words = _above(elsewhere, "hover-words", frame.width)
    places = {"x": _of_column(frame.x, "left"), "x2": alt.X2("right:Q"), "tooltip": _tooltip(row)}
    layers = [
        alt.Chart(everywhere).mark_rect(style=FEELS, opacity=0, clip=True).encode(**places),
        rule.encode(x=frame.x),
        words,
    ]
    if len(row.curves) > 1:
        along = alt.Chart(_with_words(curve_cells(row, cells, frame), same))
        layer = along.mark_rect(style="hover-curves", opacity=0, clip=True).encode(
            **places, y=_of_column(frame.y, "low"), y2=alt.Y2("high:Q")
        )
        layers.append(shown_alone(layer) if hides else layer)
    return layers


def _words_expression(row: Row) -> str:
    """The expression of Vega that tells x and the values of a row of cells."""
    parts = ["'x ' + datum['x text']"]
    for name in row.curves:
        value = f"datum['{column_name(f'value {name}')}']"
        head = json.dumps(f" · {name} " if name else " · ")  # a string of JavaScript, escaped
        parts.append(f"({value} ? {head} + {value} : '')")
    return " + ".join(parts)


def room_for_words(width: int) -> alt.Chart:
    """What keeps the room above a plot where its values will stand, so that nothing moves then."""
    unseen = _above(alt.Chart(arrow_table([{"words": "x"}])), "hover-room", width)
    return unseen.encode(opacity=alt.OpacityValue(0))


def _above(base: alt.Chart, style: str, width: int) -> alt.Chart:
    """Words above a plot, at its left end."""
    return base.mark_text(
        style=style, align="left", baseline="bottom", fontSize=11, limit=width
    ).encode(x=alt.XValue(0), y=alt.YValue(-3), text=alt.Text("words:N"))


def _of_column(encoding: alt.X | alt.Y, column: str) -> alt.X | alt.Y:
    """The same axis for another column."""
    moved = encoding.copy(deep=False)
    moved.shorthand = f"{column}:Q"
    return moved


def _with_words(cells: pa.Table, words: dict[str, str]) -> pa.Table:
    for name, word in words.items():
        cells = cells.append_column(name, pa.array([word] * len(cells), pa.string()))
    return cells


def _tooltip(row: Row) -> list[alt.Tooltip]:
    titles = {"x text": "x"}
    titles |= {column_name(f"value {name}"): name or row.words for name in row.curves}
    return [
        alt.Tooltip(field=field, type="nominal", title=tooltip_title(title))
        for field, title in titles.items()
    ]


def _names_word(names: Iterable[str]) -> str:
    """A word for a set of names, that is no name."""
    return _short_hash(sorted(names))


def _short_hash(content: object) -> str:
    return hashlib.sha256(repr(content).encode("utf-8", "surrogatepass")).hexdigest()[:16]
