"""Queries of the user's own: read only, and of nothing but the catalog."""

import random
import time

import duckdb

from store.door import Door
from store.errors import CannotQuery, CatalogBusy, from_duckdb, holder_of, is_held
from store.instance import CONFIG
from store.lease import ATTEMPT_SECONDS, Cursor
from store.place import openable
from store.records import Table

# A query reads no other file, loads nothing and cannot change these.
_ISOLATED_CONFIG = {**CONFIG, "enable_external_access": "false", "lock_configuration": "true"}
_USER_ERRORS = (
    duckdb.ParserException | duckdb.BinderException | duckdb.CatalogException
    | duckdb.InvalidInputException | duckdb.PermissionException | duckdb.ConversionException
    | duckdb.OutOfRangeException | duckdb.NotImplementedException | duckdb.InvalidTypeException
    | duckdb.TypeMismatchException | duckdb.SyntaxException
)  # fmt: skip


class SqlQueries(Door):
    """The part of the catalog about SQL."""

    def query(self, statement: str) -> Table:
        """What a statement of DuckDB's SQL gives; it can only read, and only this catalog.

        Raises:
            CannotQuery: it is none, more than one, writes, or reads something else.
        """
        self.check()
        self.close()  # one process has a database open in one way only
        with self._connect_isolated(openable(self._lease.path)) as connection:
            try:
                if len(connection.extract_statements(statement)) != 1:
                    raise CannotQuery("give one statement, such as SELECT * FROM analyses")
                connection.execute(statement)
                columns = tuple(column[0] for column in connection.description or ())
                return Table(columns, connection.fetchall())
            except duckdb.Error as error:
                if isinstance(error, _USER_ERRORS):
                    raise CannotQuery(" ".join(str(error).split())) from error
                raise (from_duckdb(error, self._lease.path) or error) from error

    def _connect_isolated(self, place: str) -> Cursor:
        """A connection for reading; another process lets it in as it does any of ours."""
        deadline = time.monotonic() + self._timeout
        while True:
            try:
                return duckdb.connect(place, read_only=True, config=_ISOLATED_CONFIG)
            except duckdb.Error as error:
                if not is_held(error):
                    raise (from_duckdb(error, self._lease.path) or error) from error
                if time.monotonic() >= deadline:
                    raise CatalogBusy(self._lease.path, holder_of(error), self._timeout) from error
            self._lease.leave_note()
            time.sleep(random.uniform(*ATTEMPT_SECONDS))
