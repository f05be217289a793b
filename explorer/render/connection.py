"""A path drawn as it is trained: the losses along it, and how they fell with the steps."""

from collections.abc import Sequence

import numpy as np

from explorer.kinds.connection import ConnectionLook
from explorer.kinds.connection_result import Connection
from explorer.kinds.look import SubjectName
from explorer.render.marks import curves
from explorer.render.marks.colours import BLUE, SERIES_GREY
from explorer.render.marks.curve import Curve, Row, Spot

MOST_FAINT = 6  # of the profiles between the first and the last
PROFILE_COLOURS = (SERIES_GREY, BLUE)  # of the straight line and of the path, while it grows too
UNNAMED_ENDS = ("the first point", "the second point")


def draw(
    path: Connection, look: ConnectionLook, names: Sequence[SubjectName] = ()
) -> curves.CurvesChart:
    """The picture that the look names, as an Altair chart.

    Args:
        path: as far as it is trained.
        look: how it is drawn.
        names: of the two points.

    Raises:
        ValueError: there is no such value.
    """
    if look.value not in path.values:
        raise ValueError(f"value must be one of {', '.join(path.values)}, got {look.value!r}")
    charts = {"profile": profile_chart, "training": training_chart}
    return charts[look.picture](path, look, names)


def profile_chart(
    path: Connection, look: ConnectionLook, names: Sequence[SubjectName] = ()
) -> curves.CurvesChart:
    """The value along the path: before the first step, on the way, and now."""
    values, measured = path.values[look.value], path.measured.tolist()
    everywhere = np.ones(len(path.t), dtype=bool)
    between = measured[1:-1]
    if not measured:
        shown = {_name(path, 0): Curve(path.t, values[0], ~everywhere)}
    else:
        ends = dict.fromkeys((measured[0], measured[-1]))
        shown = {_name(path, n): Curve(path.t, values[n], everywhere) for n in ends}
    if between:
        some = np.unique(np.linspace(0, len(between) - 1, MOST_FAINT, dtype=int))
        faint = values[[between[n] for n in some]]
        shown[_name(path, measured[-1])] = Curve(
            path.t, values[measured[-1]], everywhere, None, faint
        )
    first, second = (name.text for name in names[:2]) if names else UNNAMED_ENDS
    row = Row(look.value, shown, look.height, look.log, colours=PROFILE_COLOURS)
    return curves.chart([row], f"t: 0 is {first}, 1 is {second}", look.width, look.title)


def _name(path: Connection, number: int) -> str:
    """What a measurement is called."""
    step = path.training["step"][number]
    return "straight line" if number == 0 else f"after {step:,.0f} steps"


def training_chart(
    path: Connection, look: ConnectionLook, names: Sequence[SubjectName] = ()
) -> curves.CurvesChart:
    """Highest and mean value along the path against the steps; dashed: the higher end's loss."""
    measured = path.measured
    values = path.values[look.value][measured]
    steps = path.training["step"][measured]
    everywhere = np.ones(len(measured), dtype=bool)
    if not len(measured):
        steps, values, everywhere = np.zeros(1), path.values[look.value][:1], np.zeros(1, bool)
    shown = {
        "highest on the path": Curve(steps, values.max(axis=1), everywhere),
        "mean over the path": Curve(steps, np.trapezoid(values, path.t, axis=1), everywhere),
    }
    spots = []
    if look.value == "loss" and path.last:
        batches = path.training["batch_loss"][measured]
        shown["mean of the batches"] = Curve(steps, batches, np.asarray(steps > 0))
        higher = max(path.end_losses)
        spots = [Spot(0.0, higher, "higher end", to=(float(steps[-1]), higher))]
    row = Row(look.value, shown, look.height, look.log, spots=spots)
    span = (0.0, max(float(steps[-1]), float(path.settings.every)))
    return curves.chart([row], "Steps", look.width, look.title, span)
