"""How far reading a data set is, told while it goes on."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar

PROGRESS_SECONDS = 0.5  # between two words about how far reading is
ReadingProgress = Callable[[int, int], None]  # examples read, and how many there are
_progress: ContextVar[ReadingProgress | None] = ContextVar("progress of reading", default=None)


@contextmanager
def report_reading_to(progress: ReadingProgress) -> Iterator[None]:
    """A stretch in which `progress` is told how far reading is; it may end that by an exception."""
    token = _progress.set(progress)
    try:
        yield
    finally:
        _progress.reset(token)


class ProgressReport:
    """Tells how far reading is, from time to time."""

    def __init__(self, total: int) -> None:
        self._total = total
        self._last = 0.0

    def __call__(self, done: int) -> None:
        """Tell, where somebody listens and the last word is a while ago."""
        progress, now = _progress.get(), time.monotonic()
        if progress is not None and now - self._last > PROGRESS_SECONDS:
            self._last = now
            progress(done, self._total)
