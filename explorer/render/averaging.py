"""An average drawn: its value beside those of its ingredients, their mean, and what was tried."""

import pandas  # noqa: F401 - whole before altair looks at it: another thread may be at it

# isort: split
import math
from collections.abc import Sequence

import altair as alt

from explorer.kinds.averaging import AveragingLook
from explorer.kinds.averaging_result import Averaging, Role
from explorer.kinds.look import SubjectName
from explorer.render.averaging_rows import (
    KEPT_WORDS,
    KIND_WORDS,
    AveragingRow,
    averaging_rows,
    row_names,
)
from explorer.render.marks.arrow import arrow_table
from explorer.render.marks.colours import BLUE, GREEN, ORANGE
from explorer.render.marks.curve import GREY
from explorer.render.marks.layers import layered_chart
from explorer.render.marks.ticks import tick_label_expression, ticks

HOLLOW = "rgba(0,0,0,0)"
COLOURS = {  # by what a row is about
    KIND_WORDS[Role.INGREDIENT]: BLUE,
    KIND_WORDS[Role.BASE]: GREY,
    KEPT_WORDS: GREEN,
    KIND_WORDS[Role.TRIAL]: GREEN,
    KIND_WORDS[Role.AVERAGE]: ORANGE,
}
MEAN_WORDS = "mean of the ingredients"
ROW_TICKS = 6


def draw(
    averaging: Averaging, look: AveragingLook, names: Sequence[SubjectName] = ()
) -> alt.LayerChart:
    """An Altair chart: a row a point, the value along x, with its 95 % interval.

    The dashed line is the mean of the ingredients; a grey one leads from trial to trial along the
    soup as it was. What is not finite, or has no place on a log scale, is left out.

    Args:
        averaging: the answer.
        look: how it is drawn.
        names: of the subjects in their order.

    Raises:
        ValueError: there is no such value.
    """
    rows = averaging_rows(averaging, look.value, names)
    rows = [r for r in rows if math.isfinite(r.value) and (r.value > 0 or not look.log)]
    mean = averaging.mean_of_ingredients(look.value)
    x = _x_encoding(rows, mean, look)
    order = row_names(averaging, names)
    y = alt.Y(
        "name:N",
        scale={"domain": order},
        axis={"title": None, "labelLimit": 280, "labelFlush": False},
    )
    base = alt.Chart(arrow_table([vars(row) for row in rows or [AveragingRow()]]))
    present = [kind for kind in COLOURS if kind in {row.kind for row in rows}]
    layers = [_mean_layer(mean, x, look)] if len(averaging.of(Role.INGREDIENT)) else []
    if path := _soup_path(averaging, look.value, order):
        line = alt.Chart(arrow_table(path)).mark_line(color=GREY, strokeWidth=1.2, opacity=0.7)
        layers.append(line.encode(x=x, y=y, order=alt.Order("step:Q")))
    stroke = _kind_encoding(alt.Stroke, present, [COLOURS[kind] for kind in present])
    bars = base.mark_rule(strokeWidth=1.5, opacity=0.6).encode(
        x=alt.X("low:Q", scale=x["scale"], axis=x["axis"]), x2=alt.X2("high:Q"), y=y, stroke=stroke
    )
    fills = [HOLLOW if kind == KIND_WORDS[Role.TRIAL] else COLOURS[kind] for kind in present]
    dots = base.mark_point(size=70, strokeWidth=1.8, opacity=0.9).encode(
        x=x,
        y=y,
        stroke=stroke,
        fill=_kind_encoding(alt.Fill, present, fills),
        tooltip=[
            alt.Tooltip("name:N", title="point"),
            alt.Tooltip("kind:N", title="is"),
            alt.Tooltip("value_words:N", title=look.value.replace("_", " ")),
            alt.Tooltip("distance_words:N", title="distance"),
        ],
    )
    return layered_chart([*layers, bars, dots], look.width, look.height, look.title)


def _kind_encoding(
    channel: type[alt.Stroke] | type[alt.Fill], present: Sequence[str], colours: Sequence[str]
) -> alt.Stroke | alt.Fill:
    legend = {"title": None, "orient": "top", "symbolOpacity": 1}
    return channel("kind:N", scale={"domain": list(present), "range": list(colours)}, legend=legend)


def _x_encoding(rows: Sequence[AveragingRow], mean: float, look: AveragingLook) -> alt.X:
    """The axis of values, with a little room at both ends."""
    places = [number for row in rows for number in (row.value, row.low, row.high)] + [mean]
    places = [n for n in places if math.isfinite(n) and (n > 0 or not look.log)]
    low, high = _ends(places, look.log)
    marks = ticks(low, high, look.log, ROW_TICKS)
    scale = {"type": "log" if look.log else "linear", "domain": [low, high], "nice": False}
    if not look.log:
        scale["zero"] = False
    axis = {
        "title": look.value.replace("_", " ").capitalize(),
        "values": marks,
        "labelExpr": tick_label_expression(marks),
        "gridColor": GREY,
        "gridOpacity": 0.22,
    }
    return alt.X("value:Q", scale=scale, axis=axis)


def _ends(places: Sequence[float], log: bool) -> tuple[float, float]:
    if not places:
        return (0.1, 10.0) if log else (0.0, 1.0)
    low, high = min(places), max(places)
    if log:
        margin = (math.log(high) - math.log(low)) * 0.05 or 0.5
        return math.exp(math.log(low) - margin), math.exp(math.log(high) + margin)
    margin = (high - low) * 0.06 or 0.05 * abs(high) or 0.5
    return low - margin, high + margin


def _mean_layer(mean: float, x: alt.X, look: AveragingLook) -> alt.Chart:
    """The mean of the ingredients, as a dashed line across all rows."""
    shown = math.isfinite(mean) and (mean > 0 or not look.log)
    table = arrow_table([{"value": mean if shown else None, "words": MEAN_WORDS}])
    line = alt.Chart(table).mark_rule(strokeDash=[4, 3], color=GREY, strokeWidth=1.5)
    return line.encode(x=x, tooltip=[alt.Tooltip("words:N", title="line")])


def _soup_path(averaging: Averaging, value: str, order: Sequence[str]) -> list[dict[str, object]]:
    """The soup as it was after each trial, from its first ingredient on; empty without trials."""
    trials = averaging.roles == int(Role.TRIAL)
    steps: list[dict[str, object]] = []
    for unit in trials.nonzero()[0].tolist():
        kept = averaging.values["kept"][unit] == 1
        number = float(averaging.values[value][unit])
        if averaging.computed[unit] and kept and math.isfinite(number):
            steps.append({"name": order[unit], "value": number, "step": len(steps)})
    return steps if len(steps) > 1 else []
