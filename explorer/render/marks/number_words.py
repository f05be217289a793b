"""Numbers of results as text beside a mark or in a table."""

import math

from explorer.kinds.numbers import ResultNumber
from explorer.render.marks.ticks import number_text


def number_with_interval(number: ResultNumber, digits: int) -> str:
    """A number, with its interval where it has one: 1.2 (1.1 to 1.3)."""
    text = number_text(number.value, digits)
    if math.isnan(number.low) or math.isnan(number.high):
        return text
    return f"{text} ({number_text(number.low, digits)} to {number_text(number.high, digits)})"
