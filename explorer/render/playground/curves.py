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


def draw_losses(
    races: Sequence[Race],
    floor: float | None,
    until: int,
    seen: tuple[float, float],
    width: int,
    height: int,
) -> Chart:
    """The loss of each optimiser against its steps.

    Args:
        races: the paths.
        floor: the lowest minimum: what is above it is drawn, on a log scale; None: the loss itself.
        until: the step up to which.
        seen: lowest and highest loss of the function's picture; without a floor no other is drawn.
        width: px of the plot.
        height: px of the plot.
    """
    curves, colours = {}, []
    for race in races:
        steps = drawn_steps(min(until + 1, len(race.points)))
        losses = _above(race.losses[steps], floor)
        is_seen = (losses >= seen[0]) & (losses <= seen[1])
        is_drawn = is_seen if floor is None else np.ones(len(steps), dtype=bool)
        curves[race.optimiser.title] = Curve(steps.astype(float), losses, is_drawn)
        colours.append(optimiser_colour(race.optimiser.name))
    row = Row(_title(floor), curves, height, log=floor is not None, colours=colours)
    return chart([row], "step", width, span=(0.0, float(max(until, 1))), whole=True)


def draw_rates(
    curves: Sequence[RateCurve],
    floor: float | None,
    seen: tuple[float, float],
    width: int,
    height: int,
) -> Chart:
    """The final loss of each optimiser against its rate, where it is finite and in the picture.

    Args:
        curves: of each; some rate of some must have ended.
        floor: as for `draw_losses`.
        seen: lowest and highest loss of the function's picture.
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
    drawn = [float(row["loss"]) for row in rows]
    limits = seen if floor is None else (min(drawn), max(seen[1] - floor, min(drawn) * 10))
    ends = (float(curves[0].rates[0]), float(curves[0].rates[-1]))
    x = axis_keywords(*ends, "learning rate", 6, log=True)
    y = axis_keywords(*limits, _title(floor), 8, grid=True, log=floor is not None)
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
