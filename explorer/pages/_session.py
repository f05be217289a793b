"""What a browser's session keeps from page to page; all else is a page's own and ends with it."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import streamlit as st
from streamlit.runtime.scriptrunner import get_script_run_ctx

from store import records

KEPT_KEY = "kept"  # of what outlives a change of page
PAGE_KEY = "page shown"  # its path in the address
MODELS_KEY = "models shown"  # their ids, as chosen last
LINKS_SCRIPT = Path(__file__).with_name("links.js").read_text(encoding="utf-8")


def kept() -> dict[str, Any]:
    """What outlives a change of page, by name; to be read and written."""
    values: dict[str, Any] = st.session_state.setdefault(KEPT_KEY, {})
    return values


def enter_page(path: str) -> None:
    """Forget what the controls of another page said, and have the address say what this page got.

    Streamlit (1.67) hands the values of controls that are bound to the address on to controls of
    the same name on the next page, whatever they mean there, and a page that is left while it runs
    may write its parameters into the next one's address.

    Args:
        path: of the page in the address.
    """
    _follow_links()
    before = st.session_state.get(PAGE_KEY)
    st.session_state[PAGE_KEY] = path
    if before in (None, path):
        return
    for key in list(st.session_state):
        if key not in (KEPT_KEY, PAGE_KEY):
            del st.session_state[key]
    _restore_followed_address()
    st.query_params.from_dict({name: st.query_params.get_all(name) for name in st.query_params})


def _follow_links() -> None:
    """Have the browser follow links by their addresses alone."""
    # Else the script would take up a row of the page.
    st.html("<style>div:has(> .st-key-links) { display: none; }</style>")
    with st.container(key="links"):
        st.html(f"<script>{LINKS_SCRIPT}</script>", unsafe_allow_javascript=True)


def _restore_followed_address() -> None:
    """Have the controls begin with all that a link, or the way back, says.

    Streamlit (1.67) drops from the address what controls of that name were bound to on the page
    before, also where the user went to that very address; only its own context knows the whole.
    """
    context = get_script_run_ctx()
    if context is not None and context.is_history_navigation:
        with context.session_state.query_params() as parameters:
            parameters.populate_from_query_string(context.query_string)
            parameters.set_initial_query_params(context.query_string)


def begin_with(name: str, values: Sequence[str]) -> None:
    """Have a control that is yet to be made begin with these values, and the address say so.

    Where a link was followed, Streamlit (1.67) asks nothing but the address that came with it.

    Args:
        name: of the control, which is also its name in the address.
        values: what it says.
    """
    st.query_params[name] = st.session_state[name] = list(values)
    context = get_script_run_ctx()
    if context is not None:
        with context.session_state.query_params() as parameters:
            parameters.set_initial_query_params_from_current()


def remember_models(models: Sequence[records.Model]) -> None:
    """Have the next page begin with these."""
    kept()[MODELS_KEY] = [model.id for model in models]


def remembered_models(models: Sequence[records.Model]) -> list[int]:
    """The places among these models of those that were chosen last, in the order of choice."""
    ids = [model.id for model in models]
    return [ids.index(id) for id in kept().get(MODELS_KEY, []) if id in ids]
