"""One phenomenon: the fact in plain words, its numbers, its pictures, and the way to each."""

from collections.abc import Sequence

import streamlit as st

from explorer.gallery.state import PhenomenonState, states_of
from explorer.gallery.wishes import wish, wishes
from explorer.pages import _panels as panels_
from explorer.pages import _parts as parts
from explorer.pages._address import correct_address
from explorer.pages._asking import LIVE_SECONDS
from explorer.pages._facts import seconds_text
from explorer.pages._gallery_proofs import show_table, show_verdict
from explorer.pages._links import Subjects, link_to, show_link
from explorer.pages._panel import Panel
from explorer.pages._progress import show_progress
from explorer.pages._running import AppState
from explorer.pages._terms import cited
from explorer.pages._text import as_message
from explorer.phenomena.phenomenon import Phenomenon
from explorer.wording import counted

PAGE = "explorer/pages/gallery.py"
PARAMETER = "phenomenon"  # of the address: its name
TEXT_WIDTH = 820  # px


def show_phenomenon(app: AppState, state: PhenomenonState) -> None:
    """The phenomenon with all that is known of it here."""
    phenomenon = state.phenomenon
    st.page_link(PAGE, label="All phenomena", icon=":material/arrow_back:")
    parts.show_heading(phenomenon.title)
    st.caption(phenomenon.group.value)
    show_words(phenomenon)
    show_answers(app, state)


def show_answers(app: AppState, state: PhenomenonState) -> None:
    """Numbers and pictures as far as they are computed, live while they are."""
    phenomenon = state.phenomenon
    choices = choose_view(state)
    waiting = is_waiting(app, state)

    def answers() -> None:
        (latest,) = states_of(app.catalog, [phenomenon])
        if is_waiting(app, latest) != waiting:
            st.rerun()
        with st.container(horizontal=True, vertical_alignment="center"):
            measured = show_verdict(app.catalog, latest, waiting)
            offer_computing(app, latest, waiting)
        for question in latest.questions:
            if question.is_under_way and question.stored is not None:
                show_progress(app, question.stored, question.question.words)
        if measured:
            show_table(measured)
        if measured and not all(proof.holds for proof in measured) and phenomenon.tried:
            st.info(f"It does not come out here. {phenomenon.tried}", icon=":material/help:")
        show_pictures(app, latest, choices)

    parts.live_fragment(LIVE_SECONDS if waiting else None)(answers)()


def is_waiting(app: AppState, state: PhenomenonState) -> bool:
    """Whether something of it is computed, or will be as soon as it can be."""
    return state.is_under_way or wishes(app.catalog).get(state.phenomenon.name) == ""


def show_words(phenomenon: Phenomenon) -> None:
    """What is seen and why, what is loose in popular statements, and whose it is."""
    with st.container(width=TEXT_WIDTH):
        st.markdown(phenomenon.text)
        if phenomenon.loose:
            st.markdown(f"**Mind that** {phenomenon.loose[:1].lower()}{phenomenon.loose[1:]}")
        if phenomenon.sources:
            st.caption(cited("; ".join(phenomenon.sources)) + ".")


def choose_view(state: PhenomenonState) -> panels_.Choices:
    """How planes are looked at, where there are any."""
    correct_address("view", list(panels_.VIEWS))
    view = "Contour"
    if any("view" in vars(q.question.kind.look()) for q in state.questions):
        view = st.segmented_control(
            "View",
            list(panels_.VIEWS),
            default="Contour",
            required=True,
            key="view",
            bind="query-params",
            label_visibility="collapsed",
        )
    return panels_.Choices(panels_.VIEWS[view or "Contour"], shared=True, linked=True)


def offer_computing(app: AppState, state: PhenomenonState, waiting: bool) -> None:
    """The button that has it computed, with the time that takes; or why it cannot be."""
    if state.is_complete or waiting:
        return
    pressed = st.button(
        "Compute it now",
        type="primary",
        icon=":material/play_arrow:",
        help=f"About {seconds_text(state.phenomenon.seconds)} on two cores, by the analyses that "
        f"the pages run; {counted(len(state.phenomenon.samples), 'sample model')} first, where "
        "missing.",
        key="compute-phenomenon",
    )
    why = state.trouble or wishes(app.catalog).get(state.phenomenon.name, "")
    if why:
        st.error(as_message(why), icon=":material/error:")
    if pressed:
        wish(app.catalog, [state.phenomenon])
        st.rerun()


def show_pictures(app: AppState, state: PhenomenonState, choices: panels_.Choices) -> None:
    """The answers kind by kind, on one scale, with the way to the page of each."""
    begun = [q for q in state.questions if q.stored is not None and q.stored.units_done]
    subjects = Subjects(app.catalog)
    for kind in dict.fromkeys(q.question.kind for q in begun):
        panels = [
            Panel(app.catalog, q.stored, q.question.words or kind.title)
            for q in begun
            if q.stored is not None and q.question.kind is kind
        ]
        panels_.show_kind(panels, choices)
        show_links(panels, subjects)


def show_links(panels: Sequence[Panel], subjects: Subjects) -> None:
    """The way to the page of each answer, where its settings can be changed."""
    with st.container(horizontal=True, gap="small"):
        for panel in panels:
            link = link_to(panel.question, subjects)
            show_link(link, f"Open in {panel.kind.title}: {panel.label}")
