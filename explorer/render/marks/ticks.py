"""Ticks of every picture: round places along an axis, and numbers as text beside them."""

import math
from collections.abc import Sequence
from fractions import Fraction

import numpy as np

MINUS = "\N{MINUS SIGN}"
RAISED_DIGITS = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")
MOST_STEPS = 1e14  # between ticks and 0; beyond, floats are too coarse for round ones
MOST_DIGITS = 9  # of a tick label
AXIS_TICKS, VALUE_TICKS = 5, 7  # wanted along a coordinate, and along values, in every picture


def ticks(low: float, high: float, log: bool, count: int) -> list[float]:
    """Round values from low to high, about `count` and never many more."""
    if count < 1:
        return []
    if low == high:
        return [low]
    if log and high / low >= 10:
        first, last = math.floor(math.log10(low)), math.ceil(math.log10(high))
        for mantissas in ((1, 2, 3, 4, 5, 6, 7, 8, 9), (1, 2, 5), (1, 3), (1,)):
            values = [float(f"{m}e{k}") for k in range(first, last + 1) for m in mantissas]
            values = [value for value in values if low <= value <= high]
            if len(values) <= count:
                return values if len(values) > 1 else ticks(low, high, False, count)
        step = math.ceil((last - first) / count)
        powers = range(math.ceil(first / step) * step, last + 1, step)
        return [v for v in (float(f"1e{k}") for k in powers) if low <= v <= high]
    least = (high / 2 - low / 2) / count * 2
    power = math.floor(math.log10(least))
    step = next(m for m in (1, 2, 5, 10) if float(f"{m}e{power}") >= least * (1 - 1e-9))
    unit = float(f"{step}e{power}")
    if unit == 0 or not max(abs(low), abs(high)) / unit < MOST_STEPS:
        return [low, high]  # the values differ only in their last digits
    first, last = math.floor(low / unit), math.ceil(high / unit)
    values = [float(f"{k * step}e{power}") for k in range(first, last + 1)]
    return [value for value in values if low <= value <= high]


def coordinate_ticks(axis: np.ndarray) -> list[float]:
    """Round values along a coordinate (X,), the same from above and in relief."""
    return ticks(float(axis[0]), float(axis[-1]), False, AXIS_TICKS)


def number_text(value: float, digits: int = 5) -> str:
    """The value as short text: 0.3, 1.2e-8, NaN, Inf."""
    if math.isnan(value):
        return "NaN"
    if math.isinf(value):
        return "Inf" if value > 0 else "-Inf"
    mantissa, _, exponent = f"{value:.{digits}g}".partition("e")
    return f"{mantissa}e{int(exponent)}" if exponent else mantissa


def tick_label(value: float, digits: int = 5) -> str:
    """The value as a tick label, with a raised exponent from 10⁴ on and from 10⁻⁴ down."""
    if not math.isfinite(value):
        return number_text(value).replace("-", MINUS)
    mantissa, _, exponent = f"{value:.{digits - 1}e}".partition("e")
    if value == 0 or -4 < int(exponent) < 4:
        return number_text(value, digits).replace("-", MINUS)
    mantissa = mantissa.rstrip("0").rstrip(".") if "." in mantissa else mantissa
    raised = "10" + str(int(exponent)).translate(RAISED_DIGITS)
    if mantissa in ("1", "-1"):
        return raised if mantissa == "1" else MINUS + raised
    return f"{mantissa}×{raised}".replace("-", MINUS)


def tick_labels(values: Sequence[float]) -> list[str]:
    """The labels of one axis: different values never read the same.

    Each has the digits that it needs. Where that would be more than nine, as on an axis from
    1.0000000001 to 1.0000000002, the first is written out and the others as what is added to it.
    """
    needed = [_digit_count(value) for value in values]
    if max(needed, default=0) <= MOST_DIGITS or len(values) < 2:
        return [
            tick_label(value, max(5, count)) for value, count in zip(values, needed, strict=True)
        ]
    first = Fraction(values[0])
    rises = [float(Fraction(value) - first) for value in values[1:]]
    for digits in range(3, 18):
        texts = [
            tick_label(values[0], 17),
            *(_signed_text(tick_label(rise, digits)) for rise in rises),
        ]
        if len(set(texts)) == len(set(values)):
            return texts
    return [tick_label(values[0], 17), *(_signed_text(repr(rise)) for rise in rises)]


def _digit_count(value: float) -> int:
    """How many digits tell the value from every other float."""
    return len(repr(abs(value)).partition("e")[0].replace(".", "").strip("0"))


def _signed_text(text: str) -> str:
    return text if text.startswith(MINUS) else f"+{text}"


def tick_label_expression(values: list[float]) -> str:
    """A Vega expression that writes each of the values as `tick_labels` does."""
    texts = ", ".join(f"'{text}'" for text in tick_labels(values))
    return f"[{texts}][indexof([{', '.join(map(repr, values))}], datum.value)]"
