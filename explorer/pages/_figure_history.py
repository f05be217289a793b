"""The edits of a figure: each is kept at once, and can be undone and done again."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import streamlit as st

from explorer.codec import JsonValue
from explorer.figures.recipe import Recipe
from explorer.pages import _parts as parts
from explorer.pages._session import kept
from store import Catalog, UnknownEntry
from store.documents import Document

HISTORIES_KEY = "figure-histories"  # in the session, by the figure's id
MOST_STEPS = 100  # back
Content = Mapping[str, JsonValue]  # of a recipe


@dataclass
class History:
    """What was edited in this session, and which form of controls shows it."""

    shown: Content  # as this session knows the figure
    past: list[Content] = field(default_factory=list)
    undone: list[Content] = field(default_factory=list)
    form: int = 0  # another number: controls begin anew, from what is stored

    def add(self, content: Content) -> None:
        """Another state of the figure, from which one can come back."""
        self.past = [*self.past, self.shown][-MOST_STEPS:]
        self.undone = []
        self.shown = content


def history_of(figure: Document) -> History:
    """The edits of a figure in this session."""
    histories: dict[str, History] = kept().setdefault(HISTORIES_KEY, {})
    return histories.setdefault(figure.id, History(figure.content))


def form_key(figure: Document) -> str:
    """What the keys of the figure's controls begin with."""
    return f"{figure.id}-{history_of(figure).form}"


def follow_other_windows(figure: Document) -> None:
    """Show the figure as it is stored where another window has changed it, and say so.

    What was pressed or typed here at that moment was meant for what is no longer there.
    """
    history = history_of(figure)
    if history.shown != figure.content:
        history.add(figure.content)
        history.form += 1
        st.info(
            "This figure was changed in another window: here it is as it is now; make your last "
            "change again.",
            icon=":material/sync:",
        )


def keep(catalog: Catalog, figure: Document, recipe: Recipe) -> bool:
    """Store the recipe if it has changed; False where the figure is gone, which the page says."""
    content = recipe.to_json()
    if content == figure.content:
        return True
    if _store(catalog, figure, content):
        history_of(figure).add(content)
        return True
    return False


def offer_steps(catalog: Catalog, figure: Document) -> None:
    """The way back, and forth again."""
    history = history_of(figure)
    undo = st.button(
        "", icon=":material/undo:", key="undo-edit", disabled=not history.past,
        help="Undo the last change (Ctrl+Z)",
    )  # fmt: skip
    redo = st.button(
        "", icon=":material/redo:", key="redo-edit", disabled=not history.undone,
        help="Do it again (Ctrl+Shift+Z)",
    )  # fmt: skip
    if undo and history.past:
        _step(catalog, figure, history, history.past, history.undone)
    elif redo and history.undone:
        _step(catalog, figure, history, history.undone, history.past)


def _step(
    catalog: Catalog,
    figure: Document,
    history: History,
    source: list[Content],
    target: list[Content],
) -> None:
    """Go to the last state of a list; the present one goes to the other list."""
    if _store(catalog, figure, source[-1]):
        target.append(history.shown)
        history.shown = source.pop()
        history.form += 1
        st.rerun()


def _store(catalog: Catalog, figure: Document, content: Content) -> bool:
    try:
        catalog.change_document(figure.what, figure.id, dict(content))
    except UnknownEntry as error:  # deleted in another window
        st.error(parts.sentence(error), icon=":material/error:")
        return False
    return True
