"""Several questions of one page: found in the catalog, asked together, watched together."""

import contextlib
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import streamlit as st

from explorer.ask import questions
from explorer.ask.estimate import estimate
from explorer.ask.question import QuestionIdentity
from explorer.ask.subjects import Subject
from explorer.kinds import Kind, kind_named
from explorer.kinds.objective_settings import ObjectiveSettings
from explorer.pages import _parts as parts
from explorer.pages._facts import seconds_text
from explorer.pages._progress import show_progress
from explorer.pages._running import AppState
from explorer.pages._stopping import stop_page
from explorer.pages._text import joined_names
from store import Catalog, CatalogError, records

LIVE_SECONDS = 0.7
LONG_SECONDS = 600.0  # seconds from which on a page warns of them
COMPUTE_KEY = "compute"  # key of the button that asks
PRESS_COMPUTE = "press **Compute** at the top of the left column"


@dataclass(frozen=True)
class WantedQuestion:
    """A question that a page can show or ask: a kind, its settings, its subjects."""

    kind: Kind
    settings: ObjectiveSettings
    subjects: tuple[Subject, ...]

    def question(self, catalog: Catalog) -> QuestionIdentity:
        """The question, stored or not.

        Raises:
            ValueError: the subjects or settings do not fit each other.
        """
        (model, point), *others = self.subjects
        return questions.question_about(
            catalog, self.kind, model, self.settings, point=point, others=others
        )

    def stored_question(self, catalog: Catalog) -> records.Question | None:
        """The question as the catalog has it; None if it was not asked or is in the trash."""
        question = catalog.question(self.question(catalog).key)
        return question if question and question.deleted is None else None

    def ask(self, app: AppState) -> None:
        """Have it answered."""
        (model, point), *others = self.subjects
        key = questions.ask(
            app.catalog, self.kind, model, self.settings, point=point, others=others
        )
        _draw_if_complete(app, key)


def _draw_if_complete(app: AppState, key: str) -> None:
    """Have the picture of an answer drawn that other answers completed at once."""
    question = app.catalog.question(key)
    if question is not None and question.status == "complete":
        app.thumbnails.request(key)


def find_questions(
    catalog: Catalog, wishes: Mapping[str, WantedQuestion]
) -> dict[str, records.Question | None]:
    """What is stored of each wish; the page stops with one sentence where one makes no question."""
    try:
        return {name: wish.stored_question(catalog) for name, wish in wishes.items()}
    except ValueError as error:
        stop_page(parts.sentence(error))


def ask_button(
    app: AppState,
    questions_by_name: Mapping[str, records.Question | None],
    wishes: Mapping[str, WantedQuestion],
) -> dict[str, WantedQuestion]:
    """The button that asks for what is missing, with the time it will take; what is missing.

    Where nothing is, it says so in the button's place, so that nothing moves by a press.
    """
    missing = {
        name: wishes[name] for name, question in questions_by_name.items() if question is None
    }
    if missing:
        _ask_button(app, missing)
    else:
        _disabled_button(questions_by_name)
    return missing


def _disabled_button(questions_by_name: Mapping[str, records.Question | None]) -> None:
    stored_questions = [question for question in questions_by_name.values() if question is not None]
    working = any(question.status == "open" for question in stored_questions)
    st.button(
        "Begun" if working else "In the catalog",
        icon=":material/hourglass_top:" if working else ":material/check:",
        width="stretch",
        disabled=True,
        key="nothing-to-ask",
    )
    units = sum(
        question.units_done if question.ended_early else question.units
        for question in stored_questions
    )
    kind = kind_named(stored_questions[0].kind)
    is_stored = "is stored" if units == 1 else "are stored"
    if origins := sorted({question.origin for question in stored_questions} - {""}):
        is_stored = f"already computed in {joined_names(origins)}"
    stored_text = f"{kind.count_text(units)} {is_stored}."
    state_text = "Progress is on the right." if working else stored_text
    st.caption(f"{state_text} Change a setting to ask something else.")


def _ask_button(app: AppState, missing: Mapping[str, WantedQuestion]) -> None:
    warm, seconds, units = bool(app.supervisor.workers), 0.0, 0
    for wish in missing.values():
        question = wish.question(app.catalog)
        cost = estimate(app.catalog, question, wish.subjects[0][0], warm or bool(seconds))
        seconds += cost.seconds
        units += cost.units
    duration = seconds_text(seconds)
    kind = next(iter(missing.values())).kind
    if st.button(
        f"Compute {kind.count_text(units)}",
        type="primary",
        width="stretch",
        help=f"About {duration} on this machine.",
        shortcut="Mod+Enter",
        key=COMPUTE_KEY,
        on_click=_ask_at_once,
        args=(app, tuple(missing.values()), _control_values()),
    ):
        for wish in missing.values():
            wish.ask(app)
        st.rerun()
    if seconds > LONG_SECONDS:
        st.warning(f"This takes about {duration}: smaller numbers below are quicker.")
    else:
        duration_text = f"About {duration}" if math.isfinite(seconds) else "Never timed here"
        st.caption(f"{duration_text}; {kind.unit} appear as they are computed and are kept.")


def _ask_at_once(
    app: AppState, wishes: tuple[WantedQuestion, ...], seen: dict[str, object]
) -> None:
    """Ask as soon as the press is heard: the page, which is slower, may not come to it any more.

    Not so where a choice came with the press: the page knows what is wished then. It asks too, and
    tells, where the catalog cannot be written.
    """
    now = _control_values()  # with those of what has been drawn below the button since
    if any(now.get(name) != value for name, value in seen.items()):
        return
    with contextlib.suppress(CatalogError, ValueError):
        for wish in wishes:
            wish.ask(app)


def _control_values() -> dict[str, object]:
    """What the page's controls say, but for the press itself."""
    state_by_key = {str(name): value for name, value in st.session_state.items()}
    return {name: value for name, value in state_by_key.items() if name != COMPUTE_KEY}


def show_answers(
    app: AppState,
    stored_questions: Mapping[str, records.Question],
    show: Callable[[dict[str, records.Question]], None],
) -> None:
    """Questions with their progress and, by `show`, what there is of them; live while one is open.

    Where there are several, their names tell their progress apart. It is one part of the page
    whether or not something is open: see `parts.live_fragment`.
    """
    waiting = _is_open(stored_questions)

    def answer(keys: Mapping[str, str]) -> None:
        latest_questions = {name: app.catalog.question(key) for name, key in keys.items()}
        questions_present = {
            name: question for name, question in latest_questions.items() if question is not None
        }
        if _is_open(questions_present) != waiting:
            st.rerun()
        with st.container(key="progress"):  # stays in view
            for name, question in questions_present.items():
                if question.status == "open":
                    show_progress(app, question, name if len(questions_present) > 1 else "")
        begun_questions = {
            name: question for name, question in questions_present.items() if question.units_done
        }
        if begun_questions:
            show(begun_questions)

    live = parts.live_fragment(LIVE_SECONDS if waiting else None)
    live(answer)({name: question.key for name, question in stored_questions.items()})


def _is_open(questions_by_name: Mapping[str, records.Question]) -> bool:
    """Whether something of this is still to be computed."""
    return any(question.status == "open" for question in questions_by_name.values())
