"""Training runs as paths over a contour plot: lines that grow with the steps, in their colours."""

import pandas  # noqa: F401 - whole before altair looks at it: another thread may be at it

# isort: split
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import altair as alt
import numpy as np

from explorer.kinds.look import LAST, SubjectName
from explorer.kinds.trajectory import Trajectory
from explorer.render.drawing import Chart, Drawing
from explorer.render.marks.arrow import arrow_table, column_name, tooltip_title
from explorer.render.marks.colours import series_colours
from explorer.render.marks.layers import plain_layer
from explorer.render.marks.scale import value_title
from explorer.render.marks.stroke_legend import stroke_legend
from explorer.render.marks.ticks import number_text
from explorer.render.relief3d.height import HeightField, Marker, Trace
from explorer.render.relief3d.relief import Relief

CHORD_COLOUR, CHORD_POINTS = "#707070", 61  # of the straight line between the ends of a curve
ALONE_COLOURS = ("#000000", "#e4572e")  # of one path: its line, and its end


@dataclass(frozen=True)
class Track:
    """A run's path and how it is drawn."""

    name: str
    path: Trajectory
    steps: Sequence[int | str]  # of each snapshot
    colour: str
    end: str  # colour of the last snapshot drawn
    halo: bool = True  # around the line: so it is seen on any colour of a plane
    is_curve: bool = False  # one path between two points, drawn whole with the chord under it
    is_exact: bool = False  # nothing is projected: it lies on the plane, with the plane's values

    @property
    def is_run(self) -> bool:
        """Whether it has several snapshots; else it is a point alone."""
        return len(self.steps) > 1

    @property
    def has_steps(self) -> bool:
        """Whether all snapshots have a training step."""
        return all(isinstance(step, int) for step in self.steps)


def make_tracks(
    paths: Sequence[Trajectory], names: Sequence[SubjectName], on_plane: bool = True
) -> list[Track]:
    """The paths, each in a colour of its own.

    Args:
        paths: of the runs.
        names: of the runs, with their snapshots' steps; numbers stand in where there are none.
        on_plane: whether they are drawn over the colours of a plane, not on the page itself.
    """
    run_names = [name.text for name in names] or [f"run {n + 1}" for n in range(len(paths))]
    steps = [name.steps for name in names] or [()] * len(paths)
    alone = len(paths) == 1 and on_plane
    colours = [ALONE_COLOURS] if alone else [(c, c) for c in series_colours(run_names)]
    return [
        Track(name, path, list(own) or list(range(len(path.x))), *colours[n], on_plane)
        for n, (path, name, own) in enumerate(zip(paths, run_names, steps, strict=True))
    ]


def moments(tracks: Sequence[Track]) -> list[int | str]:
    """What the paths are followed along: all steps, or the snapshots' names or numbers."""
    return moments_of([track.steps for track in tracks])


def moments_of(steps: Sequence[Sequence[int | str]]) -> list[int | str]:
    """The moments of paths whose snapshots have these steps; as `moments`."""
    if all(isinstance(step, int) for own in steps for step in own):
        return sorted({int(step) for own in steps for step in own})
    if len(steps) == 1:
        return list(steps[0])
    return list(range(max(map(len, steps))))


def snapshots_until(tracks: Sequence[Track], moment: int) -> list[int]:
    """How many snapshots of each run are there at the moment of that number."""
    if not all(track.has_steps for track in tracks):
        return [min(moment + 1, len(track.steps)) for track in tracks]
    now = moments(tracks)[moment]
    return [
        max((t + 1 for t, step in enumerate(track.steps) if int(step) <= int(now)), default=0)
        for track in tracks
    ]


def last_moment(tracks: Sequence[Track], until: int) -> int:
    """The number of the moment up to which paths are drawn; the last one unless another is named.

    Raises:
        ValueError: there is no such moment.
    """
    count = len(moments(tracks)) if tracks else 1
    if until >= count:
        raise ValueError(f"until must be below {count}, the number of moments, got {until}")
    return count - 1 if until == LAST else until


def pins(tracks: Sequence[Track], moment: int) -> tuple[Marker, ...]:
    """Start and present end of each path, as markers of a relief."""
    markers: list[Marker] = []
    for track, count in zip(tracks, snapshots_until(tracks, moment), strict=True):
        for t in dict.fromkeys((0, count - 1) if count else ()):
            if track.is_curve:  # its ends are marked on the plane already
                continue
            words = f"{track.name} at {track.steps[t]}" if track.is_run else track.name
            markers.append((float(track.path.x[t]), float(track.path.y[t]), words, track.end))
    return tuple(markers)


def drawing_until(plane: Drawing, tracks: Sequence[Track]) -> Callable[[int], Drawing]:
    """A function that makes the plane with the paths up to a moment: drawn on it, or as pins."""
    if isinstance(plane, Relief):
        field = plane.field

        def relief_until(moment: int) -> Relief:
            markers = (*field.markers, *(pins(tracks, moment) if tracks else ()))
            lifted = (
                trace for track in tracks if track.is_curve for trace in _traces(track, field)
            )
            traces = (*field.traces, *lifted)
            return replace(plane, field=replace(field, markers=markers, traces=traces))

        return relief_until
    return chart_until(plane, tracks)


