"""Where a database lies: what the folder allows, and the path by which DuckDB opens it."""

import contextlib
import os
from pathlib import Path

from store.arrays import Files
from store.errors import CatalogLost, NotACatalog

LOG_SUFFIX = ".wal"  # DuckDB's log, beside the database


def is_read_only(database: Path) -> bool:
    """Whether the database is there and can only be read: an archive, or somebody else's."""
    if not database.exists():
        return False
    return not (os.access(database, os.W_OK) and os.access(database.parent, os.W_OK))


def make_folder(folder: Path) -> None:
    """Make a folder that only its owner can enter; one that is there stays as it is.

    Raises:
        OSError: it cannot be made.
    """
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)


def refuse_a_lost_database(database: Path) -> None:
    """Let a new database be made only where nothing says that there was one.

    Raises:
        CatalogLost: files or a log of a database are there, and the database is gone or empty.
    """
    if has_content(database):
        return
    count = sum(1 for _ in Files(database.parent / "files").all())
    log = log_of(database).exists()
    if (count or log) and not has_content(database):  # still: another process may just make it
        raise CatalogLost(database, count, log)


def log_of(database: Path) -> Path:
    """Where DuckDB keeps what was committed and is not in the database yet."""
    return database.with_name(database.name + LOG_SUFFIX)


def mark_of(database: Path) -> tuple[int, ...]:
    """Another one after each change of the database; it costs a few looks at the disk."""
    numbers = []
    for file in (database, log_of(database)):
        with contextlib.suppress(OSError):
            status = file.stat()
            numbers += [status.st_mtime_ns, status.st_size, status.st_ino]
    return tuple(numbers)


def openable(database: Path) -> str:
    """The path as DuckDB takes it, which cuts it at `?` and takes a backslash for a slash (2.0.0).

    Raises:
        NotACatalog: DuckDB cannot open such a path.
    """
    text = str(database)
    try:
        text.encode()
    except UnicodeEncodeError as error:
        printable_path = Path(os.fsencode(database.parent).decode(errors="replace"))
        raise NotACatalog(printable_path, "has a name that is not UTF-8") from error
    for sign in "?\\":
        if sign in text:
            raise NotACatalog(
                database.parent, f"has {sign} in its path, with which DuckDB opens no file"
            )
    return text


def has_content(database: Path) -> bool:
    """Whether the file is there and not empty."""
    try:
        return database.stat().st_size > 0
    except OSError:
        return False
