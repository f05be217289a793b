"""Models by their numbers: one number against another, or many side by side."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import altair as alt

from explorer.kinds.numbers import NumberPair, ResultNumber
from explorer.render.drawing import Chart
from explorer.render.marks.arrow import arrow_table
from explorer.render.marks.colours import series_colours
from explorer.render.marks.layers import layered_chart
from explorer.render.marks.number_words import number_with_interval
from explorer.render.marks.series import (
    FEELS,
    FIELD,
    dimmed,
    other_is_pointed,
    shown_alone,
    with_mouse,
)
from explorer.render.marks.ticks import number_text

MOST_NAMED = 25  # points that have their name beside them
DIGITS = 4
Rows: TypeAlias = list[dict[str, object]]  # of a chart


@dataclass(frozen=True)
class ScatterLook:
    """How a scatter is drawn."""

    width: int = 560
    height: int = 380
    log_x: bool = False
    log_y: bool = False


def drawable(dots: Sequence[NumberPair], look: ScatterLook) -> list[NumberPair]:
    """Those that have a place: finite numbers, above 0 on a log scale."""

    def has_place(number: ResultNumber, log: bool) -> bool:
        return math.isfinite(number.value) and (number.value > 0 or not log)

    return [d for d in dots if has_place(d.x, look.log_x) and has_place(d.y, look.log_y)]


def draw_scatter(
    dots: Sequence[NumberPair], x_title: str, y_title: str, look: ScatterLook
) -> Chart:
    """A mark for each, with its intervals; names beside them where they are few.

    Args:
        dots: all of `drawable`.
        x_title: what x is.
        y_title: what y is.
        look: how.

    Raises:
        ValueError: there is none.
    """
    if not dots:
        raise ValueError("no model has both numbers; choose others, or a linear scale")
    rows = [_row(dot, look) for dot in dots]
    groups = list(dict.fromkeys(dot.group for dot in dots))
    colour = alt.Color(value=series_colours([""])[0])
    if groups != [""]:
        colour = _colours(FIELD, groups)
    base = alt.Chart(arrow_table(rows))
    axes = {"x": _axis("x", x_title, look.log_x), "y": _axis("y", y_title, look.log_y)}
    tooltip = [
        alt.Tooltip("name:N", title="model"),
        alt.Tooltip("x_words:N", title=x_title),
        alt.Tooltip("y_words:N", title=y_title),
    ]
    across = base.mark_rule(opacity=0.6).encode(
        x=alt.X("x_low:Q"), x2="x_high:Q", y="y:Q", color=colour
    )
    along = base.mark_rule(opacity=0.6).encode(
        y=alt.Y("y_low:Q"), y2="y_high:Q", x="x:Q", color=colour
    )
    marks = base.mark_point(size=70, filled=True, opacity=0.9).encode(color=colour, **axes)
    layers = [marks, across, along]
    if len(dots) <= MOST_NAMED:
        named = base.mark_text(align="left", dx=8, dy=-6, limit=160)
        layers.append(named.encode(text="name:N", x="x:Q", y="y:Q"))
    felt = base.mark_point(size=300, filled=True, opacity=0, style=FEELS)
    layers.append(felt.encode(x="x:Q", y="y:Q", tooltip=tooltip))
    if groups != [""]:
        layers = [shown_alone(dimmed(layer, other_is_pointed())) for layer in layers]
    chart = layered_chart(layers, look.width, look.height)
    return with_mouse(chart, [FIELD], groups if groups != [""] else [])


def _axis(name: str, title: str, log: bool) -> alt.X | alt.Y:
    kind = alt.X if name == "x" else alt.Y
    scale = alt.Scale(type="log" if log else "linear", zero=False, nice=True, padding=12)
    return kind(f"{name}:Q", title=title, scale=scale, axis=alt.Axis(tickCount=6))


def _row(dot: NumberPair, look: ScatterLook) -> dict[str, object]:
    row: dict[str, object] = {"name": dot.name, FIELD: dot.group}
    for name, number, log in (("x", dot.x, look.log_x), ("y", dot.y, look.log_y)):
        ends = (number.low, number.high)
        if not all(map(math.isfinite, ends)) or (log and number.low <= 0):
            ends = (number.value, number.value)
        row |= {name: number.value, f"{name}_low": ends[0], f"{name}_high": ends[1]}
        row[f"{name}_words"] = number_with_interval(number, DIGITS)
    return row


def draw_parallel(
    columns: Mapping[str, Sequence[float]],
    names: Sequence[str],
    groups: Sequence[str],
    look: ScatterLook,
) -> Chart:
    """A line for each model across its numbers, each from its least to its largest.

    Args:
        columns: the number of each model by what it is; NaN where it has none.
        names: of the models.
        groups: the colour of each; "" for all alike.
        look: how; a log scale of y is for all columns that are above 0.

    Raises:
        ValueError: fewer than two columns have numbers.
    """
    drawn = {title: c for title, c in columns.items() if any(map(math.isfinite, c))}
    if len(drawn) < 2:
        raise ValueError("choose at least two numbers that models have")
    labels = list(dict.fromkeys(groups))
    grouped = labels != [""]
    series = labels if grouped else list(names)
    has_legend = grouped or len(names) <= MOST_NAMED
    colour = _colours(FIELD, series, legend=has_legend)
    axis = alt.Axis(labelAngle=0, grid=True, labelExpr="split(datum.label, ': ')", labelPadding=22)
    x = alt.X("column:N", sort=list(drawn), title=None, axis=axis)
    y = alt.Y("share:Q", title=None, axis=None, scale=alt.Scale(domain=[-0.1, 1.1]))
    rows, ends = _parallel_rows(drawn, names, groups, look.log_y)
    lines = alt.Chart(arrow_table(rows)).encode(
        x=x,
        y=y,
        detail="name:N",
        order="place:Q",
        color=colour,
    )
    tooltip = [
        alt.Tooltip("name:N", title="model"),
        alt.Tooltip("column:N", title="number"),
        alt.Tooltip("words:N", title="value"),
    ]
    felt = lines.mark_point(size=300, filled=True, opacity=0, style=FEELS)
    layers = [
        lines.mark_line(opacity=0.9),
        lines.mark_point(size=45, filled=True, opacity=0.9),
        felt.encode(color=alt.Undefined, tooltip=tooltip),
    ]
    layers = [dimmed(layer, other_is_pointed("name")) for layer in layers]
    if has_legend:
        layers = [shown_alone(layer) for layer in layers]
    texts = alt.Chart(arrow_table(ends)).mark_text().encode(x=x, y=y, text="words:N")
    chart = layered_chart([*layers, texts], look.width, look.height)
    return with_mouse(chart, ["name"], series if has_legend else [])


def _colours(field: str, series: Sequence[str], legend: bool = True) -> alt.Color:
    """The colour of each series by its name, the same in every chart."""
    scale = alt.Scale(domain=list(series), range=series_colours(series))
    return alt.Color(f"{field}:N", title=None, scale=scale, legend=alt.Legend() if legend else None)


def _parallel_rows(
    columns: Mapping[str, Sequence[float]], names: Sequence[str], groups: Sequence[str], log: bool
) -> tuple[Rows, Rows]:
    """A row for each number of each model, and one for each end of each column."""
    rows: Rows = []
    ends: Rows = []
    for place, (title, values) in enumerate(columns.items()):
        finite = [value for value in values if math.isfinite(value)]
        shares = _shares(values, log and min(finite) > 0)
        for name, group, value, share in zip(names, groups, values, shares, strict=True):
            if math.isfinite(share):
                row = {"name": name, FIELD: group or name, "column": title, "place": place}
                rows.append({**row, "share": share, "words": number_text(value, DIGITS)})
        for share, value in ((1.06, max(finite)), (-0.06, min(finite))):
            ends.append({"column": title, "share": share, "words": number_text(value, DIGITS)})
    return rows, ends


def _shares(values: Sequence[float], log: bool) -> list[float]:
    """Where each lies between the least and the largest, 0 to 1; .5 where all are equal."""
    placed = [math.log10(v) if log and v > 0 else v for v in values]
    finite = [value for value in placed if math.isfinite(value)]
    low, high = min(finite), max(finite)
    if low == high:
        return [0.5 if math.isfinite(value) else math.nan for value in placed]
    return [(value - low) / (high - low) for value in placed]
