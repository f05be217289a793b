"""What a study asks, and of which models: chosen here, and kept at once."""

import dataclasses

import streamlit as st

from explorer.ask.study import (
    Study,
    change_study,
    row_and_column,
)
from explorer.ask.study_words import models_by_label
from explorer.kinds import unreadable
from explorer.pages import _parts as parts
from explorer.pages._facts import distinguishing_words, local_time
from explorer.pages._study_question import choose_question
from explorer.pages._text import as_text
from store import Catalog, UnknownEntry, records

MOST_ANALYSES = 500  # that are listed to take a question from


def show_editor(catalog: Catalog, id: str, study: Study) -> None:
    """The choice of models and questions, open while there is no matrix yet."""
    empty = not (study.models and study.questions)
    with st.expander(
        "Models and questions",
        icon=":material/tune:",
        expanded=empty,
        key=f"edit-{id}",
    ):
        choose_models(catalog, id, study)
        of_analysis, by_kind = st.tabs(["Question of an analysis", "New question"])
        with of_analysis:
            take_from_analysis(catalog, id, study)
        with by_kind:
            question = choose_question(catalog, study)
            if st.button("Add question", icon=":material/add:", key="add-question"):
                keep(catalog, id, study.with_questions([question]))


def keep(catalog: Catalog, id: str, study: Study) -> None:
    """Keep the study as it is now, and show it."""
    change_study(catalog, id, study)
    st.rerun()


def choose_models(catalog: Catalog, id: str, study: Study) -> None:
    """The rows: what is taken out or added is kept at once."""
    options = models_by_label(catalog, study)
    key = f"models-{id}"
    current = [label for label, model in options.items() if model in study.models]
    if st.session_state.get(f"{key}-kept") != current:  # changed elsewhere, or just opened
        st.session_state[f"{key}-kept"] = st.session_state[key] = current
    chosen = st.multiselect("Models", list(options), key=key, placeholder="Choose models")
    if chosen != current:
        models = tuple(options[label] for label in chosen)
        st.session_state[f"{key}-kept"] = chosen
        keep(catalog, id, dataclasses.replace(study, models=models))


def take_from_analysis(catalog: Catalog, id: str, study: Study) -> None:
    """Adds what a stored analysis asked, and its model if wished."""
    stored = [
        question
        for question in catalog.questions(limit=MOST_ANALYSES)[0]
        if not unreadable(question.kind, question.settings)
    ]
    if not stored:
        st.caption("No analyses yet.")
        return
    index = st.selectbox(
        "Analysis",
        range(len(stored)),
        format_func=lambda place: analysis_words(stored[place]),
        key="study-analysis",
    )
    with st.container(horizontal=True, vertical_alignment="center"):
        add = st.button("Add its question", icon=":material/add:")
        both = st.button("Add question and model", icon=":material/add:")
    if not (add or both):
        return
    try:
        model, question = row_and_column(catalog, stored[index])
    except (ValueError, UnknownEntry) as error:
        st.error(parts.sentence(error), icon=":material/error:")
        return
    with_question = study.with_questions([question])
    keep(catalog, id, with_question.with_models([model]) if both else with_question)


def analysis_words(question: records.Question) -> str:
    """An analysis in a menu: what it is of, its settings, its day."""
    words = f"{question.title} · {distinguishing_words(question)} · {local_time(question.created)}"
    return as_text(words, 200)
