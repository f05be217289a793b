"""Queries of the user's own: read only, and of nothing but the catalog."""

import contextlib
from collections.abc import Iterator

import duckdb

from store.database_file import Cursor
from store.door import Door
from store.errors import CannotQuery, from_duckdb
from store.isolated import isolated
from store.records import QueryRows, Table

_ROWS_AT_ONCE = 1000  # that are held
# A query opens no file, loads nothing and cannot change these. Without the first it could write
# over the database itself, its log and what lies in its `.tmp`, which DuckDB 2.0.0 leaves open.
# Where Python has no script, as under `python -c`, a long query's progress would stand in its rows.
_LOCKS = (
    "SET enable_progress_bar = false",
    "SET disabled_filesystems = 'LocalFileSystem'",
    "SET lock_configuration = true",
)
_READING = {  # PIVOT is two statements
    duckdb.StatementType.SELECT, duckdb.StatementType.EXPLAIN, duckdb.StatementType.MULTI
}  # fmt: skip
_USER_ERRORS = (
    duckdb.ParserException | duckdb.BinderException | duckdb.CatalogException
    | duckdb.InvalidInputException | duckdb.PermissionException | duckdb.ConversionException
    | duckdb.OutOfRangeException | duckdb.NotImplementedException | duckdb.InvalidTypeException
    | duckdb.TypeMismatchException | duckdb.SyntaxException | duckdb.InterruptException
)  # fmt: skip


class SqlQueries(Door):
    """The part of the catalog about SQL."""

    def query(self, statement: str) -> Table:
        """What a statement of DuckDB's SQL gives; it can only read, and only this catalog.

        Raises:
            CannotQuery: it is none, more than one, writes, or reads something else.
        """
        with self.open_query(statement) as answer:
            return Table(answer.columns, list(answer.rows))

    @contextlib.contextmanager
    def open_query(self, statement: str) -> Iterator[QueryRows]:
        """The same, of which no more than some rows are held at once; nobody can write meanwhile.

        Raises:
            CannotQuery: as for `query`, also when a later row meets an error.
        """
        self.check()
        with isolated(self._lease, self._timeout) as connection:
            try:
                for lock in _LOCKS:
                    connection.execute(lock)
                columns = _begin(connection, statement)
                yield QueryRows(columns, _rows_of(connection))
            except duckdb.Error as error:
                if isinstance(error, _USER_ERRORS):
                    raise CannotQuery(" ".join(str(error).split())) from error
                raise (from_duckdb(error, self._lease.path) or error) from error


def _begin(connection: Cursor, statement: str) -> tuple[str, ...]:
    """The names of a query's columns; its rows come as they are fetched."""
    try:
        statement.encode()
    except UnicodeEncodeError as error:
        raise CannotQuery("the statement has half a character in it") from error
    types = [part.type for part in connection.extract_statements(statement)]
    if len(types) != 1 or types[0] not in _READING:
        raise CannotQuery("give one statement that reads, such as SELECT * FROM analyses")
    connection.execute(statement)
    return tuple(column[0] for column in connection.description or ())


def _rows_of(connection: Cursor) -> Iterator[tuple[object, ...]]:
    while batch := connection.fetchmany(_ROWS_AT_ONCE):
        yield from batch
