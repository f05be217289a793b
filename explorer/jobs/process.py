"""A process named so that it can be told from a later one with the same id."""

import sys
from dataclasses import dataclass
from pathlib import Path

import psutil

BEGINS = "begins job"  # what a worker says in its log before the id of a job


@dataclass(frozen=True)
class ProcessName:
    """A process by id and start time."""

    pid: int
    started: int  # ticks since the machine's start on Linux, else milliseconds since the epoch

    @classmethod
    def of(cls, pid: int) -> "ProcessName":
        """The running process with that id.

        Raises:
            psutil.NoSuchProcess: there is none.
        """
        return cls(pid, _start(pid))

    @classmethod
    def parse(cls, text: str) -> "ProcessName":
        """From the text form `pid.started`."""
        pid, started = text.split(".")
        return cls(int(pid), int(started))

    def __str__(self) -> str:
        return f"{self.pid}.{self.started}"

    @property
    def alive(self) -> bool:
        """Whether this very process still runs (a zombie does not)."""
        try:
            zombie = psutil.Process(self.pid).status() == psutil.STATUS_ZOMBIE
            return _start(self.pid) == self.started and not zombie
        except psutil.Error:
            return False


def _start(pid: int) -> int:
    """When a process started, on a clock that setting the time does not move where there is one.

    psutil adds the machine's start, which two processes read differently once the clock was set.

    Raises:
        psutil.NoSuchProcess: there is none.
    """
    if not sys.platform.startswith("linux"):
        return round(psutil.Process(pid).create_time() * 1000)
    try:
        line = Path(f"/proc/{pid}/stat").read_text()
    except OSError as error:
        raise psutil.NoSuchProcess(pid) from error
    return int(line.rpartition(")")[2].split()[19])  # field 22: man 5 proc
