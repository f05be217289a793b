"""Curvature and gradient noise along a training run, against its optimiser's threshold."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import streamlit as st

from explorer.ask import questions
from explorer.ask.subject_names import subject_names
from explorer.importing import training as training_notes
from explorer.kinds.stability import STABILITY, StabilityLook
from explorer.kinds.stability_result import Stability
from explorer.kinds.stability_settings import StabilitySettings
from explorer.kinds.stability_threshold import OPTIMISERS, temperature
from explorer.pages import _asking as asking
from explorer.pages import _charts as charts
from explorer.pages import _checks as checks
from explorer.pages import _controls as controls
from explorer.pages import _forms as forms
from explorer.pages import _parts as parts
from explorer.pages._ending import show_ending
from explorer.pages._objective import choose_objective
from explorer.wording import one_line
from store import records

if TYPE_CHECKING:
    import numpy as np

EFFORT_NAMES = ("probes", "seed", "room", "tolerance")

app = parts.start_page()
catalog = app.catalog


@dataclass(frozen=True)
class Training:
    """What the run was trained with; it draws lines and changes nothing that is stored."""

    optimiser: str
    rate: float | None
    momentum: float
    batch: int | None
    preconditioned: bool  # which matrix is asked about: this is a setting of the question
    recorded: training_notes.TrainingNotes  # its rates hold where none is given

    def rates(self, steps: Sequence[int | str]) -> "np.ndarray | None":
        """Learning rate at each snapshot; None where it is not known at all."""
        import numpy as np

        if self.rate is not None:
            return np.full(len(steps), self.rate)
        rates_found = [self.recorded.rate_at(step) for step in steps if isinstance(step, int)]
        if len(rates_found) < len(steps) or None in rates_found:
            return None
        return np.array(rates_found, dtype=np.float64)

    def look(self, steps: Sequence[int | str], log: bool) -> StabilityLook:
        """How the run is drawn, against the training as far as it is known."""
        rates = self.rates(steps)
        width = charts.plot_width()
        own = () if rates is None else tuple(rates.tolist())
        momentum, batch = self.momentum, self.batch or 0
        return StabilityLook(
            log=log,
            width=width,
            optimiser=self.optimiser,
            rates=own,
            momentum=momentum,
            batch=batch,
        )


def choose() -> tuple[records.Model, StabilitySettings, Training]:
    """The question and the training, from the left column."""
    model = controls.choose_model(catalog, STABILITY.fewest)
    with st.expander("Objective", expanded=True):
        values = choose_objective(StabilitySettings, catalog.problem(model.problem_id))
    with st.expander("Estimates"):
        values |= forms.choose_all(StabilitySettings, EFFORT_NAMES)
    with st.expander("Training", expanded=True):
        training = choose_training(model)
    values["preconditioned"] = training.preconditioned
    return model, forms.checked_settings(StabilitySettings, values), training


def choose_training(model: records.Model) -> Training:
    """Optimiser, rate, momentum and batch size, filled in as far as they are known."""
    recorded_training = training_notes.training_of(model)
    usual = recorded_training.rule or (
        "heavy ball" if recorded_training.momentum else "gradient descent"
    )
    optimiser = st.selectbox(
        "Optimiser",
        OPTIMISERS,
        index=OPTIMISERS.index(usual),
        key=f"optimiser-{model.id}",
        help="SGD with momentum in torch is the heavy ball. This and what follows only draws the "
        "threshold and scales the noise.",
    )
    if recorded_training.optimiser and recorded_training.rule is None:
        st.text(
            f"Trained by {one_line(recorded_training.optimiser, 40)}, whose threshold is not known."
        )
    recorded = (
        f"{recorded_training.rates[0][1]:.3g} … {recorded_training.rates[-1][1]:.3g}"
        if recorded_training.rates
        else "unknown"
    )
    left, right = st.columns(2, gap="xsmall")
    rate = left.number_input(
        "Learning rate",
        min_value=0.0,
        value=recorded_training.rate,
        format="%.4g",
        key=f"rate-{model.id}",
        placeholder=recorded,
        help="Empty: as it was recorded at each snapshot, if it was.",
    )
    momentum = 0.0
    if optimiser != "gradient descent":
        label = "beta1" if optimiser == "Adam" else "Momentum"
        momentum = right.number_input(
            label, 0.0, 0.9999, recorded_training.momentum or 0.9, key=f"momentum-{model.id}"
        )
    batch = st.number_input(
        "Batch size",
        min_value=1,
        value=recorded_training.batch,
        key=f"batch-{model.id}",
        placeholder="all",
        help="Empty: all examples at once.",
    )
    if recorded_training.groups > 1 and rate == recorded_training.rate:
        st.caption(
            f"The largest learning rate of {recorded_training.groups} groups of parameters counts."
        )
    preconditioned = choose_matrix(model, optimiser)
    return Training(optimiser, rate or None, momentum, batch, preconditioned, recorded_training)


def choose_matrix(model: records.Model, optimiser: str) -> bool:
    """Whether the Hessian is preconditioned, where the run was recorded so that it can be."""
    if not has_moments(model):
        return st.query_params.get("preconditioned") == "true"  # refused in a sentence
    return bool(forms.choose(StabilitySettings, "preconditioned", usual=optimiser == "Adam"))


def has_moments(model: records.Model) -> bool:
    """Whether a snapshot of the run came with Adam's second moments."""
    return any(point.optimiser_state for point in catalog.points(model.id))


