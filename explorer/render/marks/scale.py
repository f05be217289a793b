"""How values become colours: the scale that fits them, and what values and axes are called."""

import math
import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from explorer.kinds.eigenvalues import axes_words
from explorer.kinds.facts import AxesFacts
from explorer.kinds.look import PlaneLook
from explorer.kinds.surface import Surface
from explorer.render.marks.colours import colour_table, contrast_ratio
from explorer.render.marks.ticks import ticks

ROUNDING = 1e-12  # relative: values that differ by less are drawn as equal


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


def value_title(name: str) -> str:
    """The name of a value as a title: "loss" as "Loss"."""
    return name[:1].upper() + name[1:].replace("_", " ")


def plane_axes_titles(facts: AxesFacts) -> list[str]:
    """What the axes of a plane are called, in every picture of it."""
    return axes_words(facts) or ["First direction", "Second direction"]


def ink_colour(colour: np.ndarray) -> str:
    """Black or white, whichever has more contrast to the colour; at least 4.5 to 1."""
    paint = "#" + bytes(colour).hex()
    return max(("#000000", "#ffffff"), key=lambda text: contrast_ratio(text, paint))
