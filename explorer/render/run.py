"""Training runs drawn: their paths on the plane of principal components, and their course."""

import pandas  # noqa: F401 - whole before altair looks at it: another thread may be at it

# isort: split
from collections.abc import Callable, Sequence

import altair as alt
import numpy as np

from explorer.kinds.look import SubjectName
from explorer.kinds.run import PlaneOfRunFacts, Run, RunLook
from explorer.render.drawing import Drawing
from explorer.render.marks import curves
from explorer.render.marks.arrow import arrow_table
from explorer.render.marks.colours import BLUE, ORANGE
from explorer.render.marks.curve import Curve, Row
from explorer.render.plane import draw_plane
from explorer.render.trajectories import Track, drawing_until, last_moment, make_tracks

COURSE_WORDS = {
    "out": "out of plane",
    "moved": "from start",
    "norm": "norm",
    "turn": "turn, degrees",
}


def draw(run: Run, look: RunLook, names: Sequence[SubjectName] = ()) -> Drawing:
    """The picture that the look names: paths on their plane, their course, or the variance.

    Args:
        run: the plane with the paths on it.
        look: how it is drawn.
        names: of the runs, with their snapshots' steps.

    Raises:
        ValueError: no such value, no such moment, or nothing to draw before the first piece.
    """
    tracks = tracks_of(run, names)
    if look.picture == "plane":
        return growing(run, look, names)(last_moment(tracks, look.until))
    if not tracks:
        raise ValueError(f"the {look.picture} must wait for the run's first piece")
    if look.picture == "course":
        return course_chart(tracks, look)
    return variance_chart(run.facts, look)


def tracks_of(run: Run, names: Sequence[SubjectName] = ()) -> list[Track]:
    """The run's paths, ready to draw; none before the first piece."""
    paths = run.paths
    return make_tracks(paths, names if paths else ())


def growing(run: Run, look: RunLook, names: Sequence[SubjectName] = ()) -> Callable[[int], Drawing]:
    """A function that makes the plane with the paths up to a moment; the plane is drawn once."""
    shares = run.facts.explained
    titles = [f"Principal component {n + 1}" for n in range(2)]
    if len(shares) > 1:
        titles = [f"{t} ({s:.1%} of the variance)" for t, s in zip(titles, shares, strict=False)]
    return drawing_until(draw_plane(run, look, titles), tracks_of(run, names))


def course_chart(tracks: Sequence[Track], look: RunLook) -> curves.CurvesChart:
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
        rows.append(Row(name, run_curves, height, look.log and place == 0, colours=colours))
    return curves.chart(rows, "Training step" if by_step else "Snapshot", look.width, look.title)


def _value_curve(track: Track, name: str, by_step: bool) -> Curve:
    """One value of a run over its steps, or over its snapshots where some run has no steps."""
    x = np.array(track.steps if by_step else range(len(track.steps)), dtype=np.float64)
    own = {words: getattr(track.path, n) for n, words in COURSE_WORDS.items()}
    y = {**track.path.values, **own}[name]
    is_drawn = np.isfinite(y) if name == COURSE_WORDS["turn"] else np.ones(len(y), dtype=bool)
    return Curve(x, y, is_drawn)


def variance_chart(facts: PlaneOfRunFacts, look: RunLook) -> alt.Chart:
    """Share of the variance by component; of one run beside a random walk of the same length."""
    walk = facts.explained_by_random_walk
    whose = "this run" if walk else "the runs fitted"
    shares_by_source = {whose: facts.explained} | ({"a random walk": walk} if walk else {})
    rows = [
        {"component": k + 1, "share": share, "of": of}
        for of, shares in shares_by_source.items()
        for k, share in enumerate(shares)
    ]
    chart = (
        alt.Chart(arrow_table(rows))
        .mark_bar()
        .encode(
            x=alt.X("component:O", title="Principal component", axis={"labelAngle": 0}),
            xOffset=alt.XOffset("of:N", sort=list(shares_by_source)),
            y=alt.Y("share:Q", title="Share of the variance", axis={"format": "%"}),
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
            width=look.width,
            height=180,
        )
    )
    if look.title:
        chart.title = look.title
    return chart
