"""Loss over a plane: choose a model and a plane, watch it grow, look, check, export."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import partial
from types import MappingProxyType
from typing import TYPE_CHECKING

import streamlit as st

from explorer.ask import questions
from explorer.ask.subject_names import subject_names
from explorer.ask.subjects import Subject
from explorer.contracts.facts import ModelFacts
from explorer.kinds.penalty import with_penalty
from explorer.kinds.projection import PROJECTION
from explorer.kinds.surface import SURFACE, Surface, SurfaceSettings
from explorer.pages import _asking as asking
from explorer.pages import _checks as checks
from explorer.pages import _controls as controls
from explorer.pages import _forms as forms
from explorer.pages import _overlays as overlays
from explorer.pages import _parts as parts
from explorer.pages import _planes as planes
from explorer.pages import _trajectories as paths
from explorer.pages._export import export_plane
from explorer.pages._facts import about_text, facts_line
from explorer.pages._objective import choose_objective
from explorer.pages._offers import offer_stored
from explorer.pages._progress import show_awaited
from explorer.pages._provenance import show_provenance
from explorer.pages._running import AppState
from explorer.pages._surface_topology import show_topology
from explorer.pages._surface_view import choose_look, decay_of, show_drawing
from explorer.pages._trained_paths import curve_wishes, curves_over, show_curves_alone
from explorer.wording import counted
from store import Catalog, records

if TYPE_CHECKING:
    import numpy as np

    from explorer.render.drawing import Drawing


@dataclass(frozen=True)
class ChosenPlane:
    """What is asked about."""

    model: records.Model
    point: str
    settings: SurfaceSettings
    subjects: tuple[Subject, ...]  # the model's point, and what given axes are made of

    @property
    def wish(self) -> asking.WantedQuestion:
        """The question."""
        return asking.WantedQuestion(SURFACE, self.settings, self.subjects)

    @property
    def usual_decay(self) -> float:
        """The weight decay of the model's training, as far as it is known."""
        return ModelFacts.of(self.model.facts).weight_decay or 0.0


def choose(catalog: Catalog) -> ChosenPlane:
    """The question, from the left column."""
    model = controls.choose_model(catalog)
    point = controls.choose_point(catalog, model)
    with st.expander("Objective", expanded=True):
        values = choose_objective(SurfaceSettings, catalog.problem(model.problem_id))
    with st.expander("Plane", expanded=True):
        axes = planes.choose_axes(catalog, SurfaceSettings, model)
        values |= axes.values
        for axis in "xy":
            values |= forms.choose_axis(SurfaceSettings, axis)
    settings = forms.checked_settings(SurfaceSettings, values)
    return ChosenPlane(model, point, settings, axes.subjects((model, point)))


def refine_button(app: AppState, plane: ChosenPlane) -> None:
    """The way to a grid of half the spacing, which keeps every point of this one."""
    settings = plane.settings
    counts = {name: 2 * getattr(settings, name) - 1 for name in ("x_count", "y_count")}
    try:
        finer = replace(plane, settings=replace(settings, **counts))
    except ValueError:  # as many points as there may be
        return

    more = finer.settings.units - settings.units

    def ask() -> None:
        st.session_state.update(counts)
        finer.wish.ask(app)
        st.rerun()  # of the page: the counts are in its left column

    st.button(
        f"Refine to {counts['x_count']} × {counts['y_count']}",
        icon=":material/grid_on:",
        on_click=ask,
        help=f"Computes {counted(more, 'point')} more; the others are kept.",
    )


def show_answer(
    app: AppState,
    plane: ChosenPlane,
    question: records.Question,
    projected: records.Question | None,
    curves: Mapping[str, records.Question] = MappingProxyType({}),
) -> None:
    """A stored answer, whole or so far, and the paths on its plane."""
    from explorer.render.surface import draw

    surface = questions.result_as(app.catalog, question, Surface)
    if surface.computed.sum() < 4:
        show_awaited(app.catalog, question)
        return
    decay = decay_of(plane.usual_decay)
    values = with_penalty(surface.values, decay)
    look = choose_look(values, decay, plane.usual_decay)
    if look.picture != "plane":
        show_topology(app.catalog, question, surface, look)
        return
    with st.container():
        drawn_paths = paths.choose_drawn_paths(app.catalog, projected)

    names = subject_names(app.catalog, question)
    over = overlays.choose_overlays(app.catalog, question, surface, look.value)

    def draw_view(view: str) -> "Drawing":
        own = replace(look, view=view)
        drawing = overlays.draw_overlays(draw(surface, own, names), over, own)
        return curves_over(app.catalog, drawing, curves)

    drawing = draw_view(look.view)
    if drawn_paths:
        drawing = drawn_paths.over(drawing)
    description = f"Contour plot of the {look.value} over a plane around {plane.model.name}"
    key = f"contour-{question.key[:12]}"
    show_drawing(drawing, values[look.value], description, key)
    with st.container():
        explain(surface, values[look.value], drawn_paths)
    checks.show_badges(question, surface)
    with st.container(horizontal=True, gap="small"):
        others = [overlay.question for overlay in over if not overlay.is_value]
        export_plane(question, surface, draw_view, drawn_paths, [*others, *curves.values()])
        if question.status == "complete":
            refine_button(app, plane)
    show_provenance(app.catalog, question, surface.facts)


def explain(surface: Surface, values: "np.ndarray", drawn_paths: paths.DrawnPaths | None) -> None:
    """What the axes are, what the paths show, and how sure is what is not computed yet."""
    planes.explain_axes(surface.facts)
    if drawn_paths:
        paths.explain_paths(drawn_paths, surface)
    if not surface.computed.all():
        from explorer.kinds.preview import preview, preview_words

        st.caption(preview_words(preview(values, surface.computed)))


def show(
    app: AppState, plane: ChosenPlane, stored_questions: Mapping[str, records.Question]
) -> None:
    """What there is of the surface, with the paths once they are all there."""
    projected = stored_questions.get(PROJECTION.name)
    own = (SURFACE.name, PROJECTION.name)
    curves = {name: stored for name, stored in stored_questions.items() if name not in own}
    if SURFACE.name in stored_questions:
        show_answer(app, plane, stored_questions[SURFACE.name], projected, curves)
    elif projected is not None:
        paths.show_alone(app.catalog, projected)
    else:
        show_curves_alone(app.catalog, curves)


app = parts.start_page()
sides = parts.sides()
with sides.left:
    plane = choose(app.catalog)
    wishes = {SURFACE.name: plane.wish}
    if paths_wish := paths.paths_wish(app.catalog, plane.subjects, plane.settings):
        wishes[PROJECTION.name] = paths_wish
    wishes |= curve_wishes(app.catalog, plane.subjects, plane.settings)
    questions_by_name = asking.find_questions(app.catalog, wishes)
with sides.top:
    missing = asking.ask_button(app, questions_by_name, wishes)
with sides.right:
    parts.show_heading(f"Loss surface of {plane.model.name}")
    st.caption(facts_line(plane.model), help=about_text(plane.model))
    stored_questions = {
        name: question for name, question in questions_by_name.items() if question is not None
    }
    with st.container():
        if SURFACE.name in missing:
            st.info(
                f"This surface has not been computed yet: {asking.PRESS_COMPUTE}; it grows here "
                "from coarse to fine.",
                icon=":material/grid_on:",
            )
            offer_stored(app, {SURFACE.name: plane.wish})
        elif missing:
            st.info(f"These paths are not projected yet: {asking.PRESS_COMPUTE}.")
    if stored_questions:
        asking.show_answers(app, stored_questions, partial(show, app, plane))
