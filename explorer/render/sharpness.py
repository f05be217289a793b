"""Sharpness drawn: values with intervals, ratios of the rescaling test, the loss in worst ways."""

import pandas  # noqa: F401 - whole before altair looks at it: another thread may be at it

# isort: split
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import altair as alt
import numpy as np
import pyarrow as pa

from explorer.kinds.look import SubjectName
from explorer.kinds.measures import LAYERS, MEASURES, MEASURES_IN_READING_ORDER, NO, YES
from explorer.kinds.sharpness import SharpnessLook
from explorer.kinds.sharpness_result import Sharpness
from explorer.render.drawing import Chart
from explorer.render.marks import curves
from explorer.render.marks.arrow import arrow_table
from explorer.render.marks.colours import BLUE, GREEN, ORANGE, series_colours
from explorer.render.marks.curve import GREY, Curve, Row
from explorer.render.marks.layers import layered_chart
from explorer.render.marks.ticks import number_text, tick_label_expression, ticks

ROW_HEIGHT, LEGEND_AND_AXIS = 21, 96  # px of a measure's row, and of legend and axis
SMALLEST_SHARE = 1e-12  # of the largest value: what is smaller has no place on a log axis
EXPECTED_WORDS = {YES: "stays", LAYERS: "stays by layers", NO: "may move"}


def draw(
    sharpness: Sharpness | Mapping[str, Sharpness],
    look: SharpnessLook,
    names: Sequence[SubjectName] = (),
) -> Chart:
    """The picture that the look names, as an Altair chart; of several models by name.

    Raises:
        ValueError: no model, or none with the direction asked for.
    """
    named = {"": sharpness} if isinstance(sharpness, Sharpness) else dict(sharpness)
    if not named:
        raise ValueError("there must be at least one model, got none")
    charts = {"values": measures_chart, "ratios": ratios_chart, "direction": worst_direction_chart}
    return charts[look.picture](named, look)


def measures_chart(named: Mapping[str, Sharpness], look: SharpnessLook) -> alt.LayerChart:
    """Each measure's value as a dot with its interval, one colour a model, on a log axis.

    A triangle is a lower bound: the best that was found of a maximum. Values that are not above 0
    have no place and are left out.
    """
    rows = [row for name, one in named.items() for row in _value_rows(name, one)]
    largest = max((row.value for row in rows), default=1.0)
    rows = [row for row in rows if row.value >= SMALLEST_SHARE * largest] or [MeasureRow()]
    low, high = min(row.low for row in rows), max(row.high for row in rows)
    x, y = _axes(rows, max(low, high * SMALLEST_SHARE) / 1.3, high * 1.3, "Value")
    base = alt.Chart(_table(rows)).encode(y=y)
    if len(named) > 1:
        base = base.encode(
            yOffset=alt.YOffset("model:N", sort=list(named)),
            color=alt.Color(
                "model:N",
                scale={"domain": list(named), "range": series_colours(list(named))},
                legend={"title": None, "orient": "top", "symbolOpacity": 1},
            ),
        )
    bars = base.mark_rule(strokeWidth=2, opacity=0.6).encode(
        x=alt.X("low:Q", scale=x["scale"], axis=x["axis"]), x2=alt.X2("high:Q")
    )
    shape = alt.Shape(
        "what:N",
        scale={"domain": ["value", "at least"], "range": ["circle", "triangle-right"]},
        legend=None,
    )
    dots = base.mark_point(size=46, filled=True, opacity=1).encode(
        x=x, shape=shape, tooltip=_tooltips(["model", "measure", "said"])
    )
    return _whole_chart([bars, dots], rows, look)


@dataclass(frozen=True, kw_only=True)
class MeasureRow:
    """What is drawn and told of a measure at a model; as it is, it draws an empty chart."""

    model: str = ""
    measure: str = ""
    value: float = 1.0
    low: float = 1.0
    high: float = 1.0
    what: str = "value"  # or "at least"
    expected: str = ""  # what a rescaling should do to it
    said: str = ""


def _table(rows: Sequence[MeasureRow]) -> pa.Table:
    return arrow_table([vars(row) for row in rows])


def _value_rows(name: str, one: Sharpness) -> list[MeasureRow]:
    rows = []
    for measure in MEASURES:
        value = one.of(measure.name)
        if not (np.isfinite(value.value) and value.value > 0):
            continue
        rows.append(
            MeasureRow(
                model=name,
                measure=measure.title,
                value=value.value,
                low=value.low if value.low > 0 else value.value,
                high=value.high if np.isfinite(value.high) else value.value,
                what="at least" if value.is_bound else "value",
                said=value_text(value.value, value.low, value.high),
            )
        )
    return rows


