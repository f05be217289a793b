"""What a study asks, and of which models: chosen here, and kept at once."""

import dataclasses
from collections.abc import Mapping

import streamlit as st

from explorer.ask.study import (
    Study,
    StudyModel,
    StudyQuestion,
    change_study,
    row_and_column,
    study_model,
)
from explorer.ask.subject_names import label_models
from explorer.ask.subjects import point_of, snapshot_text
from explorer.kinds import kind_named, settings_from_json, unreadable
from explorer.pages import _parts as parts
from explorer.pages._facts import distinguishing_words, local_time
from explorer.pages._study_question import choose_question
from explorer.pages._text import as_text
from explorer.wording import printable
from store import Catalog, UnknownEntry, records

MOST_ANALYSES = 500  # that are listed to take a question from


def model_labels(catalog: Catalog, study: Study) -> dict[str, StudyModel]:
    """By label: the models of a study in their order, then the others of the catalog."""
    labels = {model.id: label for label, model in label_models(catalog.models()).items()}
    by_label: dict[str, StudyModel] = {}
    for model in study.models:
        label = row_label(catalog, labels, model)
        by_label[label if label not in by_label else f"{label} ({model.id[:6]})"] = model
    own = {(model.id, model.point) for model in study.models}
    others = [study_model(m) for m in catalog.models() if (m.id, "") not in own]
    return by_label | {labels[model.id]: model for model in others}


def row_label(catalog: Catalog, labels: Mapping[str, str], model: StudyModel) -> str:
    """What a row is called: the model's label of today, and its snapshot."""
    label = labels.get(model.id, printable(model.name))
    if not model.point:
        return label
    try:
        return f"{label} at {printable(snapshot_text(point_of(catalog, model.id, model.point)))}"
    except UnknownEntry:
        return f"{label} at {model.point[:6]}"


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
    options = model_labels(catalog, study)
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


def question_words(question: StudyQuestion) -> tuple[str, str]:
    """Title and settings of a column; of one that cannot be read its kind's name."""
    why = unreadable(question.kind, {"split": "", **question.settings})
    if why:
        return printable(question.kind), ""
    kind = kind_named(question.kind)
    settings = settings_from_json(kind.settings, question.settings)
    others = [s.name for s in question.subjects if isinstance(s, StudyModel)]
    words = [*settings.distinguishing_words, *(f"with {name}" for name in others)]
    return kind.title, " · ".join(printable(word) for word in words)
