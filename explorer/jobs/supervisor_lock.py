"""The lock of the one process that brings the jobs of a spool to their end."""

import os
from pathlib import Path

from filelock import FileLock, Timeout

LOCK = "supervisor.lock"


def supervisor_lock(folder: Path) -> FileLock:
    """The lock of the spool in that folder, not held yet; `acquire` raises `Timeout` at once.

    The death of the process that holds it frees it. It may be taken in one thread and let go in
    another.
    """
    return FileLock(folder / LOCK, blocking=False, thread_local=False, mode=0o600)


def remove_impostor(folder: Path) -> None:
    """Remove what lies in the lock's place and is no plain file: a link leads elsewhere."""
    lock = folder / LOCK
    if lock.is_symlink() or (lock.exists() and not lock.is_file()):
        lock.unlink()


def is_supervised(folder: Path) -> bool:
    """Whether a process brings the jobs of the spool in that folder to their end.

    Where this user may not write there is none of theirs. A lock that cannot be told is held.
    """
    if not os.path.lexists(folder / LOCK) or not os.access(folder, os.W_OK):
        return False
    try:
        with supervisor_lock(folder):
            return False
    except (OSError, Timeout):
        return True
