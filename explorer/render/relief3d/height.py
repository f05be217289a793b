"""A surface as something to stand on: heights, their range, their ticks. NumPy only."""

import base64
import hashlib
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from explorer.kinds.look import COLOUR_MAPS
from explorer.kinds.require import one_of, require
from explorer.render.marks.scale import ColourScale, fit_scale
from explorer.render.marks.ticks import (
    VALUE_TICKS,
    coordinate_ticks,
    tick_label,
    tick_labels,
)

Marker = tuple[float, float, str, str]  # x, y, label, colour "#rrggbb"
# Places x, y and value of a line, NaN where it lies on the surface; and its colour "#rrggbb".
Trace = tuple[tuple[tuple[float, float, float], ...], str]
Tick = tuple[float, str]  # where, text

# The box in scene coordinates: x and y in [-1, 1], z from the floor at 0. The lowest loss hovers
# above the floor, which carries the contours' shadows.
LOWEST, HIGHEST = 0.12, 1.1
STEEPEST_SHADE = (
    1e6  # heights beyond this many ranges are cut off anyway; bounded so that products stay finite
)
# Fields that are JSON values as they are.
PLAIN_FIELDS = ("log", "clip", "limits", "colour_map", "contours", "x_label", "y_label", "z_label")


@dataclass(frozen=True)
class HeightField:
    """Losses on a grid and how to show them. What is not finite stays open, never filled in."""

    x: np.ndarray  # (X,) increasing
    y: np.ndarray  # (Y,) increasing
    z: np.ndarray  # (Y, X) loss as measured, NaN and Inf as they are
    computed: np.ndarray = field(default_factory=lambda: np.array(True))  # (Y, X) bool
    log: bool = False  # heights are log10 of the loss; a loss of zero or below becomes a hole
    clip: float | None = None  # loss above which the surface is cut away
    limits: tuple[float, ...] = ()  # losses at the ends of the colours; none: of the values
    colour_map: str = "viridis"
    contours: int = 16  # number of levels; 0 for none
    x_label: str = "x"
    y_label: str = "y"
    z_label: str = "loss"
    markers: tuple[Marker, ...] = field(default=())
    traces: tuple[Trace, ...] = field(default=())

    def __post_init__(self) -> None:
        """Refuse what makes no picture."""
        for name in ("x", "y", "z"):
            object.__setattr__(self, name, np.asarray(getattr(self, name), dtype=np.float64))
        shape = (self.y.size, self.x.size)
        if np.ndim(self.computed) == 0:
            object.__setattr__(self, "computed", np.broadcast_to(self.computed, shape))
        object.__setattr__(self, "computed", np.asarray(self.computed, dtype=bool))
        require(min(shape) >= 2, "x and y must have at least 2 values", shape[::-1])
        for name, axis in (("x", self.x), ("y", self.y)):
            rising = np.isfinite(axis).all() and (np.diff(axis) > 0).all()
            require(bool(rising), f"{name} must be finite and increase", axis)
        require(self.z.shape == shape, f"z must have the shape (Y, X) = {shape}", self.z.shape)
        came = self.computed.shape
        require(came == shape, f"computed must have the shape (Y, X) = {shape}", came)
        one_of("colour_map", self.colour_map, COLOUR_MAPS)
        require(0 <= self.contours <= 100, "contours must be from 0 to 100", self.contours)
        if self.clip is not None:
            require(math.isfinite(self.clip), "clip must be finite", self.clip)
            require(self.clip > 0 or not self.log, "clip must be above 0 in log mode", self.clip)

    @cached_property
    def heights(self) -> np.ndarray:
        """Loss, or log10 of it in log mode, shape (Y, X), not clipped.

        NaN where nothing is computed or the loss is not finite; in log mode also where it is 0 or
        below.
        """
        is_shown = self.computed & np.isfinite(self.z)
        if self.log:
            is_shown &= self.z > 0
        losses = np.where(is_shown, self.z, np.nan)
        return np.log10(losses) if self.log else losses

    @cached_property
    def ceiling(self) -> float:
        """The height of the clip level; infinite without one."""
        if self.clip is None:
            return math.inf
        return math.log10(self.clip) if self.log else self.clip

    @cached_property
    def scale(self) -> ColourScale:
        """Which colour stands for which loss, as in the picture from above."""
        unfitted = ColourScale(math.nan, math.nan, self.log, self.colour_map)
        scale = fit_scale(self.z[self.computed], unfitted, self.clip, self.limits)
        if scale is not None:
            return scale
        top = self.clip if self.clip is not None else 1.0
        low, high = (top / 10, top) if self.log else (top - 1.0, top)
        return ColourScale(low, high, self.log, self.colour_map)

    @cached_property
    def range(self) -> tuple[float, float]:
        """Heights at the ends of the colours; never empty, also for a flat surface or none."""
        low, high = self.scale.low, self.scale.high
        return (math.log10(low), math.log10(high)) if self.log else (low, high)

    @property
    def levels(self) -> np.ndarray:
        """Heights of the contour lines, as in the picture from above, shape (L,)."""
        return self._heights_of(self.scale.ticks(self.contours))

    def _heights_of(self, losses: Sequence[float]) -> np.ndarray:
        heights = np.array(losses, dtype=np.float64)
        return np.log10(heights) if self.log else heights

    def shade(self, heights: ArrayLike) -> np.ndarray:
        """Place in the range, 0 at the lowest and 1 at the highest: where in the colour map."""
        low, high = self.range
        return (np.asarray(heights) - low) / (high - low)

    def loss_at(self, heights: ArrayLike) -> np.ndarray:
        """The loss of a height."""
        return np.power(10.0, heights) if self.log else np.asarray(heights)

    def place(self, x: ArrayLike, y: ArrayLike, heights: ArrayLike) -> np.ndarray:
        """Scene coordinates (..., 3): x, y to [-1, 1], the range of heights to LOWEST, HIGHEST."""
        shade = np.minimum(self.shade(heights), STEEPEST_SHADE)
        return np.stack(
            np.broadcast_arrays(
                _to_unit(x, self.x), _to_unit(y, self.y), LOWEST + (HIGHEST - LOWEST) * shade
            ),
            axis=-1,
        )

    def height_under(self, x: float, y: float) -> float:
        """Height at (x, y), bilinear between measured neighbours; NaN in a hole or outside."""
        if not (self.x[0] <= x <= self.x[-1] and self.y[0] <= y <= self.y[-1]):
            return math.nan
        column = int(np.clip(np.searchsorted(self.x, x, "right") - 1, 0, self.x.size - 2))
        row = int(np.clip(np.searchsorted(self.y, y, "right") - 1, 0, self.y.size - 2))
        along_x = (x - self.x[column]) / (self.x[column + 1] - self.x[column])
        along_y = (y - self.y[row]) / (self.y[row + 1] - self.y[row])
        weights = np.outer([1 - along_y, along_y], [1 - along_x, along_x])
        corners = self.heights[row : row + 2, column : column + 2]
        needed = weights > 0  # a corner without weight may be a hole
        return float((weights[needed] * corners[needed]).sum())

    @property
    def ticks(self) -> dict[str, list[Tick]]:
        """Ticks along x, y and z: (scene coordinate, text); z tells the loss, also in log mode."""
        losses = self.scale.ticks(VALUE_TICKS)
        places = LOWEST + (HIGHEST - LOWEST) * self.shade(self._heights_of(losses))
        return {
            "x": _axis_ticks(self.x),
            "y": _axis_ticks(self.y),
            "z": list(zip(places.tolist(), tick_labels(losses), strict=True)),
        }

    @property
    def notes(self) -> list[str]:
        """What the picture leaves open, in words with counts; empty when it shows every point."""
        finite = np.isfinite(self.z)
        below = int((self.computed & finite & (self.z <= 0)).sum()) if self.log else 0
        cut = int((self.heights > self.ceiling).sum())
        missing = int((~self.computed).sum())
        broken = int((self.computed & ~finite).sum())
        counted_notes = [
            (missing, f"{int(self.computed.sum()):,} of {self.computed.size:,} points computed"),
            (broken, f"{broken:,} {_points_word(broken)} without a finite loss left open"),
            (below, f"{below:,} {_points_word(below)} with a loss of 0 or below left open"),
            (cut, f"{cut:,} {_points_word(cut)} above {tick_label(self.clip or 0.0)} cut away"),
        ]
        return [text for count, text in counted_notes if count]

    @cached_property
    def key(self) -> str:
        """Hash of everything that the picture shows."""
        return hashlib.sha256(json.dumps(self.to_json(), sort_keys=True).encode()).hexdigest()

    def to_json(self) -> dict[str, object]:
        """Plain JSON values; arrays in base64, so that NaN and Inf survive."""
        values: dict[str, object] = {name: getattr(self, name) for name in PLAIN_FIELDS}
        values["markers"] = [list(marker) for marker in self.markers]
        values["traces"] = [[base64_text(line, "<f8"), colour] for line, colour in self.traces]
        for name in ("x", "y", "z"):
            values[name] = base64_text(getattr(self, name), "<f8")
        values["computed"] = base64_text(np.packbits(self.computed), "u1")
        return values

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> "HeightField":
        """The height field of `to_json`."""
        x, y, z = (base64_array(values[name], "<f8") for name in ("x", "y", "z"))
        bits = np.unpackbits(base64_array(values["computed"], "u1"), count=x.size * y.size)
        return cls(
            x,
            y,
            z.reshape(y.size, x.size),
            bits.reshape(y.size, x.size),
            markers=tuple((x, y, label, colour) for x, y, label, colour in values["markers"]),
            traces=tuple(_trace(line, colour) for line, colour in values.get("traces", ())),
            limits=tuple(values["limits"]),
            **{name: values[name] for name in PLAIN_FIELDS if name != "limits"},
        )


def base64_text(array: ArrayLike, dtype: str) -> str:
    """The array's bytes as base64."""
    return base64.b64encode(np.ascontiguousarray(array, dtype=dtype).tobytes()).decode("ascii")


def base64_array(text: str, dtype: str) -> np.ndarray:
    """The flat array of `base64_text`."""
    return np.frombuffer(base64.b64decode(text), dtype=dtype)


def _trace(line: str, colour: str) -> Trace:
    """The trace of `to_json`."""
    rows = base64_array(line, "<f8").reshape(-1, 3).tolist()
    return tuple((x, y, value) for x, y, value in rows), colour


def _to_unit(values: ArrayLike, axis: np.ndarray) -> np.ndarray:
    """Values along the axis from its ends to -1 and 1."""
    return 2 * (np.asarray(values) - axis[0]) / (axis[-1] - axis[0]) - 1


def _axis_ticks(axis: np.ndarray) -> list[Tick]:
    """Ticks of a coordinate at their place in the scene."""
    values = coordinate_ticks(axis)
    return list(zip(_to_unit(values, axis).tolist(), tick_labels(values), strict=True))


def _points_word(count: int) -> str:
    return "point" if count == 1 else "points"
