"""What the sharpness of one or several models says in words and tables."""

from collections.abc import Mapping
from dataclasses import dataclass

import streamlit as st

from explorer.kinds.measures import MEASURES_IN_READING_ORDER, NO, YES, Measure
from explorer.kinds.sharpness_comparison import ranks, unequal_losses
from explorer.kinds.sharpness_result import NOT_YET, Sharpness
from explorer.kinds.sharpness_settings import SharpnessSettings
from explorer.pages import _checks as checks
from explorer.pages._export import export_numbers
from explorer.pages._terms import term_help
from explorer.pages._text import as_message, as_text, in_badge
from store import records

INVARIANCE_WORDS = {YES: "✓ invariant", NO: "moves"}
ROW_HEIGHT = 35  # px


@dataclass(frozen=True)
class Answers:
    """Answers to one question about several models, by the models' labels."""

    questions: Mapping[str, records.Question]
    results: Mapping[str, Sharpness]
    settings: SharpnessSettings

    @property
    def measures(self) -> list[Measure]:
        """The measures asked for, in the order of reading."""
        chosen = self.settings.chosen
        return [measure for measure in MEASURES_IN_READING_ORDER if measure.name in chosen]

    @property
    def several(self) -> bool:
        """Whether models are compared."""
        return len(self.results) > 1


def show_losses(answers: Answers) -> None:
    """The losses of the models, and a sentence where they are not equal."""
    sentence = unequal_losses(answers.results, answers.settings.split)
    with st.container(horizontal=True, gap="small"):
        for name, one in answers.results.items():
            text = f"{in_badge(name)}: {answers.settings.split} loss {one.loss:.4g}"
            if one.facts.accuracy is not None:
                text += f", accuracy {one.facts.accuracy:.1%}"
            st.badge(text, icon=":material/center_focus_strong:", color="blue")
            checks.moved_parameters_badge(one.facts)
        if answers.several and not sentence:
            st.badge("equal loss", icon=":material/check:", color="green")
    if sentence:
        st.warning(as_message(sentence), icon=":material/warning:")


def show_measures(answers: Answers) -> None:
    """A row for each measure: its value at each model, and whether it is invariant."""
    rows = [_row(measure, answers.results) for measure in answers.measures]
    columns = {
        "Measure": st.column_config.TextColumn(
            pinned=True, width=245, help="The column Definition says what each is; so does the tab."
        ),
        **{name: st.column_config.TextColumn(width=155) for name in answers.results},
        "Invariant": st.column_config.TextColumn(width=95, help=term_help("invariant")),
        "Definition": st.column_config.TextColumn(width="large", help="With its source."),
    }
    st.dataframe(
        {name: [row[name] for row in rows] for name in rows[0]},
        column_config=columns,
        hide_index=True,
        height=ROW_HEIGHT * (len(rows) + 1) + 3,
        row_height=ROW_HEIGHT,
    )
    st.caption(
        "≥: the best found of a maximum. ± or in brackets: a 95 % interval over draws or probes, "
        "or an eigenvalue's residual. The others are exact but for rounding. What each measures: "
        "see Definitions."
    )
    if answers.several:
        st.caption("#: rank of the model, #1 for the smallest value. Intervals may overlap.")
    for sentence, titles in _reasons_without_value(answers).items():
        st.caption(f"**{', '.join(titles)}**: {sentence}")
    export_numbers(answers.questions, answers.results)


def _row(measure: Measure, results: Mapping[str, Sharpness]) -> dict[str, str]:
    from explorer.render.sharpness import value_text

    values_by_model = {name: one.of(measure.name) for name, one in results.items()}
    places, values = ranks(values_by_model), {}
    for name, value in values_by_model.items():
        text = value_text(value.value, value.low, value.high) or (
            "…" if value.why == NOT_YET else "—"
        )
        values[name] = f"{text}  #{places[name]}" if name in places else text
    return {
        "Measure": measure.title,
        **values,
        "Invariant": INVARIANCE_WORDS.get(measure.invariant, "✓ by layers"),
        "Definition": f"{measure.definition} ({measure.source})",
    }


def _reasons_without_value(answers: Answers) -> dict[str, list[str]]:
    """Why measures have no value: sentence -> their titles."""
    reasons: dict[str, list[str]] = {}
    for name, one in answers.results.items():
        of = f" of {as_text(name)}" if answers.several else ""
        for measure in answers.measures:
            why = one.of(measure.name).why
            if why and why != NOT_YET:
                reasons.setdefault(why, []).append(f"{measure.title}{of}")
    return reasons


def show_definitions() -> None:
    """What each measure is, and where it is from."""
    st.table(
        {
            "Measure": [measure.title for measure in MEASURES_IN_READING_ORDER],
            "Definition": [as_message(measure.definition) for measure in MEASURES_IN_READING_ORDER],
            "Source": [measure.source for measure in MEASURES_IN_READING_ORDER],
        }
    )
    st.caption(
        "L is the mean loss, w the parameters, d a perturbation, g the gradient, H the Hessian."
    )


def show_rescaling_badges(name: str, result: Sharpness, settings: SharpnessSettings) -> None:
    """Which pairs of a model's layers were rescaled, that outputs agree, what moved."""
    rescaling = result.facts.rescaling
    if rescaling is None or not rescaling.pairs:
        st.info(f"{as_text(name)}: this model has no pair of layers that can be rescaled.")
        return
    moved = result.moved_measures(settings)
    with st.container(horizontal=True, gap="small"):
        st.badge(
            f"{in_badge(name)}: outputs agree to {rescaling.gap:.1e}",
            icon=":material/check:",
            color="green",
            help=f"Rescaled: {as_message(rescaling.pairs)}. Difference over the largest output.",
        )
        st.badge(
            f"moved unexpectedly: {', '.join(moved)}" if moved else "the invariant ones stayed",
            icon=":material/warning:" if moved else ":material/check:",
            color="orange" if moved else "green",
            help="Within 1 % and the rounding of the losses.",
        )
