"""Training runs over the plane of a surface: chosen, asked, followed by a slider, explained."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import streamlit as st

from explorer.ask import questions
from explorer.ask.subject_names import subject_names
from explorer.ask.subjects import Subject
from explorer.kinds.look import SubjectName
from explorer.kinds.projection import PROJECTION, Projection, ProjectionLook, ProjectionSettings
from explorer.kinds.surface import Surface, SurfaceSettings
from explorer.pages import _charts as charts
from explorer.pages import _controls as controls
from explorer.pages._asking import WantedQuestion
from explorer.pages._text import as_step, as_text
from store import Catalog, records

if TYPE_CHECKING:
    from explorer.render.drawing import Drawing
    from explorer.render.trajectories import Track

SMALL_SHARE = 0.25  # of the range shown: smaller paths are hard to see
SHARED_SETTINGS = tuple(
    ProjectionSettings.__dataclass_fields__
)  # with the surface: the plane and the loss


@dataclass(frozen=True)
class DrawnPaths:
    """Projected paths as they are drawn now."""

    question: records.Question
    projection: Projection
    run_names: Sequence[SubjectName]
    until: int  # the moment chosen

    def over(self, plane: "Drawing") -> "Drawing":
        """The drawing of their plane with them on it."""
        from explorer.render.projection import draw_over

        look = ProjectionLook(until=self.until)
        return draw_over(plane, self.projection, look, self.run_names)

    def growing(self, plane: "Drawing") -> "Callable[[int], Drawing]":
        """A function that makes the drawing with the paths up to a moment."""
        from explorer.render.trajectories import drawing_until

        return drawing_until(plane, self.tracks)

    @property
    def tracks(self) -> "list[Track]":
        """The paths, ready to draw."""
        from explorer.render.projection import tracks_of

        return tracks_of(self.projection, self.run_names)


def paths_wish(
    catalog: Catalog, subjects: Sequence[Subject], settings: SurfaceSettings
) -> WantedQuestion | None:
    """The question about the paths that are chosen in the left column; None without.

    Args:
        catalog: where the models are.
        subjects: of the plane.
        settings: of the plane.
    """
    chosen_runs = controls.choose_runs(
        catalog,
        subjects[0][0],
        "Models and their paths",
        fewest=1,
        own=True,
        help="Of the same problem, projected orthogonally on this plane: a dot for a model alone, "
        "a path where snapshots of its training are stored.",
    )
    if not chosen_runs:
        return None
    values = {name: value for name, value in vars(settings).items() if name in SHARED_SETTINGS}
    runs = tuple((run, "") for run in chosen_runs.values())
    return WantedQuestion(PROJECTION, ProjectionSettings(**values), (*subjects, *runs))


def choose_moment(tracks: "list[Track]") -> int:
    """Number of the moment up to which paths are drawn."""
    from explorer.render.trajectories import moments

    steps = moments(tracks)
    at = st.select_slider(
        "Path until step", steps, value=steps[-1], key="until", format_func=as_step
    )
    return steps.index(at)


def choose_drawn_paths(catalog: Catalog, question: records.Question | None) -> DrawnPaths | None:
    """The paths as far as the slider says; None before all of them are known."""
    from explorer.render.projection import run_names, tracks_of

    if question is None or question.status != "complete":
        return None
    projection = questions.result_as(catalog, question, Projection)
    names = run_names(projection, subject_names(catalog, question))
    until = choose_moment(tracks_of(projection, names))
    return DrawnPaths(question, projection, names, until)


def show_alone(catalog: Catalog, question: records.Question) -> None:
    """The paths where the surface of their plane is not there."""
    from explorer.render.projection import draw

    drawn_paths = choose_drawn_paths(catalog, question)
    if drawn_paths is None:
        return
    look = ProjectionLook(until=drawn_paths.until, width=charts.plane_width(""))
    drawing = draw(drawn_paths.projection, look, drawn_paths.run_names)
    description = "Training runs projected on a plane whose surface is not computed"
    charts.show_chart(drawing, description)


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
