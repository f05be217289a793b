"""Numbers of results, computed as answers become complete, and of those that came without."""

import logging

from explorer.ask import questions
from store import Catalog

ANSWERS_A_STEP = 20  # so that what waits in the spool does not wait behind a large catalog
log = logging.getLogger(__name__)


class ResultNumbers:
    """Sees to it that each complete answer has its numbers."""

    def __init__(self, catalog: Catalog) -> None:
        self._catalog = catalog
        self._seen: tuple[int, ...] = ()  # state of the database's files when none was missing
        self._refused: set[str] = set()  # answers that cannot be read: not tried again

    def keep_up(self) -> None:
        """Compute some that are missing, where the database has changed since none was."""
        mark = self._catalog.mark
        if mark == self._seen:
            return
        limit = ANSWERS_A_STEP + len(self._refused)
        missing = [
            key for key in self._catalog.answers_without_numbers(limit) if key not in self._refused
        ]
        for key in missing:
            self._compute(key)
        if not missing:
            self._seen = mark

    def _compute(self, key: str) -> None:
        question = self._catalog.question(key)
        if question is None:
            return
        try:
            numbers = questions.result_of(self._catalog, question).numbers
        except (
            ValueError,
            KeyError,
            TypeError,
        ) as error:  # of a version that is not known, damaged
            log.info("no numbers of analysis %s", key, exc_info=error)
            self._refused.add(key)
            return
        ends = {name: (one.value, one.low, one.high) for name, one in numbers.items()}
        self._catalog.set_numbers(key, ends, question.units_done)
