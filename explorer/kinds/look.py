"""How results are drawn: all of a picture that is no part of the answer. Frozen, and JSON."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Annotated, Any, Self, TypeAlias

import numpy as np

from explorer.kinds.setting import Setting, SettingError, Settings

# Perceptually uniform and readable by the colour-blind; coolwarm (Moreland 2009) and vik diverge.
# Source of batlow, oslo, vik: Crameri 2018, doi:10.5281/zenodo.1243862.
CRAMERI_MAPS = ("batlow", "oslo", "vik")
COLOUR_MAPS = (
    *("viridis", "cividis", "magma", "inferno", "plasma"),
    *("coolwarm", *CRAMERI_MAPS),
)
VIEWS = ("contour", "relief")  # of a plane: from above, or in three dimensions
DECADES_FOR_LOG = 1.5  # a loss that spans more is first shown on a log scale
CAMERA_NUMBERS = 9  # position, focal point and up
SMALL_WIDTH, SMALL_HEIGHT = 452, 302  # px of a small picture's plot
LARGEST_PLOT = 10_000  # px
LAST = -1  # the moment at which all of a path is drawn

ResultDrawn: TypeAlias = Any  # of any kind: each look narrows it to its own
PlotWidth = Annotated[int, Setting("Width", "Of a plot.", least=50, most=LARGEST_PLOT, unit="px")]
PlotHeight = Annotated[
    int, Setting("Height", "Of the first plot.", least=50, most=LARGEST_PLOT, unit="px")
]
LogScale = Annotated[bool, Setting("Log scale", "Of what is drawn; what is not above 0 is a gap.")]
ValueName = Annotated[str, Setting("Value", "The loss, or a metric by its name.")]
ContourLines = Annotated[
    int, Setting("Contour lines", "So many at most; 0 for none.", least=0, most=100)
]
Moment = Annotated[
    int,
    Setting(
        "Until",
        "Number of the moment up to which paths are drawn; -1: to their ends.",
        least=LAST,
        open_ended=True,  # the longest path is the end
    ),
]


@dataclass(frozen=True)
class SubjectName:
    """What a subject is called in a picture, and the steps of a whole run."""

    text: str  # of its model, and of its snapshot where that is not the final one
    steps: tuple[int | str, ...] = ()  # of each snapshot of a run, or its file's name


@dataclass(frozen=True, kw_only=True)
class Look(Settings):
    """How a result is drawn. It has no theme: what lies on the page takes the page's colours."""

    width: PlotWidth = 560
    title: Annotated[str, Setting("Title", "Above the picture.")] = ""

    @classmethod
    def usual(cls, result: ResultDrawn) -> Self:
        """How that result is first drawn."""
        return cls()

    @classmethod
    def small(cls, result: ResultDrawn) -> Self:
        """How it is drawn small, where there are no axes."""
        return replace(cls.usual(result), width=SMALL_WIDTH)


@dataclass(frozen=True, kw_only=True)
class CurvesLook(Look):
    """How values along an axis are drawn."""

    log: LogScale = False
    band: Annotated[bool, Setting("Bands", "Intervals, where they are wide enough to see.")] = True
    height: PlotHeight = 300

    @classmethod
    def small(cls, result: ResultDrawn) -> Self:
        """How it is drawn small, where there are no axes."""
        return replace(cls.usual(result), width=SMALL_WIDTH, height=SMALL_HEIGHT)


@dataclass(frozen=True, kw_only=True)
class ProfileLook(CurvesLook):
    """How a loss or a metric along a line is drawn, and perhaps a second one below it."""

    value: ValueName = "loss"
    second: Annotated[str, Setting("Below it", "A second value in a plot of its own.")] = ""


