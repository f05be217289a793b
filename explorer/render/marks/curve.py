"""What a plot of curves is made of: curves, marked places, and the range of values."""

import math
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from explorer.render.marks.scale import is_drawable

VISIBLE_SHARE = 0.005  # of the range of values: a narrower band is left out
GREY = "#888888"  # as faint on a dark page as on a light one


Band = tuple[np.ndarray, np.ndarray]  # lower and upper end, (X,) each


@dataclass(frozen=True)
class Curve:
    """Values along x, a band around them, and thin lines beside them."""

    x: np.ndarray  # (X,)
    y: np.ndarray  # (X,)
    computed: np.ndarray  # (X,) bool
    band: Band | None = None
    faint: np.ndarray | None = None  # (K, X), NaN where there is none yet


@dataclass(frozen=True)
class Spot:
    """A marked place: a ring, or with a second place a dashed line between both."""

    x: float
    y: float
    words: str
    to: tuple[float, float] | None = None
    line: str = ""  # the curve whose colour it has


@dataclass(frozen=True)
class Row:
    """One plot: the curves of one value by name."""

    value: str
    curves: Mapping[str, Curve]
    height: int = 300
    log: bool = False
    parts: Mapping[str, str] = field(default_factory=dict)  # legend: "curve", "faint", "band"
    spots: Sequence[Spot] = ()
    colours: Sequence[str] = ()  # of the curves in turn; those of their names unless given

    @property
    def words(self) -> str:
        """What the value is called."""
        return self.value.replace("_", " ")


def visible_band(band: Band | None, y: np.ndarray, computed: np.ndarray) -> Band | None:
    """The band where it is wide enough to be seen beside the range of its curve, else None."""
    if band is None:
        return None
    low, high = band
    is_known = computed & np.isfinite(low) & np.isfinite(high)
    if not is_known.any():
        return None
    return band if (high - low)[is_known].max() > VISIBLE_SHARE * np.ptp(y[is_known]) else None


def axis_limits(row: Row) -> tuple[float, float]:
    """Ends of the value axis: those of all that can be drawn, and a little room."""
    value_arrays = [np.array([spot.y for spot in row.spots if math.isfinite(spot.y)])]
    for curve in row.curves.values():
        value_arrays.append(curve.y[curve.computed])
        value_arrays += [end[curve.computed] for end in curve.band or ()]
        value_arrays += [] if curve.faint is None else [curve.faint.ravel()]
    values = np.concatenate(value_arrays)
    drawable_values = values[is_drawable(values, row.log)]
    if not drawable_values.size:
        return (0.1, 10.0) if row.log else (0.0, 1.0)
    low, high = float(drawable_values.min()), float(drawable_values.max())
    if row.log:
        margin = (math.log(high) - math.log(low)) * 0.04 or 0.1
        least = max(math.exp(math.log(low) - margin), sys.float_info.min)
        most = math.exp(min(math.log(high) + margin, 709))
        return least, max(most, high, 10 * sys.float_info.min)  # also where floats end
    margin = (high / 2 - low / 2) * 0.08 or 0.05 * abs(high) or 0.5
    largest = sys.float_info.max
    return max(low - margin, -largest), min(high + margin, largest)
