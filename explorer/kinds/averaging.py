"""Several points made into one: soups, SWA, SLERP, task arithmetic, and what that is worth."""

from dataclasses import dataclass, replace

from explorer.kinds.averaging_result import Averaging, AveragingFacts
from explorer.kinds.averaging_settings import AveragingSettings
from explorer.kinds.kind import Kind
from explorer.kinds.look import (
    SMALL_HEIGHT,
    SMALL_WIDTH,
    LogScale,
    Look,
    PlotHeight,
    ValueName,
    spans_decades,
)

ROW_HEIGHT, MIN_HEIGHT = 24, 120  # px


@dataclass(frozen=True, kw_only=True)
class AveragingLook(Look):
    """How an average is drawn beside what it is made of."""

    value: ValueName = "loss"
    log: LogScale = False
    height: PlotHeight = 300

    @classmethod
    def usual(cls, result: Averaging) -> "AveragingLook":
        """On a log scale where the losses span decades; a row takes as much height as its name."""
        height = max(MIN_HEIGHT, ROW_HEIGHT * len(result.loss))
        return cls(log=spans_decades(result.loss), height=height)

    @classmethod
    def small(cls, result: Averaging) -> "AveragingLook":
        """The losses."""
        return replace(cls.usual(result), width=SMALL_WIDTH, height=SMALL_HEIGHT)


AVERAGING = Kind(
    name="averaging",
    title="Average",
    subjects=("run",),
    runs_from=0,
    settings=AveragingSettings,
    result=Averaging,
    facts=AveragingFacts,
    version=1,
    numbers=(
        "average_loss",
        "average_accuracy",
        "mean_member_loss",
        "best_member_loss",
        "average_rise",
        "farthest_ingredient",
    ),
    columns=("role", "loss", "tried", "kept"),
    answer="explorer.analysis.averaging:answer",
    look=AveragingLook,
    draw="explorer.render.averaging:draw",
    page="explorer/pages/averaging.py",
    icon=":material/merge:",
    sources=("wortsman2022",),
    unit="points",
    point_text="explorer.kinds.averaging_result:average_text",
)
