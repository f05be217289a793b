"""A new database in place of a lost or damaged one, with what can still be read of the old."""

import contextlib
import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import duckdb

from store.checking import IntegrityChecks
from store.database_file import Cursor
from store.errors import (
    CatalogDamaged,
    CatalogReadOnly,
    NotACatalog,
    NotADatabase,
    from_duckdb,
    from_os,
)
from store.isolated import ISOLATED, connect_isolated
from store.migrations import MIGRATIONS, migrate, stored_version
from store.place import has_content, log_of, make_folder, openable
from store.records import RebuildCounts
from store.rows import quoted

_STEP = 2048  # rows that are read together where a table cannot be read whole


class CatalogRebuilding(IntegrityChecks):
    """The part of the catalog about beginning anew."""

    def rebuild(self) -> RebuildCounts:
        """Put a new database in the place of one that is gone or damaged; what it has.

        The new one takes the place when it has everything. The old one, and its log, are kept under
        another name. Files beside it stay and are never removed, since the new one has not put
        them: importing their models again finds them.

        Raises:
            NotACatalog: nothing is wrong with the database, or it is somebody else's.
            CatalogTooNew: a newer version wrote it.
            CatalogReadOnly: the folder can only be read.
            CatalogBusy: another process holds the database.
            CatalogFull: there is no space for a new one.
        """
        if self.read_only:
            raise CatalogReadOnly(self.folder)
        database = self._lease.path
        if has_content(database) and not self._is_damaged():
            raise NotACatalog(database, "is whole, and needs no other in its place")
        make_folder(self.folder)
        try:
            with (
                self._lease.let_go(self._timeout),
                tempfile.TemporaryDirectory(prefix="rebuilding-", dir=self.folder) as building,
            ):
                return self._rebuild_in(Path(building))
        except OSError as error:
            raise from_os(error, database) from error
        except duckdb.Error as error:
            raise (from_duckdb(error, database) or error) from error

    def _is_damaged(self) -> bool:
        """Whether something in the database cannot be read.

        Raises:
            CatalogError: it could not be found out, or a newer version or somebody else wrote it.
        """
        try:
            return bool(self._unreadable())
        except NotADatabase:
            return True

    def _rebuild_in(self, building: Path) -> RebuildCounts:
        database, new = self._lease.path, building / self._lease.path.name
        rows = incomplete_tables = 0
        old, log_lost = self._connect_old(building) if has_content(database) else (None, False)
        with old or contextlib.nullcontext():  # while it is open nobody writes it
            with duckdb.connect(openable(new), config=ISOLATED) as connection:
                new.chmod(0o600)
                migrate(connection, new)
                if old is not None:
                    rows, incomplete_tables = _copy_rows(connection, old)
                elif has_content(database):
                    incomplete_tables = 1
                connection.execute("CHECKPOINT")
            aside = _put_in_place(new, database)
        files = sum(1 for _ in self._files.all())
        return RebuildCounts(aside, rows, incomplete_tables, log_lost, files)

    def _connect_old(self, building: Path) -> tuple[Cursor | None, bool]:
        """A connection to the old database, if it can be opened; whether without its log."""
        with contextlib.suppress(CatalogDamaged, NotADatabase):
            return connect_isolated(self._lease.path, self._timeout), False
        alone = building / "alone" / self._lease.path.name
        alone.parent.mkdir()
        _link(self._lease.path, alone)
        with contextlib.suppress(CatalogDamaged, NotADatabase):
            return connect_isolated(alone, self._timeout), True
        return None, False


def _put_in_place(new: Path, database: Path) -> Path | None:
    """Put the new database in place; where the old one is kept, if it had content.

    At each moment there is one, and the old log goes last: DuckDB refuses one beside another
    database, whereas without it the old database would have lost what was stored last.
    """
    aside = database.with_name(f"{database.name}.{time.strftime('%Y%m%d-%H%M%S')}.old")
    logs = list(database.parent.glob(f"{log_of(database).name}*"))  # two when killed at the end
    for file in (database, *logs):
        with contextlib.suppress(FileNotFoundError):
            _link(file, aside.with_name(aside.name + file.name.removeprefix(database.name)))
    new.replace(database)
    for log in logs:
        log.unlink()
    return aside if has_content(aside) else None


def _link(file: Path, name: Path) -> None:
    """Give the file another name, or copy it where a file can have one name only."""
    try:
        os.link(file, name)
    except (FileNotFoundError, FileExistsError):
        raise
    except OSError:
        shutil.copyfile(file, name)


def _copy_rows(new: Cursor, old: Cursor) -> tuple[int, int]:
    """Copy every row that can be read; how many there are, and how many tables have lost some."""
    rows = incomplete_tables = 0
    try:
        if stored_version(old, Path()) != len(MIGRATIONS):
            return 0, 1  # an older program's: open a copy of it with this one first
        tables = list(_tables(old))
    except (duckdb.Error, NotACatalog):
        return 0, 1
    for table, columns, count, end in tables:
        saved = _copy(new, old, table, columns, end)
        rows, incomplete_tables = rows + saved, incomplete_tables + (saved < count)
    return rows, incomplete_tables


def _tables(old: Cursor) -> Iterator[tuple[str, str, int, int]]:
    """The tables, the definition of their columns, the number of rows, and where their ids end."""
    query = "SELECT table_name, sql, estimated_size FROM duckdb_tables() WHERE NOT internal"
    for name, sql, size in old.execute(query).fetchall():
        count, end = size, size  # deleted rows are among them
        with contextlib.suppress(duckdb.Error):
            query = f"SELECT count(*), coalesce(max(rowid) + 1, 0) FROM {quoted(name)}"  # noqa: S608
            ((count, end),) = old.execute(query).fetchall()
        if name != "migrations":
            yield name, sql, count, end


def _copy(new: Cursor, old: Cursor, table: str, sql: str, end: int) -> int:
    """Copy a table whole, or what can be read of it; how many rows."""
    try:
        if not new.execute("FROM duckdb_tables() WHERE table_name = ?", [table]).fetchall():
            new.execute(sql)
    except (duckdb.CatalogException, duckdb.BinderException):
        return 0  # somebody else's, which needs more than tables
    name, saved = quoted(table), 0
    new.execute(f"DELETE FROM {name}")  # noqa: S608
    pieces = (f"WHERE rowid >= {at} AND rowid < {at + _STEP}" for at in range(0, end, _STEP))
    for piece in ("", *pieces):
        try:
            rows = old.sql(f"SELECT * FROM {name} {piece}").to_arrow_table()  # noqa: S608
        except duckdb.Error:
            continue
        new.register("saved_rows", rows)
        with contextlib.suppress(duckdb.ConstraintException):
            new.execute(f"INSERT INTO {name} SELECT * FROM saved_rows")  # noqa: S608
            saved += len(rows)
            if not piece:
                break
    return saved
