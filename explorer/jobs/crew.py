"""The workers of a supervisor: called when jobs wait, and what the dead said last."""

import contextlib
import os
import signal
import subprocess
import sys
from pathlib import Path

from explorer.jobs.process import BEGINS, ProcessName
from explorer.jobs.spool import Spool

WORKER = [sys.executable, "-m", "explorer.jobs.worker"]
ROOT = Path(__file__).parents[2]
GONE_SECONDS = 2.0  # until a dead process has an exit status
STARTS_ALLOWED = 3  # in a row that fail before the worker has taken a job


class Crew:
    """Starts workers; each lives on when this process ends."""

    def __init__(self, spool: Spool) -> None:
        self._spool = spool
        self._log = spool.folder / "worker.log"
        self._child: subprocess.Popen | None = None  # the last one started
        self._took_a_job = False
        self._failed_starts = 0

    def call(self, device: str) -> str:
        """Have one living worker; why not, where too many starts in a row failed, else nothing."""
        if self._child is not None and self._child.poll():  # polled, or the dead stay zombies
            self._failed_starts = 0 if self._took_a_job else self._failed_starts + 1
        if self._spool.workers():
            return ""
        failed, self._child = self._child, None
        if failed is not None and self._failed_starts >= STARTS_ALLOWED:
            self._failed_starts = 0
            return f"no worker could be started{self._end_of(failed)}"
        self._start(device)
        return ""

    def saw(self, worker: ProcessName) -> None:
        """Take note that this worker has taken a job."""
        self._took_a_job |= self._child is not None and self._child.pid == worker.pid

    def last_words(self, worker: ProcessName) -> str:
        """How a dead worker ended, as far as it is known."""
        child = self._child
        if child is not None and child.pid == worker.pid:
            with contextlib.suppress(subprocess.TimeoutExpired):
                child.wait(GONE_SECONDS)  # its threads may end after it looks dead
            return self._end_of(child)
        return f"; it last said: {_last_line(self._log)}"

    def _start(self, device: str) -> None:
        with self._log.open("a") as output:
            self._child = subprocess.Popen(
                [*WORKER, str(self._spool.folder.resolve()), "--device", device],
                cwd=ROOT,
                env={**os.environ, "OMP_WAIT_POLICY": "PASSIVE"},  # or idle threads starve the app
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,  # it survives the app
            )
        self._took_a_job = False
        self._spool.enrol(ProcessName.of(self._child.pid))  # before it has loaded torch

    def _end_of(self, child: subprocess.Popen) -> str:
        how = f" ({_how(child.returncode)})" if child.returncode else ""
        return f"{how}; it last said: {_last_line(self._log)}"


def _how(status: int) -> str:
    """An exit status in words."""
    with contextlib.suppress(ValueError):
        name = signal.Signals(-status).name
        often = {"SIGKILL": ", often for lack of memory", "SIGSEGV": ", a fault in compiled code"}
        return f"exit status {status}: {name}{often.get(name, '')}"
    return f"exit status {status}"


def _last_line(path: Path) -> str:
    """What stands last in a log, of the job that was begun last."""
    with contextlib.suppress(OSError):
        lines = path.read_text(errors="replace").strip().splitlines()
        if lines and not lines[-1].startswith(BEGINS):
            return lines[-1][:300]
    return "nothing"
