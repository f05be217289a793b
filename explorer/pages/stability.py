"""Curvature and gradient noise along a training run, against its optimiser's threshold."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import streamlit as st

from explorer.jobs import desk
from explorer.kinds.stability import (
    OPTIMISERS,
    STABILITY,
    Stability,
    StabilitySettings,
    temperature,
    threshold,
)
from explorer.pages import _asking as asking
from explorer.pages import _charts as charts
from explorer.pages import _checks as checks
from explorer.pages import _controls as controls
from explorer.pages import _parts as parts
from explorer.pages._export import export_line
from explorer.pages._objective import choose_objective
from explorer.pages._paths import steps_of
from store import records

GIVEN = {  # names under which scripts and samples note what they trained with
    "rate": ("learning_rate", "lr", "eta"),
    "momentum": ("momentum", "beta1"),
    "batch": ("batch_size", "batch"),
}
EFFORT = {
    "probes": ("Probes", "Random vectors of the trace and the effective rank."),
    "seed": controls.SEED,
    "room": controls.ROOM,
    "tolerance": controls.TOLERANCE,
}

running = parts.start()
catalog = running.catalog


@dataclass(frozen=True)
class Training:
    """What the run was trained with; it draws lines and changes nothing that is stored."""

    optimiser: str
    rate: float | None
    momentum: float
    batch: int | None
    preconditioned: bool  # which matrix is asked about: this is a setting of the question

    @property
    def threshold(self) -> float | None:
        """Of the largest eigenvalue; None without a rate, and for another matrix than is shown."""
        if self.rate is None or (self.optimiser == "Adam") != self.preconditioned:
            return None
        return threshold(self.optimiser, self.rate, self.momentum)


def choose() -> tuple[records.Model, StabilitySettings, Training]:
    """The question and the training, from the left column."""
    model = controls.choose_model(catalog, STABILITY.fewest)
    with st.expander("Objective", expanded=True):
        values = choose_objective(catalog.problem(model.problem_id), curvature=True)
    with st.expander("Estimates"):
        values |= controls.choose_numbers(StabilitySettings(), EFFORT)
    with st.expander("Training", expanded=True):
        training = choose_training(model)
    values["preconditioned"] = training.preconditioned
    return model, controls.checked(StabilitySettings, values), training


def noted(model: records.Model) -> Mapping[str, Any]:
    """What is known of how a model was trained: by its recording, or by its recipe."""
    run = model.facts.get("run", {}).get("hyperparameters", {})
    known = {**model.facts, **run}
    found = {
        name: next((known[n] for n in names if isinstance(known.get(n), int | float)), None)
        for name, names in GIVEN.items()
    }
    return {**found, "optimiser": str(known.get("optimiser", known.get("optimizer", "")))}


def choose_training(model: records.Model) -> Training:
    """Optimiser, rate, momentum and batch size, filled in as far as they are known."""
    known = noted(model)
    usual = "gradient descent" if not known["momentum"] else "heavy ball"
    if "adam" in known["optimiser"].lower():
        usual = "Adam"
    optimiser = st.selectbox(
        "Optimiser",
        OPTIMISERS,
        index=OPTIMISERS.index(usual),
        key=f"optimiser-{model.id}",
        help="SGD with momentum in torch is the heavy ball. This and what follows only draws the "
        "threshold and scales the noise.",
    )
    left, right = st.columns(2, gap="xsmall")
    rate = left.number_input(
        "Learning rate",
        min_value=0.0,
        value=known["rate"],
        format="%.4g",
        key=f"rate-{model.id}",
        placeholder="unknown",
    )
    momentum = 0.0
    if optimiser != "gradient descent":
        label = "beta1" if optimiser == "Adam" else "Momentum"
        momentum = right.number_input(
            label, 0.0, 0.9999, float(known["momentum"] or 0.9), key=f"momentum-{model.id}"
        )
    batch = st.number_input(
        "Batch size",
        min_value=1,
        value=int(known["batch"]) if known["batch"] else None,
        key=f"batch-{model.id}",
        placeholder="all",
        help="Empty: all examples at once.",
    )
    preconditioned = choose_matrix(model, optimiser)
    return Training(optimiser, rate or None, momentum, batch, preconditioned)


def choose_matrix(model: records.Model, optimiser: str) -> bool:
    """Whether the Hessian is preconditioned, where the run was recorded so that it can be."""
    if not has_moments(model):
        return st.query_params.get("preconditioned") == "true"  # refused in a sentence
    return st.checkbox(
        "Precondition by second moments",
        value=optimiser == "Adam",
        key="preconditioned",
        bind="query-params",
        help="Adam's steps see P^-½ H P^-½ with P = √v + ε of each snapshot (Cohen et al. 2022). "
        "This is another question than that about the Hessian H itself.",
    )


def has_moments(model: records.Model) -> bool:
    """Whether a snapshot of the run came with Adam's second moments."""
    return any(point.facts.get("moments") for point in catalog.points(model.id))


