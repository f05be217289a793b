"""What the address of a page says to its controls, and refusing what they could not show."""

from collections.abc import Callable, Sequence
from typing import TypeVar

import streamlit as st

from explorer.kinds.setting import Setting
from explorer.pages._text import as_message, as_step

MOST_WHOLE = 2**53  # below it a browser holds whole numbers exactly
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


def check_number(key: str, setting: Setting, whole: bool) -> None:
    """Stop with one sentence where the address has no number of the setting's range.

    Args:
        key: of the widget, which is also its name in the address.
        setting: whose range it is.
        whole: whether only whole numbers will do.
    """
    sort = "a whole number" if whole else "a finite number"
    check_address(
        key, f"{sort} {setting.range_text}".strip(), lambda text: _is_number(text, setting, whole)
    )


def _is_number(text: str, setting: Setting, whole: bool) -> bool:
    try:
        value = float(text)
    except ValueError:
        return False
    if whole and not (value.is_integer() and abs(value) < MOST_WHOLE):
        return False
    return not setting.refusal(value)


def linked_option(key: str, options: Sequence[Option], usual: Option) -> Option:
    """The option that a link names whose words on the page are others, else the usual one.

    Streamlit looks for the words of the page in the address (1.67); links hold the names.
    """
    address_text = st.query_params.get(key)
    named = (option for option in options if str(option) == address_text != as_step(option))
    return next(named, usual)
