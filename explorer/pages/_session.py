"""What a browser's session keeps from page to page; all else is a page's own and ends with it."""

from collections.abc import Sequence
from typing import Any

import streamlit as st

from store import records

KEPT_KEY = "kept"  # of what outlives a change of page
PAGE_KEY = "page shown"  # its path in the address
MODELS_KEY = "models shown"  # their ids, as chosen last


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
    before = st.session_state.get(PAGE_KEY)
    st.session_state[PAGE_KEY] = path
    if before in (None, path):
        return
    for key in list(st.session_state):
        if key not in (KEPT_KEY, PAGE_KEY):
            del st.session_state[key]
    st.query_params.from_dict({name: st.query_params.get_all(name) for name in st.query_params})


def remember_models(models: Sequence[records.Model]) -> None:
    """Have the next page begin with these."""
    kept()[MODELS_KEY] = [model.id for model in models]


def remembered_models(models: Sequence[records.Model]) -> list[int]:
    """The places among these models of those that were chosen last, in the order of choice."""
    ids = [model.id for model in models]
    return [ids.index(id) for id in kept().get(MODELS_KEY, []) if id in ids]
