"""A lock that a process holds as long as it lives: the kernel drops it when the process ends.

A record lock (man 2 fcntl): a forked child does not inherit it, a process in another table of
processes (a container) sees it, and the kernel says who holds it. Closing any descriptor of the
file drops it too, so that its holder opens the file once and never asks about itself.
"""

import fcntl
import os
import stat
import struct
import sys
from pathlib import Path

_IS_LINUX = sys.platform.startswith("linux")
_LAYOUT = (
    "hhqqi4x" if _IS_LINUX else "qqihh"
)  # struct flock; the others are BSDs, macOS one of them


class LifeLock:
    """The lock of this process on one file."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._descriptor: int | None = None

    def hold(self) -> bool:
        """Whether it is held from now on; taken anew where somebody has removed its file.

        Not where the file system has no locks.
        """
        if self._descriptor is not None and self._is_in_place(self._descriptor):
            return True
        self.release()
        flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
        try:
            self._descriptor = os.open(self._path, flags, 0o600)
            fcntl.lockf(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            self.release()
            return False
        return True

    def release(self) -> None:
        """Hold it no longer."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None

    def _is_in_place(self, descriptor: int) -> bool:
        try:
            return os.path.samestat(os.fstat(descriptor), os.lstat(self._path))
        except OSError:
            return False


def holder_of(path: Path) -> int | None:
    """The id of the process that holds a lock; 0 for one of another table, None for nobody.

    Raises:
        OSError: nobody can tell.
    """
    try:
        status = os.lstat(path)
        # not another file by another name: closing it here would drop the locks of this process
        if not stat.S_ISREG(status.st_mode) or status.st_nlink != 1:
            return None
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except FileNotFoundError:
        return None
    try:
        answer = fcntl.fcntl(descriptor, fcntl.F_GETLK, _exclusive_lock())
    finally:
        os.close(descriptor)
    fields = struct.unpack(_LAYOUT, answer)
    type, pid = (fields[0], fields[4]) if _IS_LINUX else (fields[3], fields[2])
    return None if type == fcntl.F_UNLCK else max(pid, 0)


def _exclusive_lock() -> bytes:
    """A lock of the whole file, as the system call takes it."""
    start, length, whence, nobody = 0, 0, os.SEEK_SET, 0  # no length is up to the end
    if _IS_LINUX:
        return struct.pack(_LAYOUT, fcntl.F_WRLCK, whence, start, length, nobody)
    return struct.pack(_LAYOUT, start, length, nobody, fcntl.F_WRLCK, whence)
