"""A worker's heartbeat: a counter in the spool, the jobs that it works at, and a lock beside it.

Whoever looks compares counters by a clock of its own: no two machines need agree on the time. The
lock tells a death on the same machine at once, see `life_lock`.
"""

import json
import os
import stat
import threading
import time
from collections.abc import Callable, Set
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from explorer.codec import from_json, to_json
from explorer.contracts.devices import NOWHERE, Place
from explorer.jobs.life_lock import LifeLock, holder_of
from explorer.jobs.process import (
    MARK_VARIABLE,
    ProcessName,
    end_with_descendants,
    memory_with_children,
)

BEAT_SECONDS = 1.0
SILENT_SECONDS = 5.0  # without a beat after which others no longer wait behind a worker
MAX_BEATS_AFTER_JOB = (
    20  # beats that name a job which is over: its process hangs, and others wait behind it
)
BEAT_PATIENCE_SECONDS = (
    30.0  # seconds without a beat after which a worker of another machine is dead
)
BEATS_WITHOUT_JOB = (
    2  # further ones that do not name a job: the first may have been composed before the claim
)
MAX_BEAT_BYTES = 1 << 16  # of a beat that is read: more is none of ours
BEATS_PER_MEMORY = 5  # the memory of a worker is looked at in one of so many
LOCK_SUFFIX = ".lock"


@dataclass(frozen=True)
class Beat:
    """What a worker said last; count 0 is what was said of it before it began."""

    count: int
    jobs: frozenset[str] = frozenset()  # that it works at
    mark: str = ""  # that its descendants inherited
    is_locked: bool = False  # whether it holds a lock as long as it lives
    place: Place = NOWHERE
    memory: int = 0  # bytes of the machine's that it and its processes hold

    @classmethod
    def read(cls, path: Path) -> "Beat | None":
        """The beat in a file; None where there is none, or anything that no worker has written."""
        try:
            with os.fdopen(os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)) as file:
                if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                    return None
                fields = json.loads(file.read(MAX_BEAT_BYTES))
            beat = cls(
                fields["beat"],
                frozenset(fields["jobs"]),
                fields["mark"],
                fields["lock"],
                from_json(Place, fields.get("place", {})),  # an earlier version says no more
                fields.get("memory", 0),
            )
        except (OSError, ValueError, LookupError, TypeError, AttributeError, RecursionError):
            return None
        return beat if beat._is_well_formed else None

    @property
    def _is_well_formed(self) -> bool:
        return (
            type(self.count) is int
            and isinstance(self.mark, str)
            and isinstance(self.is_locked, bool)
            and type(self.memory) is int
            and all(isinstance(job, str) for job in self.jobs)
        )

    def write(self, path: Path) -> None:
        """Write it whole; on a full disk it is left out."""
        partial = partial_of(path)
        fields = {"beat": self.count, "jobs": sorted(self.jobs), "mark": self.mark}
        fields |= {"lock": self.is_locked, "place": to_json(self.place), "memory": self.memory}
        try:
            partial.write_text(json.dumps(fields))
            partial.replace(path)
        except OSError:
            return


@dataclass(frozen=True)
class LifeSign:
    """What can be seen of a worker at one look."""

    beat: Beat | None
    holder: int | None  # of its lock: an id, 0 in another table of processes, None for nobody

    @classmethod
    def of(cls, worker: ProcessName, entry: Path) -> "LifeSign":
        """What is to be seen in the spool of a worker.

        Args:
            worker: that is listed there.
            entry: the file that lists it.
        """
        beat = Beat.read(entry)
        if worker.is_this_process:  # which must not open its own lock
            return cls(beat, worker.pid)
        try:
            return cls(beat, holder_of(lock_of(entry)))
        except OSError:  # only its beats can tell
            return cls(Beat(-1) if beat is None else beat, None)

    def tells_death(self, worker: ProcessName) -> bool:
        """Whether the worker has certainly ended: on this machine, where its lock would be held."""
        lost_its_lock = self.beat is None or (self.beat.count > 0 and self.beat.is_locked)
        return worker.shares_kernel and self.holder is None and lost_its_lock


def lock_of(entry: Path) -> Path:
    """The lock beside a worker's heartbeat."""
    return entry.with_name(f"{entry.name}{LOCK_SUFFIX}")


def partial_of(entry: Path) -> Path:
    """The file that a beat is written to before it takes its place."""
    return entry.with_name(f".{entry.name}")


