"""The head of a study's matrix: a question a column, with what can be changed of it."""

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass

import streamlit as st

from explorer.ask.study import Study, StudyQuestion
from explorer.ask.study_cells import Cell
from explorer.ask.study_reads import StudyReads
from explorer.ask.study_words import question_words
from explorer.kinds import KINDS
from explorer.pages._running import AppState
from explorer.pages._study_cell import Shown, shown_number
from explorer.pages._study_edit import keep
from explorer.pages._text import as_text
from store import Catalog
from store.documents import Document

LABEL_SHARE = 0.8  # width of the models' column, where a question's is 1


@dataclass(frozen=True)
class Matrix:
    """A study on its page."""

    app: AppState
    document: Document
    study: Study
    labels: Sequence[str]  # of its models
    reads: StudyReads

    @property
    def catalog(self) -> Catalog:
        """Where it is."""
        return self.app.catalog


def columns_of(study: Study) -> Sequence[st.delta_generator.DeltaGenerator]:
    """The column of the models and one for each question; many of them scroll sideways."""
    across = len(study.questions)
    return st.columns([LABEL_SHARE, *[1.0] * across], gap="xsmall", wrap=False)


def show_head(matrix: Matrix, on_page: Sequence[Cell], shown: Shown) -> None:
    """The questions, each with its settings; a press shows what can be done with it."""
    _, *columns = columns_of(matrix.study)
    for place, (column, question) in enumerate(zip(columns, matrix.study.questions, strict=True)):
        title, words = question_words(question)
        icon = next((kind.icon for kind in KINDS if kind.name == question.kind), None)
        own = [cell for cell in on_page if cell.wish.column == place]
        names = [name for cell in own for name in shown.numbers.get(cell.wish.key, ())]
        number = shown_number(question, names)
        with column, st.container(gap=None):
            with st.popover(
                f"**{as_text(title)}**",
                icon=icon,
                type="tertiary",
                key=f"head-{place}-{question.kind}",
                help="Number, place, settings",
            ):
                _show_choices(matrix, place, question)
            st.caption(f"{as_text(words, 200)}  \n{as_text(number.replace('_', ' '))}")


def _show_choices(matrix: Matrix, place: int, question: StudyQuestion) -> None:
    """The number that a column shows, its place, all its settings."""
    questions = list(matrix.study.questions)
    names = _number_names(matrix, question)
    options = ["", *names] if question.number in ("", *names) else ["", question.number, *names]
    number = st.selectbox(
        "Number",
        options,
        options.index(question.number),
        format_func=lambda name: name.replace("_", " ") or "first",
        key=f"number-{place}-{question.number}",
    )
    changed = questions.copy()
    if number != question.number:
        changed[place] = dataclasses.replace(question, number=number)
    with st.container(horizontal=True):
        for words, icon, other in (
            ("To the left", ":material/arrow_back:", place - 1),
            ("To the right", ":material/arrow_forward:", place + 1),
        ):
            inside = 0 <= other < len(questions)
            if st.button("", icon=icon, help=words, key=f"{words}-{place}", disabled=not inside):
                changed[place], changed[other] = changed[other], changed[place]
        if st.button("Remove", icon=":material/close:", key=f"remove-{place}"):
            del changed[place]
    settings = {name: value for name, value in question.settings.items() if value not in ("", [])}
    st.text("\n".join(f"{name}  {value}" for name, value in settings.items()))
    if changed != questions:
        study = dataclasses.replace(matrix.study, questions=tuple(changed))
        keep(matrix.catalog, matrix.document.id, study)


def _number_names(matrix: Matrix, question: StudyQuestion) -> list[str]:
    """The numbers that answers of this kind come down to, as far as there are some."""
    stored = matrix.catalog.questions(kind=question.kind, status="complete", limit=5)[0]
    numbers = matrix.catalog.numbers([old.key for old in stored])
    return list(dict.fromkeys(name for own in numbers.values() for name in own))
