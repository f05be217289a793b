"""A database that can only be read: of an older schema it is a copy that is brought up to date."""

import shutil
import tempfile
from pathlib import Path

from store.database_file import Cursor
from store.errors import from_os
from store.instance import attach
from store.migrations import MIGRATIONS, migrate, stored_version
from store.place import is_read_only, log_of
from store.stored_code import refuse_stored_code

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
