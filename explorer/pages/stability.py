"""Curvature and gradient noise along a training run, against its optimiser's threshold."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial

import streamlit as st

from explorer.ask import questions
from explorer.ask.subject_names import subject_names
from explorer.kinds.look import SubjectName
from explorer.kinds.stability import STABILITY, StabilityLook
from explorer.kinds.stability_result import (
    CRITICAL,
    EDGE_SHARE,
    PROJECTION,
    STEP_COLUMNS,
    Stability,
)
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
from explorer.pages._terms import cited, term_help
from explorer.wording import counted
from store import Catalog, records

EFFORT_NAMES = ("probes", "seed", "room", "tolerance")
MORE_NAMES = ("critical", "step_rate", "projected")


def choose(catalog: Catalog) -> tuple[asking.WantedQuestion, Training]:
    """The question and the training, from the left column."""
    model = controls.choose_model(catalog, STABILITY.fewest)
    with st.expander("Objective", expanded=True):
        values = choose_objective(StabilitySettings, catalog.problem(model.problem_id))
    with st.expander("Estimates"):
        values |= forms.choose_all(StabilitySettings, EFFORT_NAMES)
    with st.expander("Measured too"):
        values |= forms.choose_all(StabilitySettings, MORE_NAMES)
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
    explain_rises(stability, look)
    if PROJECTION in stability.values:
        show_phase(stability, look, names)
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
            *("gradient_change", "smoothness") * (STEP_COLUMNS[0] in stability.values),
        ),
    )
    if training.preconditioned:
        st.caption(
            "Eigenvalues are those of the Hessian preconditioned by Adam's second moments; "
            "snapshots without them have none."
        )
    is_finite = stability.computed & np.isfinite(stability.loss)
    if CRITICAL in stability.values and np.isnan(stability.values[CRITICAL][is_finite]).any():
        st.caption(
            "Critical sharpness is missing where no step along the update leads above the loss, or "
            "the gradient is so small that rounding hides the first one that does: try float64."
        )
    if np.isnan(stability.values["noise"][is_finite]).any():
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


def explain_rises(stability: Stability, look: StabilityLook) -> None:
    """How often the loss rises from snapshot to snapshot, in all and at the edge of stability."""
    import numpy as np

    share = stability.rising_share()
    if np.isnan(share):
        return
    text = f"The loss rises on {100 * share:.0f} % of the ways from a snapshot to the next"
    thresholds = look.thresholds(stability.preconditioned)
    at_edge = float("nan") if thresholds is None else stability.rising_share(thresholds)
    if not np.isnan(at_edge):
        text += (
            f"; on {100 * at_edge:.0f} % of those that begin at the edge of stability, with a "
            f"largest eigenvalue above {100 * EDGE_SHARE:.0f} % of the threshold"
        )
    st.caption(f"{text}.", help=term_help("rising_share"))


def show_phase(stability: Stability, look: StabilityLook, names: Sequence[SubjectName]) -> None:
    """The largest eigenvalue against the way along its eigenvector."""
    from explorer.render.stability import draw

    st.subheader("Self-stabilisation", anchor=False, help=term_help("projection"))
    chart = partial(draw, stability, replace(look, picture="phase"), names)
    words = "Largest eigenvalue against the coordinate along its eigenvector"
    charts.show_chart(chart(), words, stability.values[PROJECTION])
    dashed = "" if look.thresholds(stability.preconditioned) is None else ", which is dashed"
    st.caption(
        cited(
            f"Above the optimiser's threshold{dashed}, the coordinate grows, from side to side at "
            "each step of gradient descent, until it is so large that the eigenvalue falls, and "
            "then shrinks (Damian et al. 2023). The vector is that of the last snapshot: earlier "
            "ones have others."
        )
    )


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
