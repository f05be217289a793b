"""What a run was trained with, as a page asks for it: optimiser, rate, momentum, batch size."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import streamlit as st

from explorer.importing.training import TrainingNotes, training_of
from explorer.kinds.stability import StabilityLook
from explorer.kinds.stability_settings import StabilitySettings
from explorer.kinds.stability_threshold import OPTIMISERS
from explorer.pages import _charts as charts
from explorer.pages import _forms as forms
from explorer.wording import one_line
from store import Catalog, records

if TYPE_CHECKING:
    import numpy as np

USUAL_MOMENTUM, LARGEST_MOMENTUM = 0.9, 0.9999


@dataclass(frozen=True)
class Training:
    """What the run was trained with; it draws lines and changes nothing that is stored."""

    optimiser: str
    rate: float | None
    momentum: float
    batch: int | None
    preconditioned: bool  # which matrix is asked about: this is a setting of the question
    recorded: TrainingNotes  # its rates hold where none is given

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


def choose_training(catalog: Catalog, model: records.Model) -> Training:
    """Optimiser, rate, momentum and batch size, filled in as far as they are known."""
    notes = training_of(model)
    optimiser = _choose_optimiser(notes, model.id)
    left, right = st.columns(2, gap="xsmall")
    with left:
        rate = _choose_rate(notes, model.id)
    with right:
        momentum = _choose_momentum(notes, optimiser, model.id)
    batch = st.number_input(
        "Batch size",
        min_value=1,
        value=notes.batch,
        key=f"batch-{model.id}",
        placeholder="all",
        help="Empty: all examples at once.",
    )
    if notes.groups > 1 and rate == notes.rate:
        st.caption(f"The largest learning rate of {notes.groups} groups of parameters counts.")
    preconditioned = _choose_matrix(has_moments(catalog, model), optimiser)
    return Training(optimiser, rate or None, momentum, batch, preconditioned, notes)


def _choose_optimiser(notes: TrainingNotes, model_id: str) -> str:
    """The rule whose threshold is drawn; a sentence where the run followed another."""
    usual = notes.rule or ("heavy ball" if notes.momentum else "gradient descent")
    optimiser = st.selectbox(
        "Optimiser",
        OPTIMISERS,
        index=OPTIMISERS.index(usual),
        key=f"optimiser-{model_id}",
        help="SGD with momentum in torch is the heavy ball. This and what follows only draws the "
        "threshold and scales the noise.",
    )
    if notes.optimiser and notes.rule is None:
        st.text(f"Trained by {one_line(notes.optimiser, 40)}, whose threshold is not known.")
    return optimiser


def _choose_rate(notes: TrainingNotes, model_id: str) -> float | None:
    """The learning rate; None where that of each snapshot holds."""
    recorded = "unknown"
    if notes.rates:
        recorded = f"{notes.rates[0][1]:.3g} … {notes.rates[-1][1]:.3g}"
    return st.number_input(
        "Learning rate",
        min_value=0.0,
        value=notes.rate,
        format="%.4g",
        key=f"rate-{model_id}",
        placeholder=recorded,
        help="Empty: as it was recorded at each snapshot, if it was.",
    )


def _choose_momentum(notes: TrainingNotes, optimiser: str, model_id: str) -> float:
    """Momentum, or beta1 of Adam; 0 for what has none."""
    if optimiser == "gradient descent":
        return 0.0
    return st.number_input(
        "beta1" if optimiser == "Adam" else "Momentum",
        0.0,
        LARGEST_MOMENTUM,
        min(notes.momentum or USUAL_MOMENTUM, LARGEST_MOMENTUM),
        key=f"momentum-{model_id}",
    )


def _choose_matrix(moments: bool, optimiser: str) -> bool:
    """Whether the Hessian is preconditioned, where the run was recorded so that it can be."""
    if not moments:
        return st.query_params.get("preconditioned") == "true"  # refused in a sentence
    return bool(forms.choose(StabilitySettings, "preconditioned", usual=optimiser == "Adam"))


def has_moments(catalog: Catalog, model: records.Model) -> bool:
    """Whether a snapshot of the run came with Adam's second moments."""
    return any(point.optimiser_state for point in catalog.points(model.id))


def threshold_note(training: Training, count: int, look: StabilityLook, moments: bool) -> str:
    """What the largest eigenvalue is held against.

    Args:
        training: of the run.
        count: examples of the data.
        look: how the run is drawn.
        moments: whether the run was recorded with Adam's second moments.
    """
    if training.optimiser == "Adam" and not training.preconditioned:
        return "Adam's threshold is one of the Hessian preconditioned by its second moments" + (
            ": tick that on the left to see it."
            if moments
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
    text = (
        f"Threshold of {training.optimiser}: {number} (Cohen et al. {year}), for steps of all "
        "examples"
    )
    batch = training.batch or count
    below = f"; those of {batch:,} of {count:,} settle below it" if batch < count else ""
    return f"{text}{below}."
