"""How convex the loss is over a plane: choose a model and a plane, watch it grow, look, export."""

from collections.abc import Mapping
from dataclasses import replace
from functools import partial

import streamlit as st

from explorer.ask import questions
from explorer.ask.subject_names import subject_names
from explorer.ask.subjects import Subject
from explorer.kinds.convexity import (
    CONVEXITY,
    VALUE_WORDS,
    Convexity,
    ConvexityLook,
    ConvexitySettings,
)
from explorer.kinds.piece import measured_names
from explorer.pages import _asking as asking
from explorer.pages import _charts as charts
from explorer.pages import _checks as checks
from explorer.pages import _controls as controls
from explorer.pages import _forms as forms
from explorer.pages import _parts as parts
from explorer.pages import _planes as planes
from explorer.pages._export import export_plane
from explorer.pages._facts import about_text, facts_line
from explorer.pages._objective import choose_objective
from explorer.pages._offers import offer_stored
from explorer.pages._progress import show_awaited
from explorer.pages._provenance import show_provenance
from explorer.pages._terms import cited, term_help
from store import Catalog, records


def choose(catalog: Catalog) -> tuple[tuple[Subject, ...], ConvexitySettings]:
    """The question's subjects, the model first, and its settings, from the left column."""
    model = controls.choose_model(catalog)
    point = controls.choose_point(catalog, model)
    with st.expander("Objective", expanded=True):
        values = choose_objective(ConvexitySettings, catalog.problem(model.problem_id))
    with st.expander("Plane", expanded=True):
        axes = planes.choose_axes(catalog, ConvexitySettings, model)
        values |= axes.values
        for axis in "xy":
            values |= forms.choose_axis(ConvexitySettings, axis)
    with st.expander("Eigenvalues"):
        values |= forms.choose_all(ConvexitySettings, ("room", "tolerance"))
    settings = forms.checked_settings(ConvexitySettings, values)
    return axes.subjects((model, point)), settings


def choose_look(plane: Convexity) -> ConvexityLook:
    """How the values are drawn; nothing here changes what is stored."""
    with st.container(horizontal=True, vertical_alignment="bottom"):
        value = st.selectbox(
            "Value",
            measured_names(plane.values),
            format_func=lambda name: VALUE_WORDS.get(name, name),
            width=250,
        )
        log = controls.choose_scale(f"scale-{VALUE_WORDS.get(value, value)}")
        with st.popover("Style", icon=":material/palette:"):
            style = planes.choose_style(lines=8)
    return ConvexityLook(
        value=value,
        log=log,
        clip=style.clip,
        colour_map=style.colours,
        levels=style.lines,
        width=charts.plane_width(VALUE_WORDS.get(value, value)),
    )


def explain(plane: Convexity) -> None:
    """What the colours mean, and what share of the plane is convex."""
    known_count = int(plane.has_eigenvalues.sum())
    if not known_count:
        return
    import numpy as np

    ratios = plane.values["ratio"][plane.has_eigenvalues]
    st.caption(
        cited(
            "Ratio: |smallest / largest eigenvalue| of the Hessian at each point (Li et al. 2018). "
        )
        + "Where it is near 0 the loss is almost convex, at 1 it curves down as steeply as up. "
        "Convex, with no eigenvalue below 0 by more than its residual, at "
        f"{plane.convex.sum():,} of {known_count:,} points; the median ratio is "
        f"{np.median(ratios):.3g}, the largest {ratios.max():.3g}.",
        help=term_help("convex_share", "lambda_min", "lambda_max"),
    )


def residual_badge(plane: Convexity) -> None:
    """Whether the eigenvalues are as exact as asked."""
    known_count, converged_count = int(plane.has_eigenvalues.sum()), int(plane.converged.sum())
    if not known_count:
        return
    share = plane.facts.tolerance
    st.badge(
        f"residuals within {share:g}"
        if converged_count == known_count
        else f"{known_count - converged_count:,} points not converged: raise the steps",
        icon=":material/check:" if converged_count == known_count else ":material/warning:",
        color="green" if converged_count == known_count else "orange",
        help="Each value is within its residual of an eigenvalue. Residuals are measured by a "
        "product of their own, and stored beside the values.",
    )


def show(
    catalog: Catalog, model_name: str, stored_questions: Mapping[str, records.Question]
) -> None:
    """The map so far, its checks and where it comes from."""
    from explorer.render.convexity import draw

    (question,) = stored_questions.values()
    convexity_map = questions.result_as(catalog, question, Convexity)
    if convexity_map.computed.sum() < 4:
        show_awaited(catalog, question)
        return
    look = choose_look(convexity_map)
    names = subject_names(catalog, question)
    words = VALUE_WORDS.get(look.value, look.value)
    charts.show_chart(
        draw(convexity_map, look, names),
        f"Map of the {words} over a plane around {model_name}",
        convexity_map.values[look.value],
    )
    planes.explain_axes(convexity_map.facts)
    explain(convexity_map)
    checks.show_badges(question, convexity_map, partial(residual_badge, convexity_map))
    export_plane(
        question, convexity_map, lambda view: draw(convexity_map, replace(look, view=view), names)
    )
    show_provenance(catalog, question, convexity_map.facts)


app = parts.start_page()
sides = parts.sides()
with sides.left:
    subjects, settings = choose(app.catalog)
    model, _ = subjects[0]
    wish = asking.WantedQuestion(CONVEXITY, settings, subjects)
    stored_question = asking.find_questions(app.catalog, {"": wish})[""]
with sides.top:
    missing = asking.ask_button(app, {"": stored_question}, {"": wish})
with sides.right:
    parts.show_heading(f"Convexity around {model.name}")
    st.caption(facts_line(model), help=about_text(model))
    if stored_question is None:
        st.info(
            f"This map has not been computed yet: {asking.PRESS_COMPUTE}; it grows here from "
            "coarse to fine.",
            icon=CONVEXITY.icon,
        )
        offer_stored(app, missing)
    else:
        asking.show_answers(app, {"": stored_question}, partial(show, app.catalog, model.name))
