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
    copy = _copy(path)  # while we read it nobody writes it
    connection.close()
    migrated = attach(str(copy), read_only=False)
    migrate(migrated, path)
    return migrated


def _copy(path: Path) -> Path:
    """A copy of the database as it is now, made once."""
    status = path.stat()
    copy_key = (path, status.st_mtime_ns, status.st_size)
    if copy_key not in _COPIES:
        try:
            folder = tempfile.TemporaryDirectory(prefix="catalog-")
            # the database last: closing it frees the lock that keeps others from writing
            for file in filter(Path.exists, (log_of(path), path)):
                shutil.copyfile(file, Path(folder.name) / file.name)
        except OSError as error:
            raise from_os(error, Path(tempfile.gettempdir()) / "catalog") from error
        _COPIES[copy_key] = folder
    return Path(_COPIES[copy_key].name) / path.name