def show(stored_questions: dict[str, records.Question]) -> None:
    """The run's course so far, in words and curves, and where it comes from."""
    from explorer.render.stability import draw

    (question,) = stored_questions.values()
    stability = questions.result_as(catalog, question, Stability)
    log = controls.choose_scale("scale", log=True)
    names = subject_names(catalog, question)
    look = training.look(names[0].steps, log)
    chart = partial(draw, stability, look, names)
    top = stability.values["lambda_max"]
    charts.show_chart(chart(), f"Largest eigenvalue along the training of {model.name}", top)
    explain(stability, look)
    checks.show_badges(question, stability, residual_badge)
    show_ending(catalog, {"": question}, {"": stability}, chart)


def explain(stability: Stability, look: StabilityLook) -> None:
    """What the curves are, and what the training's settings make of them."""
    import numpy as np

    st.caption(
        "Trace and effective rank, (sum of eigenvalues)² / sum of their squares: by "
        f"{stability.probes} probes; the band is the trace's 95 % interval. Noise scale, in "
        "examples: trace of the "
        "covariance of the examples' gradients over the squared norm of their mean (McCandlish et "
        "al. 2018)."
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
    if note := threshold_note(stability.facts.available, look):
        st.caption(note)
    if look.rates:
        note = (
            "Implicit regulariser: of steps of this rate and batch size without momentum (Barrett "
            "and Dherin 2021; Smith et al. 2021)."
        )
        if training.batch:
            scale = temperature(look.rates[-1], training.batch, training.momentum)
            note += f" Temperature of the noise: {scale:.3g}."
        st.caption(note)


def threshold_note(count: int, look: StabilityLook) -> str:
    """What the largest eigenvalue is held against, for data of so many examples."""
    if training.optimiser == "Adam" and not training.preconditioned:
        return "Adam's threshold is one of the Hessian preconditioned by its second moments" + (
            ": tick that on the left to see it."
            if has_moments(model)
            else ", which this run did not record: no line is drawn; record it by "
            "Recorder(..., optimizer_state=True) with snapshot(..., optimizer=optimizer)."
        )
    import numpy as np

    thresholds = look.thresholds(training.preconditioned)
    if thresholds is None or not np.isfinite(thresholds).any():
        return "Give the learning rate on the left to see the optimiser's threshold."
    least, most = np.nanmin(thresholds), np.nanmax(thresholds)
    number = f"{least:.4g}" if least == most else f"{least:.4g} to {most:.4g}, as recorded"
    year = 2022 if training.optimiser == "Adam" else 2021
    threshold_text = (
        f"Threshold of {training.optimiser}: {number} (Cohen et al. {year}), for "
        "steps of all examples"
    )
    batch = training.batch or count
    return (
        f"{threshold_text}."
        if batch >= count
        else f"{threshold_text}; those of {batch:,} of {count:,} settle below it."
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
        f"{late_count:,} snapshots not converged: raise the steps"
        if late_count
        else f"residuals within {stability.facts.tolerance:g}",
        icon=":material/warning:" if late_count else ":material/check:",
        color="orange" if late_count else "green",
        help="Each largest eigenvalue is within its residual of one of the matrix; largest: "
        f"{np.max(error[has_eigenvalue] / np.abs(top[has_eigenvalue])):.1e} of its eigenvalue.",
    )


sides = parts.sides()
with sides.left:
    model, settings, training = choose()
    wish = asking.WantedQuestion(STABILITY, settings, ((model, ""),))
    stored_question = asking.find_questions(catalog, {"": wish})[""]
with sides.top:
    missing = asking.ask_button(app, {"": stored_question}, {"": wish})
with sides.right:
    parts.show_heading(f"Curvature along the training of {model.name}")
    st.caption(f"{model.points} snapshots · {parts.facts_line(model)}")
    if stored_question is None:
        st.info(
            f"This run's curvature has not been computed yet: {asking.PRESS_COMPUTE}; it grows "
            "here snapshot by snapshot.",
            icon=STABILITY.icon,
        )
        asking.offer_stored(app, missing)
    else:
        asking.show_answers(app, {"": stored_question}, show)
