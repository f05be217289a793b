"""An answer taken into a study or a figure, from wherever it is shown."""

from collections.abc import Callable, Sequence

import streamlit as st

from explorer.ask.study import (
    STUDY,
    Study,
    add_study,
    change_study,
    free_name,
    row_and_column,
    study_from_json,
)
from explorer.figures.recipe import FIGURE, FigurePanel, Recipe
from explorer.pages import _parts as parts
from explorer.pages._text import as_text
from explorer.wording import printable
from store import Catalog, CatalogError, records
from store.documents import Document

NEW = ""  # in the place of an id
NEW_NAME_LETTERS = 60  # of an analysis, in the name of a new study


def adding_button(catalog: Catalog, question: records.Question) -> None:
    """A button behind which the answer is added to a study or a figure, or begins a new one."""
    with st.popover(
        "", icon=":material/library_add:", type="tertiary", help="Add it to a study or a figure",
        key=f"add-{question.key}",
    ):  # fmt: skip
        studies, figures = st.tabs(["Study", "Figure"])
        with studies:
            st.caption("Its model becomes a row and its question a column.")
            _offer(catalog, question, STUDY, add_to_study)
        with figures:
            _offer(catalog, question, FIGURE, add_to_figure)


def _offer(
    catalog: Catalog,
    question: records.Question,
    what: str,
    add: Callable[[Catalog, records.Question, Document | None], str],
) -> None:
    """The choice of one that is there or of a new one, and the way to it once that has the answer.

    Args:
        catalog: where they are.
        question: about the answer.
        what: "study" or "figure".
        add: adds it to that one, or to a new one, whose name comes back.
    """
    documents = {one.id: one for one in latest_first(catalog.documents(what))}
    key = f"{what}-{question.key}"
    chosen = st.selectbox(
        what.capitalize(),
        [*documents, NEW],
        format_func=lambda id: as_text(documents[id].name, 80) if id else f"A new {what}",
        key=f"into-{key}",
        label_visibility="collapsed",
    )
    if not st.button(f"Add to the {what}", icon=":material/add:", key=f"add-to-{key}"):
        return
    try:
        name = add(catalog, question, documents.get(chosen))
    except (ValueError, CatalogError) as error:
        st.error(parts.sentence(error), icon=":material/error:")
        return
    document = catalog.document_named(what, name)
    address = {what: document.id if what == FIGURE else name}
    st.page_link(
        f"explorer/pages/{what}.py",
        label=f"It is in {as_text(name, 80)}",
        icon=":material/check:",
        query_params=address,
    )


def latest_first(documents: Sequence[Document]) -> list[Document]:
    """The documents, the one that was changed last first."""
    return sorted(documents, key=lambda document: str(document.changed), reverse=True)


def add_to_study(catalog: Catalog, question: records.Question, document: Document | None) -> str:
    """Add the answer's model and question to a study, or to a new one; the study's name.

    Raises:
        ValueError: this version cannot read the study or the analysis.
        UnknownEntry: the study or the model is no longer there.
    """
    model, column = row_and_column(catalog, question)
    study = study_from_json(catalog.document(STUDY, document.id).content) if document else Study()
    study = study.with_models([model]).with_questions([column])
    if document:
        change_study(catalog, document.id, study)
        return document.name
    name = free_name(catalog, f"Study of {printable(question.title, NEW_NAME_LETTERS)}")
    add_study(catalog, name, study)
    return name


def add_to_figure(catalog: Catalog, question: records.Question, document: Document | None) -> str:
    """Add the answer as the last panel of a figure, or to a new one; the figure's name.

    Raises:
        ValueError: this version cannot read the figure, or it has no room.
        UnknownEntry: the figure is no longer there.
    """
    panel = FigurePanel(key=question.key)
    if document is None:
        return new_figure(catalog, Recipe(panels=(panel,))).name
    recipe = Recipe.of(catalog.document(FIGURE, document.id).content)
    added = Recipe(panels=(*recipe.panels, panel), style=recipe.style, words=recipe.words)
    catalog.change_document(FIGURE, document.id, added.to_json())
    return document.name


def new_figure(catalog: Catalog, recipe: Recipe, name: str = "Figure") -> Document:
    """A new figure under a free name: that one with a number."""
    names = {figure.name for figure in catalog.documents(FIGURE)}
    number = next(n for n in range(1, len(names) + 2) if f"{name} {n}" not in names)
    id = catalog.add_document(FIGURE, f"{name} {number}", recipe.to_json())
    return catalog.document(FIGURE, id)