@dataclass(frozen=True, kw_only=True)
class PlaneLook(Look):
    """How values over a plane are drawn."""

    value: ValueName = "loss"
    log: LogScale = False
    clip: Annotated[
        float,
        Setting(
            "Clip above",
            "The level at which higher values are drawn; 0: nothing is clipped.",
            open_ended=True,
        ),
    ] = 0.0
    colour_map: Annotated[
        str,
        Setting(
            "Colours",
            "Even in lightness for the colour-blind too; coolwarm (Moreland 2009) and vik (Crameri "
            "2018) diverge.",
            choices=COLOUR_MAPS,
        ),
    ] = COLOUR_MAPS[0]
    levels: ContourLines = 12
    width: PlotWidth = 440
    limits: Annotated[
        tuple[float, ...],
        Setting(
            "Limits",
            "Lowest and highest value of the colours; none: those of the values.",
            open_ended=True,
        ),
    ] = ()
    bar: Annotated[bool, Setting("Colour bar", "What the colours mean, beside the plane.")] = True
    view: Annotated[
        str, Setting("View", "contour: from above; relief: in three dimensions.", choices=VIEWS)
    ] = VIEWS[0]
    camera: Annotated[
        tuple[float, ...],
        Setting(
            "Camera",
            "Of the relief: position, focal point and up, nine numbers.",
            open_ended=True,
        ),
    ] = ()

    def __post_init__(self) -> None:
        """Refuse what cannot be drawn."""
        super().__post_init__()
        if self.log and self.clip < 0:
            raise SettingError("clip", f"must be above 0 on a log scale, got {self.clip}")
        rising = len(self.limits) == 2 and self.limits[0] < self.limits[1]
        if self.limits and not rising:
            raise SettingError("limits", f"must be two that increase, got {self.limits}")
        if len(self.camera) not in (0, CAMERA_NUMBERS):
            raise SettingError("camera", f"must be nine numbers, got {len(self.camera)}")
        position, focus, up = self.camera[:3], self.camera[3:6], self.camera[6:]
        if self.camera and (position == focus or not any(up)):
            must = "must look at another place than its own, with an up that is not 0"
            raise SettingError("camera", f"{must}, got {self.camera}")

    @property
    def ceiling(self) -> float | None:
        """The level at which higher values are drawn; None where nothing is clipped."""
        return self.clip or None

    @classmethod
    def small(cls, result: ResultDrawn) -> Self:
        """How it is drawn small, where there are no axes."""
        return replace(cls.usual(result), width=SMALL_HEIGHT)


@dataclass(frozen=True, kw_only=True)
class LossPlaneLook(PlaneLook):
    """How losses over a plane are drawn."""

    @classmethod
    def usual(cls, result: ResultDrawn) -> Self:
        """On a log scale where the loss spans decades."""
        return cls(log=spans_decades(result.loss))

    @classmethod
    def small(cls, result: ResultDrawn) -> Self:
        """In relief."""
        return replace(cls.usual(result), view="relief", width=SMALL_HEIGHT)


def spans_decades(values: np.ndarray) -> bool:
    """Whether positive finite values span so much that a log scale shows more."""
    positive = values[np.isfinite(values) & (values > 0)]
    if positive.size < 2:
        return False
    return bool(np.log10(positive.max()) - np.log10(positive.min()) > DECADES_FOR_LOG)


def joined_values(arrays: Iterable[np.ndarray | None]) -> np.ndarray:
    """The values (N,) of all arrays together; None has none."""
    return np.concatenate([np.empty(0), *(np.ravel(a) for a in arrays if a is not None)])


def drawn_limits(values: np.ndarray, log: bool) -> tuple[float, ...]:
    """The lowest and highest value that a scale can show; none where they do not differ."""
    drawn = values[np.isfinite(values) & ((values > 0) | (not log))]
    if not drawn.size or drawn.min() == drawn.max():
        return ()
    return (float(drawn.min()), float(drawn.max()))


def look_over(own: Look, base: Look, words: str) -> Look:
    """How an answer is drawn over another's picture: as that one where both show planes.

    Args:
        own: the usual look of what is drawn over.
        base: the look of the picture.
        words: in what the two differ, for the legend.
    """
    if isinstance(own, LossPlaneLook) and isinstance(base, LossPlaneLook):
        return replace(own, value=base.value, log=base.log, levels=base.levels, title=words)
    return replace(own, title=words)


def looks_on_one_scale(
    looks: Sequence[PlaneLook], arrays: Sequence[np.ndarray | None], log: bool | None = None
) -> list[PlaneLook]:
    """The looks of planes of one value with one scale, so that a colour means one value in all.

    A loss is on a log scale where all of them together span decades, as one alone would be; another
    value where one of the looks is. Limits that a look has stay.

    Args:
        looks: as many as arrays.
        arrays: the values of each; None has none.
        log: whether the scale is logarithmic, where the user has chosen it.
    """
    together = joined_values(arrays)
    if log is None:
        of_losses = all(isinstance(look, LossPlaneLook) for look in looks)
        usual = of_losses and looks[0].value == "loss"
        log = spans_decades(together) if usual else any(look.log for look in looks)
    limits = drawn_limits(together, log)
    return [replace(look, log=log, limits=look.limits or limits) for look in looks]


def overlaid_look(looks: Sequence[Look], width: int, height: int) -> Look:
    """The first of the looks for all in one picture; curves on a log scale if one of them is."""
    look = replace(looks[0], width=width)
    if isinstance(look, CurvesLook):
        log = any(isinstance(one, CurvesLook) and one.log for one in looks)
        look = replace(look, height=height, log=log)
    return look
