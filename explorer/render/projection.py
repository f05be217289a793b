"""Projected paths drawn: by themselves, or over the drawing of their plane."""

import pandas  # noqa: F401 - whole before altair looks at it: another thread may be at it

# isort: split
import itertools
from collections.abc import Mapping, Sequence
from dataclasses import replace

import altair as alt
import numpy as np

from explorer.kinds.look import SubjectName
from explorer.kinds.projection import Projection, ProjectionLook
from explorer.kinds.surface import Surface
from explorer.render.drawing import Drawing
from explorer.render.marks.image import cell_extent
from explorer.render.marks.layers import layered_chart
from explorer.render.marks.scale import plane_axes_titles
from explorer.render.marks.ticks import number_text
from explorer.render.trajectories import Track, drawing_until, last_moment, make_tracks

HEIGHT_SHARE = 0.82  # of the width
CURVE_COLOURS = ("#e4572e", "#31a9e8", "#d64ac0", "#f2b705")  # seen on any colour of a plane


def tracks_of(
    projection: Projection, names: Sequence[SubjectName] = (), on_plane: bool = True
) -> list[Track]:
    """The paths, ready to draw; none before all snapshots are projected.

    Args:
        projection: the paths.
        names: of the runs.
        on_plane: whether they are drawn over the colours of a plane.
    """
    if not projection.computed.all():
        return []
    if projection.t:
        words = tuple(f"t = {number_text(t, 3)}" for t in projection.t)
        (name,) = names[:1] or [SubjectName("path")]
        (track,) = make_tracks(projection.paths, [SubjectName(name.text, words)], on_plane)
        return [replace(track, is_curve=True)]
    return make_tracks(projection.paths, names, on_plane)


def run_names(projection: Projection, names: Sequence[SubjectName]) -> list[SubjectName]:
    """The names of the runs: the last ones of those of all subjects; of a path both its ends'."""
    if projection.t and names:
        own = names[len(names) - projection.points :]
        return [SubjectName(f"path from {own[0].text} to {own[-1].text}")]
    return list(names[len(names) - len(projection.lengths) :]) if names else []


def draw(
    projection: Projection, look: ProjectionLook, names: Sequence[SubjectName] = ()
) -> Drawing:
    """The paths without a surface under them.

    Args:
        projection: the paths.
        look: how far they are drawn.
        names: of all subjects; those of the runs with their snapshots' steps.

    Raises:
        ValueError: there is no such moment.
    """
    places = projection.values
    titles = plane_axes_titles(projection.facts)
    scale = {"zero": False, "padding": 12}
    x, y = (
        alt.X("x:Q", title=titles[0], scale=scale),
        alt.Y("y:Q", title=titles[1], scale=scale),
    )
    rows = [
        {"x": float(a), "y": float(b)}
        for a, b in zip(places["x"], places["y"], strict=True)
        if np.isfinite(a + b)
    ]
    empty = alt.Chart(alt.Data(values=rows)).mark_point(opacity=0, style="nothing")
    height = round(look.width * HEIGHT_SHARE)
    plane = layered_chart([empty.encode(x=x, y=y)], look.width, height, look.title)
    tracks = tracks_of(projection, run_names(projection, names), on_plane=False)
    return drawing_until(plane, tracks)(last_moment(tracks, look.until))


def draw_over(
    plane: Drawing, projection: Projection, look: ProjectionLook, names: Sequence[SubjectName] = ()
) -> Drawing:
    """The drawing of a surface with the paths on its plane; as `draw`.

    Raises:
        ValueError: there is no such moment.
    """
    tracks = tracks_of(projection, run_names(projection, names))
    return drawing_until(plane, tracks)(last_moment(tracks, look.until))


def draw_curves(
    plane: Drawing, curves: Mapping[str, tuple[Projection, Sequence[SubjectName]]]
) -> Drawing:
    """The drawing of a surface with several paths over it, each in a colour of its own.

    Args:
        plane: the drawing.
        curves: paths between two points with the names of their subjects, by what they are called.
    """
    tracks = [
        replace(track, name=label)
        for label, (projection, names) in curves.items()
        for track in tracks_of(projection, names)
    ]
    colours = itertools.cycle(CURVE_COLOURS)
    tracks = [replace(track, end=next(colours)) for track in tracks]
    return drawing_until(plane, tracks)(0) if tracks else plane


def outside_count(tracks: Sequence[Track], surface: Surface) -> int:
    """How many snapshots lie beyond what the surface shows."""
    (left, right), (low, high) = cell_extent(surface.x), cell_extent(surface.y)
    return sum(
        int(((p.x < left) | (p.x > right) | (p.y < low) | (p.y > high)).sum())
        for p in (track.path for track in tracks)
    )
