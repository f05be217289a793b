"""Self-checks of an answer as badges, and everything that it was computed from."""

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import streamlit as st

from explorer.ask.provenance import contributors, points_brought, shared_provenance
from explorer.codec import to_json
from explorer.contracts.facts import ProblemFacts, SplitFacts
from explorer.kinds import kind_named
from explorer.kinds.facts import AnswerFacts, AxesFacts
from explorer.kinds.setting import setting_fields
from explorer.kinds.statistics import loss_interval
from explorer.pages._parts import part_of_data, seconds_text
from explorer.pages._text import as_text
from store import Catalog, records

ROUNDING_ERROR = 1e-5  # relative, in float32, where several points go into one launch
_SHOWN_FACTS = ("examples", "parameters", "moved", "evaluated", "chosen", "taken_over")
WARNING_SHARE = 0.01  # of the plotted range


def show_badges(
    question: records.Question, result: Any, first: Callable[[Any], None] | None = None
) -> None:
    """Self-checks of an answer, each green or telling what is off; `first` adds one of its own."""
    facts = result.facts
    with st.container(horizontal=True, gap="small"):
        if first is not None:
            first(result)
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


def _share_of_range(facts: AnswerFacts, result: Any) -> float | None:
    """The largest measured error of a reduced precision, as a share of the plotted range."""
    import numpy as np

    error = facts.precision_error
    if not error:
        return None
    finite = result.loss[result.computed & np.isfinite(result.loss)]
    span = float(np.ptp(finite)) if finite.size else 0.0
    largest = error.largest
    return largest / span if largest is not None and span > 0 else math.inf


def _too_coarse(facts: AnswerFacts, result: object) -> bool:
    share = _share_of_range(facts, result)
    return share is not None and share > WARNING_SHARE


def _precision_badge(facts: AnswerFacts, result: object) -> None:
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


def _data_rows(split: SplitFacts) -> dict[str, str]:
    """What identifies the data, and which part of a larger set they are."""
    part = part_of_data(split)
    return {"data": split.fingerprint, **({"part of the data": part} if part else {})}


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


def _centre_badge(facts: AnswerFacts, result: object) -> None:
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


def _centre_loss(result: Any) -> float | None:
    """The loss at coordinate 0, if every axis has that and it is computed.

    Lines cross there: NaN where they differ.
    """
    place: list[Any] = [...]
    for name in ("y", "x"):
        axis = getattr(result, name, None)
        if axis is not None:
            where = (axis == 0).nonzero()[0]
            if not len(where):
                return None
            place.append(where[0])
    index = tuple(place)
    if not result.computed[index].all():
        return None
    losses = set(result.loss[index].ravel().tolist())
    return losses.pop() if len(losses) == 1 else math.nan


def _finite_badge(result: Any) -> None:
    import numpy as np

    bad = int((result.computed & ~np.isfinite(result.loss)).sum())
    st.badge(
        f"{bad:,} points NaN or Inf" if bad else "all finite",
        icon=":material/warning:" if bad else ":material/check:",
        color="orange" if bad else "green",
        help="NaN and Inf are stored and drawn as they are, never replaced.",
    )


def show_provenance(
    catalog: Catalog, question: records.Question, result: Any, name: str = ""
) -> None:
    """Everything that the answer was computed from, and where and how long.

    `name` tells it from others on the page.
    """
    problem = catalog.problem(question.problem_id)
    facts = to_json(result.facts)
    problem_facts = ProblemFacts.of(problem.facts)
    brought = points_brought(catalog, question)
    shares = contributors(catalog, question)
    with st.expander(
        f"Provenance of {as_text(name)}" if name else "Provenance", icon=":material/fingerprint:"
    ):
        # Not side by side: a key of 64 characters must fit.
        question_tab, answer_tab = st.tabs(["The question", "The answer"])
        question_tab.caption("The key changes with any of these.")
        question_tab.table(
            _table_columns(
                {
                    "key": question.key,
                    "kind": f"{question.kind}, version {question.version}",
                    "point (parameters and buffers)": ", ".join(question.point_ids),
                    "problem file": problem.source_hash,
                    "arguments": dict(problem.arguments) or "none",
                    "loss": problem_facts.loss,
                    **_data_rows(problem_facts.splits[question.split]),
                    **_setting_rows(question),
                }
            )
        )
        answer_tab.caption("These do not change the key.")
        answer_tab.table(
            _table_columns(
                {
                    "model": ", ".join(question.model_names),
                    **({"point": "; ".join(brought)} if brought else {}),
                    "problem path": problem.path,
                    "asked": f"{question.created:%Y-%m-%d %H:%M} UTC",
                    "complete": f"{question.completed:%Y-%m-%d %H:%M} UTC"
                    if question.completed
                    else "no",
                    "compute time": seconds_text(question.seconds),
                    **{name: facts[name] for name in _SHOWN_FACTS if facts.get(name)},
                    **shared_provenance(question, shares),
                    **_share_rows(shares),
                }
            )
        )


def _setting_rows(question: records.Question) -> dict[str, Any]:
    """The settings of a stored question by their labels, with the names that files have."""
    return {
        f"{described.setting.label} ({described.name})": question.settings[described.name]
        for described in setting_fields(kind_named(question.kind).settings)
        if described.name in question.settings
    }


def _share_rows(shares: Sequence[records.Share]) -> dict[str, str]:
    """Who computed how much; nothing where all of it was computed in one place with one program."""
    if len(shares) < 2:
        return {}
    texts = [
        f"{share.units:,} units: {', '.join(map(str, share.provenance.values())) or 'unknown'}"
        for share in shares
    ]
    return {f"computed by, {place}": text for place, text in enumerate(texts, start=1)}


def _table_columns(values: Mapping[str, object]) -> dict[str, list[str]]:
    texts = [str(value) for value in values.values()]
    return {"": [as_text(n) for n in values], "value": [as_text(t, 64) for t in texts]}