def value_text(value: float, low: float, high: float) -> str:
    """A value with its interval in words; "" where there is none."""
    if np.isnan(value):
        return ""
    if low == high:
        return _short_number(value, 4)
    if np.isposinf(high) and low == value:
        return f"≥ {_short_number(value, 4)}"
    up, down = high - value, value - low
    if abs(up - down) < 0.02 * (up + down):
        return f"{_short_number(value, _digits_worth_telling(value, up))} ± {_short_number(up, 2)}"
    return f"{_short_number(value, 3)} ({_short_number(low, 3)} to {_short_number(high, 3)})"


def _digits_worth_telling(value: float, error: float) -> int:
    """Digits of a value that its error, told in two, leaves worth telling; 2 to 6."""
    if not value or not error:
        return 4
    return int(np.clip(np.floor(np.log10(abs(value))) - np.floor(np.log10(error)) + 2, 2, 6))


def _short_number(value: float, digits: int) -> str:
    """A number in few letters: 0.012, 1.2e-4."""
    if 0 < abs(value) < 1e-3 or 1e5 <= abs(value) < np.inf:
        mantissa, _, exponent = f"{value:.{digits - 1}e}".partition("e")
        return f"{mantissa}e{int(exponent)}"
    return number_text(value, digits)


def _axes(rows: Sequence[MeasureRow], low: float, high: float, title: str) -> tuple[alt.X, alt.Y]:
    """Place of a measure's value, and of the measure, in the order of the list."""
    titles_present = {row.measure for row in rows}
    order = [
        measure.title for measure in MEASURES_IN_READING_ORDER if measure.title in titles_present
    ] or [""]
    places = ticks(low, high, True, 7)
    axis = {
        "title": title,
        "values": places,
        "labelExpr": tick_label_expression(places),
        "gridColor": GREY,
        "gridOpacity": 0.22,
    }
    y_axis = {
        "title": None,
        "labelLimit": 300,
        "labelOverlap": False,
        "grid": True,
        "gridColor": GREY,
        "gridOpacity": 0.12,
    }
    scale = {"type": "log", "domain": [low, high], "nice": False}
    x = alt.X("value:Q", scale=scale, axis=axis)
    return x, alt.Y("measure:N", sort=order, axis=y_axis)


def _whole_chart(
    layers: list[alt.Chart], rows: Sequence[MeasureRow], look: SharpnessLook
) -> alt.LayerChart:
    """The layers, as high as the rows' measures need."""
    height = ROW_HEIGHT * len({row.measure for row in rows}) + LEGEND_AND_AXIS
    return layered_chart(layers, look.width, height, look.title)


def _tooltips(names: list[str]) -> list[alt.Tooltip]:
    return [alt.Tooltip(field=name, type="nominal") for name in names]


def ratios_chart(named: Mapping[str, Sharpness], look: SharpnessLook) -> alt.LayerChart:
    """Value at the rescaled point over that at the point: invariant measures stay on the line at 1.

    The colour says what a measure should do.
    """
    rows = [
        MeasureRow(
            model=name,
            measure=measure.title,
            value=ratio,
            expected=EXPECTED_WORDS[measure.invariant],
            said=number_text(ratio, 6),
        )
        for name, one in named.items()
        for measure in MEASURES
        if (ratio := one.ratios.get(measure.name, 0.0)) > 0
    ]
    rows = rows or [MeasureRow(expected=EXPECTED_WORDS[YES])]
    values = [row.value for row in rows]
    low, high = min([*values, 0.5]) / 1.3, max([*values, 2.0]) * 1.3
    x, y = _axes(rows, low, high, "Rescaled / as it was")
    expected = list(EXPECTED_WORDS.values())
    present = [words for words in expected if any(row.expected == words for row in rows)]
    base = alt.Chart(_table(rows)).encode(x=x, y=y)
    colour = alt.Color(
        "expected:N",
        scale={"domain": expected, "range": [GREEN, BLUE, ORANGE]},
        legend={"title": None, "orient": "top", "values": present},
    )
    tips = _tooltips(["model", "measure", "expected", "said"])
    dots = base.mark_point(size=50, filled=True, opacity=1).encode(color=colour, tooltip=tips)
    one = alt.Chart(arrow_table([{"value": 1.0}])).mark_rule(color=GREY, strokeDash=[4, 3])
    return _whole_chart([one.encode(x=x), dots], rows, look)


def worst_direction_chart(
    named: Mapping[str, Sharpness], look: SharpnessLook
) -> curves.CurvesChart:
    """The loss along the worst direction that a measure found at each model.

    Raises:
        ValueError: no model has such a direction.
    """
    curves_by_model = {}
    for name, one in named.items():
        at, losses = one.along(look.measure)
        if len(at):
            curves_by_model[name] = Curve(at, losses, np.ones(len(at), dtype=bool))
    if not curves_by_model:
        raise ValueError(f"there must be a worst direction of {look.measure}, got none")
    x_title = "Distance along the worst direction"
    return curves.chart([Row("loss", curves_by_model)], x_title, look.width, look.title)
