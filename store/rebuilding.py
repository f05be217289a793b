"""A new database in place of a lost or damaged one, with what can still be read of the old."""

import contextlib
import time
from collections.abc import Iterator
from pathlib import Path

import duckdb

from store.blocks import damaged_blocks
from store.checking import IntegrityChecks
from store.errors import CatalogBusy, CatalogError, CatalogReadOnly, NotACatalog, is_held
from store.instance import CONFIG
from store.lease import Cursor
from store.migrations import MIGRATIONS, migrate, stored_version
from store.place import has_content, log_of, make_folder, openable
from store.records import RebuildCounts

_STEP = 2048  # rows that are read together where a table cannot be read whole


class CatalogRebuilding(IntegrityChecks):
    """The part of the catalog about beginning anew."""

    def rebuild(self) -> RebuildCounts:
        """Put a new database in the place of one that is gone or damaged; what it has.

        The old one, and its log, are kept under another name. Files beside it stay and are never
        removed, since the new one has not put them: importing their models again finds them.

        Raises:
            NotACatalog: nothing is wrong with the database.
            CatalogReadOnly: the folder can only be read.
            CatalogBusy: another process holds the database.
        """
        if self.read_only:
            raise CatalogReadOnly(self.folder)
        database = self._lease.path
        if has_content(database) and not self._is_damaged():
            raise NotACatalog(database, "is whole, and needs no other in its place")
        self.close()
        aside = self._put_aside()
        make_folder(self.folder)
        rows = incomplete_tables = 0
        with duckdb.connect(openable(database), config=CONFIG) as new:
            database.chmod(0o600)
            migrate(new, database)
            if aside:
                rows, incomplete_tables = _copy_rows(new, aside)
        files = sum(1 for _ in self._files.all())
        return RebuildCounts(aside, rows, incomplete_tables, files)

    def _is_damaged(self) -> bool:
        """Whether something in the database cannot be read.

        Raises:
            CatalogError: it could not be found out.
        """
        try:
            return bool(self._unreadable()) or bool(damaged_blocks(self._lease.path))
        except NotACatalog:
            return True
        except CatalogError as error:
            if isinstance(error, CatalogBusy):
                raise
            return True

    def _put_aside(self) -> Path | None:
        """Rename what is there of a database; where it lies now, if it has content."""
        database = self._lease.path
        aside = database.with_name(f"{database.name}.{time.strftime('%Y%m%d-%H%M%S')}.old")
        for file, new_name in ((database, aside), (log_of(database), log_of(aside))):
            with contextlib.suppress(FileNotFoundError):
                file.rename(new_name)
        return aside if has_content(aside) else None


def _copy_rows(new: Cursor, aside: Path) -> tuple[int, int]:
    """Copy every row that can be read; how many there are, and how many tables have lost some."""
    rows = incomplete_tables = 0
    try:
        with duckdb.connect(openable(aside), read_only=True, config=CONFIG) as old:
            if stored_version(old, aside) != len(MIGRATIONS):
                return 0, 1  # an older program's: open a copy of it with this one first
            for table, columns, count in _tables(old):
                saved = _copy(new, old, table, columns, count)
                rows, incomplete_tables = rows + saved, incomplete_tables + (saved < count)
    except (duckdb.Error, NotACatalog) as error:
        if isinstance(error, duckdb.Error) and is_held(error):
            raise CatalogBusy(aside, None, 0) from error
        return rows, incomplete_tables + 1
    return rows, incomplete_tables


def _tables(old: Cursor) -> Iterator[tuple[str, str, int]]:
    """The tables of a catalog with the definition of their columns and their number of rows."""
    rows = old.execute(
        "SELECT table_name, sql, estimated_size FROM duckdb_tables() WHERE NOT internal"
    ).fetchall()
    yield from ((name, sql, size) for name, sql, size in rows if name != "migrations")


def _copy(new: Cursor, old: Cursor, table: str, sql: str, count: int) -> int:
    """Copy a table whole, or what can be read of it; how many rows."""
    if not new.execute("FROM duckdb_tables() WHERE table_name = ?", [table]).fetchall():
        new.execute(sql)
    new.execute(f'DELETE FROM "{table}"')  # noqa: S608 - a name from DuckDB
    saved = 0
    ranges = [(0, count), *((at, at + _STEP) for at in range(0, count, _STEP))]
    for first, end in ranges:
        query = f'SELECT * FROM "{table}" WHERE rowid >= {first} AND rowid < {end}'  # noqa: S608
        with contextlib.suppress(duckdb.Error):
            rows = old.sql(query).to_arrow_table()
            new.register("saved_rows", rows)
            new.execute(f'INSERT INTO "{table}" SELECT * FROM saved_rows')  # noqa: S608
            saved += len(rows)
            if (first, end) == ranges[0]:
                break
    return saved
