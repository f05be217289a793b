"""A function of one variable as a curve, with steps, stationary points and basins on it."""

import pandas  # noqa: F401 - whole before altair looks at it: another thread may be at it

# isort: split
from collections.abc import Sequence

import altair as alt
import numpy as np

from explorer.playground.basins import BasinMap
from explorer.playground.critical_points import CriticalPoint
from explorer.playground.functions import ExampleFunction
from explorer.playground.race import Race
from explorer.render.drawing import Chart
from explorer.render.marks.arrow import arrow_table
from explorer.render.marks.colours import SERIES_GREY
from explorer.render.marks.layers import layered_chart
from explorer.render.marks.markers import MarkedPlace, marker_layer, symbol_legend
from explorer.render.marks.stroke_legend import stroke_legend
from explorer.render.marks.ticks import number_text
from explorer.render.playground.axes import axis_keywords
from explorer.render.playground.colours import basin_colour, optimiser_colour
from explorer.render.playground.plane import SHAPES, drawn_steps

PLACES = 401  # of the curve
ROOM = 0.08  # of the curve's height, above and below
TIPS = [
    alt.Tooltip("run:N", title="optimiser"),
    alt.Tooltip("step:Q", title="step"),
    alt.Tooltip("x_text:N", title="x"),
    alt.Tooltip("y_text:N", title="f(x)"),
]


def draw_curve(
    function: ExampleFunction,
    races: Sequence[Race],
    until: int,
    points: Sequence[CriticalPoint],
    width: int,
    height: int,
    basins: BasinMap | None = None,
) -> Chart:
    """The curve with a dot for each step of each optimiser, and its critical points.

    Args:
        function: of one variable.
        races: the optimisers' paths.
        until: the step up to which they are drawn.
        points: the critical points.
        width: px of the plot.
        height: px of the plot.
        basins: whose colours lie behind the curve; none without.
    """
    axis = np.linspace(*function.ranges[0], PLACES)
    with np.errstate(all="ignore"):
        values = function.expression.values(axis[:, None])
    x, y = _axes(axis, values)
    curve = [{"x": a, "y": b} for a, b in zip(axis.tolist(), _finite(values), strict=True)]
    line = alt.Chart(arrow_table(curve)).mark_line(color=SERIES_GREY, strokeWidth=2, clip=True)
    layers = [line.encode(x=x, y=y)]
    if basins is not None:
        layers = [_basin_bands(basins), *layers]
    layers += _point_layers(points, width) if points else []
    for race in races:
        layers += _step_layers(race, until)
    if races:
        names = [race.optimiser.title for race in races]
        colours = [optimiser_colour(race.optimiser.name) for race in races]
        layers.append(stroke_legend("path", names, colours, width))
    return layered_chart(layers, width, height)


def _finite(values: np.ndarray) -> list[float | None]:
    """The values; None where a curve has a gap."""
    return [float(value) if np.isfinite(value) else None for value in values]


def _axes(axis: np.ndarray, values: np.ndarray) -> tuple[alt.X, alt.Y]:
    """The axes of the picture: the range, and the curve's height with a little room."""
    finite = values[np.isfinite(values)]
    low, high = (float(finite.min()), float(finite.max())) if finite.size else (0.0, 1.0)
    room = ROOM * (high - low) or 0.5
    x = axis_keywords(float(axis[0]), float(axis[-1]), "x")
    y = axis_keywords(low - room, high + room, "f(x)", 6, grid=True)
    return alt.X("x:Q", **x), alt.Y("y:Q", **y)


def _point_layers(points: Sequence[CriticalPoint], width: int) -> list[alt.Chart]:
    """A mark for each stationary point, which tells its numbers, and a legend of their classes."""
    rows = [
        {
            "x": point.place[0],
            "y": point.loss,
            "sort": point.sort,
            "place": number_text(point.place[0], 7),
            "loss": number_text(point.loss, 6),
            "curvature": number_text(point.eigenvalues[0], 5),
        }
        for point in points
    ]
    tips = [
        alt.Tooltip("sort:N", title="stationary point"),
        alt.Tooltip("place:N", title="x"),
        alt.Tooltip("loss:N", title="f(x)"),
        alt.Tooltip("curvature:N", title="f\u2033(x)"),
    ]
    felt = alt.Chart(arrow_table(rows)).mark_point(size=200, filled=True, opacity=0, clip=True)
    shapes = {point.sort.capitalize(): SHAPES[point.sort] for point in points}
    places = [
        MarkedPlace(point.place[0], point.loss, point.sort, SHAPES[point.sort]) for point in points
    ]
    marks = [marker_layer(place) for place in places]
    return [symbol_legend(shapes, width), *marks, felt.encode(x="x:Q", y="y:Q", tooltip=tips)]


def _step_layers(race: Race, until: int) -> list[alt.Chart]:
    """A line and a dot for each step, the start as a ring, the last dot larger."""
    count = min(until + 1, len(race.points))
    rows = [
        {
            "x": float(race.points[step, 0]),
            "y": float(race.losses[step]),
            "step": int(step),
            "run": race.optimiser.title,
            "x_text": number_text(race.points[step, 0], 6),
            "y_text": number_text(race.losses[step], 6),
        }
        for step in drawn_steps(count)
    ]
    colour = optimiser_colour(race.optimiser.name)

    def at(*some: dict[str, object]) -> alt.Chart:
        return alt.Chart(arrow_table(some)).encode(x="x:Q", y="y:Q")

    path = at(*rows).encode(order="step:Q")
    return [
        path.mark_line(color=colour, strokeWidth=1, opacity=0.45, clip=True),
        path.mark_circle(color=colour, size=26, opacity=0.9, clip=True).encode(tooltip=TIPS),
        at(rows[0]).mark_point(color=colour, size=90, strokeWidth=2, clip=True),
        at(rows[-1])
        .mark_circle(color=colour, size=150, stroke="white", strokeWidth=1.5, opacity=1, clip=True)
        .encode(tooltip=TIPS),
    ]


def _basin_bands(basins: BasinMap) -> alt.Chart:
    """Bands of the starts that end in one place, in its colour."""
    axis, labels = basins.axes[0], basins.labels
    half = (axis[1] - axis[0]) / 2
    firsts = [0, *(np.flatnonzero(np.diff(labels)) + 1).tolist()]
    lasts = [*(first - 1 for first in firsts[1:]), len(axis) - 1]
    rows = [
        {
            "x": float(max(axis[first] - half, axis[0])),
            "x2": float(min(axis[last] + half, axis[-1])),
            "colour": basin_colour(int(labels[first])),
        }
        for first, last in zip(firsts, lasts, strict=True)
    ]
    return (
        alt.Chart(arrow_table(rows))
        .mark_rect(opacity=0.28)
        .encode(x="x:Q", x2="x2:Q", color=alt.Color("colour:N", scale=None))
    )
