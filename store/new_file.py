"""A file or folder that the user asked for: whole or not at all, never in place of another."""

import contextlib
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

_OPEN_FILES = Path("/proc/self/fd")  # Linux


def check_target(target: Path) -> None:
    """Refuse the name of a file that could not be written there; before the work that it needs.

    Raises:
        FileExistsError: the name is taken.
        FileNotFoundError: there is no such folder.
    """
    if os.path.lexists(target):
        raise FileExistsError(f"{target} exists already; choose another name or move it away")
    if not target.parent.is_dir():
        raise FileNotFoundError(f"there is no folder {target.parent}; make it or choose another")


def write_new(target: Path, content: bytes) -> None:
    """Write a file under a name that is free; whatever happens, no cut file lies there.

    Raises:
        FileExistsError: the name is taken.
        OSError: there is no such folder, no space, or no right to write; nothing is left behind.
    """
    check_target(target)
    try:
        if not _write_nameless(target, content):
            _write_aside(target, content)
    except FileExistsError:
        raise
    except OSError as error:  # which names another file, or none
        raise OSError(error.errno, error.strerror, str(target)) from error


@contextlib.contextmanager
def new_folder(folder: Path) -> Iterator[Path]:
    """A folder that was not there; it is gone again where what is done with it fails.

    Raises:
        FileExistsError: something of that name is there.
        FileNotFoundError: there is no folder for it to lie in.
        OSError: it cannot be made.
    """
    check_target(folder)
    folder.mkdir(mode=0o700)
    try:
        yield folder
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise


def name_anew(temporary: Path, target: Path) -> None:
    """Give a finished file its name, unless that is taken.

    Raises:
        FileExistsError: the name is taken.
    """
    try:
        os.link(temporary, target)
    except FileExistsError:
        raise
    except OSError:  # a file system without links
        os.close(os.open(target, os.O_CREAT | os.O_EXCL | os.O_WRONLY))
        temporary.replace(target)
        return
    temporary.unlink()


def _write_nameless(target: Path, content: bytes) -> bool:
    """Write to a file without a name, which a kill leaves nothing of; False where none can be."""
    try:
        handle = os.open(target.parent, os.O_TMPFILE | os.O_WRONLY, 0o666)
    except (AttributeError, OSError):  # not Linux, or another file system
        return False
    with os.fdopen(handle, "wb") as file:
        _write(file.fileno(), content)
        try:
            os.link(_OPEN_FILES / str(file.fileno()), target, follow_symlinks=True)
        except FileExistsError:
            raise
        except OSError:
            return False
    return True


def _write_aside(target: Path, content: bytes) -> None:
    handle, name = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}.", suffix=".partial")
    try:
        with os.fdopen(handle, "wb") as file:
            _write(file.fileno(), content)
        name_anew(Path(name), target)
    finally:
        Path(name).unlink(missing_ok=True)


def _write(handle: int, content: bytes) -> None:
    rest = memoryview(content)
    while rest:
        rest = rest[os.write(handle, rest) :]
    os.fsync(handle)
