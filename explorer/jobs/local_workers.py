"""The workers of a supervisor: called when jobs wait, and what the dead said last."""

import contextlib
import os
import signal
import subprocess
import sys
import uuid
from collections.abc import Mapping, Set
from pathlib import Path
from typing import IO, Protocol

from explorer.jobs import bounded_log
from explorer.jobs.heartbeat import HeartbeatMonitor
from explorer.jobs.process import (
    JOB_START_WORDS,
    MARK_VARIABLE,
    ProcessName,
    end_marked,
    end_with_descendants,
)
from explorer.jobs.spool import Spool

WORKER_COMMAND = [sys.executable, "-m", "explorer.jobs.worker"]
LOG_COMMAND = [sys.executable, "-I", "-S", bounded_log.__file__]
ROOT = Path(__file__).parents[2]
GONE_SECONDS = 2.0  # until a dead process has an exit status
TAIL_BYTES = 1 << 16  # bytes of a log in which the last line is looked for
STARTS_ALLOWED = 3  # in a row that fail before the worker has taken a job


class Child(Protocol):
    """A worker that was started from here: an exit status, once there is one."""

    pid: int
    returncode: int | None

    def poll(self) -> int | None:
        """The exit status; None while it runs."""

    def wait(self, timeout: float | None = None) -> int:
        """The exit status, once it has ended."""


def start_worker(arguments: list[str], environment: Mapping[str, str], output: IO[bytes]) -> Child:
    """A worker with these arguments, in a session of its own: it survives the app."""
    return subprocess.Popen(
        [*WORKER_COMMAND, *arguments],
        cwd=ROOT,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=output,
        stderr=subprocess.STDOUT,
        start_new_session=True,
    )


class LocalWorkers:
    """Starts workers; each lives on when this process ends."""

    def __init__(self, spool: Spool) -> None:
        self._spool = spool
        self._log = spool.folder / "worker.log"
        self._child: Child | None = None  # the last one started
        self._child_name: ProcessName | None = None
        self._logger: subprocess.Popen[bytes] | None = None  # keeps what it says
        self._monitor = HeartbeatMonitor()
        self._took_a_job = False
        self._failed_starts = 0

    def ensure_worker(self, device: str) -> str:
        """Have one worker that runs; why not, where too many starts in a row failed, else nothing.

        One that was stopped would let everything wait; it goes on beside the other if it may.
        """
        if self._child is not None and self._child.poll():  # polled, or the dead stay zombies
            self._failed_starts = 0 if self._took_a_job else self._failed_starts + 1
        if any(not self.is_silent(w) for w in self._spool.workers() if self.is_alive(w)):
            return ""
        if self._logger is not None:
            self._logger.poll()
        failed, self._child, self._child_name = self._child, None, None
        if failed is not None and self._failed_starts >= STARTS_ALLOWED:
            self._failed_starts = 0
            return f"no worker could be started{self._child_end_text(failed)}"
        self._start(device)
        return ""

    def note_job_taken(self, worker: ProcessName) -> None:
        """Take note that this worker has taken a job."""
        self._took_a_job |= worker == self._child_name

    def is_alive(self, worker: ProcessName) -> bool:
        """Whether a worker is alive: a child until it is waited for, another as the spool tells."""
        if worker == self._child_name and self._child is not None:
            return self._child.poll() is None
        return self._monitor.is_alive(worker, self._spool.life_sign(worker))

    def is_silent(self, worker: ProcessName) -> bool:
        """Whether a living worker gives no beats, as one that was stopped."""
        return self._monitor.is_silent(worker, self._spool.life_sign(worker))

    def works_at(self, worker: ProcessName, job_id: str) -> bool:
        """Whether the worker that has claimed a job is alive and has not left it."""
        beat = self._spool.beat(worker)
        return self.is_alive(worker) and self._monitor.holds_job(worker, beat, job_id)

    def end(self, worker: ProcessName) -> None:
        """Kill a worker with all that it has started, where it can be reached from here.

        A file names it, and anybody may have written that: so it is killed by its id only where it
        is a child or the kernel says that it holds the worker's lock.
        """
        sign = self._spool.life_sign(worker)
        mark = sign.beat.mark if sign.beat else ""
        if worker.is_here and (worker == self._child_name or sign.holder == worker.pid):
            end_with_descendants(worker, mark)
        elif worker.is_here:
            end_marked(mark)

    def remove_dead(self, present: Set[str] = frozenset()) -> None:
        """Strike off the dead, and end what they have started and left behind.

        One that hangs at a job which is over, as the process of its problem does, is ended.

        Args:
            present: ids of the jobs in the spool.
        """
        for worker in self._spool.enrolments():
            beat = self._spool.beat(worker)
            if not self.is_alive(worker):
                self.end(worker)
                self._spool.strike_off(worker)
                self._monitor.forget(worker)
            elif self._monitor.stays_at_ended_job(worker, beat, present) and beat and beat.mark:
                self.end(worker)

    def end_text(self, worker: ProcessName) -> str:
        """How a dead worker ended, as far as it is known."""
        child = self._child
        if child is not None and worker == self._child_name:
            with contextlib.suppress(subprocess.TimeoutExpired):
                child.wait(GONE_SECONDS)  # its threads may end after it looks dead
            return self._child_end_text(child)
        return f"; it last said: {_last_line(self._log)}"

    def _start(self, device: str) -> None:
        mark = uuid.uuid4().hex
        self._logger = subprocess.Popen(
            [*LOG_COMMAND, str(self._log.resolve())],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,  # it ends with the last that writes to it
        )
        if self._logger.stdin is None:
            raise AssertionError("a pipe was asked for")
        with self._logger.stdin as output:
            # PASSIVE: or idle threads starve the app
            environment = {**os.environ, "OMP_WAIT_POLICY": "PASSIVE", MARK_VARIABLE: mark}
            arguments = [str(self._spool.folder.resolve()), "--device", device]
            self._child = start_worker(arguments, environment, output)
        self._took_a_job = False
        self._child_name = ProcessName.of(self._child.pid)
        self._spool.enrol(self._child_name, mark)  # before it has loaded torch

    def _child_end_text(self, child: Child) -> str:
        if self._logger is not None:
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._logger.wait(GONE_SECONDS)  # what was said last is written by then
        how = f" ({_exit_text(child.returncode)})" if child.returncode else ""
        return f"{how}; it last said: {_last_line(self._log)}"


def _exit_text(status: int) -> str:
    """An exit status in words."""
    with contextlib.suppress(ValueError):
        name = signal.Signals(-status).name
        often = {"SIGKILL": ", often for lack of memory", "SIGSEGV": ", a fault in compiled code"}
        return f"exit status {status}: {name}{often.get(name, '')}"
    return f"exit status {status}"


def _last_line(path: Path) -> str:
    """What stands last in a log, of the job that was begun last."""
    with contextlib.suppress(OSError):
        with path.open("rb") as file:
            file.seek(max(0, path.stat().st_size - TAIL_BYTES))
            lines = file.read().decode(errors="replace").strip().splitlines()
        if lines and not lines[-1].startswith(JOB_START_WORDS):
            return lines[-1][:300]
    return "nothing"
