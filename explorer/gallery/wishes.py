"""Having phenomena computed: samples are imported, questions asked as soon as they can be.

Which phenomena are wished for is kept in the catalog, so that a closed browser or a crash loses no
wish. A marker file beside the jobs tells the supervisor that there is something to look at.
"""

import contextlib
import time
from collections.abc import Iterable

from explorer.ask import requests
from explorer.ask.questions import ask
from explorer.gallery.state import PhenomenonState, QuestionState, sample_models_in, states_of
from explorer.importing.samples import is_coming, last_import, order_sample
from explorer.jobs.json_files import write_json
from explorer.jobs.spool import Spool
from explorer.phenomena import PHENOMENA, phenomenon_named
from explorer.phenomena.phenomenon import Phenomenon
from store import Catalog, UnknownEntry

NAME, MARKER = "phenomena", "phenomena"
LOOK_SECONDS = 1.0
REST_FACTOR = 5  # times as long as a look took until the next
# Behind what somebody waits for on another page, before what nobody asked for.
PRIORITY = (requests.FOREGROUND_PRIORITY + requests.BACKGROUND_PRIORITY) // 2


def wish(catalog: Catalog, phenomena: Iterable[Phenomenon]) -> None:
    """Have these computed; what is stored or under way is left alone.

    Raises:
        CatalogError: the catalog cannot be read or written.
    """
    wished = list(phenomena)
    for sample in dict.fromkeys(name for each in wished for name in each.samples):
        order_sample(catalog, sample, priority=PRIORITY)
    _change(catalog, {each.name: "" for each in wished})
    write_json(Spool(catalog.jobs_folder).folder / MARKER, time.time())
    ask_possible(catalog, wished, again=True)


def wishes(catalog: Catalog) -> dict[str, str]:
    """The phenomena that wait to be asked in full, by name; why not, where they cannot be."""
    stored: dict[str, str] = catalog.recall(NAME, {})
    names = {phenomenon.name for phenomenon in PHENOMENA}
    return {name: str(why) for name, why in stored.items() if name in names}


def waiting_wishes(catalog: Catalog) -> set[str]:
    """The names of those that will be asked in full as soon as they can be."""
    return {name for name, why in wishes(catalog).items() if not why}


def ask_possible(catalog: Catalog, phenomena: Iterable[Phenomenon], again: bool = False) -> None:
    """Ask what can be asked of these now, and drop the wishes that are asked in full.

    Args:
        catalog: which has the wishes.
        phenomena: those to ask about.
        again: also what failed or was cancelled before.

    Raises:
        CatalogError: the catalog cannot be read or written.
    """
    changes: dict[str, str | None] = {}
    for state in states_of(catalog, list(phenomena)):
        for question in state.questions:
            _ask(catalog, question, again)
        (state,) = states_of(catalog, [state.phenomenon])
        changes[state.phenomenon.name] = _what_hinders(catalog, state)
    _change(catalog, changes)


def _ask(catalog: Catalog, state: QuestionState, again: bool) -> None:
    """Ask a question that has its subjects and is neither answered nor under way."""
    if not state.subjects or state.is_complete or state.is_under_way:
        return
    if (state.trouble or state.is_cancelled) and not again:
        return
    (model, point), *others = state.subjects
    with contextlib.suppress(ValueError, UnknownEntry):  # the state says why
        ask(
            catalog,
            state.question.kind,
            model,
            state.question.settings,
            point=point,
            priority=PRIORITY,
            others=others,
        )


def _what_hinders(catalog: Catalog, state: PhenomenonState) -> str | None:
    """None where all is asked or cancelled; "" where it waits; else why it cannot be asked."""
    if state.trouble:
        return state.trouble
    if all(q.key for q in state.questions) or any(q.is_cancelled for q in state.questions):
        return None
    stored = sample_models_in(catalog)
    missing = [name for name in state.phenomenon.samples if name not in stored]
    absent = [name for name in missing if not is_coming(catalog, name)]
    # Read once more: an import may have ended between the two looks.
    lost = [name for name in absent if name not in sample_models_in(catalog)]
    for name in lost:
        if why := _why_lost(catalog, name):
            return why
    return "" if missing else _what_lacks(state)


def _what_lacks(state: PhenomenonState) -> str:
    """Why a question has no subjects, its samples being there; "" where answers bring them."""
    for question in state.questions:
        earlier = [s.question for s in question.question.subjects if s.question is not None]
        if not question.subjects and all(state.questions[each].is_complete for each in earlier):
            return "points that it is about are in the catalog no longer; import its samples again"
    return ""


def _why_lost(catalog: Catalog, sample: str) -> str:
    """Why a sample is neither there nor on its way; "" once it is ordered.

    An update of the program may make a waiting wish need samples that nobody has ordered.
    """
    job = last_import(catalog, sample)
    if job is None:
        order_sample(catalog, sample, priority=PRIORITY)
        return ""
    if job.status == "done":
        return f"the sample {sample} is in the catalog no longer; compute it now to import it again"
    reason = job.error or f"its import is {job.status}"
    return f"the sample {sample} could not be imported ({reason}); compute it now to try again"


def _change(catalog: Catalog, changes: "dict[str, str] | dict[str, str | None]") -> None:
    """Keep other wishes and the new state of these; None: it is one no longer."""

    def change(stored: dict[str, str]) -> dict[str, str]:
        merged = {**stored, **changes}
        return {name: why for name, why in merged.items() if why is not None}

    empty: dict[str, str] = {}
    catalog.change_remembered(NAME, empty, change)


class WishKeeper:
    """Asks what was wished for as its samples and earlier answers come; one per catalog."""

    def __init__(self, catalog: Catalog) -> None:
        """Look at once: a crash may have left wishes."""
        self._catalog = catalog
        self._marked = -1
        self._waiting = True
        self._next = 0.0

    def keep_up(self) -> None:
        """Ask what can be asked now; most calls come too early and do nothing.

        Raises:
            CatalogError: the catalog cannot be used now; the next look tries again.
        """
        began = time.monotonic()
        if began < self._next:
            return
        self._next = began + LOOK_SECONDS
        marker = self._catalog.jobs_folder / MARKER
        try:
            marked = marker.stat().st_mtime_ns
        except OSError:
            marked = 0
        if not self._waiting and marked == self._marked:
            return
        self._marked = marked
        waiting = waiting_wishes(self._catalog)
        if waiting:
            ask_possible(self._catalog, map(phenomenon_named, sorted(waiting)))
        self._waiting = bool(waiting_wishes(self._catalog))
        took = time.monotonic() - began
        self._next = began + took + max(LOOK_SECONDS, REST_FACTOR * took)
