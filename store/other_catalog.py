"""Another catalog: opened to be read, as it stood at that moment."""

import contextlib
import shlex
import tempfile
from collections.abc import Collection, Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa

from store.archive import copy_database, copy_quietly, prepare_connection
from store.database_file import Cursor
from store.errors import CannotMerge, CatalogDamaged, from_duckdb
from store.integrity import altered_tables, changed_entries, changed_values, rows_with_gaps
from store.isolated import ISOLATED, connect_isolated, isolated
from store.lease import lease_of
from store.migrations import MIGRATIONS, migrate, stored_version
from store.rows import is_among
from store.tables import value_tables

Row = dict[str, Any]  # cells of whatever types the columns of a query have


class OtherCatalog:
    """The other catalog, opened for reading; its errors name it."""

    def __init__(self, cursor: Cursor, place: Path) -> None:
        self._cursor, self.place = cursor, place
        with self._translated_errors():
            self.tables = value_tables(cursor)

    def refuse_damage(self, ids: Collection[str] | None = None) -> None:
        """Let nothing over that is not what was stored there, or of which nothing can be made.

        Args:
            ids: of the entries that are compared with their hashes, where not all are.

        Raises:
            CatalogDamaged: there is something else than was stored.
            CannotMerge: its tables or rows lack what they must have.
        """
        with self._translated_errors():
            if altered := altered_tables(self._cursor):
                raise self.cannot_merge(altered[0])
            changed = changed_entries(self._cursor, ids) + changed_values(self._cursor, ids)
            gaps = rows_with_gaps(self._cursor)
        if changed:
            raise CatalogDamaged(self.place, changed[0])
        if gaps:
            raise self.cannot_merge(gaps[0])

    def cannot_merge(self, why: str) -> CannotMerge:
        """That something in it cannot be brought over, with what to do."""
        check = f"python -m explorer --catalog {shlex.quote(str(self.place.parent))} check"
        return CannotMerge(self.place, f"cannot be read: {why}", f"`{check}` lists the damage")

    def rows(self, query: str, values: Sequence[object] = ()) -> list[Row]:
        """The rows of a query; JSON stays the text it is, so that it comes over unchanged."""
        with self._translated_errors():
            self._cursor.execute(query, list(values))
            names = [column[0] for column in self._cursor.description or ()]
            raw_rows = self._cursor.fetchall()
        return [dict(zip(names, map(_in_utc, row), strict=True)) for row in raw_rows]

    @property
    def shared_folders(self) -> list[str]:
        """The folders in which files may lie that catalogs shared with it have."""
        query = "SELECT DISTINCT unnest(folders) AS folder FROM shared_catalogs ORDER BY folder"
        return [row["folder"] for row in self.rows(query)]

    def rows_of(self, table: str, column: str, ids: Collection[str]) -> list[Row]:
        """The rows of a table that have one of these ids in that column."""
        condition, values = is_among(column, ids, "VARCHAR")
        return self.rows(f"SELECT * FROM {table} WHERE {condition}", values)  # noqa: S608

    def values_of(self, table: str, keys: Collection[str]) -> pa.Table:
        """The rows of several answers with their keys, without the columns that none has."""
        condition, values = is_among("question_key", keys, "VARCHAR")
        query = f"SELECT * FROM {table} WHERE {condition} ORDER BY rowid"  # noqa: S608
        return self._arrow_rows(query, values)

    def values(self, table: str, key: str) -> pa.Table:
        """The rows of an answer, without the columns that none of them has."""
        query = f"SELECT * EXCLUDE (question_key) FROM {table} WHERE question_key = ?"  # noqa: S608
        return self._arrow_rows(f"{query} ORDER BY unit, rowid", [key])

    def _arrow_rows(self, query: str, values: Sequence[object]) -> pa.Table:
        with self._translated_errors():
            answer_rows = self._cursor.sql(query, params=list(values)).to_arrow_table()
        return answer_rows.select(
            [n for n in answer_rows.column_names if answer_rows[n].null_count < len(answer_rows)]
        )

    @contextlib.contextmanager
    def _translated_errors(self) -> Iterator[None]:
        try:
            yield
        except duckdb.Error as error:
            raise (from_duckdb(error, self.place) or error) from error


def other_database(other: Path, own: Path, refusal: type[CannotMerge] = CannotMerge) -> Path:
    """The database file of the other catalog.

    Raises:
        CannotMerge: there is none, or it is our own; or that refusal.
    """
    if not other.exists():
        raise refusal(other, "does not exist", "check the path")
    place = other / "catalog.duckdb" if other.is_dir() else other
    if not place.is_file():
        raise refusal(other, "holds no catalog.duckdb", "name the folder of a catalog")
    if own.exists() and place.samefile(own):
        raise refusal(other, "is this very catalog", "name another one")
    return place


@contextlib.contextmanager
def open_snapshot(place: Path, timeout: float) -> Iterator[Cursor]:
    """A connection to a copy of the database as it is now: whoever uses it waits for the copy only.

    Raises:
        CannotMerge: its schema is another one.
        CatalogError: busy, not a catalog, too new, or damaged; or no space for the copy.
    """
    with tempfile.TemporaryDirectory(prefix="catalog-") as folder:
        copy = _copy(place, timeout, Path(folder))
        with connect_isolated(copy, timeout) as connection, connection.cursor() as cursor:
            cursor.execute("BEGIN")
            yield cursor


@contextlib.contextmanager
def open_quiet_copy(place: Path, timeout: float) -> Iterator[tuple[Cursor, tuple[int, ...]]]:
    """A connection to a copy of a database that nobody is asked for, and the mark of its state.

    Nothing is written beside the database, no lock either; an older schema is that of today in the
    copy.

    Raises:
        CatalogError: it is being written all the time, is no catalog, too new, or damaged; or there
            is no space for the copy.
    """
    with tempfile.TemporaryDirectory(prefix="catalog-") as folder:
        # closing a file frees every lock that this process has on it
        with lease_of(place, prepare_connection).let_go(timeout):
            copy, mark = copy_quietly(place, Path(folder), timeout)
        try:
            with duckdb.connect(str(copy), config=ISOLATED) as connection:
                migrate(connection, place)
        except duckdb.Error as error:
            raise (from_duckdb(error, place) or error) from error
        with connect_isolated(copy, timeout) as connection, connection.cursor() as cursor:
            cursor.execute("BEGIN")
            yield cursor, mark


def _copy(place: Path, timeout: float, folder: Path) -> Path:
    """A copy of a database of our schema, made while nobody writes it.

    Raises:
        CatalogError: as for `open_snapshot`.
    """
    with isolated(lease_of(place, prepare_connection), timeout) as connection:
        try:
            refuse_schema(stored_version(connection, place), place)
        except duckdb.Error as error:
            raise (from_duckdb(error, place) or error) from error
        return copy_database(place, folder)


def refuse_schema(version: int, place: Path) -> None:
    """Let no other schema than ours over.

    Raises:
        CannotMerge: it is another one.
    """
    if version != len(MIGRATIONS):
        raise CannotMerge(
            place,
            f"has schema {version}, this program's is {len(MIGRATIONS)}",
            "update this program"
            if version > len(MIGRATIONS)
            else "open it once with this program",
        )


def _in_utc(cell: object) -> object:
    return cell.replace(tzinfo=UTC) if isinstance(cell, datetime) else cell
