"""Several questions of one page: found in the catalog, asked together, watched together."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import streamlit as st

from explorer.jobs import desk
from explorer.jobs.estimate import estimate
from explorer.jobs.question import Question
from explorer.kinds import Kind
from explorer.pages import _parts as parts
from explorer.pages._running import Running
from store import Catalog, records

LIVE_SECONDS = 0.7


@dataclass(frozen=True)
class Wish:
    """A question that a page can show or ask: a kind, its settings, its subjects."""

    kind: Kind
    settings: Any
    subjects: tuple[desk.Subject, ...]

    def question(self, catalog: Catalog) -> Question:
        """The question, stored or not.

        Raises:
            ValueError: the subjects or settings do not fit each other.
        """
        (model, point), *others = self.subjects
        return desk.question(catalog, self.kind, model, self.settings, point, others)

    def stored(self, catalog: Catalog) -> records.Question | None:
        """The question as the catalog has it; None if it was not asked or is in the trash."""
        asked = catalog.question(self.question(catalog).key)
        return asked if asked and asked.deleted is None else None

    def ask(self, running: Running) -> None:
        """Have it answered."""
        (model, point), *others = self.subjects
        key = desk.ask(running.catalog, self.kind, model, self.settings, point, others=others)
        parts.picture_if_complete(running, key)


def found(catalog: Catalog, wishes: Mapping[str, Wish]) -> dict[str, records.Question | None]:
    """What is stored of each wish; the page stops with one sentence where one makes no question."""
    try:
        return {name: wish.stored(catalog) for name, wish in wishes.items()}
    except ValueError as error:
        st.error(parts.sentence(error), icon=":material/error:")
        st.stop()


def ask_button(running: Running, missing: Mapping[str, Wish]) -> None:
    """The button that asks for what is missing, with the time it will take."""
    warm, seconds, units = bool(running.supervisor.workers), 0.0, 0
    for wish in missing.values():
        asked = wish.question(running.catalog)
        told = estimate(running.catalog, asked, wish.subjects[0][0], warm or bool(seconds))
        seconds += told.seconds
        units += told.units
    took = parts.seconds_text(seconds)
    kind = next(iter(missing.values())).kind
    if st.button(
        f"Compute {units:,} {kind.unit}",
        type="primary",
        icon=":material/play_arrow:",
        width="stretch",
        help=f"about {took} on this machine",
    ):
        for wish in missing.values():
            wish.ask(running)
        st.rerun()
    st.caption(f"About {took}; {kind.unit} appear as they are computed and are kept.")


def answered(
    running: Running,
    known: Mapping[str, records.Question],
    show: Callable[[dict[str, records.Question]], None],
) -> None:
    """Questions with their progress and, by `show`, what there is of them; live while one is open.

    Where there are several, their names tell their progress apart. It is one part of the page
    whether or not something is open: see `parts.live`.
    """
    waiting = _is_open(known)

    def answer(keys: Mapping[str, str]) -> None:
        asked = {name: running.catalog.question(key) for name, key in keys.items()}
        present = {name: question for name, question in asked.items() if question is not None}
        if _is_open(present) != waiting:
            st.rerun()
        with st.container():
            for name, question in present.items():
                if question.status == "open":
                    parts.progress(running, question, name if len(present) > 1 else "")
        begun = {name: question for name, question in present.items() if question.units_done}
        if begun:
            show(begun)

    live = parts.live(LIVE_SECONDS if waiting else None)
    live(answer)({name: question.key for name, question in known.items()})


def _is_open(asked: Mapping[str, records.Question]) -> bool:
    """Whether something of this is still to be computed."""
    return any(question.status == "open" for question in asked.values())
