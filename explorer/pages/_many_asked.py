"""Hundreds of questions asked by one press: behind the page, which goes on meanwhile."""

import threading
from collections.abc import Sequence

from explorer.ask import study_run
from explorer.ask.study_cells import Cell
from explorer.pages._session import kept
from store import Catalog, CatalogError

ASKER_KEY = "asker"  # in the session


class Asker:
    """A thread that asks what cells lack, until all is asked or it is stopped."""

    def __init__(self, catalog: Catalog, all_cells: Sequence[Cell]) -> None:
        """Begin at once."""
        self.error = ""  # why it ended before all was asked
        self.keys = {cell.wish.key for cell in all_cells}
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._ask, args=(catalog, all_cells), daemon=True)
        self._thread.start()

    @property
    def is_asking(self) -> bool:
        """Whether there is more to be asked."""
        return self._thread.is_alive()

    def stop(self) -> None:
        """Ask nothing more."""
        self._stopped.set()

    def wait(self) -> None:
        """Return when all is asked."""
        self._thread.join()

    def _ask(self, catalog: Catalog, all_cells: Sequence[Cell]) -> None:
        try:
            study_run.ask_missing(catalog, all_cells, self._go_on)
        except _StoppedError:
            pass
        except CatalogError as error:
            self.error = str(error)

    def _go_on(self, count: int, of: int) -> None:
        if self._stopped.is_set():
            raise _StoppedError


class _StoppedError(Exception):
    """Somebody has stopped the asking."""


def begin_asking(catalog: Catalog, all_cells: Sequence[Cell]) -> Asker:
    """Ask what these cells lack; a thread of the session that still asks is let go on."""
    asker = Asker(catalog, all_cells)
    kept()[ASKER_KEY] = asker
    return asker


def last_asker() -> Asker | None:
    """The one that this session has begun last."""
    asker = kept().get(ASKER_KEY)
    return asker if isinstance(asker, Asker) else None
