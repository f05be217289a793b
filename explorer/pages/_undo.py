"""The way back from a deletion: beside the heading until the next one, or until it is taken."""

import contextlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

import streamlit as st

from explorer.ask.deletion import delete_analysis, delete_model
from explorer.pages._session import kept
from explorer.pages._text import as_text
from store import Catalog, UnknownEntry

DELETED_KEY = "deleted"  # what was deleted last, in the session


@dataclass(frozen=True)
class Deleted:
    """What was moved to the trash by one press."""

    what: str  # "model", "analysis", or the sort of a document
    ids: tuple[str, ...]
    words: str  # what it was, for people


def delete(catalog: Catalog, what: str, ids: Sequence[str], words: str) -> None:
    """Move models, analyses or documents to the trash, and offer the way back.

    What is being computed about them is stopped; taken out again, it can be resumed.
    """
    remove = _ways(catalog, what)[0]
    for id in ids:
        with contextlib.suppress(UnknownEntry):  # gone already
            remove(id)
    kept()[DELETED_KEY] = Deleted(what, tuple(ids), words)


def offer_undo(catalog: Catalog) -> None:
    """What was deleted last in this session, with a button that takes it out of the trash."""
    deleted = kept().get(DELETED_KEY)
    if not isinstance(deleted, Deleted):
        return
    st.caption(f"{as_text(deleted.words, 80)} moved to the trash", width="content")
    if st.button("Undo", icon=":material/undo:", key="undo"):
        del kept()[DELETED_KEY]
        restore = _ways(catalog, deleted.what)[1]
        for id in deleted.ids:
            with contextlib.suppress(UnknownEntry):
                restore(id)
        st.rerun()


def _ways(catalog: Catalog, what: str) -> tuple[Callable[[str], None], Callable[[str], None]]:
    """The way to the trash and the way back."""
    if what == "model":
        return partial(delete_model, catalog), catalog.restore_model
    if what == "analysis":
        return partial(delete_analysis, catalog), catalog.restore_question
    return partial(catalog.delete_document, what), partial(catalog.restore_document, what)
