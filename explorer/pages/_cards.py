"""Analyses as cards: a picture, what it is of, how far it is, the way to it."""

from collections.abc import Sequence
from dataclasses import dataclass

import streamlit as st

from explorer.kinds import unreadable
from explorer.kinds.facts import AnswerFacts
from explorer.pages import _links as links
from explorer.pages import _parts as parts
from explorer.pages._annotations import favourite_button, notes_button, show_note, show_tags
from explorer.pages._facts import distinguishing_text, local_time
from explorer.pages._text import as_text, in_badge
from explorer.pages._undo import delete
from explorer.wording import counted, printable
from store import Catalog, UnknownEntry, records
from store.annotations import Annotation

ACROSS = 4  # cards in a row
ORIGIN_ICON = ":material/folder_shared:"


@dataclass(frozen=True)
class Card:
    """What the card of an analysis shows beside it."""

    question: records.Question
    image: bytes | None
    last: records.Job | None  # its latest job, while it is open
    annotation: Annotation


def cards_of(catalog: Catalog, questions: Sequence[records.Question]) -> list[Card]:
    """The cards of these analyses."""
    images = catalog.images([question.key for question in questions])
    latest = catalog.latest_jobs(
        [question.key for question in questions if question.status == "open"]
    )
    noted = catalog.annotations("analysis", [question.key for question in questions])
    return [Card(q, images.get(q.key), latest.get(q.key), noted[q.key]) for q in questions]


def show_cards(catalog: Catalog, cards: Sequence[Card], subjects: links.Subjects) -> None:
    """The cards row by row, so that those of a row have one height."""
    for start in range(0, len(cards), ACROSS):
        row = cards[start : start + ACROSS]
        for column, card in zip(st.columns(ACROSS), row, strict=False):
            with column:
                try:
                    show_card(catalog, card, subjects)
                except UnknownEntry as error:  # damaged; the others are shown
                    show_unreadable(card.question, parts.sentence(error))


def show_unreadable(question: records.Question, reason: str) -> None:
    """An analysis that this version cannot show, by its title alone."""
    with st.container(border=True, gap="xsmall", height="stretch"):
        st.text(printable(question.title, 200))
        st.text(reason)


def show_card(catalog: Catalog, card: Card, subjects: links.Subjects) -> None:
    """One analysis: its picture, what it is, the way to it."""
    question = card.question
    if why := unreadable(question.kind, question.settings):
        show_unreadable(question, f"It is {why}: update this program to see it.")
        return
    link = links.link_to(question, subjects)
    with st.container(border=True, gap="xsmall", height="stretch"):
        if card.image:
            st.image(card.image, width="stretch", alt=printable(question.title, 200))
        else:
            st.skeleton(height=150)
        name = as_text(links.analysis_name(link, card.annotation, short=True), 120)
        links.show_link(link, f"**{name}**", help="Open this analysis", width="stretch")
        early = f"ended early, {count_text(question)} · " if question.ended_early else ""
        words = f"{distinguishing_text(question)}  \n{early}{loss_and_day(question)}"
        st.caption(words)
        if question.origin:
            st.badge(f"from {in_badge(question.origin)}", icon=ORIGIN_ICON, color="gray")
        if question.status == "open":
            show_card_progress(question, card.last)
        if card.annotation.tags:
            with st.container(horizontal=True, gap="xsmall"):
                show_tags(card.annotation.tags)
        with st.container(horizontal=True, gap="small"):
            favourite_button(catalog, card.annotation)
            notes_button(card.annotation, question.title)
            delete_button(catalog, question)
        show_note(card.annotation)


def delete_button(catalog: Catalog, question: records.Question) -> None:
    """The way of an analysis to the trash."""
    if st.button(
        "",
        key=f"delete-{question.key}",
        icon=":material/delete:",
        type="tertiary",
        help="Move to the trash",
    ):
        if users := len(catalog.users_of_points(question.key)):
            st.toast(f"{counted(users, 'analysis keeps', 'analyses keep')} points that it brought.")
        delete(catalog, "analysis", [question.key], question.title)
        st.rerun()


def loss_and_day(question: records.Question) -> str:
    """The loss at the point and the day, a line each: side by side they seldom fit a card."""
    alone = AnswerFacts.of(question.facts).stand_alone_loss
    loss = [f"loss {alone:.4g}"] if isinstance(alone, int | float) else []
    moment = local_time(question.completed or question.created)
    unbroken = moment.replace(" ", "\N{NO-BREAK SPACE}").replace("-", "\N{NON-BREAKING HYPHEN}")
    return "  \n".join([*loss, unbroken])


def count_text(question: records.Question) -> str:
    """How many of its units are answered."""
    return f"{question.units_done:,} of {question.units:,}"


def show_card_progress(question: records.Question, last: records.Job | None) -> None:
    """How far an open question is: only one that is worked on has a bar."""
    done = count_text(question)
    state = last.status if last else "stopped"
    if state == "running":
        st.progress(question.share_done, done)
    elif state == "queued":
        st.badge(f"waiting · {done}", icon=":material/schedule:", color="gray")
    elif state == "failed":
        st.badge(f"failed · {done}", icon=":material/error:", color="red")
    else:
        st.badge(f"stopped · {done}", icon=":material/stop:", color="orange")
