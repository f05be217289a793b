"""Self-checks of an answer as badges, each green or telling what is off."""

import math
from collections.abc import Callable
from types import EllipsisType
from typing import TYPE_CHECKING, Protocol

import streamlit as st

from explorer.kinds.facts import AnswerFacts, AxesFacts
from explorer.kinds.statistics import loss_interval
from explorer.wording import counted
from store import records

if TYPE_CHECKING:
    import numpy as np

ROUNDING_ERROR = 1e-5  # relative, in float32, where several points go into one launch
WARNING_SHARE = 0.01  # of the plotted range


class Losses(Protocol):
    """A result of losses at points."""

    @property
    def facts(self) -> AnswerFacts:
        """What the answer says of itself."""

    @property
    def computed(self) -> "np.ndarray":
        """Whether each point has its loss, (...) bool."""

    @property
    def loss(self) -> "np.ndarray":
        """The losses (...), NaN where there is none."""


def show_badges(
    question: records.Question, result: Losses, first: Callable[[], None] | None = None
) -> None:
    """Self-checks of an answer, each green or telling what is off; `first` adds one of its own."""
    facts = result.facts
    with st.container(horizontal=True, gap="small"):
        if first is not None:
            first()
        _centre_badge(facts, result)
        if isinstance(facts, AxesFacts):
            _axes_badges(question, facts)
        _precision_badge(facts, result)
        _subset_badge(question, facts)
        _finite_badge(result)
        moved_parameters_badge(facts)
    if _too_coarse(facts, result):
        st.warning(
            f"{question.settings['precision']} is off by more than 1 % of what is plotted: compute "
            "in float32 to rely on small differences.",
            icon=":material/warning:",
        )


def _axes_badges(question: records.Question, facts: AxesFacts) -> None:
    """Whether norms match and axes stand at right angles, as far as that was asked."""
    if facts.norm_error is not None:
        good = facts.norm_error < 1e-6
        st.badge(
            f"{question.settings['normalisation']} norms match" if good else "norms do not match",
            icon=":material/check:" if good else ":material/error:",
            color="green" if good else "red",
            help=f"Largest relative difference of norms: {facts.norm_error:.1e}.",
        )
    if facts.axes_cosine is not None:
        st.badge(
            f"cos(axes) {abs(facts.axes_cosine):.3f}",
            icon=":material/square_foot:",
            color="green" if abs(facts.axes_cosine) < 0.1 else "orange",
            help="Absolute cosine between the two directions; 0 is a right angle.",
        )


def _share_of_range(facts: AnswerFacts, result: Losses) -> float | None:
    """The largest measured error of a reduced precision, as a share of the plotted range."""
    import numpy as np

    error = facts.precision_error
    if not error:
        return None
    finite = result.loss[result.computed & np.isfinite(result.loss)]
    span = float(np.ptp(finite)) if finite.size else 0.0
    largest = error.largest
    return largest / span if largest is not None and span > 0 else math.inf


def _too_coarse(facts: AnswerFacts, result: Losses) -> bool:
    share = _share_of_range(facts, result)
    return share is not None and share > WARNING_SHARE


def _precision_badge(facts: AnswerFacts, result: Losses) -> None:
    """The measured error of a reduced precision."""
    share, error = _share_of_range(facts, result), facts.precision_error
    if share is None or error is None:
        return
    text = f"{share:.2g} of the range" if share >= 1 else f"{share:.2%} of the range"
    largest = "not finite" if error.largest is None else f"{error.largest:.2g}"
    st.badge(
        f"precision error {text}",
        icon=":material/warning:" if share > WARNING_SHARE else ":material/check:",
        color="orange" if share > WARNING_SHARE else "green",
        help=f"Largest difference from float32 at {error.points:.0f} of the points: {largest}.",
    )


def _subset_badge(question: records.Question, facts: AnswerFacts) -> None:
    """Which part of the examples the loss is a mean of, where it is not all."""
    subset = question.settings["subset"]
    if subset == "all" or not facts.available:
        return
    count, of = facts.examples, facts.available
    unbiased = "an unbiased estimate" if subset == "random" else "biased if the data are ordered"
    ends = loss_interval(facts.stand_alone, count, of)
    subset_text = f"{subset} {count:,} of {of:,} examples"
    if ends is not None and all(math.isfinite(end) for end in ends):
        subset_text += f", loss {ends[0]:.4g} to {ends[1]:.4g} at the centre"
    st.badge(
        subset_text,
        icon=":material/casino:",
        color="blue",
        help=f"The loss of a part of the split: {unbiased} of the whole, with its 95 % interval.",
    )


def _centre_badge(facts: AnswerFacts, result: Losses) -> None:
    alone = facts.stand_alone_loss
    if alone is None:
        return
    centre = _centre_loss(result)
    if centre is None:
        st.badge(
            f"centre off the grid, loss there {alone:.4g}",
            icon=":material/info:",
            color="blue",
            help="An even count or a one-sided range has no point at 0; it was computed apart.",
        )
        return
    same = centre == alone or (math.isnan(centre) and math.isnan(alone))
    if facts.choice is not None and facts.choice.stacked > 1:  # kernels may sum by a point's place
        same = same or math.isclose(
            centre, alone, rel_tol=ROUNDING_ERROR, abs_tol=ROUNDING_ERROR / 10
        )
    st.badge(
        f"centre = stand-alone loss {alone:.4g}"
        if same
        else "centre differs from the model's loss",
        icon=":material/check:" if same else ":material/error:",
        color="green" if same else "red",
        help=f"Grid {centre!r}, model by itself {alone!r}.",
    )


def moved_parameters_badge(facts: AnswerFacts) -> None:
    """Which parameters move, where it is not all."""
    if facts.moved:
        st.badge(
            f"moved: {facts.moved}",
            icon=":material/tune:",
            color="blue",
            help="The others, which are frozen or not chosen, stay as the checkpoint has them.",
        )


def _centre_loss(result: Losses) -> float | None:
    """The loss at coordinate 0, if every axis has that and it is computed.

    Lines cross there: NaN where they differ.
    """
    place: list[int | EllipsisType] = [...]
    for name in ("y", "x"):
        axis = getattr(result, name, None)
        if axis is not None:
            where = (axis == 0).nonzero()[0]
            if not len(where):
                return None
            place.append(int(where[0]))
    index = tuple(place)
    if not result.computed[index].all():
        return None
    losses = set(result.loss[index].ravel().tolist())
    return losses.pop() if len(losses) == 1 else math.nan


def _finite_badge(result: Losses) -> None:
    import numpy as np

    bad = int((result.computed & ~np.isfinite(result.loss)).sum())
    st.badge(
        f"{counted(bad, 'point')} NaN or Inf" if bad else "all finite",
        icon=":material/warning:" if bad else ":material/check:",
        color="orange" if bad else "green",
        help="NaN and Inf are stored and drawn as they are, never replaced.",
    )
