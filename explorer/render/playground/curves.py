"""How far each optimiser comes: with its steps, and with its learning rate."""

import pandas  # noqa: F401 - whole before altair looks at it: another thread may be at it

# isort: split
from collections.abc import Sequence

import altair as alt
import numpy as np

from explorer.playground.race import Race
from explorer.playground.sensitivity import RateCurve
from explorer.render.drawing import Chart
from explorer.render.marks.arrow import arrow_table
from explorer.render.marks.curve import Curve, Row
from explorer.render.marks.curves import chart
from explorer.render.marks.layers import layered_chart
from explorer.render.marks.stroke_legend import stroke_legend
from explorer.render.marks.ticks import number_text
from explorer.render.playground.axes import axis_keywords
from explorer.render.playground.colours import optimiser_colour
from explorer.render.playground.plane import drawn_steps

SMALLEST = 1e-16  # of what is above the lowest minimum: less is rounding
FIRST_TIMES = 10.0  # the loss at the start: what is higher lies beyond the picture


def draw_losses(
    races: Sequence[Race], floor: float | None, until: int, width: int, height: int
) -> Chart:
    """The loss of each optimiser against its steps.

    Args:
        races: the paths.
        floor: the lowest minimum: what is above it is drawn, on a log scale; None: the loss itself.
        until: the step up to which.
        width: px of the plot.
        height: px of the plot.
    """
    curves, colours = {}, []
    for race in races:
        steps = drawn_steps(len(race.points))
        losses = _above(race.losses[steps], floor)
        curves[race.optimiser.title] = Curve(steps.astype(float), losses, steps <= until)
        colours.append(optimiser_colour(race.optimiser.name))
    longest = max(len(race.points) for race in races) - 1
    row = Row(_title(floor), curves, height, log=floor is not None, colours=colours)
    return chart([row], "step", width, span=(0.0, float(max(longest, 1))), whole=True)


def draw_rates(
    curves: Sequence[RateCurve], floor: float | None, start_loss: float, width: int, height: int
) -> Chart:
    """The final loss of each optimiser against its rate, where it is finite and in the picture.

    Args:
        curves: of each.
        floor: as for `draw_losses`.
        start_loss: at the start.
        width: px of the plot.
        height: px of the plot.
    """
    rows: list[dict[str, float | str]] = []
    for curve in curves:
        losses = _above(curve.losses, floor)
        rows += [
            {
                "rate": float(rate),
                "loss": float(loss),
                "run": curve.optimiser.title,
                "rate_text": number_text(rate, 3),
                "loss_text": number_text(loss, 4),
            }
            for rate, loss in zip(curve.rates, losses, strict=True)
            if np.isfinite(loss)
        ]
    names = [curve.optimiser.title for curve in curves]
    colours = [optimiser_colour(curve.optimiser.name) for curve in curves]
    drawn = [float(row["loss"]) for row in rows] or [1.0]
    first = float(_above(np.array([start_loss]), floor)[0])
    high = first * FIRST_TIMES if floor is not None else max(first, min(drawn)) + abs(first) + 1.0
    ends = (float(curves[0].rates[0]), float(curves[0].rates[-1]))
    x = axis_keywords(*ends, "learning rate", 6, log=True)
    top = max(high, min(drawn) * 1.01)
    y = axis_keywords(min(drawn), top, _title(floor), 8, grid=True, log=floor is not None)
    base = alt.Chart(arrow_table(rows)).encode(
        x=alt.X("rate:Q", **x),
        y=alt.Y("loss:Q", **y),
        color=alt.Color("run:N", scale={"domain": names, "range": colours}, legend=None),
        tooltip=[
            alt.Tooltip("run:N", title="optimiser"),
            alt.Tooltip("rate_text:N", title="rate"),
            alt.Tooltip("loss_text:N", title=_title(floor)),
        ],
    )
    line = base.mark_line(strokeWidth=2, clip=True)
    dots = base.mark_circle(size=30, opacity=1, clip=True)
    legend = stroke_legend("path", names, colours, width)
    return layered_chart([line, dots, legend], width, height)


def _above(losses: np.ndarray, floor: float | None) -> np.ndarray:
    """What of the losses is above the lowest minimum, no less than rounding; or they themselves."""
    return losses if floor is None else np.maximum(losses - floor, SMALLEST)


def _title(floor: float | None) -> str:
    return "Loss above the lowest minimum" if floor else "Loss"
