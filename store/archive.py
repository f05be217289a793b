"""A database that can only be read: of an older schema it is a copy that is brought up to date."""

import shutil
import tempfile
import time
import uuid
from pathlib import Path

from store.arrays import is_older
from store.database_file import Cursor
from store.errors import CatalogBusy, CatalogDamaged, from_os
from store.instance import attach
from store.migrations import MIGRATIONS, migrate, stored_version
from store.place import is_read_only, log_of, mark_of
from store.stored_code import refuse_stored_code

QUIET_SECONDS = 0.05  # that clocks of file systems may be coarse by
_COPIES: dict[tuple[Path, int, int], tempfile.TemporaryDirectory[str]] = {}  # gone with the process


def prepare_connection(connection: Cursor, path: Path) -> Cursor:
    """The connection, its schema that of today; for an older archive one to a copy of it.

    Raises:
        CatalogTooNew: the schema is newer than this program.
        NotACatalog: a DuckDB database with tables of somebody else, or with code.
    """
    refuse_stored_code(connection, path)
    if not is_read_only(path):
        migrate(connection, path)
        return connection
    if stored_version(connection, path) == len(MIGRATIONS):
        return connection
    copy = _copy(path)
    connection.close()
    migrated = attach(str(copy), read_only=False)
    migrate(migrated, path)
    return migrated


def _copy(path: Path) -> Path:
    """A copy of the database as it is now, made once."""
    status = path.stat()
    copy_key = (path, status.st_mtime_ns, status.st_size)
    if copy_key not in _COPIES:
        folder = tempfile.TemporaryDirectory(prefix="catalog-")
        copy_database(path, Path(folder.name))
        _COPIES[copy_key] = folder
    return Path(_COPIES[copy_key].name) / path.name


def copy_database(path: Path, folder: Path) -> Path:
    """A copy of a database and its log in that folder; while we read it nobody writes it.

    Raises:
        CatalogError: it cannot be read, or there is no space.
    """
    try:
        # the database last: closing it frees the lock that keeps others from writing
        for file in filter(Path.exists, (log_of(path), path)):
            shutil.copyfile(file, folder / file.name)
    except OSError as error:
        raise from_os(error, folder / path.name) from error
    return folder / path.name


def copy_quietly(path: Path, folder: Path, timeout: float) -> tuple[Path, tuple[int, ...]]:
    """A copy of a database and its log that nobody wrote meanwhile, and the mark of their state.

    No lock is asked for: where the folder is somebody else's there may be none to be had. A file
    that was written while it was copied, or a moment before, has another mark or too young a one.

    Raises:
        CatalogBusy: it is being written all the time.
        CatalogError: it cannot be read, or there is no space.
    """
    deadline = time.monotonic() + timeout
    while True:
        mark, copies = mark_of(path), folder / uuid.uuid4().hex
        copies.mkdir()
        try:
            copy = copy_database(path, copies)
            if mark_of(path) == mark and is_older(path, QUIET_SECONDS) and _is_quiet(log_of(path)):
                return copy, mark
        except CatalogDamaged:
            if mark_of(path) == mark:  # its log did not just come or go
                raise
        if time.monotonic() >= deadline:
            raise CatalogBusy(path, None, timeout)
        shutil.rmtree(copies, ignore_errors=True)
        time.sleep(QUIET_SECONDS)


def _is_quiet(log: Path) -> bool:
    return not log.exists() or is_older(log, QUIET_SECONDS)
