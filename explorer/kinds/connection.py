"""A path between two points that is trained until no loss along it is high."""

from dataclasses import dataclass
from typing import Annotated

from explorer.kinds.connection_result import Connection, ConnectionFacts
from explorer.kinds.connection_settings import ConnectionSettings
from explorer.kinds.kind import Kind
from explorer.kinds.look import SMALL_HEIGHT, SMALL_WIDTH, LogScale, Look, PlotHeight
from explorer.kinds.setting import Setting

CONNECTION_PICTURES = ("profile", "training")


@dataclass(frozen=True, kw_only=True)
class ConnectionLook(Look):
    """Which picture of a training is drawn: losses along the path, or against the steps."""

    picture: Annotated[
        str,
        Setting(
            "Picture",
            "profile: the losses along the path as it is trained; training: against the steps.",
            choices=CONNECTION_PICTURES,
        ),
    ] = CONNECTION_PICTURES[0]
    value: Annotated[str, Setting("Value", "The loss, or a metric.")] = "loss"
    log: LogScale = False
    height: PlotHeight = 340

    @classmethod
    def small(cls, result: Connection) -> "ConnectionLook":
        """The losses along the path, on a log scale where they have one: it lies decades lower."""
        positive = result.last is not None and bool((result.loss[result.measured] > 0).all())
        return cls(width=SMALL_WIDTH, height=SMALL_HEIGHT, log=positive)


CONNECTION = Kind(
    name="connection",
    title="Path",
    subjects=("from", "to"),
    settings=ConnectionSettings,
    result=Connection,
    facts=ConnectionFacts,
    version=1,
    numbers=("saddle", "barrier", "path_mean", "arc_length", "bends", "path_steps", "distance"),
    columns=("measurement", "i", "t", "loss", "arc_length", "step", "batch_loss", "bends"),
    answer="explorer.analysis.connection:answer",
    look=ConnectionLook,
    draw="explorer.render.connection:draw",
    page="explorer/pages/connection.py",
    icon=":material/route:",
    sources=("garipov2018",),
    joined="to",
    in_order=True,
    unit="measurements",
    own_pace=True,
    brings_path=True,
)
