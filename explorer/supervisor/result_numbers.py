"""Numbers of results, computed as answers become complete, and of those that came without."""

import logging
import time

from explorer.ask import questions
from explorer.kinds import KINDS
from store import Catalog, UnknownEntry

ANSWERS_A_STEP = 20  # so that what waits in the spool does not wait behind a large catalog
NAMES_KEY = "names of numbers"  # what the catalog remembers: kind -> those of its answers
LOOK_SECONDS = 30.0  # between two looks while pieces come: each changes the catalog
# Of an answer that is damaged, or of a version that is not known.
UNREADABLE = (ArithmeticError, AttributeError, LookupError, TypeError, UnknownEntry, ValueError)
log = logging.getLogger(__name__)


class NumbersKeeper:
    """Sees to it that each complete answer has its numbers."""

    def __init__(self, catalog: Catalog) -> None:
        self._catalog = catalog
        self._seen: tuple[int, ...] = ()  # state of the database's files when none was missing
        self._expected = True  # whether some are missing, as far as is known
        self._looked = 0.0  # when it was last seen that none is
        self._refused: set[str] = set()  # answers that cannot be read: not tried again
        self._names_compared = False  # whether the kinds' numbers are those that are stored

    def expect(self) -> None:
        """Note that an answer has become complete: look at the next opportunity."""
        self._expected = True

    def keep_up(self, at_work: bool = False) -> None:
        """Compute some that are missing, where the database has changed since none was.

        Args:
            at_work: whether pieces are still to come; looks are rare then, unless one is expected.
        """
        if at_work and not self._expected and time.monotonic() - self._looked < LOOK_SECONDS:
            return
        if not self._names_compared:
            self._drop_outdated()
        mark = self._catalog.mark
        if mark == self._seen:
            return
        limit = ANSWERS_A_STEP + len(self._refused)
        missing = [
            key for key in self._catalog.answers_without_numbers(limit) if key not in self._refused
        ]
        for key in missing:
            self._compute(key)
        self._expected = bool(missing)  # there may be more
        if not missing:
            self._seen, self._looked = mark, time.monotonic()

    def _drop_outdated(self) -> None:
        """Forget the numbers of kinds that have come to name others since they were computed."""
        names = {kind.name: sorted(kind.numbers) for kind in KINDS}
        stored: dict[str, list[str]] = self._catalog.recall(NAMES_KEY, {})
        outdated = [kind for kind, numbers in names.items() if stored.get(kind) != numbers]
        if outdated:
            self._catalog.drop_numbers(outdated)
            self._catalog.remember(NAMES_KEY, {**stored, **names})
        self._names_compared = True

    def _compute(self, key: str) -> None:
        question = self._catalog.question(key)
        if question is None:
            return
        try:
            numbers = questions.result_of(self._catalog, question).numbers
        except UNREADABLE as error:
            log.info("no numbers of analysis %s", key, exc_info=error)
            self._refused.add(key)
            return
        ends = {name: (one.value, one.low, one.high) for name, one in numbers.items()}
        self._catalog.set_numbers(key, ends, question.units_done)
