"""What the address of a page says to its controls, and refusing what they could not show."""

import contextlib
from collections.abc import Callable, Mapping, Sequence
from typing import TypeVar

import streamlit as st
from streamlit.errors import StreamlitAPIException

from explorer.kinds.setting import Setting
from explorer.pages._stopping import stop_page
from explorer.pages._text import as_message, as_step

PATHS_KEY = "paths"  # between two points, shown together
CURVES_KEY = "curves"  # trained paths over a plane
MOST_WHOLE = 2**53  # below it a browser holds whole numbers exactly
SHOWN, MOST_LISTED = 80, 240  # letters: of a wrong value, and of what it must be
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
        stop_page(
            as_message(
                f"{key} in the address must be {_shortened(must)}, got {text[:SHOWN]!r}; correct "
                "it there, or choose this page anew on the left."
            )
        )


def _shortened(must: str) -> str:
    """What a value must be, without the rest of a long list of names."""
    if len(must) <= MOST_LISTED:
        return must
    return must[:MOST_LISTED].rpartition(", ")[0] + " or another of this page's menu"


def correct_address(key: str, options: Sequence[str]) -> None:
    """Say in one sentence that the address's value is none of these, and go on without it.

    Args:
        key: of a widget that is bound to the address, before it is made.
        options: what the address may say of it.
    """
    text = st.query_params.get(key)
    if text is None or key in st.session_state or text in options:
        return
    st.warning(
        as_message(
            f"{key} in the address must be one of {', '.join(options)}, got {text[:SHOWN]!r}: it "
            "is as usual."
        )
    )
    del st.query_params[key]


def keep_in_address(name: str, values: Sequence[str]) -> None:
    """Have the address say these values under that name; nothing where there are none."""
    if values and st.query_params.get_all(name) != list(values):
        st.query_params[name] = list(values)
    elif not values and name in st.query_params:
        del st.query_params[name]


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


def choose_listed(
    label: str,
    options: Sequence[Option],
    key: str,
    usual: Option,
    words: Callable[[Option], str],
    help: str,
) -> Option:
    """One of the options in a menu that says more of each than the address, which has its name.

    Args:
        label: of the menu.
        options: to choose from.
        key: the name in the address, which leaves out what is usual.
        usual: what is chosen where the address says nothing.
        words: of an option in the menu.
        help: of the menu.
    """
    menu, last = f"{key} listed", f"{key} in the address"
    text = st.query_params.get(key)
    if text != st.session_state.get(last) or st.session_state.get(menu) not in options:
        named = (option for option in options if text in (str(option), as_step(option)))
        st.session_state[menu] = next(named, usual)
    # The place as well as the session's value: Streamlit (1.67) sends the latter once, and a run
    # that is broken off by the next one may be the one that sends it.
    place = options.index(st.session_state[menu])
    chosen = st.selectbox(label, options, place, key=menu, format_func=words, help=help)
    now = None if chosen == usual else str(chosen)
    with contextlib.suppress(StreamlitAPIException):  # bound yet to another model's control
        if now is None:
            st.query_params.pop(key, None)
        elif now != text:
            st.query_params[key] = now
    st.session_state[last] = st.query_params.get(key)
    return chosen


def choose_named(label: str, options: Sequence[str], key: str, usual: str) -> str:
    """One of the options in a menu; the address names it, also where it is the usual one.

    Args:
        label: of the menu.
        options: the words to choose from.
        key: of the menu, and its name in the address.
        usual: what is chosen at first, or where what was chosen is no option any more.
    """
    before = st.session_state.get(key)
    name_at_first({key: str(before) if before in options else usual})
    chosen = st.selectbox(label, options, index=None, key=key, bind="query-params", required=True)
    if chosen is None:  # the browser went back to an address without it
        st.rerun()
    return chosen


def choose_several_named(
    label: str, options: Sequence[str], key: str, usual: Sequence[str]
) -> list[str]:
    """Some of the options; see `choose_named`."""
    again = f"{key} again"
    before = st.session_state.pop(again, None) or st.session_state.get(key) or []
    kept = [option for option in before if option in options] or list(usual)
    name_at_first({key: kept if before or key not in st.session_state else []})
    chosen = st.multiselect(label, options, key=key, bind="query-params")
    if before and not chosen:  # the browser went back to an address without them
        st.session_state[again] = kept
        st.rerun()
    return chosen


def name_at_first(values: Mapping[str, str | list[str]]) -> None:
    """Have controls without a default say this, and the address too, unless it says something.

    Streamlit (1.67) leaves a control's default out of the address; another one may be usual when
    the address is opened again. It writes what is set in the session from the second run on.

    Args:
        values: what controls say where the address says nothing, by their names in it. All at once
            they are one step of the browser's history.
    """
    missing: dict[str, str | list[str]] = {}
    for key, value in values.items():
        if key in st.session_state:
            if st.session_state[key] != value or (value and key not in st.query_params):
                st.session_state[key] = value
        elif key not in st.query_params:
            missing[key] = st.session_state[key] = value
    if missing:
        with contextlib.suppress(StreamlitAPIException):  # bound yet to the page before
            st.query_params.update(missing)
