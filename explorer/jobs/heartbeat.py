"""A worker's heartbeat: a counter in the spool, and the jobs that it works at.

Whoever looks compares counters by a clock of its own: no two machines need agree on the time.
"""

import json
import os
import threading
import time
from collections.abc import Callable, Set
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from explorer.jobs.process import MARK_VARIABLE, ProcessName, end_with_descendants

BEAT_SECONDS = 1.0
MAX_BEATS_AFTER_JOB = (
    20  # beats that name a job which is over: its process hangs, and others wait behind it
)
BEAT_PATIENCE_SECONDS = (
    30.0  # seconds without a beat after which a worker of another machine is dead
)
BEATS_WITHOUT_JOB = (
    2  # further ones that do not name a job: the first may have been composed before the claim
)


@dataclass(frozen=True)
class Beat:
    """What a worker said last."""

    count: int
    jobs: frozenset[str]  # that it works at
    mark: str  # that its descendants inherited

    @classmethod
    def read(cls, path: Path) -> "Beat | None":
        """The beat in a file; None where there is none."""
        try:
            fields = json.loads(path.read_text())
            return cls(int(fields["beat"]), frozenset(fields["jobs"]), str(fields["mark"]))
        except (OSError, ValueError, KeyError, TypeError):
            return None


class Heartbeat:
    """A thread that writes the beats of this process; it ends a worker whose spool is gone."""

    def __init__(self, entry: Path, held_jobs: Set[str], is_there: Callable[[], bool]) -> None:
        """Prepare; the beats come within the context.

        Args:
            entry: the worker's file in the spool.
            held_jobs: ids of the jobs that it works at, as they change.
            is_there: whether the spool still lies where it was.
        """
        self._entry, self._held_jobs, self._is_there = entry, held_jobs, is_there
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

    def _run(self) -> None:
        while not self._ended.wait(BEAT_SECONDS):
            if self._is_there():
                self.beat()
            elif self._mark:  # a worker by itself, and nobody could get at what it computes
                end_with_descendants(ProcessName.of(os.getpid()), self._mark)

    def beat(self) -> None:
        """Write one beat, whole."""
        self._count += 1
        partial = self._entry.with_name(f".{self._entry.name}")
        content = {"beat": self._count, "jobs": sorted(self._held_jobs), "mark": self._mark}
        try:
            partial.write_text(json.dumps(content))
            partial.replace(self._entry)
        except OSError:  # a full disk: a beat is missed
            return


class HeartbeatMonitor:
    """What a supervisor has seen of the workers' heartbeats."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._moved: dict[ProcessName, tuple[int, float]] = {}  # the last beat, when first seen
        self._absent: dict[tuple[ProcessName, str], int] = {}  # first beat that lacks a held job
        self._over: dict[
            tuple[ProcessName, str], int
        ] = {}  # first beat that names one that is over

    def is_alive(self, worker: ProcessName, beat: Beat | None) -> bool:
        """Whether a worker is alive: here the system says so, elsewhere its beats."""
        if worker.is_here:
            return worker.alive
        count = beat.count if beat else -1
        last, since = self._moved.get(worker, (None, 0.0))
        if count != last:
            self._moved[worker] = count, self._clock()
            return True
        return self._clock() - since <= BEAT_PATIENCE_SECONDS

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
