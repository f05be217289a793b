"""Pairs of processes of which each can have the other do a job, and how such a process ends."""

import contextlib
import ctypes
import multiprocessing
import os
import signal
import sys
import threading
import time
import traceback
from collections.abc import Callable
from multiprocessing.connection import Connection
from pathlib import Path

from explorer.jobs.job_folder import JobFolder
from explorer.jobs.process import end_strays
from explorer.jobs.shares import folder_at

LOOK_SECONDS = 0.5  # until a process that says nothing is looked at
DISMISS_SECONDS = 0.02  # between two looks at a process that should end by itself
DISMISS_LOOKS = 50
MAX_MESSAGE_BYTES = 1 << 16  # a path; more is not ours but of who wrote in between
_ENDED = b""
# elsewhere system libraries do not survive it: spawned
_CAN_FORK = sys.platform.startswith("linux")
_PR_SET_PDEATHSIG = 1  # man 2 prctl

RunJob = Callable[[JobFolder], None]


class Partner:
    """The other end of a pair of processes, of which each can have the other do a job."""

    def __init__(self, connection: Connection, pid: int = 0) -> None:
        """Take an end.

        Args:
            connection: to the other.
            pid: of the other where it is a child of this process.
        """
        self.connection, self.pid = connection, pid

    def do(self, job: JobFolder, run: RunJob) -> None:
        """Have the other do a job; meanwhile do what it asks for."""
        self.connection.send_bytes(os.fsencode(job.path))
        self._serve(run)

    def serve(self, run: RunJob) -> None:
        """Do what the other asks for until it leaves."""
        with contextlib.suppress(EOFError, ConnectionError):
            while True:
                self._serve(run)

    def _serve(self, run: RunJob) -> None:
        while job_path := self.receive():
            run(folder_at(Path(os.fsdecode(job_path))))
            self.connection.send_bytes(_ENDED)

    def receive(self) -> bytes:
        """What the other says next; where it has died, this process dies in the same way."""
        while self.pid and not self.connection.poll(LOOK_SECONDS):
            self._follow_if_dead()  # a process that it left may hold its end open
        try:
            return self.connection.recv_bytes(MAX_MESSAGE_BYTES)
        except (EOFError, ConnectionError):
            self._follow_if_dead(wait=True)
            raise

    def _follow_if_dead(self, wait: bool = False) -> None:
        """End as the other has ended: whoever watches this process learns of it."""
        if self.pid:
            pid, status = os.waitpid(self.pid, 0 if wait else os.WNOHANG)
            if pid:
                end_strays()  # with this process their last ancestor ends
                _end_like(status)

    @property
    def is_gone(self) -> bool:
        """Whether the child has died while it had nothing in hand."""
        try:
            return os.waitpid(self.pid, os.WNOHANG)[0] != 0
        except ChildProcessError:
            return True

    def dismiss(self) -> None:
        """Let the child go; it ends by itself."""
        self.connection.close()
        for _ in range(DISMISS_LOOKS):  # it has nothing in hand
            if self.is_gone:
                return
            time.sleep(DISMISS_SECONDS)
        os.kill(self.pid, signal.SIGKILL)
        os.waitpid(self.pid, 0)


def start_partner(serve: Callable[[Partner], None], others: list[Connection]) -> Partner:
    """A new process that serves its partner, which is this one, and ends with it.

    Args:
        serve: what it does; it must be picklable where processes cannot be forked.
        others: connections of this process that are not for it.
    """
    ours, theirs = multiprocessing.Pipe()
    parent = os.getpid()
    if not _CAN_FORK:
        spawned = multiprocessing.get_context("spawn").Process(
            target=_serve_spawned, args=(serve, theirs, parent)
        )
        spawned.start()
        theirs.close()
        return Partner(ours, spawned.pid or 0)
    sys.stdout.flush()
    sys.stderr.flush()
    pid = os.fork()
    if pid:
        theirs.close()
        return Partner(ours, pid)
    status = 1
    try:
        _die_with(parent)
        for connection in (ours, *others):
            connection.close()
        serve(Partner(theirs))
        status = 0
    except SystemExit as error:
        status = error.code if isinstance(error.code, int) else 1
    except BaseException:
        traceback.print_exc()
    finally:
        _exit_process(status)
    raise AssertionError  # pragma: no cover (no process gets here)


def _serve_spawned(serve: Callable[[Partner], None], connection: Connection, parent: int) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    end_with(parent)
    serve(Partner(connection))
    _exit_process(0)


def end_with(parent: int) -> None:
    """Have this process end as soon as its parent does, however that ends."""
    if _CAN_FORK:
        _die_with(parent)
    else:
        threading.Thread(target=_exit_with_parent, args=(parent,), daemon=True).start()


def _exit_with_parent(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(LOOK_SECONDS)
    os._exit(1)


def _die_with(parent: int) -> None:
    """Have the system kill this process once its parent is dead."""
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        os._exit(1)  # it died before that


def _exit_process(status: int) -> None:
    """End this process without going on in what was its parent's code."""
    with contextlib.suppress(Exception):
        for process in multiprocessing.active_children():
            process.terminate()
        sys.stdout.flush()
        sys.stderr.flush()
    os._exit(status)


def _end_like(status: int) -> None:
    """End this process as another has ended, by its status from `wait`."""
    sys.stdout.flush()
    if os.WIFSIGNALED(status):
        number = os.WTERMSIG(status)
        if number != signal.SIGKILL:
            signal.signal(number, signal.SIG_DFL)
        os.kill(os.getpid(), number)
    os._exit(os.waitstatus_to_exitcode(status) & 0xFF)
