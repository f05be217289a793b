"""The phenomena as cards, by group: a picture, the fact, its number, the way to it."""

import re
from collections.abc import Sequence

import streamlit as st

from explorer.gallery.state import PhenomenonState, states_of
from explorer.gallery.wishes import waiting_wishes, wish
from explorer.pages import _parts as parts
from explorer.pages._address import correct_address
from explorer.pages._asking import LIVE_SECONDS
from explorer.pages._facts import seconds_text
from explorer.pages._gallery_proofs import DIGITS, show_verdict
from explorer.pages._gallery_view import PAGE, PARAMETER
from explorer.pages._running import AppState
from explorer.pages._text import as_message, as_text
from explorer.phenomena.phenomenon import Group, Phenomenon
from explorer.render.marks.ticks import number_text
from explorer.wording import counted

ACROSS = 3  # cards in a row
ALL = "All"
INTRODUCTION = (
    "What is known of the loss surfaces of neural networks, computed here on small networks by the "
    "same analyses that you run on yours. Each card has the number that shows it beside the number "
    "that was expected, and says where the popular claim does not hold."
)


def show_all(app: AppState, phenomena: Sequence[Phenomenon]) -> None:
    """The cards of all groups, or of one."""
    st.caption(INTRODUCTION)
    present = [group for group in Group if any(p.group is group for p in phenomena)]
    options = [ALL, *(group.value for group in present)]
    correct_address("group", options)
    chosen = st.pills(
        "Group",
        options,
        default=ALL,
        key="group",
        bind="query-params",
        required=True,
        label_visibility="collapsed",
    )
    # None in the run that puts right an address with an empty group.
    groups = [group for group in present if (chosen or ALL) in (ALL, group.value)]
    shown = [phenomenon for phenomenon in phenomena if phenomenon.group in groups]
    first_states = states_of(app.catalog, shown)
    is_busy = is_any_waiting(app, first_states)
    unshown = [first_states]
    is_live = is_busy or app.is_settling

    def cards() -> None:
        states = unshown.pop() if unshown else states_of(app.catalog, shown)
        if is_any_waiting(app, states) != is_busy:
            st.rerun()
        show_missing(app, states)
        for group in groups:
            own = [state for state in states if state.phenomenon.group is group]
            st.subheader(group.value, anchor=False)
            show_group(app, own)
        if is_live != (is_busy or app.is_settling):  # pictures begin or end to be drawn
            st.rerun()

    parts.live_fragment(2 * LIVE_SECONDS if is_live else None)(cards)()


def is_any_waiting(app: AppState, states: Sequence[PhenomenonState]) -> bool:
    """Whether one of them is being computed, or will be as soon as it can be."""
    wished = waiting_wishes(app.catalog)
    return any(state.is_under_way or state.phenomenon.name in wished for state in states)


def show_missing(app: AppState, states: Sequence[PhenomenonState]) -> None:
    """How many are computed, and the button that has the others computed."""
    wished = waiting_wishes(app.catalog)
    missing = [
        state.phenomenon
        for state in states
        if not state.is_complete and state.phenomenon.name not in wished and not state.is_under_way
    ]
    done = sum(state.is_complete for state in states)
    with st.container(horizontal=True, vertical_alignment="center"):
        st.markdown(f"{done:,} of {counted(len(states), 'phenomenon', 'phenomena')} computed")
        if missing:
            seconds = sum(phenomenon.seconds for phenomenon in missing)
            pressed = st.button(
                f"Compute the other {len(missing):,}" if done else f"Compute all {len(missing):,}",
                icon=":material/play_arrow:",
                help=f"About {seconds_text(seconds)} on two cores, in the background; their sample "
                "models are imported first.",
                key="compute-all",
            )
            if pressed:
                wish(app.catalog, missing)
                st.rerun()


def show_group(app: AppState, states: Sequence[PhenomenonState]) -> None:
    """The cards of a group row by row, so that those of a row have one height."""
    wished = waiting_wishes(app.catalog)
    covers = {s.phenomenon.name: s.questions[s.phenomenon.cover].key for s in states}
    images = app.catalog.images([key for key in covers.values() if key])
    app.thumbnails.request_missing(
        covers[state.phenomenon.name]
        for state in states
        if state.is_complete and covers[state.phenomenon.name] not in images
    )
    for first in range(0, len(states), ACROSS):
        columns = st.columns(ACROSS)
        for column, state in zip(columns, states[first : first + ACROSS], strict=False):
            with column:
                name = state.phenomenon.name
                show_card(app, state, images.get(covers[name]), name in wished)


def show_card(app: AppState, state: PhenomenonState, image: bytes | None, is_wished: bool) -> None:
    """One phenomenon: its picture, what it says, its verdict and first number."""
    phenomenon = state.phenomenon
    with st.container(border=True, gap="xsmall", height="stretch"):
        if image:
            st.image(image, width="stretch", alt=phenomenon.title)
        else:
            st.caption(first_sentence(phenomenon.text))
        st.markdown(f"**{phenomenon.title}**")
        measured = show_verdict(app.catalog, state, is_wished)
        if measured:
            first = measured[0]
            st.caption(f"{as_text(first.words, 200)}: **{number_text(first.value, DIGITS)}**")
        st.page_link(
            PAGE,
            label="Open",
            icon=":material/arrow_forward:",
            help=phenomenon.title,
            query_params={PARAMETER: phenomenon.name},
        )


def first_sentence(text: str) -> str:
    """The first sentence of a text."""
    return re.split(r"(?<=\.) ", text, maxsplit=1)[0]


def say_unknown(name: str) -> None:
    """That there is no such phenomenon, and where all are."""
    st.error(
        as_message(f"There is no phenomenon {name[:80]!r}; choose one of the gallery."),
        icon=":material/error:",
    )
    st.page_link(PAGE, label="All phenomena", icon=":material/arrow_back:")
