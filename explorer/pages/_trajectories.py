"""Training runs over the plane of a surface: chosen, asked, followed by a slider, explained."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import streamlit as st

from explorer.ask import questions
from explorer.kinds.projection import PROJECTION, Projection, ProjectionSettings
from explorer.kinds.surface import Surface, SurfaceSettings
from explorer.pages import _controls as controls
from explorer.pages._asking import WantedQuestion
from explorer.pages._text import as_step, as_text
from explorer.wording import printable
from store import Catalog, records

SMALL_SHARE = 0.25  # of the range shown: smaller paths are hard to see
SHARED_SETTINGS = tuple(
    ProjectionSettings.__dataclass_fields__
)  # with the surface: the plane and the loss


@dataclass(frozen=True)
class DrawnPaths:
    """Projected paths as they are drawn now."""

    question: records.Question
    projection: Projection
    tracks: list[Any]  # of render.paths
    until: int  # the moment chosen

    def over(self, plane: Any) -> Callable[[int], Any]:
        """A function that makes the contour plot with the paths up to a moment."""
        from explorer.render.trajectories import chart_until

        return chart_until(plane, self.tracks)

    @property
    def pins(self) -> tuple[Any, ...]:
        """Markers of the 3-D view."""
        from explorer.render.projection import pins

        return pins(self.tracks, self.until)


def paths_wish(
    catalog: Catalog, model: records.Model, point: str, settings: SurfaceSettings
) -> WantedQuestion | None:
    """The question about the paths that are chosen in the left column; None without."""
    chosen_runs = controls.choose_runs(
        catalog,
        model,
        "Paths",
        fewest=2,
        own=True,
        help="Training runs of the same problem, projected orthogonally on this plane.",
    )
    if not chosen_runs:
        return None
    values = {name: value for name, value in vars(settings).items() if name in SHARED_SETTINGS}
    runs = tuple((run, "") for run in chosen_runs.values())
    return WantedQuestion(PROJECTION, ProjectionSettings(**values), ((model, point), *runs))


def steps_of(catalog: Catalog, question: records.Question, first: int) -> list[list[int | str]]:
    """Training step of each snapshot of each run, or its file's name where it has none.

    Args:
        catalog: where the points are.
        question: a question about whole runs.
        first: the place of the first of them among its subjects.
    """
    points = question.point_ids[first:]
    lengths = question.settings.get("lengths") or [len(points)]
    steps_by_run, start = [], 0
    for model_id, length in zip(question.model_ids[first:], lengths, strict=True):
        points_by_id = {p.point_id: p for p in catalog.points(model_id)}
        own = [(id, points_by_id.get(id)) for id in points[start : start + length]]
        steps_by_run.append(
            [
                id[:6] if p is None else printable(p.label) if p.step is None else p.step
                for id, p in own
            ]
        )
        start += length
    return steps_by_run


def choose_moment(tracks: list[Any]) -> int:
    """Number of the moment up to which paths are drawn."""
    from explorer.render.trajectories import moments

    steps = moments(tracks)
    at = st.select_slider(
        "Path until step", steps, value=steps[-1], key="until", format_func=as_step
    )
    return steps.index(at)


def choose_drawn_paths(
    catalog: Catalog, question: records.Question | None, names: Mapping[str, str]
) -> DrawnPaths | None:
    """The paths as far as the slider says; None before all of them are known.

    Args:
        catalog: where the answer is.
        question: the question about them.
        names: of models by id, as pages list them.
    """
    from explorer.render.projection import tracks_of

    if question is None or question.status != "complete":
        return None
    projection: Projection = questions.result_of(catalog, question)
    own = [names.get(id, id[:6]) for id in question.model_ids[1:]]
    tracks = tracks_of(projection, own, steps_of(catalog, question, 1))
    return DrawnPaths(question, projection, tracks, choose_moment(tracks))


def explain_paths(drawn_paths: DrawnPaths, surface: Surface) -> None:
    """How much of the runs the plane holds, in words."""
    from explorer.render.projection import outside_count

    facts = drawn_paths.projection.facts
    held_shares = [
        f"{share:.2%} of {as_text(track.name)}'s movement"
        if share is not None
        else f"nothing of {as_text(track.name)}"
        for share, track in zip(facts.held, drawn_paths.tracks, strict=True)
    ]
    furthest = max(float(track.path.out.max()) for track in drawn_paths.tracks)
    text = (
        f"The plane holds {', '.join(held_shares)}; two random directions of "
        f"{facts.parameters:,} parameters hold {2 / facts.parameters:.2%} on average. "
        f"The snapshots lie up to {furthest:.3g} from it, so that the height under a dot is not "
        "its own loss: the tooltip has that."
    )
    ends = [
        (
            min(float(getattr(t.path, n).min()) for t in drawn_paths.tracks),
            max(float(getattr(t.path, n).max()) for t in drawn_paths.tracks),
        )
        for n in "xy"
    ]
    sizes = [float(axis[-1] - axis[0]) for axis in (surface.x, surface.y)]
    if all(high - low < SMALL_SHARE * size for (low, high), size in zip(ends, sizes, strict=True)):
        (a, b), (c, d) = ends
        text += f" They stay within x from {a:.2g} to {b:.2g} and y from {c:.2g} to {d:.2g}."
    beyond = outside_count(drawn_paths.tracks, surface)
    if beyond:
        text += f" {beyond:,} of them lie beyond the range shown: widen it to see them."
    st.caption(text)
