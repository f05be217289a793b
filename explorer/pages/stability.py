"""Curvature and gradient noise along a training run, against its optimiser's threshold."""

from collections.abc import Mapping
from functools import partial

import streamlit as st

from explorer.ask import questions
from explorer.ask.subject_names import subject_names
from explorer.kinds.stability import STABILITY, StabilityLook
from explorer.kinds.stability_result import CRITICAL, Stability
from explorer.kinds.stability_settings import StabilitySettings
from explorer.kinds.stability_threshold import temperature
from explorer.pages import _asking as asking
from explorer.pages import _charts as charts
from explorer.pages import _checks as checks
from explorer.pages import _controls as controls
from explorer.pages import _forms as forms
from explorer.pages import _parts as parts
from explorer.pages._ending import show_ending
from explorer.pages._facts import facts_line
from explorer.pages._objective import choose_objective
from explorer.pages._offers import offer_stored
from explorer.pages._stability_training import (
    Training,
    choose_training,
    has_moments,
    threshold_note,
)
from explorer.pages._terms import term_help
from explorer.wording import counted
from store import Catalog, records

EFFORT_NAMES = ("probes", "seed", "room", "tolerance", "critical")


def choose(catalog: Catalog) -> tuple[asking.WantedQuestion, Training]:
    """The question and the training, from the left column."""
    model = controls.choose_model(catalog, STABILITY.fewest)
    with st.expander("Objective", expanded=True):
        values = choose_objective(StabilitySettings, catalog.problem(model.problem_id))
    with st.expander("Estimates"):
        values |= forms.choose_all(StabilitySettings, EFFORT_NAMES)
    with st.expander("Training", expanded=True):
        training = choose_training(catalog, model)
    values["preconditioned"] = training.preconditioned
    settings = forms.checked_settings(StabilitySettings, values)
    return asking.WantedQuestion(STABILITY, settings, ((model, ""),)), training


def show(
    catalog: Catalog,
    model: records.Model,
    training: Training,
    stored_questions: Mapping[str, records.Question],
) -> None:
    """The run's course so far, in words and curves, and where it comes from."""
    from explorer.render.stability import draw

    (question,) = stored_questions.values()
    stability = questions.result_as(catalog, question, Stability)
    log = controls.choose_scale(log=True)
    names = subject_names(catalog, question)
    look = training.look(names[0].steps, log)
    chart = partial(draw, stability, look, names)
    top = stability.values["lambda_max"]
    charts.show_chart(chart(), f"Largest eigenvalue along the training of {model.name}", top)
    explain_matrix(stability, training)
    available = stability.facts.available
    if note := threshold_note(training, available, look, has_moments(catalog, model)):
        st.caption(note)
    explain_noise(training, look)
    checks.show_badges(question, stability, partial(residual_badge, stability))
    show_ending(catalog, {"": question}, {"": stability}, chart)


def explain_matrix(stability: Stability, training: Training) -> None:
    """What the curves are, and why one is missing."""
    import numpy as np

    st.caption(
        f"Trace and effective rank: by {stability.probes} probes; the band is the trace's 95 % "
        "interval. Noise scale: in examples.",
        help=term_help(
            *("lambda_max", "edge_of_stability", "trace", "effective_rank", "noise_scale"),
            *("preconditioned",) * training.preconditioned,
            *("critical_sharpness",) * (CRITICAL in stability.values),
        ),
    )
    if training.preconditioned:
        st.caption(
            "Eigenvalues are those of the Hessian preconditioned by Adam's second moments; "
            "snapshots without them have none."
        )
    if np.isnan(stability.values["noise"][stability.computed & np.isfinite(stability.loss)]).any():
        st.caption(
            "The noise is unknown: the loss must give one value per example, not a sum and a count."
        )


def explain_noise(training: Training, look: StabilityLook) -> None:
    """What the training's settings make of the noise."""
    if not look.rates:
        return
    note = "Implicit regulariser: of steps of this rate and batch size without momentum."
    if training.batch:
        scale = temperature(look.rates[-1], training.batch, training.momentum)
        note += f" Temperature of the noise: {scale:.3g}."
    st.caption(note, help=term_help("implicit_regulariser", "temperature"))


def residual_badge(stability: Stability) -> None:
    """Whether the eigenvalues are as exact as asked."""
    import numpy as np

    top, error = (stability.values[name] for name in ("lambda_max", "residual"))
    has_eigenvalue = stability.computed & np.isfinite(top)
    if not has_eigenvalue.any():
        return
    late_count = int(
        (error[has_eigenvalue] > stability.facts.tolerance * np.abs(top[has_eigenvalue])).sum()
    )
    st.badge(
        f"{counted(late_count, 'snapshot')} not converged: raise the steps"
        if late_count
        else f"residuals within {stability.facts.tolerance:g}",
        icon=":material/warning:" if late_count else ":material/check:",
        color="orange" if late_count else "green",
        help="Each largest eigenvalue is within its residual of one of the matrix; largest: "
        f"{np.max(error[has_eigenvalue] / np.abs(top[has_eigenvalue])):.1e} of its eigenvalue.",
    )


app = parts.start_page()
sides = parts.sides()
with sides.left:
    wish, training = choose(app.catalog)
    stored_question = asking.find_questions(app.catalog, {"": wish})[""]
with sides.top:
    missing = asking.ask_button(app, {"": stored_question}, {"": wish})
with sides.right:
    model, _ = wish.subjects[0]
    parts.show_heading(f"Curvature along the training of {model.name}")
    st.caption(f"{counted(model.points, 'snapshot')} · {facts_line(model)}")
    if stored_question is None:
        st.info(
            f"This run's curvature has not been computed yet: {asking.PRESS_COMPUTE}; it grows "
            "here snapshot by snapshot.",
            icon=STABILITY.icon,
        )
        offer_stored(app, missing)
    else:
        show_run = partial(show, app.catalog, model, training)
        asking.show_answers(app, {"": stored_question}, show_run)
