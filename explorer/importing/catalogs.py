"""Other catalogs: what came of them in words, and keeping up with those that are shared."""

import logging
import threading
import time
from collections.abc import Mapping

from explorer.wording import counted
from store import Catalog, CatalogError
from store.records import MergeCounts

LOOK_SECONDS = 5.0  # between two looks at shared catalogs
REST_FACTOR = 20.0  # times as long as a look took until the next: to read one is to copy it
log = logging.getLogger(__name__)


def merged_words(new: MergeCounts) -> str:
    """What a merge brought, in one line."""
    counts = (
        (new.models, "model", ""),
        (new.points, "checkpoint", ""),
        (new.questions, "analysis", "analyses"),
        (new.units, "point of analyses", "points of analyses"),
        (new.files, "file", ""),
    )
    words = [counted(count, one, several) for count, one, several in counts if count]
    return f"brought {', '.join(words) or 'nothing new'}"


def refresh_shared(catalog: Catalog) -> dict[str, str]:
    """Show shared catalogs as they are by now; by name a sentence about each that cannot be read.

    Raises:
        CatalogError: this catalog cannot be read.
    """
    troubles: dict[str, str] = {}
    for shared in [] if catalog.read_only else catalog.shared_catalogs():
        try:
            catalog.refresh_shared(shared.name)
        except CatalogError as error:
            troubles[shared.name] = str(error)
    return troubles


class SharedKeeper:
    """A thread that keeps up with shared catalogs: one that hangs holds up nothing else."""

    def __init__(self, catalog: Catalog) -> None:
        self.troubles: Mapping[str, str] = {}  # by name, of those that could not be read last
        self._catalog = catalog
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, name="shared catalogs", daemon=True)

    def start(self) -> None:
        """Begin to look."""
        self._thread.start()

    def stop(self) -> None:
        """End after the look in hand, or leave one that hangs."""
        self._ended.set()
        if self._thread.is_alive():
            self._thread.join(timeout=10)

    def _run(self) -> None:
        rest = 0.0
        while not self._ended.wait(rest):
            began = time.monotonic()
            try:
                self.troubles = refresh_shared(self._catalog)
            except CatalogError as error:  # the supervisor meets it too, and tells the pages
                log.warning("shared catalogs wait: %s", error)
            except Exception:
                log.exception("shared catalogs")
            rest = max(LOOK_SECONDS, REST_FACTOR * (time.monotonic() - began))
