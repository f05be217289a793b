"""What was looked at last, in this catalog: noted as it is shown, offered on the first page."""

import contextlib
import time

import streamlit as st

from explorer.pages._links import Subjects, analysis_name, links_of, show_link
from explorer.pages._session import kept
from explorer.pages._text import as_text
from store import Catalog, CatalogError

RECENT_KEY = "recent"  # of the list in the catalog, and of what this session has noted
MOST_RECENT = 8
NOTED_SECONDS = 60.0  # for which an answer that stays on the page is not noted again


def note_recent(catalog: Catalog, key: str) -> None:
    """Put an answer first in the list; where the catalog cannot be written it stays as it is."""
    noted = kept().setdefault(RECENT_KEY, {})
    if time.monotonic() - noted.get(key, -NOTED_SECONDS) < NOTED_SECONDS:
        return
    noted[key] = time.monotonic()
    with contextlib.suppress(CatalogError):
        if recent_keys(catalog)[:1] != [key]:
            empty: list[str] = []
            catalog.change_remembered(
                RECENT_KEY,
                empty,
                lambda keys: [key, *(k for k in keys if k != key)][:MOST_RECENT],
            )


def offer_recent(catalog: Catalog, subjects: Subjects) -> None:
    """Links to what was looked at last; nothing where that was nothing."""
    keys = recent_keys(catalog)
    questions = catalog.questions_of(keys)
    shown = [q for key in keys if (q := questions.get(key)) and not q.deleted]
    links = links_of(shown, subjects)
    if not links:
        return
    noted = catalog.annotations("analysis", list(links))
    with st.popover("Recent", icon=":material/history:"):
        for key, link in links.items():
            show_link(link, as_text(analysis_name(link, noted[key]), 120))


def recent_keys(catalog: Catalog) -> list[str]:
    """The keys of what was looked at last, the latest first."""
    keys: list[object] = catalog.recall(RECENT_KEY, [])
    return [key for key in keys if isinstance(key, str)]
