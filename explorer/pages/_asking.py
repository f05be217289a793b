"""Several questions of one page: found in the catalog, asked together, watched together."""

import contextlib
import dataclasses
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import streamlit as st

from explorer.ask import questions
from explorer.ask.estimate import estimate
from explorer.ask.question import QuestionIdentity
from explorer.kinds import Kind, kind_named
from explorer.pages import _links as links
from explorer.pages import _parts as parts
from explorer.pages._running import Running
from explorer.pages._text import as_text
from store import Catalog, CatalogError, records

LIVE_SECONDS = 0.7
LONG = 600.0  # seconds from which on a page warns of them
OFFERED = 6  # stored answers to other settings
COMPUTE = "compute"  # key of the button that asks
PRESS = "press **Compute** at the top of the left column"


@dataclass(frozen=True)
class Wish:
    """A question that a page can show or ask: a kind, its settings, its subjects."""

    kind: Kind
    settings: Any
    subjects: tuple[questions.Subject, ...]

    def question(self, catalog: Catalog) -> QuestionIdentity:
        """The question, stored or not.

        Raises:
            ValueError: the subjects or settings do not fit each other.
        """
        (model, point), *others = self.subjects
        return questions.question_about(catalog, self.kind, model, self.settings, point, others)

    def stored(self, catalog: Catalog) -> records.Question | None:
        """The question as the catalog has it; None if it was not asked or is in the trash."""
        asked = catalog.question(self.question(catalog).key)
        return asked if asked and asked.deleted is None else None

    def ask(self, running: Running) -> None:
        """Have it answered."""
        (model, point), *others = self.subjects
        key = questions.ask(running.catalog, self.kind, model, self.settings, point, others=others)
        parts.picture_if_complete(running, key)


def found(catalog: Catalog, wishes: Mapping[str, Wish]) -> dict[str, records.Question | None]:
    """What is stored of each wish; the page stops with one sentence where one makes no question."""
    try:
        return {name: wish.stored(catalog) for name, wish in wishes.items()}
    except ValueError as error:
        st.error(parts.sentence(error), icon=":material/error:")
        st.stop()


def ask_button(
    running: Running, asked: Mapping[str, records.Question | None], wishes: Mapping[str, Wish]
) -> dict[str, Wish]:
    """The button that asks for what is missing, with the time it will take; what is missing.

    Where nothing is, it says so in the button's place, so that nothing moves by a press.
    """
    missing = {name: wishes[name] for name, question in asked.items() if question is None}
    if missing:
        _ask_button(running, missing)
    else:
        _stored(asked)
    return missing


def _stored(asked: Mapping[str, records.Question | None]) -> None:
    known = [question for question in asked.values() if question is not None]
    working = any(question.status == "open" for question in known)
    st.button(
        "Begun" if working else "In the catalog",
        icon=":material/hourglass_top:" if working else ":material/check:",
        width="stretch",
        disabled=True,
        key="nothing-to-ask",
    )
    units = sum(question.units for question in known)
    stored = (
        f"{kind_named(known[0].kind).count_text(units)} {'is' if units == 1 else 'are'} stored."
    )
    said = "Progress is on the right." if working else stored
    st.caption(f"{said} Change a setting to ask something else.")


def _ask_button(running: Running, missing: Mapping[str, Wish]) -> None:
    warm, seconds, units = bool(running.supervisor.workers), 0.0, 0
    for wish in missing.values():
        asked = wish.question(running.catalog)
        told = estimate(running.catalog, asked, wish.subjects[0][0], warm or bool(seconds))
        seconds += told.seconds
        units += told.units
    took = parts.seconds_text(seconds)
    kind = next(iter(missing.values())).kind
    if st.button(
        f"Compute {kind.count_text(units)}",
        type="primary",
        width="stretch",
        help=f"About {took} on this machine.",
        shortcut="Mod+Enter",
        key=COMPUTE,
        on_click=_ask_at_once,
        args=(running, tuple(missing.values()), _choices()),
    ):
        for wish in missing.values():
            wish.ask(running)
        st.rerun()
    if seconds > LONG:
        st.warning(f"This takes about {took}: smaller numbers below are quicker.")
    else:
        said = f"About {took}" if math.isfinite(seconds) else "Never timed here"
        st.caption(f"{said}; {kind.unit} appear as they are computed and are kept.")


def _ask_at_once(running: Running, wishes: tuple[Wish, ...], seen: dict[str, Any]) -> None:
    """Ask as soon as the press is heard: the page, which is slower, may not come to it any more.

    Not so where a choice came with the press: the page knows what is wished then. It asks too, and
    tells, where the catalog cannot be written.
    """
    now = _choices()  # with those of what has been drawn below the button since
    if any(now.get(name) != value for name, value in seen.items()):
        return
    with contextlib.suppress(CatalogError, ValueError):
        for wish in wishes:
            wish.ask(running)


def _choices() -> dict[str, Any]:
    """What the page's controls say, but for the press itself."""
    said = {str(name): value for name, value in st.session_state.items()}
    return {name: value for name, value in said.items() if name != COMPUTE}


def offer_stored(running: Running, missing: Mapping[str, Wish]) -> None:
    """Links to what is stored of the same kinds and models with other settings."""
    subjects = links.Subjects(running.catalog)
    offered = [
        (links.link_to(old, subjects), _differs(old, wish))
        for wish in missing.values()
        for old in _alike(running.catalog, wish)
    ]
    if not offered:
        return
    st.caption("Stored with other settings:")
    for link, words in offered[:OFFERED]:
        st.page_link(
            link.kind.page,
            label=as_text(f"{link.words}: {words}", 200),
            icon=":material/history:",
            query_params=link.parameters,
        )


def _alike(catalog: Catalog, wish: Wish) -> list[records.Question]:
    """Answers, also begun ones, of the same kind about the same models; the latest first."""
    models = [model.id for model in questions.models_of(wish.kind, wish.subjects)]
    stored, _ = catalog.questions(kind=wish.kind.name, model_id=models[0], limit=100)
    return [
        old
        for old in stored
        if list(old.model_ids) == models
        and old.units_done
        and old.version == wish.kind.version
        and old.key != wish.question(catalog).key
    ]


def _differs(old: records.Question, wish: Wish) -> str:
    """The settings in which a stored question differs from the one that is wished, in words."""
    wanted = dataclasses.asdict(wish.settings)
    usual = dataclasses.asdict(wish.kind.settings())
    unlike = [
        f"{name.replace('_', ' ')} {_value(value)}"
        for name, value in {**usual, **old.settings}.items()
        if name not in ("lengths", "moments") and _value(value) != _value(wanted.get(name))
    ]
    said = ", ".join(unlike) or "another snapshot"
    part = f", {old.units_done:,} of {old.units:,}" if old.status == "open" else ""
    return said + part


def _value(value: Any) -> str:
    if isinstance(value, list | tuple):
        return ", ".join(map(str, value)) or "all"
    return f"{value:g}" if isinstance(value, float) else str(value) or "all"


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
        with st.container(key="progress"):  # stays in view
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
