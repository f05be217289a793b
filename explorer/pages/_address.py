"""What the address of a page says to its controls, and refusing what they could not show."""

import math
from collections.abc import Callable, Sequence
from typing import TypeVar

import streamlit as st

from explorer.pages._text import as_message, as_step

Option = TypeVar("Option", bound=int | str)


def check_address(key: str, must: str, fits: Callable[[str], bool]) -> None:
    """Stop with one sentence where a widget would put its default in place of the address's value.

    Args:
        key: of the widget, which is also its name in the address.
        must: what the value must be.
        fits: whether the text is such a value.
    """
    text = st.query_params.get(key)
    if text is not None and key not in st.session_state and not fits(text):
        st.error(
            as_message(
                f"{key} in the address must be {must}, got {text!r}; correct it there, or choose "
                "this page anew on the left."
            ),
            icon=":material/error:",
        )
        st.stop()


def is_finite(text: str) -> bool:
    """Whether the text is a finite number."""
    try:
        return math.isfinite(float(text))
    except ValueError:
        return False


def is_whole(text: str) -> bool:
    """Whether the text is a whole number that a browser can hold."""
    return is_finite(text) and float(text).is_integer() and abs(float(text)) < 2**53


def linked_option(key: str, options: Sequence[Option], usual: Option) -> Option:
    """The option that a link names whose words on the page are others, else the usual one.

    Streamlit looks for the words of the page in the address (1.67); links hold the names.
    """
    address_text = st.query_params.get(key)
    named = (option for option in options if str(option) == address_text != as_step(option))
    return next(named, usual)
