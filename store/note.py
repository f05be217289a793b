"""A note in a shared folder: a few words in a small file of our own.

Whoever prepares a catalog's folder can put anything under its name. So no link is followed, nothing
but a plain file of one name is written or read, and nobody waits for a pipe's other end.
"""

import os
import stat
from pathlib import Path

MAX_NOTE_BYTES = 64  # bytes of a note that are read
_SAFE_FLAGS = os.O_NOFOLLOW | os.O_NONBLOCK


def write_note(path: Path, text: str) -> None:
    """Write the note in place of an earlier one.

    Raises:
        OSError: it cannot be written, or something else lies there.
    """
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | _SAFE_FLAGS, 0o600)
    try:
        _check(handle, path)
        os.ftruncate(handle, 0)
        os.write(handle, text.encode())
    finally:
        os.close(handle)


def read_note(path: Path) -> str:
    """What the note says.

    Raises:
        OSError: there is none, or something else lies there.
    """
    handle = os.open(path, os.O_RDONLY | _SAFE_FLAGS)
    try:
        _check(handle, path)
        return os.read(handle, MAX_NOTE_BYTES).decode(errors="replace")
    finally:
        os.close(handle)


def _check(handle: int, path: Path) -> None:
    status = os.fstat(handle)
    if not stat.S_ISREG(status.st_mode) or status.st_nlink > 1:
        raise OSError(f"{path} is no file of its own")
