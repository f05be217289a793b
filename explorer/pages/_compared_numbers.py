"""The numbers that answers come down to, side by side: interval, difference to a baseline, rank."""

import math
from collections.abc import Collection, Mapping, Sequence

import streamlit as st

from explorer.kinds.numbers import BETTER, ResultNumber
from explorer.pages._panel import Panel
from explorer.pages._terms import columns_help, term_help
from explorer.render.marks.ticks import number_text

VALUE_DIGITS = 4
COMMON_NUMBERS = ("loss",)  # that mean the same whatever kind of analysis has them


def show_numbers(panels: Sequence[Panel], baseline: Panel, hindered: Collection[str]) -> None:
    """Each number that several answers come down to, with interval, difference and rank."""
    by_name: dict[tuple[str, str], dict[str, ResultNumber]] = {}
    for panel in panels:
        for name, number in panel.result.numbers.items():
            kind = "" if name in COMMON_NUMBERS else panel.kind.title
            by_name.setdefault((kind, name), {})[panel.label] = number
    parts_done = {panel.label: panel.progress for panel in panels if panel.progress}
    rows = [
        row
        for (_, name), numbers in by_name.items()
        if len(numbers) > 1
        for row in _number_rows(name, numbers, baseline.label, hindered, parts_done)
    ]
    if not rows:
        return
    st.subheader("Numbers", anchor=False)
    terms = term_help(*dict.fromkeys(row["Number"] for row in rows))
    st.dataframe(
        {name: [row[name] for row in rows] for name in rows[0]},
        column_config=columns_help({"Rank": "rank"})
        | {"Number": st.column_config.Column(help=terms)},
        hide_index=True,
        placeholder="",
    )
    st.caption(
        "Rank 1 is the lowest of those that are whole and comparable with the baseline; equal ones "
        "share a rank. Better: which end is, where nobody disputes it; of sharpness, curvature and "
        "barriers neither is. Intervals: 95 %, or where the number must lie; of a "
        "difference from both intervals' ends, so that it is rather too wide."
    )


def _number_rows(
    name: str,
    numbers: Mapping[str, ResultNumber],
    baseline: str,
    hindered: Collection[str],
    parts_done: Mapping[str, str],
) -> list[dict[str, str]]:
    """A row for each answer that has the number."""
    ranked = {
        label: number.value
        for label, number in numbers.items()
        if label not in hindered
        and label not in parts_done
        and math.isfinite(number.value)
        and not _is_bound(number)
    }
    first = numbers.get(baseline)
    rows = []
    for label, number in numbers.items():
        lower = sum(value < number.value for value in ranked.values())
        rank = f"{lower + 1} of {len(ranked)}" if label in ranked else ""
        apart = first is not None and label != baseline and label not in hindered
        value = number_text(number.value, VALUE_DIGITS)
        rows.append(
            {
                "Number": name.replace("_", " "),
                "Analysis": label,
                "Value": f"{value} ({parts_done[label]})" if label in parts_done else value,
                "Interval": _interval_text(number),
                "Minus baseline": _difference_text(number, first) if apart and first else "",
                "Rank": "not comparable" if label in hindered else rank,
                "Better": BETTER.get(name, "neither"),
            }
        )
    return rows


def _is_bound(number: ResultNumber) -> bool:
    """Whether the number is only known to be as high, or as low, as that."""
    return math.isinf(number.low) or math.isinf(number.high)


def _difference_text(number: ResultNumber, first: ResultNumber) -> str:
    """The difference, with the ends that it has where both lie in their intervals."""
    text = number_text(number.value - first.value, VALUE_DIGITS)
    low, high = number.low - first.high, number.high - first.low
    if not (math.isfinite(low) and math.isfinite(high)) or low == high:
        return text
    return f"{text} ({number_text(low, VALUE_DIGITS)} to {number_text(high, VALUE_DIGITS)})"


def _interval_text(number: ResultNumber) -> str:
    low, high = (number_text(end, VALUE_DIGITS) for end in (number.low, number.high))
    return "" if low == high == "NaN" else f"{low} to {high}"
