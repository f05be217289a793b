"""The two ways through the door: a read and a write, each one transaction."""

import contextlib
import random
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import duckdb

from store.archive import prepare_connection
from store.arrays import Files
from store.database_file import Cursor
from store.errors import (
    CatalogContended,
    CatalogReadOnly,
    FileAway,
    NotACatalog,
    UnknownEntry,
    from_duckdb,
    is_of_a_value,
)
from store.lease import lease_of
from store.place import is_read_only, mark_of
from store.read_memory import remembered
from store.records import SharedCatalog
from store.rows import records

Result = TypeVar("Result")
SHARED_CATALOGS = "SELECT * FROM shared_catalogs ORDER BY name"
MAX_ATTEMPTS = 5  # of a transaction that met another one
MOST_ERROR_LETTERS = 300


class Door:
    """A catalog's folder and the way to its database. The parts of `Catalog` stand on it."""

    def __init__(self, folder: Path | str, timeout: float = 10.0) -> None:
        """The catalog in that folder; nothing is opened or created yet.

        Args:
            folder: where it lies, or shall lie.
            timeout: seconds to wait while another process holds the database.

        Raises:
            NotACatalog: the path leads nowhere.
        """
        try:
            self.folder = Path(folder).expanduser().resolve()
        except RuntimeError as error:  # links in a circle, nobody of that name
            raise NotACatalog(Path(folder), "is a path that leads nowhere") from error
        self._timeout = timeout
        self._lease = lease_of(self.folder / "catalog.duckdb", prepare_connection)
        self._files = Files(self.folder / "files")

    @property
    def jobs_folder(self) -> Path:
        """Where the spool of the jobs lies."""
        return self.folder / "jobs"

    @property
    def read_only(self) -> bool:
        """Whether it can only be read: an archive, or somebody else's."""
        return is_read_only(self._lease.path)

    @property
    def mark(self) -> tuple[int, ...]:
        """Another one after each change of the database; it costs a few looks at the disk."""
        return mark_of(self._lease.path)

    @property
    def _state(self) -> tuple[int, ...]:
        """Another one after each change; by this process's commits too, which are seen at once."""
        return (self._lease.commits, *self.mark)

    @remembered
    def shared_catalogs(self) -> list[SharedCatalog]:
        """Those of others that are shown beside this one, by name."""
        return self._read(lambda c: records(c, SharedCatalog, SHARED_CATALOGS))

    def check(self) -> None:
        """Open once: create what is missing and bring the schema up to date.

        Raises:
            CatalogBusy: another process holds it.
            NotACatalog: the folder or the database is something else.
            CatalogTooNew: a newer version wrote it.
            CatalogLost: the database is gone while its files are there.
            CatalogFull: no space.
            CatalogDamaged: it cannot be read or written.
        """
        if self.folder.exists() and not self.folder.is_dir():
            raise NotACatalog(self.folder, "is a file, not a folder")
        self._read(lambda cursor: cursor.execute("SELECT 1"))

    def close(self) -> None:
        """Let the database go now; it is opened again when next needed."""
        self._lease.close()

    def _stored_file(self, hash: str) -> Path:
        """Where the content of that hash lies: here, or in a shared catalog.

        Raises:
            UnknownEntry: there is no such file; it says so where a shared catalog is away.
        """
        with contextlib.suppress(UnknownEntry):
            return self._files.path(hash)
        shared = self.shared_catalogs()
        for folder in (folder for catalog in shared for folder in catalog.folders):
            with contextlib.suppress(UnknownEntry):
                return Files(Path(folder) / "files").path(hash)
        for catalog in shared:
            if not (Path(catalog.folder) / self._lease.path.name).is_file():
                raise FileAway(hash, catalog.name, catalog.folder)
        raise UnknownEntry("file", hash)

    def _has_file(self, hash: str) -> bool:
        """Whether the content of that hash lies here or in a shared catalog."""
        with contextlib.suppress(UnknownEntry):
            return bool(self._stored_file(hash))
        return False

    def _keep(self, source: Path | str | bytes, suffix: str) -> str:
        """Put a file beside the database, which is made first: it notes what it has put."""
        self._refuse_read_only()
        if not self._lease.path.exists():
            self.check()
        return self._files.put(source, suffix)

    def _link(self, source: Path, suffix: str) -> str:
        """Keep a file that nobody changes any more; the database is there, as for `_keep`."""
        self._refuse_read_only()
        return self._files.link(source, suffix)

    def _refuse_read_only(self) -> None:
        if self.read_only:
            raise CatalogReadOnly(self.folder)

    def _read(self, work: Callable[[Cursor], Result]) -> Result:
        """What `work` returns; all its queries see the same state."""
        with self._lease.cursor(self._timeout) as cursor:
            cursor.execute("BEGIN")
            try:
                return work(cursor)
            finally:
                _roll_back(cursor)

    def _write(self, work: Callable[[Cursor], Result]) -> Result:
        """What `work` returns, when everything it wrote is stored; else nothing of it is.

        A transaction that conflicts with one of a foreign connection in this process is repeated;
        when that one stays, the catalog is busy.

        Raises:
            CatalogReadOnly: it can only be read.
            CatalogContended: another transaction of this process stays in the way.
            ValueError: a value is one that the database cannot hold.
        """
        self._refuse_read_only()
        for attempt in range(1, MAX_ATTEMPTS + 1):
            try:
                with self._lease.writing, self._lease.cursor(self._timeout) as cursor:
                    try:
                        return self._commit(cursor, work)
                    finally:
                        self._lease.commits += 1
            except duckdb.TransactionException as error:
                if attempt == MAX_ATTEMPTS:
                    raise CatalogContended(self._lease.path, attempt, _one_line(error)) from error
                time.sleep(random.uniform(0, 0.01 * attempt))
        raise AssertionError(MAX_ATTEMPTS)

    def _commit(self, cursor: Cursor, work: Callable[[Cursor], Result]) -> Result:
        cursor.execute("BEGIN")
        try:
            result = work(cursor)
            cursor.execute("COMMIT")
        except duckdb.FatalException as error:
            if "COMMIT succeeded and is durable" not in str(error):  # only the checkpoint failed
                raise
            self._lease.reopen_next()
        except duckdb.Error as error:
            _roll_back(cursor)
            if is_of_a_value(error):  # the database is as it was
                raise ValueError(f"a value cannot be stored: {_one_line(error)}") from error
            if from_duckdb(error, self._lease.path):
                self._lease.reopen_next()
            raise
        except BaseException:
            _roll_back(cursor)
            raise
        return result


def _one_line(error: duckdb.Error) -> str:
    return " ".join(str(error).split())[:MOST_ERROR_LETTERS]


def _roll_back(cursor: Cursor) -> None:
    with contextlib.suppress(duckdb.Error):  # nothing to roll back, or the database is closed
        cursor.execute("ROLLBACK")
