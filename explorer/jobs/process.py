"""A process named so that it can be told from a later one with the same id, and its descendants."""

import contextlib
import ctypes
import os
import platform
import re
import signal
import sys
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path

import psutil

JOB_START_WORDS = "begins job"  # what a worker says in its log before the id of a job
MARK_VARIABLE = "EXPLORER_WORKER"  # environment variable that a worker's descendants inherit
STRAY_LOOKS = 20  # at what a process has left: more generations are not followed
_CAN_ADOPT = sys.platform.startswith("linux")  # elsewhere their first process gets all orphans
_PR_SET_CHILD_SUBREAPER = 36  # man 2 prctl


@lru_cache(maxsize=1)
def this_host() -> str:
    """This machine's name, of letters, digits and hyphens."""
    return re.sub(r"[^A-Za-z0-9-]", "-", platform.node())[:64] or "unknown"


@lru_cache(maxsize=1)
def this_kernel() -> str:
    """What tells the running system from those of other machines and from itself before a restart.

    The containers of a machine share it, whatever host names they go by.
    """
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text().strip().replace("-", "")[:16]
    except OSError:
        return this_host()


@lru_cache(maxsize=1)
def this_table() -> str:
    """What tells the table of processes in which an id means something from a container's."""
    try:
        return f"{Path('/proc/self/ns/pid').stat().st_ino:x}"
    except OSError:
        return "0"


@dataclass(frozen=True)
class ProcessName:
    """A process by id and start time in a table of processes of a running system of a host.

    Two containers may have one host name and give one id at one time: their tables differ. Two
    machines may have one host name, and a machine starts anew: their kernels differ.
    """

    pid: int
    started: int  # ticks since the machine's start on Linux, else milliseconds since the epoch
    host: str = field(default_factory=this_host)
    kernel: str = field(default_factory=this_kernel)
    table: str = field(default_factory=this_table)

    @classmethod
    def of(cls, pid: int) -> "ProcessName":
        """The running process with that id.

        Raises:
            psutil.NoSuchProcess: there is none.
        """
        return cls(pid, _start_time(pid))

    @classmethod
    def parse(cls, text: str) -> "ProcessName":
        """From the text form `pid.started.kernel.table.host`.

        Raises:
            ValueError: it is no such text.
        """
        pid, started, kernel, table, host = text.split(".")
        return cls(int(pid), int(started), host, kernel, table)

    def __str__(self) -> str:
        return f"{self.pid}.{self.started}.{self.kernel}.{self.table}.{self.host}"

    @property
    def is_this_process(self) -> bool:
        """Whether it is the one that asks."""
        return self.pid == os.getpid() and self == ProcessName.of(self.pid)

    @property
    def shares_kernel(self) -> bool:
        """Whether it runs on this machine, whose kernel drops its locks when it ends."""
        return self.kernel == this_kernel()

    @property
    def is_here(self) -> bool:
        """Whether its id means the same here, so that it can be sent a signal."""
        return self.shares_kernel and self.table == this_table()

    @property
    def alive(self) -> bool:
        """Whether this very process is here to be sent a signal (a zombie is not).

        Not for telling who is at work: that is what heartbeats are for.
        """
        return self.is_here and self._status not in ("", psutil.STATUS_ZOMBIE, psutil.STATUS_DEAD)

    @property
    def _status(self) -> str:
        """The system's word for its state; empty where it is gone."""
        try:
            status = psutil.Process(self.pid).status()
            return status if _start_time(self.pid) == self.started else ""
        except psutil.Error:
            return ""


def end_with_descendants(worker: ProcessName, mark: str) -> None:
    """Kill a worker of this machine and all that it has started; a worker may end itself so."""
    own = worker == ProcessName.of(os.getpid())
    if worker.alive:
        children = _children(worker.pid)  # some may have cleared their environment
        for pid in children if own else [worker.pid, *children]:
            _kill(pid)
    end_marked(mark)
    if own:
        os.kill(worker.pid, signal.SIGKILL)


def end_marked(mark: str) -> None:
    """Kill every process, other than this one, that has inherited a worker's mark.

    So are found also those that left the worker's group or session, and those that outlived it.
    """
    for _ in range(3 if mark else 0):  # one that is just being forked is met by the next look
        if not sum(_kill(pid) for pid in _marked_processes(mark)):
            return


def adopt_orphans() -> None:
    """From now on have this process as parent of its descendants whose parents have ended.

    So it still has what left its session and cleared its environment.
    """
    if _CAN_ADOPT:
        ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1)


def end_strays(kept_pids: Collection[int] = ()) -> None:
    """Kill all descendants of this process but for these children and what is below them."""
    for _ in range(STRAY_LOOKS if _CAN_ADOPT else 0):  # orphans become children: look again
        strays = [pid for pid in _children(os.getpid(), recursive=False) if pid not in kept_pids]
        for pid in strays:
            for below in (pid, *_children(pid)):
                _kill(below)
            with contextlib.suppress(ChildProcessError):
                os.waitpid(pid, 0)
        if not strays:
            return


def memory_with_children(pid: int) -> int:
    """Bytes of memory that a process and its descendants hold; what they share is counted once."""
    total = 0
    for member in (pid, *_children(pid)):
        with contextlib.suppress(psutil.Error):
            used = psutil.Process(member).memory_info()
            total += used.rss - (getattr(used, "shared", 0) if member != pid else 0)
    return total


def _children(pid: int, recursive: bool = True) -> list[int]:
    """The descendants of a process that still have it as an ancestor."""
    try:
        return [child.pid for child in psutil.Process(pid).children(recursive=recursive)]
    except psutil.Error:
        return []


def _marked_processes(mark: str) -> Iterator[int]:
    """Processes that have the mark in their environment, but for this one."""
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error, OSError):
            marked = process.environ().get(MARK_VARIABLE) == mark
            if marked and process.pid != os.getpid() and process.status() != psutil.STATUS_ZOMBIE:
                yield process.pid


def _kill(pid: int) -> bool:
    """Whether there was such a process of ours."""
    try:
        psutil.Process(pid).kill()
    except psutil.Error:
        return False
    return True


def _start_time(pid: int) -> int:
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
