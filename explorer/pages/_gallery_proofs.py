"""The numbers of a phenomenon: read off its answers once, shown with what was expected."""

import math
from typing import Literal

import streamlit as st

from explorer.gallery.state import PhenomenonState, proofs_of
from explorer.pages._parts import sentence
from explorer.pages._text import as_text
from explorer.phenomena.phenomenon import WHOSE_EXPECTATION, Proof, Verdict
from explorer.render.marks.ticks import number_text
from store import Catalog, UnreadableAnswer

DIGITS = 4
Colour = Literal["green", "red", "orange"]
BADGES: dict[Verdict, tuple[str, Colour]] = {  # verdict -> icon and colour
    Verdict.HOLDS: (":material/check_circle:", "green"),
    Verdict.DIFFERS: (":material/error:", "red"),
    Verdict.OPEN: (":material/help:", "orange"),
}


def proofs(catalog: Catalog, state: PhenomenonState) -> tuple[Proof, ...]:
    """The numbers of a phenomenon whose questions are all answered; read once per process.

    Raises:
        UnreadableAnswer: an answer cannot be read.
        ValueError: its numbers cannot be had of these answers.
    """
    units = tuple(q.stored.units_done for q in state.questions if q.stored)
    return _kept_proofs(state.phenomenon.name, state.keys, units, catalog, state)


@st.cache_data(max_entries=512, show_spinner=False)
def _kept_proofs(
    name: str,
    keys: tuple[str, ...],
    units: tuple[int, ...],
    _catalog: Catalog,
    _state: PhenomenonState,
) -> tuple[Proof, ...]:
    """The numbers by what they are read off: keys say all that can change an answer."""
    return tuple(proofs_of(_catalog, _state))


def show_verdict(
    catalog: Catalog, state: PhenomenonState, is_wished: bool = False
) -> tuple[Proof, ...]:
    """The badge of a phenomenon, and its numbers as far as they are there.

    Args:
        catalog: where its answers are.
        state: how far it is.
        is_wished: it is computed as soon as its samples are there.
    """
    if not state.is_complete:
        _show_progress(state, is_wished)
        return ()
    try:
        measured = proofs(catalog, state)
    except (ValueError, UnreadableAnswer) as error:
        st.badge("unreadable", icon=":material/error:", color="red", help=sentence(error))
        return ()
    verdict = state.phenomenon.verdict(measured)
    icon, colour = BADGES[verdict]
    st.badge(verdict.value, icon=icon, color=colour)
    return measured


def _show_progress(state: PhenomenonState, is_wished: bool) -> None:
    """How far one is that is not answered."""
    if state.is_under_way:
        done = sum(question.is_complete for question in state.questions)
        words = f"computing, {done} of {len(state.questions)}"
        st.badge(words, icon=":material/hourglass_top:", color="blue")
    elif is_wished:
        words = "waiting for its sample models and earlier answers"
        st.badge("waiting", icon=":material/hourglass_top:", color="blue", help=words)
    elif state.trouble:
        st.badge("failed", icon=":material/error:", color="red")
    else:
        st.badge("not computed yet", icon=":material/radio_button_unchecked:", color="gray")


def show_table(measured: tuple[Proof, ...]) -> None:
    """Each number with what was expected of it."""
    rows = [
        {
            "Number": as_text(proof.words[:1].upper() + proof.words[1:], 300),
            "Measured": number_text(proof.value, DIGITS),
            "Expected": as_text(expected_text(proof), 300),
            "As expected": "yes" if proof.holds else "no",
        }
        for proof in measured
    ]
    st.table(rows, hide_index=True)  # it wraps its words, as a data frame does not
    st.caption(WHOSE_EXPECTATION)


def expected_text(proof: Proof) -> str:
    """Between what a number is expected, and whose expectation that is."""
    low, high = math.isfinite(proof.low), math.isfinite(proof.high)
    if proof.low == proof.high:
        ends = number_text(proof.low, DIGITS)
    elif low and high:
        ends = f"{number_text(proof.low, DIGITS)} to {number_text(proof.high, DIGITS)}"
    elif low:
        ends = f"at least {number_text(proof.low, DIGITS)}"
    else:
        ends = f"at most {number_text(proof.high, DIGITS)}"
    return f"{ends} · {proof.expected}" if proof.expected else ends
