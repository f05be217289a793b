"""A function of two variables as a surface, from above or in relief, with paths and marks on it."""

import pandas  # noqa: F401 - whole before altair looks at it: another thread may be at it

# isort: split
import itertools
import math
from collections.abc import Sequence
from dataclasses import replace

import altair as alt
import numpy as np

from explorer.kinds.look import PlaneLook
from explorer.kinds.surface import Surface
from explorer.kinds.trajectory import Trajectory
from explorer.playground.critical_points import CriticalPoint
from explorer.playground.functions import ExampleFunction
from explorer.playground.race import Race
from explorer.render.drawing import Chart, Drawing
from explorer.render.marks.arrow import arrow_table
from explorer.render.marks.layers import plain_layer
from explorer.render.marks.markers import MarkedPlace
from explorer.render.marks.plane import plane_chart
from explorer.render.playground.colours import optimiser_colour
from explorer.render.relief3d.height import Marker, Trace
from explorer.render.relief3d.relief import Relief, draw_relief
from explorer.render.trajectories import Track, chart_until, moments

VALUE = "loss"  # what the function's value is called, as on a network's surface
COUNT = 120  # of grid points per axis; even, so that none lies on a round minimum where f is 0
SHAPES = {  # of critical points from above
    "minimum": "triangle-down",
    "maximum": "triangle-up",
    "saddle": "cross",
    "degenerate": "square",
}
PIN_COLOURS = {"minimum": "#2c6fbb", "maximum": "#d03030", "saddle": "#e08a00"}
ARROW_COLOUR, ARROW_SHARE = "#e4572e", 0.05  # of an escape direction; of the range, each way
MOST_DRAWN = 300  # places of a path
FAR_AWAY = 50.0  # half ranges: what is further is drawn as if it were there
TRACE_STEPS = 90  # of a range: as fine a path follows the relief


def surface_of(function: ExampleFunction) -> Surface:
    """The function's values on a grid over its ranges."""
    (x, y), points = function.grid(COUNT)
    with np.errstate(all="ignore"):
        values = function.expression.values(points)
    return Surface(x, y, {VALUE: values}, np.ones(values.shape, dtype=bool))


def draw_function(
    function: ExampleFunction, look: PlaneLook, points: Sequence[CriticalPoint] = ()
) -> Drawing:
    """The function from above or in relief, with critical points marked.

    Args:
        function: of two variables.
        look: how.
        points: that are marked; saddles with their escape directions.
    """
    surface = surface_of(function)
    if look.view == "relief":
        pins: list[Marker] = [
            (point.place[0], point.place[1], point.sort, PIN_COLOURS.get(point.sort, "#707070"))
            for point in points
        ]
        return draw_relief(surface, look, ("x", "y"), pins)
    places = [
        MarkedPlace(point.place[0], point.place[1], point.sort.capitalize(), SHAPES[point.sort])
        for point in points
    ]
    chart = plane_chart(surface, look, ("x", "y"), places=places)
    saddles = [point for point in points if point.sort == "saddle"]
    if saddles:
        chart.layer = [*chart.layer, plain_layer(_escape_layer(function, saddles))]
    return chart


def draw_races(
    plane: Drawing, function: ExampleFunction, races: Sequence[Race], until: int
) -> Drawing:
    """The picture of a function with the optimisers' paths on it.

    Args:
        plane: the picture.
        function: that it is of.
        races: the paths.
        until: the step up to which they are drawn.
    """
    tracks = [_track(function, race, until) for race in races]
    if isinstance(plane, Relief):
        field = plane.field
        unnamed = [(x, y, "", colour) for x, y, _, colour in field.markers]
        traces = [_trace(function, track) for track in tracks]
        ends: list[Marker] = [
            (float(track.path.x[-1]), float(track.path.y[-1]), track.name, track.end)
            for track in tracks
        ]
        return replace(
            plane,
            field=replace(
                field,
                traces=(*field.traces, *traces),
                markers=(*unnamed, *ends),
            ),
        )
    return _on_chart(plane, tracks)


def _on_chart(plane: Chart, tracks: list[Track]) -> Chart:
    if not tracks:
        return plane
    return chart_until(plane, tracks)(len(moments(tracks)) - 1)


def drawn_steps(count: int) -> np.ndarray:
    """The steps that are drawn of so many: all, or the first third of the places and even ones."""
    if count <= MOST_DRAWN:
        return np.arange(count)
    first = MOST_DRAWN // 3
    even = np.linspace(first, count - 1, MOST_DRAWN - first).round().astype(int)
    return np.unique([*range(first), *even])


def _track(function: ExampleFunction, race: Race, until: int) -> Track:
    """A race's path as far as a step, ready to draw."""
    count = min(until + 1, len(race.points))
    steps = drawn_steps(count)
    middle = np.mean(function.ranges, axis=1)
    half = np.ptp(function.ranges, axis=1) / 2
    away = (race.points[steps] - middle) / half
    away /= np.maximum(1.0, np.abs(away).max(axis=1, keepdims=True) / FAR_AWAY)
    x, y = (middle + half * away).T
    path = Trajectory(
        x=x,
        y=y,
        out=np.zeros(len(x)),
        moved=np.zeros(len(x)),
        values={VALUE: race.losses[steps], "gradient": race.gradient_norms[steps]},
    )
    colour = optimiser_colour(race.optimiser.name)
    return Track(race.optimiser.title, path, steps.tolist(), colour, colour, is_exact=True)


def _trace(function: ExampleFunction, track: Track) -> Trace:
    """A path as a line that lies on the relief, as fine as that is."""
    spans = np.ptp(function.ranges, axis=1)
    places = np.column_stack([track.path.x, track.path.y])
    low, high = np.array(function.ranges).T
    line = [places[0]]
    for start, end in itertools.pairwise(places):
        parts = math.ceil(float(np.abs((end - start) / spans).max()) * TRACE_STEPS) or 1
        between = start + (end - start) * np.linspace(0, 1, parts + 1)[1:, None]
        inside = ((between >= low) & (between <= high)).all(axis=1)
        line += [*between[inside], *([np.full(2, np.nan)] if not inside.all() else [])]
    return tuple((float(x), float(y), math.nan) for x, y in line), track.end


def _escape_layer(function: ExampleFunction, saddles: Sequence[CriticalPoint]) -> alt.Chart:
    """A short line through each saddle along the direction in which the loss falls."""
    length = ARROW_SHARE * float(min(np.ptp(function.ranges, axis=1)))
    rows = []
    for saddle in saddles:
        (x, y), (across, along) = saddle.place, saddle.escape
        ends = (x - length * across, y - length * along, x + length * across, y + length * along)
        rows.append(dict(zip(("x", "y", "x2", "y2"), ends, strict=True)))
    return (
        alt.Chart(arrow_table(rows))
        .mark_rule(color=ARROW_COLOUR, strokeWidth=2.5, clip=True)
        .encode(x=alt.X("x:Q"), y=alt.Y("y:Q"), x2="x2:Q", y2="y2:Q")
    )
