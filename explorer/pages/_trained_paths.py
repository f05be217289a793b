"""Trained paths over the plane of a surface: chosen, asked, drawn over it or alone."""

import itertools
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import streamlit as st

from explorer.ask import questions
from explorer.ask.stored_paths import curve_label, stored_paths
from explorer.ask.subject_names import subject_names
from explorer.ask.subjects import Subject
from explorer.kinds.look import SubjectName
from explorer.kinds.projection import PROJECTION, Projection, ProjectionLook, ProjectionSettings
from explorer.kinds.surface import SurfaceSettings
from explorer.pages import _charts as charts
from explorer.pages._address import CURVES_KEY, check_address
from explorer.pages._asking import WantedQuestion
from explorer.pages._trajectories import SHARED_SETTINGS
from store import Catalog, records

if TYPE_CHECKING:
    from explorer.render.drawing import Drawing


def curve_wishes(
    catalog: Catalog, subjects: Sequence[Subject], settings: SurfaceSettings
) -> dict[str, WantedQuestion]:
    """The questions about trained paths between points of the plane that are chosen, by label.

    Args:
        catalog: where they are.
        subjects: of the plane.
        settings: of the plane.
    """
    points = list(dict.fromkeys((model.id, point) for model, point in subjects))
    by_id = {(model.id, point): (model, point) for model, point in subjects}
    curves = {
        curve_label(one[0], other[0], path): (path.shape, (one, *path.bends, other))
        for a, b in itertools.combinations(points, 2)
        for one, other in [(by_id[a], by_id[b])]
        for path in stored_paths(catalog, one, other)
    }
    if not curves:
        return {}
    for label in st.query_params.get_all(CURVES_KEY):
        if label not in curves and CURVES_KEY not in st.session_state:
            check_address(CURVES_KEY, f"some of {', '.join(curves)}", curves.__contains__)
    kept = st.session_state.get(CURVES_KEY)
    if kept is not None and not set(kept) <= set(curves):  # another plane has other points
        st.session_state[CURVES_KEY] = [label for label in kept if label in curves]
    chosen = st.multiselect(
        "Trained paths",
        list(curves),
        key=CURVES_KEY,
        bind="query-params",
        help="Between two points of this plane, each at its own loss: in 3-D it lies above or "
        "below the surface where it leaves the plane.",
    )
    values = {name: value for name, value in vars(settings).items() if name in SHARED_SETTINGS}
    wishes = {}
    for label in chosen:
        shape, control = curves[label]
        own = ProjectionSettings(**{**values, "trajectory": shape})
        wishes[label] = WantedQuestion(PROJECTION, own, (*subjects, *control))
    return wishes


def curves_over(
    catalog: Catalog, drawing: "Drawing", stored_questions: Mapping[str, records.Question]
) -> "Drawing":
    """The drawing of a plane with trained paths over it, those that are whole, by their labels."""
    from explorer.render.projection import draw_curves

    return draw_curves(drawing, _whole_curves(catalog, stored_questions))


def show_curves_alone(catalog: Catalog, stored_questions: Mapping[str, records.Question]) -> None:
    """Trained paths, those that are whole, where the surface of their plane is not there."""
    from explorer.render.projection import draw

    look = ProjectionLook(width=charts.plane_width(""))
    for label, (projection, names) in _whole_curves(catalog, stored_questions).items():
        charts.show_chart(draw(projection, look, names), f"{label}, without its surface")


def _whole_curves(
    catalog: Catalog, stored_questions: Mapping[str, records.Question]
) -> dict[str, tuple[Projection, Sequence[SubjectName]]]:
    """Paths that are whole with the names of their subjects, by their labels."""
    from explorer.render.projection import run_names

    curves: dict[str, tuple[Projection, Sequence[SubjectName]]] = {}
    for label, question in stored_questions.items():
        if question.status == "complete":
            projection = questions.result_as(catalog, question, Projection)
            curves[label] = projection, run_names(projection, subject_names(catalog, question))
    return curves
