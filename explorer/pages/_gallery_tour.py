"""The tour: ten steps for somebody who has never seen a loss surface."""

import streamlit as st

from explorer.gallery.state import PhenomenonState, states_of
from explorer.pages import _gallery_view as view
from explorer.pages._address import check_address
from explorer.pages._parts import show_heading
from explorer.pages._running import AppState
from explorer.phenomena import phenomenon_named
from explorer.phenomena.tour import TOUR

STEP_PARAMETER = "step"  # of the address: which one, from 1


def show_tour(app: AppState) -> None:
    """The step that the address names, with its pictures, and the way to the next."""
    numbers = [str(number + 1) for number in range(len(TOUR))]
    check_address(STEP_PARAMETER, f"a number from 1 to {len(TOUR)}", numbers.__contains__)
    number = int(st.query_params.get(STEP_PARAMETER, "1"))
    step = TOUR[number - 1]
    st.progress(number / len(TOUR), f"Step {number} of {len(TOUR)}")
    show_heading(step.title)
    with st.container(width=view.TEXT_WIDTH):
        st.markdown(step.text)
    _show_ways(number)
    if step.page:
        st.page_link(
            f"explorer/pages/{step.page}.py",
            label=f"Try it: {step.page.capitalize()}",
            icon=":material/open_in_new:",
        )
    if step.phenomenon:
        (state,) = states_of(app.catalog, [phenomenon_named(step.phenomenon)])
        _link_to_phenomenon(state)
        view.show_answers(app, state)
        _show_ways(number)  # who has looked at the pictures need not go back up


def _link_to_phenomenon(state: PhenomenonState) -> None:
    """The way to the page that says more of what the step shows."""
    phenomenon = state.phenomenon
    st.page_link(
        view.PAGE,
        label=phenomenon.title,
        icon=":material/read_more:",
        query_params={view.PARAMETER: phenomenon.name},
    )


def _show_ways(number: int) -> None:
    """Back and on, each an address of its own: the browser's own Back goes there too."""
    with st.container(horizontal=True, gap="small"):
        for label, other, icon in (
            ("Back", number - 1, ":material/arrow_back:"),
            ("Next", number + 1, ":material/arrow_forward:"),
        ):
            st.page_link(
                view.PAGE,
                label=label,
                icon=icon,
                query_params={"part": "Tour", STEP_PARAMETER: str(other)},
                disabled=not 1 <= other <= len(TOUR),
            )
