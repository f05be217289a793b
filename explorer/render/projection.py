"""Projected paths drawn: over the surface of their plane, as pins on it, and by themselves."""

import pandas  # noqa: F401 - whole before altair looks at it: another thread may be at it

# isort: split
from collections.abc import Sequence

import altair as alt
import numpy as np

from explorer.kinds.projection import Projection
from explorer.kinds.surface import Surface
from explorer.render.marks import curves
from explorer.render.marks.curve import Curve
from explorer.render.marks.image import cell_extent
from explorer.render.marks.scale import plane_axes_titles
from explorer.render.relief3d.height import Marker
from explorer.render.trajectories import Track, chart_until, make_tracks, moments, snapshots_until


def tracks_of(
    projection: Projection,
    names: Sequence[str] = (),
    steps: Sequence[Sequence[int | str]] = (),
) -> list[Track]:
    """The paths, ready to draw; none before all snapshots are projected.

    Args:
        projection: the paths.
        names: of the runs; needed where there are several.
        steps: names of each run's snapshots; their number unless given.
    """
    if not projection.computed.all():
        return []
    paths = projection.paths
    steps_by_run = steps or [list(range(len(path.x))) for path in paths]
    return make_tracks(paths, names or [f"run {n + 1}" for n in range(len(paths))], steps_by_run)


def paths_alone(projection: Projection) -> alt.LayerChart:
    """The paths without a surface under them."""
    places = projection.values
    titles = plane_axes_titles(projection.facts)
    x, y = alt.X("x:Q", title=titles[0]), alt.Y("y:Q", title=titles[1])
    empty = alt.Chart(
        alt.Data(
            values=[
                {"x": float(a), "y": float(b)}
                for a, b in zip(places["x"], places["y"], strict=True)
                if np.isfinite(a + b)
            ]
        )
    ).mark_point(opacity=0)
    tracks = tracks_of(projection)
    plane = alt.LayerChart(layer=[empty.encode(x=x, y=y)], width=440, height=360)
    return chart_until(plane, tracks)(len(moments(tracks)) - 1) if tracks else plane


def pins(tracks: Sequence[Track], moment: int) -> tuple[Marker, ...]:
    """Start and present end of each path, as markers of the 3-D view."""
    markers: list[Marker] = []
    for track, count in zip(tracks, snapshots_until(tracks, moment), strict=True):
        for t in dict.fromkeys((0, count - 1) if count else ()):
            words = f"{track.name} at {track.steps[t]}"
            markers.append((float(track.path.x[t]), float(track.path.y[t]), words, track.end))
    return tuple(markers)


def outside_count(tracks: Sequence[Track], surface: Surface) -> int:
    """How many snapshots lie beyond what the surface shows."""
    (left, right), (low, high) = cell_extent(surface.x), cell_extent(surface.y)
    return sum(
        int(((p.x < left) | (p.x > right) | (p.y < low) | (p.y > high)).sum())
        for p in (track.path for track in tracks)
    )


def thumbnail(projection: Projection) -> bytes:
    """A small picture (PNG) of each run's true loss over its snapshots."""
    lines = [path.values["loss"] for path in projection.paths]
    faint = np.full((len(lines), max(map(len, lines))), np.nan)
    for row, line in zip(faint, lines, strict=True):
        row[: len(line)] = line
    x = np.arange(faint.shape[1], dtype=np.float64)
    return curves.thumbnail(Curve(x, faint[0], np.isfinite(faint[0]), faint=faint[1:]))
