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
from explorer.pages._asking import WantedQuestion
from explorer.pages._members import choose_beside
from explorer.pages._text import as_step, as_text
from store import Catalog, records

if TYPE_CHECKING:
    from explorer.render.drawing import Drawing
    from explorer.render.trajectories import Track

ON_PLANE = 1e-4  # of the shorter axis: what is nearer lies on the plane
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
    chosen_runs = choose_beside(
        catalog,
        subjects[0][0],
        "Models and their paths",
        own=True,
        help="Of the same problem, projected orthogonally on this plane: a dot for a model alone, "
        "a path where snapshots of its training are stored; also a dot for a point alone, such as "
        "an average of models or a snapshot.",
    )
    if not chosen_runs:
        return None
    values = {name: value for name, value in vars(settings).items() if name in SHARED_SETTINGS}
    settings_of_paths = ProjectionSettings(**values)
    return WantedQuestion(PROJECTION, settings_of_paths, (*subjects, *chosen_runs.values()))


def choose_moment(tracks: "list[Track]") -> int:
    """Number of the moment up to which paths are drawn."""
    from explorer.render.trajectories import moments

    steps = moments(tracks)
    if len(steps) == 1:
        return 0
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
    """How much of the runs the plane holds, and how far points lie beside it, in words."""
    from explorer.render.projection import outside_count

    tracks = drawn_paths.tracks
    sentences = [
        *_held_words(drawn_paths),
        _beside_words(drawn_paths),
        *_extent_words(tracks, surface),
    ]
    if beyond := outside_count(tracks, surface):
        sentences.append(f"{beyond:,} of them lie beyond the range shown: widen it to see them.")
    st.caption(" ".join(sentences))


def _held_words(drawn_paths: DrawnPaths) -> list[str]:
    """The share of each run's movement that the plane holds; nothing where there is no run."""
    facts = drawn_paths.projection.facts
    shares = [
        f"{share:.2%} of {as_text(track.name)}'s movement"
        if share is not None
        else f"nothing of {as_text(track.name)}"
        for share, track in zip(facts.held, drawn_paths.tracks, strict=True)
        if len(track.path.x) > 1
    ]
    if not shares:
        return []
    return [
        f"The plane holds {', '.join(shares)}; two random directions of "
        f"{facts.parameters:,} parameters hold {2 / facts.parameters:.2%} on average."
    ]


def _beside_words(drawn_paths: DrawnPaths) -> str:
    """How far the points lie beside the plane."""
    lengths = [norm for norm in drawn_paths.projection.facts.direction_norms if norm]
    furthest = max(float(track.path.out.max()) for track in drawn_paths.tracks)
    if furthest <= ON_PLANE * min(lengths, default=1.0):
        return "All dots lie on the plane."
    return (
        f"The dots lie up to {furthest:.3g} from the plane, so that the height under one is not "
        "its own loss: the tooltip has that."
    )


def _extent_words(tracks: "list[Track]", surface: Surface) -> list[str]:
    """Where small paths are to be found."""
    ends = [
        (
            min(float(getattr(track.path, name).min()) for track in tracks),
            max(float(getattr(track.path, name).max()) for track in tracks),
        )
        for name in "xy"
    ]
    sizes = [float(axis[-1] - axis[0]) for axis in (surface.x, surface.y)]
    large = any(
        high - low >= SMALL_SHARE * size for (low, high), size in zip(ends, sizes, strict=True)
    )
    if large or all(low == high for low, high in ends):
        return []
    (a, b), (c, d) = ends
    return [f"They stay within x from {a:.2g} to {b:.2g} and y from {c:.2g} to {d:.2g}."]
