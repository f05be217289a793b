"""What an answer tells while it is at a unit of work, and the state that the unit goes on from."""

from collections.abc import Iterator, Mapping

import numpy as np

Record = Mapping[str, np.ndarray]


class JobCancelled(BaseException):
    """Somebody asked to stop; no handler of errors takes it for one."""


class JobHandedBack(BaseException):
    """Somebody else is to go on; no handler of errors takes it for one."""


class Progress:
    """Of one answer; this one tells nobody and keeps nothing."""

    def check(self) -> None:
        """Stop here if somebody has asked to.

        Raises:
            JobCancelled: somebody has; what was to be kept is.
        """

    def report(self, words: str) -> None:
        """Tell where the work is, as in "step 40 of 200 of search 3"; then `check`."""
        self.check()

    def records(self, unit: int) -> Iterator[Record]:
        """What was kept of a unit, in order."""
        yield from ()

    def append(self, unit: int, record: Record) -> None:
        """Keep a record of a unit after those before it; all have the same arrays."""

    def replace(self, unit: int, record: Record) -> None:
        """Keep a record of a unit in place of all before it."""

    def of_unit(self, unit: int, name: str) -> "UnitProgress":
        """The progress of a unit, which people know by that name."""
        return UnitProgress(self, unit, name)


class UnitProgress:
    """What one unit tells and keeps."""

    def __init__(self, progress: Progress, unit: int, name: str) -> None:
        self._progress, self.unit, self.name = progress, unit, name

    def report(self, done: int, total: int, word: str = "step") -> None:
        """Tell how far the unit is.

        Raises:
            JobCancelled: somebody has asked to stop.
        """
        self._progress.report(f"{word} {done:,} of {total:,} of {self.name}")

    def records(self) -> Iterator[Record]:
        """What was kept of the unit, in order."""
        return self._progress.records(self.unit)

    def append(self, **record: np.ndarray) -> None:
        """Keep a record after those before it."""
        self._progress.append(self.unit, record)

    def replace(self, **record: np.ndarray) -> None:
        """Keep a record in place of all before it."""
        self._progress.replace(self.unit, record)


SILENT = Progress()
