"""How results are drawn: all of a picture that is no part of the answer. Frozen, and JSON."""

import math
from dataclasses import dataclass, replace
from typing import Any, Self

import numpy as np

from explorer.kinds.settings import one_of, require

# Perceptually uniform and readable by the colour-blind; "coolwarm" diverges (Moreland 2009).
COLOUR_MAPS = ("viridis", "cividis", "magma", "inferno", "plasma", "coolwarm")
VIEWS = ("contour", "relief")  # of a plane: from above, or in three dimensions
DECADES_FOR_LOG = 1.5  # a loss that spans more is first shown on a log scale
MOST_LEVELS = 100  # contour lines
CAMERA_NUMBERS = 9  # position, focal point and up
SMALL_WIDTH, SMALL_HEIGHT = 452, 302  # px of a small picture's plot


@dataclass(frozen=True)
class SubjectName:
    """What a subject is called in a picture, and the steps of a whole run."""

    text: str  # of its model, and of its snapshot where that is not the final one
    steps: tuple[int | str, ...] = ()  # of each snapshot of a run, or its file's name


@dataclass(frozen=True, kw_only=True)
class Look:
    """How a result is drawn. It has no theme: what lies on the page takes the page's colours."""

    width: int = 560  # of a plot without axes and legends, in px
    title: str = ""  # above the picture

    def __post_init__(self) -> None:
        """Refuse what cannot be drawn."""
        require(self.width >= 50, "width must be at least 50 px", self.width)

    @classmethod
    def usual(cls, result: Any) -> Self:
        """How that result is first drawn."""
        return cls()

    @classmethod
    def small(cls, result: Any) -> Self:
        """How it is drawn small, where there are no axes."""
        return replace(cls.usual(result), width=SMALL_WIDTH)


@dataclass(frozen=True, kw_only=True)
class CurvesLook(Look):
    """How values along an axis are drawn."""

    log: bool = False
    band: bool = True  # where it says something: the interval around a loss
    height: int = 300  # of the first plot, in px

    def __post_init__(self) -> None:
        """Refuse what cannot be drawn."""
        super().__post_init__()
        require(self.height >= 50, "height must be at least 50 px", self.height)

    @classmethod
    def small(cls, result: Any) -> Self:
        """How it is drawn small, where there are no axes."""
        return replace(cls.usual(result), width=SMALL_WIDTH, height=SMALL_HEIGHT)


@dataclass(frozen=True, kw_only=True)
class ProfileLook(CurvesLook):
    """How a loss or a metric along a line is drawn, and perhaps a second one below it."""

    value: str = "loss"  # or the name of a metric
    second: str | None = None  # a value in a row of its own below, linear


@dataclass(frozen=True, kw_only=True)
class PlaneLook(Look):
    """How values over a plane are drawn."""

    value: str = "loss"  # or the name of a metric
    log: bool = False
    clip: float | None = None  # what lies above is drawn in the top colour, or cut away in relief
    colour_map: str = "viridis"
    levels: int = 12  # contour lines at most; 0 for none
    width: int = 440
    limits: tuple[float, ...] | None = None  # of the colours, low and high; None: of the values
    view: str = "contour"  # or "relief"
    camera: tuple[float, ...] = ()  # of the relief: position, focal point, up; else its own

    def __post_init__(self) -> None:
        """Refuse what cannot be drawn."""
        super().__post_init__()
        one_of("colour_map", self.colour_map, COLOUR_MAPS)
        one_of("view", self.view, VIEWS)
        require(0 <= self.levels <= MOST_LEVELS, "levels must be from 0 to 100", self.levels)
        if self.clip is not None:
            fits = math.isfinite(self.clip) and (self.clip > 0 or not self.log)
            require(fits, "clip must be finite, and positive on a log scale", self.clip)
        if self.limits is not None:
            rising = len(self.limits) == 2 and self.limits[0] < self.limits[1]
            require(rising, "limits must be two that increase", self.limits)
        must = "camera must be nine finite numbers: position, focal point and up"
        placed = len(self.camera) in (0, CAMERA_NUMBERS) and all(map(math.isfinite, self.camera))
        require(placed, must, list(self.camera))

    @classmethod
    def small(cls, result: Any) -> Self:
        """How it is drawn small, where there are no axes."""
        return replace(cls.usual(result), width=SMALL_HEIGHT)


def spans_decades(values: np.ndarray) -> bool:
    """Whether positive finite values span so much that a log scale shows more."""
    positive = values[np.isfinite(values) & (values > 0)]
    if positive.size < 2:
        return False
    return bool(np.log10(positive.max()) - np.log10(positive.min()) > DECADES_FOR_LOG)
