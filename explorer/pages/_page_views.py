"""Whether pages are being made now: what can wait leaves the processor to them."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager


class PageViews:
    """Counts the pages that are being made by this process."""

    def __init__(self) -> None:
        """None yet."""
        self._lock = threading.Lock()
        self._count = 0
        self._none_now = threading.Event()
        self._none_now.set()
        self.has_begun = False  # whether anybody has ever opened a page

    @contextmanager
    def view(self) -> Iterator[None]:
        """A page is being made meanwhile."""
        with self._lock:
            self.has_begun = True
            self._count += 1
            self._none_now.clear()
        try:
            yield
        finally:
            with self._lock:
                self._count -= 1
                if not self._count:
                    self._none_now.set()

    def wait(self, seconds: float) -> None:
        """Wait until no page is being made, for so long at most."""
        self._none_now.wait(seconds)


PAGE_VIEWS = PageViews()