def _traces(track: Track, field: HeightField) -> list[Trace]:
    """A curve at its own values, and the chord between its ends on the surface."""
    path = track.path
    named = {value_title(name): values for name, values in path.values.items()}
    heights = named.get(field.z_label, np.full(len(path.x), np.nan))
    curve = zip(path.x.tolist(), path.y.tolist(), heights.tolist(), strict=True)
    places = [np.linspace(along[0], along[-1], CHORD_POINTS).tolist() for along in (path.x, path.y)]
    chord = ((x, y, math.nan) for x, y in zip(*places, strict=True))
    return [(tuple(curve), track.end), (tuple(chord), CHORD_COLOUR)]


def _curve_layers(track: Track) -> list[alt.Chart]:
    """A curve whole; dashed, the chord between its ends; a ring at each; each place's values."""
    tooltip_rows = [_tooltip_row(track, t) for t in range(len(track.steps))]
    rows = [{column_name(name): value for name, value in one.items()} for one in tooltip_rows]
    tips = [
        alt.Tooltip(field=column_name(name), type="nominal", title=tooltip_title(name))
        for name in tooltip_rows[0]
        if name not in ("x", "y", "t")
    ]

    def at(*of: dict[str, object]) -> alt.Chart:
        return alt.Chart(arrow_table(list(of))).encode(x=alt.X("x:Q"), y=alt.Y("y:Q"))

    line, ends = at(*rows).encode(order=alt.Order("t:Q")), at(rows[0], rows[-1])
    chord = ends.encode(order=alt.Order("t:Q")).mark_line(
        color=track.colour, strokeWidth=1.2, strokeDash=[5, 4], clip=True
    )
    halo = line.mark_line(color="white", strokeWidth=4.5, opacity=0.7, clip=True)
    drawn = line.mark_line(style="path", color=track.end, strokeWidth=2.4, clip=True)
    places = line.mark_circle(size=90, opacity=0, clip=True).encode(tooltip=tips)
    rings = ends.encode(tooltip=tips).mark_circle(
        color="white", size=70, stroke=track.end, strokeWidth=2, opacity=1, clip=True
    )
    return [*([halo] if track.halo else []), chord, drawn, places, rings]


def chart_until(plane: Chart, tracks: Sequence[Track]) -> Callable[[int], Chart]:
    """A function that makes the plane with the paths on it up to a moment."""

    def until(moment: int) -> Chart:
        chart = plane.copy(deep=False)
        layers = []
        if tracks:
            for track, count in zip(tracks, snapshots_until(tracks, moment), strict=True):
                if track.is_curve:
                    layers += _curve_layers(track)
                else:
                    layers += _path_layers(track, count) if count else []
        names = [track.name for track in tracks]
        colours = [track.end if track.is_curve else track.colour for track in tracks]
        several = len(tracks) > 1
        legend = [stroke_legend("path", names, colours, plane.width)] if several else []
        chart.layer = [*plane.layer, *(plain_layer(layer) for layer in (*legend, *layers))]
        return chart

    return until


def _path_layers(track: Track, count: int) -> list[alt.Chart]:
    """The line through the snapshots, a dot for each, a ring at the start, the last one larger."""
    tooltip_rows = [_tooltip_row(track, t) for t in range(count)]
    rows = [{column_name(name): value for name, value in one.items()} for one in tooltip_rows]
    hidden = ("x", "y", "t")
    tips = [
        alt.Tooltip(field=column_name(name), type="nominal", title=tooltip_title(name))
        for name in tooltip_rows[0]
        if name not in hidden
    ]

    def at(*of: dict[str, object]) -> alt.Chart:
        return alt.Chart(arrow_table(list(of))).encode(x=alt.X("x:Q"), y=alt.Y("y:Q"))

    line = at(*rows).encode(order=alt.Order("t:Q"))
    start = at(rows[0]).encode(tooltip=tips)
    end = at(rows[-1]).encode(tooltip=tips)
    halo = line.mark_line(color="white", strokeWidth=4, opacity=0.65, strokeJoin="round", clip=True)
    drawn_line = line.mark_line(
        style="path", color=track.colour, strokeWidth=1.6, strokeJoin="round", clip=True
    )
    dots = line.mark_circle(style="snapshot", color=track.colour, size=18, opacity=1, clip=True)
    ring = start.mark_circle(
        color="white", size=70, stroke=track.colour, strokeWidth=2, opacity=1, clip=True
    )
    last = end.mark_circle(
        style="path-end",
        color=track.end,
        size=110,
        stroke="white",
        strokeWidth=1.5,
        opacity=1,
        clip=True,
    )
    return [*([halo] if track.halo else []), drawn_line, dots.encode(tooltip=tips), ring, last]


def _tooltip_row(track: Track, t: int) -> dict[str, object]:
    """A snapshot's place, and what its tooltip says."""
    path = track.path
    tooltip_row: dict[str, object] = {"x": float(path.x[t]), "y": float(path.y[t]), "t": t}
    tooltip_row |= (
        {"run": track.name, "step": str(track.steps[t])} if track.is_run else {"point": track.name}
    )
    if track.is_exact:
        return tooltip_row | {name: number_text(value[t]) for name, value in path.values.items()}
    tooltip_row |= {f"true {name}": number_text(value[t]) for name, value in path.values.items()}
    return tooltip_row | {"from the plane": number_text(path.out[t], 4)}
