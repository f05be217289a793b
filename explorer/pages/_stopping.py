"""Where a page that cannot ask says why: where its answer would stand, not among its settings."""

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from contextvars import ContextVar
from typing import NoReturn

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

_answer_place: ContextVar[DeltaGenerator | None] = ContextVar("answer_place", default=None)


@contextmanager
def asking(left: DeltaGenerator, right: DeltaGenerator) -> Iterator[None]:
    """Draw into the left part of a page; what stops the page meanwhile is said in the right one."""
    token = _answer_place.set(right)
    try:
        with left:
            yield
    finally:
        _answer_place.reset(token)


def answer_place() -> DeltaGenerator | nullcontext[None]:
    """Where the page says what stops it: in the right part while it draws the left one."""
    return _answer_place.get() or nullcontext()


def stop_page(words: str, *, error: bool = True, heading: str = "") -> NoReturn:
    """Stop the page with a sentence.

    Args:
        words: the sentence.
        error: something is wrong; else there is something to do first.
        heading: above it.
    """
    with answer_place():
        if heading:
            st.subheader(heading, anchor=False)
        if error:
            st.error(words, icon=":material/error:")
        else:
            st.info(words)
    st.stop()