class Heartbeat:
    """A thread that writes the beats of this process; it ends a worker whose spool is gone."""

    def __init__(
        self,
        entry: Path,
        held_jobs: Set[str],
        is_there: Callable[[], bool],
        place: Place = NOWHERE,
    ) -> None:
        """Prepare; the beats come within the context.

        Args:
            entry: the worker's file in the spool.
            held_jobs: ids of the jobs that it works at, as they change.
            is_there: whether the spool still lies where it was.
            place: where it computes.
        """
        self._entry, self._held_jobs, self._is_there = entry, held_jobs, is_there
        self._place, self._memory = place, 0
        self._lock = LifeLock(lock_of(entry))
        self._mark = os.environ.get(MARK_VARIABLE, "")
        self._count = 0
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, name="heartbeat", daemon=True)

    def __enter__(self) -> Self:
        self.beat()
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join()
        self._lock.release()

    def _run(self) -> None:
        while not self._ended.wait(BEAT_SECONDS):
            if self._is_there():
                self.beat()
            elif self._mark:  # a worker by itself, and nobody could get at what it computes
                end_with_descendants(ProcessName.of(os.getpid()), self._mark)

    def beat(self) -> None:
        """Write one beat."""
        self._count += 1
        is_locked = self._lock.hold()  # first: who says that it holds a lock must hold it
        if self._count % BEATS_PER_MEMORY == 1 and self._place.device:
            self._memory = memory_with_children(os.getpid())
        jobs = frozenset(self._held_jobs)
        beat = Beat(self._count, jobs, self._mark, is_locked, self._place, self._memory)
        beat.write(self._entry)


class HeartbeatMonitor:
    """What a supervisor has seen of the workers' heartbeats."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._moved: dict[ProcessName, tuple[int, float]] = {}  # the last beat, when first seen
        self._absent: dict[tuple[ProcessName, str], int] = {}  # first beat that lacks a held job
        self._over: dict[
            tuple[ProcessName, str], int
        ] = {}  # first beat that names one that is over

    def is_alive(self, worker: ProcessName, sign: LifeSign) -> bool:
        """Whether a worker is alive: while its lock is held, else while its beats move."""
        silence = self._silence(worker, sign.beat)
        if sign.tells_death(worker):
            return False
        return sign.holder is not None or silence <= BEAT_PATIENCE_SECONDS

    def is_silent(self, worker: ProcessName, sign: LifeSign) -> bool:
        """Whether a worker that has begun gives no beats any more, as one that was stopped."""
        has_begun = sign.beat is not None and sign.beat.count > 0
        return self._silence(worker, sign.beat) > SILENT_SECONDS and has_begun

    def _silence(self, worker: ProcessName, beat: Beat | None) -> float:
        """Seconds since a beat was first seen, by the clock of who looks."""
        count = beat.count if beat else -1
        last, since = self._moved.get(worker, (None, 0.0))
        if count == last:
            return self._clock() - since
        self._moved[worker] = count, self._clock()
        return 0.0

    def holds_job(self, worker: ProcessName, beat: Beat | None, job_id: str) -> bool:
        """Whether a living worker still works at a job that it has claimed, as far as it says."""
        worker_job = worker, job_id
        if beat is None or job_id in beat.jobs:
            self._absent.pop(worker_job, None)
            return True
        return beat.count < self._absent.setdefault(worker_job, beat.count) + BEATS_WITHOUT_JOB

    def stays_at_ended_job(self, worker: ProcessName, beat: Beat | None, present: Set[str]) -> bool:
        """Whether a worker stays at a job that is no longer in the spool, as far as it says."""
        over = beat.jobs - present if beat else frozenset()
        self._over = {
            worker_job: n
            for worker_job, n in self._over.items()
            if worker_job[0] != worker or worker_job[1] in over
        }
        if beat is None:
            return False
        since = [self._over.setdefault((worker, job), beat.count) for job in over]
        return any(beat.count >= first + MAX_BEATS_AFTER_JOB for first in since)

    def forget(self, worker: ProcessName) -> None:
        """A worker is gone."""
        self._moved.pop(worker, None)
        self._absent = {
            worker_job: n for worker_job, n in self._absent.items() if worker_job[0] != worker
        }
        self._over = {
            worker_job: n for worker_job, n in self._over.items() if worker_job[0] != worker
        }