def show(known: dict[str, records.Question]) -> None:
    """The run's course so far, in words and curves, and where it comes from."""
    from explorer.render.stability import course

    (asked,) = known.values()
    found: Stability = desk.result_of(catalog, asked)
    log = controls.choose_scale("scale", log=True)
    others = {}
    if training.rate is not None:
        batch = training.batch or found.facts["available"]
        others["implicit regulariser"] = found.regulariser(training.rate, batch)
    chart = partial(
        course,
        found,
        steps=steps_of(catalog, asked, 0),
        threshold=training.threshold,
        words=f"threshold of {training.optimiser}",
        log=log,
        others=others,
        width=charts.plot_width(),
    )
    top = found.values["lambda_max"]
    charts.show_chart(chart(), f"Largest eigenvalue along the training of {model.name}", top)
    explain(found)
    checks.badges(asked, found, residual_badge)
    export_line({"": asked}, {"": found}, chart)
    checks.provenance(catalog, asked, found)


def explain(found: Stability) -> None:
    """What the curves are, and what the training's settings make of them."""
    import numpy as np

    st.caption(
        "Trace and effective rank, (sum of eigenvalues)² / sum of their squares: by "
        f"{found.probes} probes; the band is the trace's 95 % interval. Noise scale, in "
        "examples: trace of the "
        "covariance of the examples' gradients over the squared norm of their mean (McCandlish et "
        "al. 2018)."
    )
    if training.preconditioned:
        st.caption(
            "Eigenvalues are those of the Hessian preconditioned by Adam's second moments; "
            "snapshots without them have none."
        )
    if np.isnan(found.values["noise"][found.computed & np.isfinite(found.loss)]).any():
        st.caption(
            "The noise is unknown: the loss must give one value per example, not a sum and a count."
        )
    if said := about_threshold(found.facts["available"]):
        st.caption(said)
    if training.rate is not None:
        said = (
            "Implicit regulariser: of steps of this rate and batch size without momentum (Barrett "
            "and Dherin 2021; Smith et al. 2021)."
        )
        if training.batch:
            scale = temperature(training.rate, training.batch, training.momentum)
            said += f" Temperature of the noise: {scale:.3g}."
        st.caption(said)


def about_threshold(count: int) -> str:
    """What the largest eigenvalue is held against, for data of so many examples."""
    if training.optimiser == "Adam" and not training.preconditioned:
        return "Adam's threshold is one of the Hessian preconditioned by its second moments" + (
            ": tick that on the left to see it."
            if has_moments(model)
            else ", which this run did not record: no line is drawn; record it by "
            "Recorder(..., optimizer_state=True) with snapshot(..., optimizer=optimizer)."
        )
    if training.threshold is None:
        return "Give the learning rate on the left to see the optimiser's threshold."
    year = 2022 if training.optimiser == "Adam" else 2021
    said = (
        f"Threshold of {training.optimiser}: {training.threshold:.4g} (Cohen et al. {year}), for "
        "steps of all examples"
    )
    batch = training.batch or count
    return (
        f"{said}."
        if batch >= count
        else f"{said}; those of {batch:,} of {count:,} settle below it."
    )


def residual_badge(found: Stability) -> None:
    """Whether the eigenvalues are as exact as asked."""
    import numpy as np

    top, error = (found.values[name] for name in ("lambda_max", "residual"))
    known = found.computed & np.isfinite(top)
    if not known.any():
        return
    late = int((error[known] > found.facts["tolerance"] * np.abs(top[known])).sum())
    st.badge(
        f"{late:,} snapshots not converged: raise the steps"
        if late
        else f"residuals within {found.facts['tolerance']:g}",
        icon=":material/warning:" if late else ":material/check:",
        color="orange" if late else "green",
        help="Each largest eigenvalue is within its residual of one of the matrix; largest: "
        f"{np.max(error[known] / np.abs(top[known])):.1e} of its eigenvalue.",
    )


sides = parts.sides()
with sides.left:
    model, settings, training = choose()
    wish = asking.Wish(STABILITY, settings, ((model, ""),))
    asked = asking.found(catalog, {"": wish})[""]
with sides.top:
    missing = asking.ask_button(running, {"": asked}, {"": wish})
with sides.right:
    parts.heading(f"Curvature along the training of {model.name}")
    st.caption(f"{model.points} snapshots · {parts.facts_line(model)}")
    if asked is None:
        st.info(
            f"This run's curvature has not been computed yet: {asking.PRESS}; it grows here "
            "snapshot by snapshot.",
            icon=STABILITY.icon,
        )
        asking.offer_stored(running, missing)
    else:
        asking.answered(running, {"": asked}, show)
