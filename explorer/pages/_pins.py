"""Answers that are pinned: kept at hand, to be set side by side on the page Compare."""

from collections.abc import Callable, Sequence

import streamlit as st

from explorer.kinds import unreadable
from store import Catalog, records

PINS_KEY = "pinned"  # of the list in the catalog
PANEL_PARAMETER = "panel"  # of an analysis in an address, once for each
FEWEST_PANELS, MOST_PANELS = 2, 6
FULL_HELP = f"{MOST_PANELS} are pinned already: unpin one on the page Compare"


def pinned_keys(catalog: Catalog) -> list[str]:
    """The questions' keys, the first pinned first."""
    return _keys_in(catalog.recall(PINS_KEY, []))


def _keys_in(kept: list[object]) -> list[str]:
    return [key for key in kept if isinstance(key, str)][:MOST_PANELS]


def _change_pins(catalog: Catalog, change: Callable[[list[str]], list[str]]) -> None:
    """Change the list as it is at that moment: another session may have changed it."""
    empty: list[object] = []
    catalog.change_remembered(PINS_KEY, empty, lambda kept: list(change(_keys_in(kept))))


def pin(catalog: Catalog, keys: Sequence[str]) -> None:
    """Pin answers, as long as there is room; what can no longer be shown makes room."""
    before = pinned_keys(catalog)
    gone = {*before} - {question.key for question in readable_questions(catalog, before)}

    def add(pinned: list[str]) -> list[str]:
        stay = [key for key in pinned if key not in gone]
        return list(dict.fromkeys([*stay, *keys]))[:MOST_PANELS]

    _change_pins(catalog, add)


def unpin(catalog: Catalog, keys: Sequence[str]) -> None:
    """Pin answers no more."""
    _change_pins(catalog, lambda pinned: [key for key in pinned if key not in keys])


def readable_questions(catalog: Catalog, keys: Sequence[str]) -> list[records.Question]:
    """The questions of these keys that are there and that this version can show, in this order."""
    questions = catalog.questions_of(keys)
    present = [q for key in keys if (q := questions.get(key)) and not q.deleted]
    return [q for q in present if not unreadable(q.kind, q.settings)]


def pin_button(catalog: Catalog, key: str) -> None:
    """A button that pins an answer, or takes it off again."""
    keys = [question.key for question in readable_questions(catalog, pinned_keys(catalog))]
    pinned, full = key in keys, len(keys) >= MOST_PANELS
    words = "Unpin: it leaves the page Compare" if pinned else "Pin it to the page Compare"
    if st.button(
        "",
        key=f"pin-{key}",
        icon=":material/keep_off:" if pinned else ":material/keep:",
        type="tertiary",
        help=FULL_HELP if full and not pinned else words,
        disabled=full and not pinned,
    ):
        (unpin if pinned else pin)(catalog, [key])
        st.rerun()
