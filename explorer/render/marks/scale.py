"""How values become colours and text: the colour scale, ticks and numbers."""

import math
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Any

import numpy as np

from explorer.kinds.eigenvalues import axes_words
from explorer.kinds.look import PlaneLook
from explorer.kinds.surface import Surface
from explorer.render.marks.colours import colour_table, contrast_ratio

MINUS = "\N{MINUS SIGN}"
RAISED_DIGITS = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")
MOST_STEPS = 1e14  # between ticks and 0; beyond, floats are too coarse for round ones
ROUNDING = 1e-12  # relative: values that differ by less are drawn as equal
MOST_DIGITS = 9  # of a tick label
AXIS_TICKS, VALUE_TICKS = 5, 7  # wanted along a coordinate, and along values, in every picture


@dataclass(frozen=True)
class ColourScale:
    """Which colour stands for which value."""

    low: float
    high: float
    log: bool
    colour_map: str

    def fractions(self, values: np.ndarray) -> np.ndarray:
        """Place of each value from 0 (lowest colour) to 1; NaN where a value has none."""
        with np.errstate(all="ignore"):
            low, high, at = (
                (np.log(self.low), np.log(self.high), np.log(values))
                if self.log
                else (self.low / 2, self.high / 2, values / 2)  # halves: the span cannot overflow
            )
            placed = np.clip((at - low) / (high - low), 0, 1)
        return np.where(is_drawable(values, self.log), placed, np.nan)

    def colours(self, values: np.ndarray) -> np.ndarray:
        """Colour of each value, uint8, shape (..., 3); a value without one gets the lowest."""
        places = np.nan_to_num(self.fractions(np.asarray(values, dtype=float)))
        return colour_table(self.colour_map)[np.rint(places * 255).astype(int)]

    def ticks(self, count: int) -> list[float]:
        """Round values from low to high, about `count`: of its bar, its heights or its contours."""
        return ticks(self.low, self.high, self.log, count)

    def stops(self, count: int = 64) -> list[float]:
        """Values whose colours are evenly spaced, from low to high."""
        parts = np.linspace(0, 1, count)
        if self.log:
            values = np.exp(np.log(self.low) * (1 - parts) + np.log(self.high) * parts)
        else:
            values = self.low * (1 - parts) + self.high * parts
        values[0], values[-1] = self.low, self.high
        return [float(value) for value in values]


def is_drawable(values: np.ndarray, log: bool) -> np.ndarray:
    """Whether each value has a place on the scale: finite, and positive on a log scale."""
    return np.isfinite(values) & ((values > 0) | (not log))


def colour_scale(values: np.ndarray, look: PlaneLook) -> ColourScale | None:
    """The scale of a look that fits the values; None when none is drawable."""
    scale = ColourScale(math.nan, math.nan, look.log, look.colour_map)
    return fit_scale(values, scale, look.ceiling, look.limits)


def fit_scale(
    values: np.ndarray, scale: ColourScale, clip: float | None, limits: Sequence[float]
) -> ColourScale | None:
    """The scale from the lowest to the highest of the values, or between the limits.

    It is wider when all are equal up to rounding.

    Args:
        values: of any shape.
        scale: log or not, and its colours.
        clip: what lies above has the top colour.
        limits: lowest and highest value; none for those of the values.
    """
    drawable_values = values[is_drawable(values, scale.log)]
    if limits:
        low, high = limits
    elif drawable_values.size:
        low, high = float(drawable_values.min()), float(drawable_values.max())
    else:
        return None
    if clip is not None:
        high = min(high, clip)
    if scale.log and low <= 0:
        low = float(drawable_values.min()) if drawable_values.size else high / 10
    if not high / 2 - low / 2 > ROUNDING * max(abs(low), abs(high)):  # halves cannot overflow
        high = max(low, high)
        margin = 0.05 * abs(high) or 0.5
        low, high = (high / 1.1, high * 1.1) if scale.log else (high - margin, high + margin)
        low, high = max(low, -sys.float_info.max), min(high, sys.float_info.max)
    return replace(scale, low=low, high=high)


def require_value(surface: Surface, value: str) -> None:
    """Refuse a value that a surface has not.

    Raises:
        ValueError: the message lists those that it has.
    """
    if value not in surface.values:
        raise ValueError(f"value must be one of {', '.join(surface.values)}, got {value!r}")


def ticks(low: float, high: float, log: bool, count: int) -> list[float]:
    """Round values from low to high, about `count` and never many more."""
    if count < 1:
        return []
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


def value_title(name: str) -> str:
    """The name of a value as a title: "loss" as "Loss"."""
    return name[:1].upper() + name[1:].replace("_", " ")


def plane_axes_titles(facts: Mapping[str, Any]) -> list[str]:
    """What the axes of a plane are called, in every picture of it."""
    return axes_words(facts) or ["First direction", "Second direction"]


def ink_colour(colour: np.ndarray) -> str:
    """Black or white, whichever has more contrast to the colour; at least 4.5 to 1."""
    paint = "#" + bytes(colour).hex()
    return max(("#000000", "#ffffff"), key=lambda text: contrast_ratio(text, paint))
