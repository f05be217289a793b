"""How the worker tells where it is within a unit, and what it keeps of it: pieces without rows."""

import contextlib
import hashlib
import logging
import shutil
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
import safetensors
from safetensors.numpy import load_file

from explorer.jobs.job_folder import JobFolder
from explorer.kinds.piece import Piece, PieceState
from explorer.kinds.progress import JobCancelled, JobHandedBack, Progress, Record

KEEP_SECONDS = 1.0  # between two parts of state: so much work and the step in hand may be lost
REPORT_SECONDS = 0.5  # between two words on where the work is
CHECK_SECONDS = 0.1  # between two looks whether somebody has asked to stop
LEAST_FREE = 4  # sizes of a part that must be free on the disk: state is for convenience alone
log = logging.getLogger(__name__)


class JobProgress(Progress):
    """The progress of the answer that a job is about."""

    def __init__(
        self,
        job: JobFolder,
        states: Mapping[str, Sequence[Path]],
        put: Callable[[Piece], None],
        keep_seconds: float = KEEP_SECONDS,
        leave: Callable[[], None] = lambda: None,
    ) -> None:
        """Begin.

        Args:
            job: whose folder is told.
            states: files of what is kept of units, in parts, by unit.
            put: puts a piece into the job's folder.
            keep_seconds: between two parts.
            leave: raises `JobHandedBack` where the worker is to leave.
        """
        self._job, self._states, self._put, self._leave = job, states, put, leave
        self._keep_seconds = keep_seconds
        self._unit, self._parts, self._keeps = -1, 0, True
        self._pending: list[Record] = []
        self._kept_at = self._reported_at = self._checked_at = time.monotonic()

    def check(self) -> None:
        """See `Progress.check`."""
        if time.monotonic() - self._checked_at < CHECK_SECONDS:
            return
        self._checked_at = time.monotonic()
        if self._job.is_cancelled:
            self._flush()
            raise JobCancelled
        try:
            self._leave()
        except JobHandedBack:
            self._flush()
            raise

    def report(self, words: str) -> None:
        """See `Progress.report`."""
        if time.monotonic() - self._reported_at >= REPORT_SECONDS:
            self._job.report("computing", within=words)
            self._reported_at = time.monotonic()
        self.check()

    def records(self, unit: int) -> Iterator[Record]:
        """See `Progress.records`; from a part that is damaged on, what was kept is left out."""
        self._begin(unit)
        for file in self._states.get(str(unit), ()):
            if (part := _part(file)) is None:
                log.warning("what was kept of unit %d is damaged; the rest begins anew", unit)
                return
            self._parts += 1
            for number in range(len(next(iter(part.values()), ()))):
                yield {name: rows[number] for name, rows in part.items()}

    def append(self, unit: int, record: Record) -> None:
        """See `Progress.append`."""
        self._begin(unit)
        self._pending.append(record)
        self._keep_in_time()

    def replace(self, unit: int, record: Record) -> None:
        """See `Progress.replace`."""
        self._begin(unit)
        self._parts, self._pending = 0, [record]
        self._keep_in_time()

    def _begin(self, unit: int) -> None:
        """Be at a unit: what was to be kept of another is not needed any more."""
        if unit != self._unit:
            self._unit, self._parts, self._keeps, self._pending = unit, 0, True, []
            self._kept_at = time.monotonic()

    def _keep_in_time(self) -> None:
        if time.monotonic() - self._kept_at >= self._keep_seconds:
            self._flush()

    def _flush(self) -> None:
        """Put what is to be kept into a piece; a disk too full for it ends that without a word."""
        if self._pending and self._keeps:
            names = self._pending[0].keys()
            arrays = {name: np.stack([record[name] for record in self._pending]) for name in names}
            self._keeps = self._put_part(arrays)
            self._parts += 1
        self._pending, self._kept_at = [], time.monotonic()

    def _put_part(self, arrays: Mapping[str, np.ndarray]) -> bool:
        """Whether a part was put."""
        size = sum(array.nbytes for array in arrays.values())
        with contextlib.suppress(OSError):
            if shutil.disk_usage(self._job.path).free > LEAST_FREE * size:
                self._put(Piece({}, state=PieceState(self._unit, self._parts, arrays)))
                return True
        return False


def _part(file: Path) -> dict[str, np.ndarray] | None:
    """The arrays of a part, as they were kept; None where the file is not what its name says."""
    try:
        with file.open("rb") as stream:
            intact = hashlib.file_digest(stream, "sha256").hexdigest() == file.stem
        return load_file(file) if intact else None
    except (OSError, safetensors.SafetensorError):
        return None
