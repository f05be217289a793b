"""A process named so that it can be told from a later one with the same id."""

from dataclasses import dataclass

import psutil


@dataclass(frozen=True)
class ProcessName:
    """A process by id and start time."""

    pid: int
    started: int  # milliseconds since the epoch

    @classmethod
    def of(cls, pid: int) -> "ProcessName":
        """The running process with that id.

        Raises:
            psutil.NoSuchProcess: there is none.
        """
        return cls(pid, round(psutil.Process(pid).create_time() * 1000))

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
            process = psutil.Process(self.pid)
            same = abs(process.create_time() * 1000 - self.started) < 2000
            return same and process.status() != psutil.STATUS_ZOMBIE
        except psutil.Error:
            return False
