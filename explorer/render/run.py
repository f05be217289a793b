"""Training runs drawn: their paths on the plane of principal components, and their course."""

import pandas  # noqa: F401 - whole before altair looks at it: another thread may be at it

# isort: split
from collections.abc import Callable, Sequence
from typing import Any

import altair as alt
import numpy as np

from explorer.kinds.run import PlaneOfRunFacts, Run
from explorer.render.marks import curves
from explorer.render.marks.arrow import arrow_table
from explorer.render.marks.colours import BLUE, ORANGE
from explorer.render.marks.curve import Curve, Row
from explorer.render.marks.scale import ContourStyle
from explorer.render.surface import contour_chart
from explorer.render.trajectories import Track, chart_until, make_tracks, moments

COURSE_WORDS = {
    "out": "out of plane",
    "moved": "from start",
    "norm": "norm",
    "turn": "turn, degrees",
}


def plane_chart(
    run: Run, style: ContourStyle | None = None, tracks: Sequence[Track] | None = None
) -> alt.LayerChart:
    """The loss over the plane from above, with the whole paths on it; see `growing_chart`."""
    tracks = tracks_of(run) if tracks is None else tracks
    return growing_chart(run, style, tracks)(len(moments(tracks)) - 1)


def tracks_of(
    run: Run, names: Sequence[str] = (), steps: Sequence[Sequence[int | str]] = ()
) -> list[Track]:
    """The run's paths, ready to draw; none before the first piece.

    Args:
        run: the plane.
        names: of the runs; needed where there are several.
        steps: names of each run's snapshots; their number unless given.
    """
    paths = run.paths
    steps_by_run = steps or [list(range(len(path.x))) for path in paths]
    run_names = names or [f"run {n + 1}" for n in range(len(paths))]
    return make_tracks(paths, run_names, steps_by_run)


def growing_chart(
    run: Run, style: ContourStyle | None = None, tracks: Sequence[Track] | None = None
) -> Callable[[int], alt.LayerChart]:
    """A function that makes the chart with the paths up to a moment; the plane is drawn once.

    Args:
        run: the plane, and the paths once there is a first piece.
        style: of the contour plot.
        tracks: the paths as they are drawn; of all runs unless given.
    """
    shares = run.facts.explained
    titles = [f"Principal component {n + 1}" for n in range(2)]
    if len(shares) > 1:
        titles = [f"{t} ({s:.1%} of the variance)" for t, s in zip(titles, shares, strict=False)]
    plane = contour_chart(run, style, x_title=titles[0], y_title=titles[1])
    return chart_until(plane, tracks_of(run) if tracks is None else tracks)


def course_chart(tracks: Sequence[Track], log: bool, width: int = 560) -> Any:
    """The runs over their steps: true loss and metrics, and how they moved.

    Snapshots of a run without steps are counted.
    """
    by_step = all(track.has_steps for track in tracks)
    rows = []
    for place, name in enumerate([*tracks[0].path.values, *COURSE_WORDS.values()]):
        run_curves = {
            track.name if len(tracks) > 1 else "": _value_curve(track, name, by_step)
            for track in tracks
        }
        height = 220 if place == 0 else 90
        colours = [track.colour for track in tracks] if len(tracks) > 1 else []
        rows.append(Row(name, run_curves, height, log and place == 0, colours=colours))
    return curves.chart(rows, "Training step" if by_step else "Snapshot", width)


def _value_curve(track: Track, name: str, by_step: bool) -> Curve:
    """One value of a run over its steps, or over its snapshots where some run has no steps."""
    x = np.array(track.steps if by_step else range(len(track.steps)), dtype=np.float64)
    own = {words: getattr(track.path, n) for n, words in COURSE_WORDS.items()}
    y = {**track.path.values, **own}[name]
    is_drawn = np.isfinite(y) if name == COURSE_WORDS["turn"] else np.ones(len(y), dtype=bool)
    return Curve(x, y, is_drawn)


def variance_chart(facts: PlaneOfRunFacts, width: int = 560) -> alt.LayerChart:
    """Share of the variance by component; of one run beside a random walk of the same length."""
    walk = facts.explained_by_random_walk
    whose = "this run" if walk else "the runs fitted"
    shares_by_source = {whose: facts.explained} | ({"a random walk": walk} if walk else {})
    rows = [
        {"component": k + 1, "share": share, "of": of}
        for of, shares in shares_by_source.items()
        for k, share in enumerate(shares)
    ]
    return (
        alt.Chart(arrow_table(rows))
        .mark_bar()
        .encode(
            x=alt.X("component:O", title="Principal component", axis=alt.Axis(labelAngle=0)),
            xOffset=alt.XOffset("of:N", sort=list(shares_by_source)),
            y=alt.Y("share:Q", title="Share of the variance", axis=alt.Axis(format="%")),
            color=alt.Color("of:N", sort=list(shares_by_source))
            .scale(domain=list(shares_by_source), range=[BLUE, ORANGE][: len(shares_by_source)])
            .legend(title=None, orient="top"),
            tooltip=[
                alt.Tooltip("of:N", title="variance of"),
                alt.Tooltip("component:O"),
                alt.Tooltip("share:Q", format=".2%"),
            ],
        )
        .properties(
            width=width,
            height=180,
            autosize=alt.AutoSizeParams(type="pad", contains="padding"),
        )
    )
