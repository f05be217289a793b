"""The database's file as this process has it open: one connection, and cursors for each use."""

import contextlib
import weakref
from collections.abc import Callable
from pathlib import Path

import duckdb

from store.errors import CatalogLost, from_duckdb, from_os, holder_of, is_held
from store.instance import USE_DATABASE, attach, detach
from store.place import is_read_only, make_folder, mark_of, openable, refuse_a_lost_database

MAX_FREE = 4  # cursors that are kept for the next use

Cursor = duckdb.DuckDBPyConnection


class DatabaseFile:
    """A file that is opened and closed again and again; by one thread at a time."""

    def __init__(self, path: Path, prepare: Callable[[Cursor, Path], Cursor]) -> None:
        """Nothing is opened yet.

        Args:
            path: of the database.
            prepare: what to use of a connection just opened: it or another, with a schema of today.
        """
        self.path = path
        self.broken = False  # DuckDB refuses everything after a failed write: close and open again
        self.holder: int | None = None  # the process that had it at the last attempt, if known
        self._prepare = prepare
        self._connection: Cursor | None = None
        self._cursors: weakref.WeakSet[Cursor] = weakref.WeakSet()  # that somebody still names
        self._free: list[Cursor] = []  # cursors that nobody uses
        self._prepared: tuple[int, ...] = ()  # state of the file that was let go, schema and all
        self._identity: tuple[int, int] | None = None  # of the file that was opened: device, inode

    @property
    def is_open(self) -> bool:
        """Whether this process has it open."""
        return self._connection is not None

    @property
    def is_replaced(self) -> bool:
        """Whether another file, or none, lies where the one that is open was."""
        try:
            status = self.path.stat()
        except OSError:
            return True
        return (status.st_dev, status.st_ino) != self._identity

    @property
    def named_cursors(self) -> list[Cursor]:
        """All cursors that somebody still has a name for."""
        return list(self._cursors)

    def open(self) -> bool:
        """Open it; whether that could be done: not while another process holds it.

        Raises:
            CatalogError: not a catalog, too new, lost, full or damaged.
        """
        connection = self._connect()
        if connection is None:
            return False
        self._connection, self.holder = self._set_up(connection), None
        return True

    def cursor(self) -> Cursor:
        """A cursor of the open file for one use.

        Raises:
            CatalogError: it cannot be used any more.
        """
        if self._free:
            return self._free.pop()
        assert self._connection is not None
        cursor = self._connection.cursor()
        self._cursors.add(cursor)
        try:
            cursor.execute(USE_DATABASE)
        except duckdb.Error as error:
            self.broken = True
            raise (from_duckdb(error, self.path) or error) from error
        return cursor

    def put_back(self, cursor: Cursor, clean: bool) -> None:
        """Keep a cursor for the next use, if this one ended as it should."""
        if clean and not self.broken and len(self._free) < MAX_FREE:
            self._free.append(cursor)
        else:
            _close_cursor(cursor)

    def close(self) -> None:
        """Let the file go; all that was committed is in it, or in its log."""
        connection, broken = self._connection, self.broken
        if connection is None:
            return
        self._connection, self.broken, self._prepared = None, False, ()
        while self._free:
            _close_cursor(self._free.pop())
        with contextlib.suppress(duckdb.Error):  # the last checkpoint; the log keeps what it had
            if broken:
                connection.close()
            else:
                detach(connection)
                self._prepared = mark_of(self.path)

    def _connect(self) -> Cursor | None:
        """A connection to the file; None while another process holds it."""
        try:
            place = openable(self.path)
            read_only = is_read_only(self.path)
            is_new = not self.path.exists()
            if not read_only:
                refuse_a_lost_database(self.path)
            if is_new and self._identity is not None:  # moved away, or no longer mounted
                raise CatalogLost(self.path, 0, False)
            if is_new:
                make_folder(self.path.parent)
            connection = attach(place, read_only=read_only)
            if is_new:
                self.path.chmod(0o600)
            status = self.path.stat()
            self._identity = (status.st_dev, status.st_ino)
            return connection
        except duckdb.Error as error:
            if is_held(error):
                self.holder = holder_of(error)
                return None
            raise (from_duckdb(error, self.path) or error) from error
        except OSError as error:
            raise from_os(error, self.path) from error

    def _set_up(self, connection: Cursor) -> Cursor:
        if self._prepared and self._prepared == mark_of(self.path) and not is_read_only(self.path):
            return connection
        try:
            return self._prepare(connection, self.path)
        except duckdb.Error as error:
            connection.close()
            raise (from_duckdb(error, self.path) or error) from error
        except BaseException:
            connection.close()
            raise


def _close_cursor(cursor: Cursor) -> None:
    with contextlib.suppress(duckdb.Error):  # a database found broken refuses this as well
        cursor.close()
