"""Short leases of the database: opened when needed, shared in the process, closed when idle.

DuckDB lets one process write, and then no other read. So nobody keeps the file open: a process that
finds it held leaves a note (`catalog.wanted`) and tries again; the holder gives way as soon as its
statements in flight are done. Other DuckDB clients leave no note: for them the file is closed soon
after each use, and for a moment after a while of continuous use.
"""

import atexit
import contextlib
import os
import random
import threading
import time
import weakref
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeVar

import duckdb

from store.errors import CatalogBusy, from_duckdb, from_os, holder_of, is_held
from store.instance import USE_DATABASE, attach, detach, end_idle
from store.note import read_note, write_note
from store.place import is_read_only, make_folder, openable, refuse_a_lost_database

IDLE_SECONDS = 0.05  # seconds without use after which the file is let go
MAX_HELD_SECONDS = (
    0.5  # seconds after which it is let go though it is in use all the time: other clients
)
# leave no note that they wait
TURN_SECONDS = 0.25  # seconds one may go on while others wait: opening and closing cost 10 ms
GAP_SHARE = 1 / 3  # of the time it was held, for which it is let go: under load all takes longer
NOTE_SECONDS = 0.3  # seconds; a waiting process renews its note at each attempt
EXIT_SECONDS = 5.0  # seconds that other threads have at the end of the process
ATTEMPT_SECONDS = (
    0.015,
    0.045,
)  # seconds between two attempts, drawn anew; a failed one costs 10 ms

Cursor = duckdb.DuckDBPyConnection
Taken = TypeVar("Taken")


class Lease:
    """The one connection of this process to one database file."""

    def __init__(self, path: Path, prepare: Callable[[Cursor, Path], Cursor]) -> None:
        """Nothing is opened yet.

        Args:
            path: of the database.
            prepare: what to use of a connection just opened: it or another, with a schema of today.
        """
        self.path = path
        self.writing = (
            threading.RLock()
        )  # one writer at a time: reading what is stored, then adding
        self._prepare = prepare
        self._guard = threading.Lock()
        self._connection: Cursor | None = None
        self._users = 0
        self._cursors: weakref.WeakSet[Cursor] = weakref.WeakSet()  # that somebody still names
        self._last_cursors: list[Cursor] = []
        self._over = False  # the process ends: nobody begins to use it
        self._opened = self._used = 0.0
        self._ended = threading.Event()
        self._watcher: threading.Thread | None = None
        self._not_before = 0.0
        self._broken = False  # DuckDB refuses everything after a failed write: close and open again
        self._holder: int | None = None
        self._let_go = False  # another connection of this process has the file open
        self.beside: Cursor | None = None  # that connection, which is interrupted at the end
        self._note = path.with_suffix(".wanted")

    @contextlib.contextmanager
    def cursor(self, timeout: float) -> Iterator[Cursor]:
        """A cursor of one's own, for a short use; never ask for a second one inside.

        Raises:
            CatalogError: busy, not a catalog, too new, full or damaged.
        """
        cursor = self._take(timeout, self._try_cursor)
        try:
            cursor.execute(USE_DATABASE)
            yield cursor
        except duckdb.Error as error:
            catalog_error = from_duckdb(error, self.path)
            if catalog_error is None:
                raise
            self._broken = True
            raise catalog_error from error
        finally:
            self._give_back(cursor)

    @contextlib.contextmanager
    def let_go(self, timeout: float) -> Iterator[None]:
        """Nobody in this process has the file open by this lease meanwhile.

        For a connection beside it: a process that closes a file, however it had opened it, loses
        every lock that it has on it.

        Raises:
            CatalogBusy: it is in use here.
        """
        self._take(timeout, self._try_let_go)
        try:
            yield
        finally:
            with self._guard:
                self._users -= 1
                self._let_go, self.beside = False, None

    def reopen_next(self) -> None:
        """Open the file anew for the next use."""
        self._broken = True

    def close(self) -> None:
        """Let the file go now if nobody in this process is using it."""
        self._closed()

    def _closed(self) -> bool:
        """Let the file go unless somebody uses it, or is about to; whether it is let go."""
        with self._guard:
            if not self._users:
                self._close_connection()
            return not self._users

    def end(self) -> None:
        """Close for good, some seconds later at most.

        A thread left in DuckDB at exit aborts the process, and so does one that drops the last
        reference to a cursor then: those that are still named somewhere are kept from here on.
        """
        deadline = time.monotonic() + EXIT_SECONDS
        self._over = True
        while not self._closed() and time.monotonic() < deadline:
            if self.beside is not None:
                with contextlib.suppress(duckdb.Error):  # closed at this moment
                    self.beside.interrupt()
            time.sleep(IDLE_SECONDS / 5)
        self._last_cursors = list(self._cursors)
        time.sleep(IDLE_SECONDS / 5)  # for one that is being dropped at this moment
        if self._watcher and self._ended.is_set():
            self._watcher.join(1)

    def _take(self, timeout: float, attempt: Callable[[], Taken | None]) -> Taken:
        """What `attempt` gives as soon as it gives something."""
        deadline = time.monotonic() + timeout
        while True:
            with self._guard:
                taken = None if self._over else attempt()
            if taken is not None:
                return taken
            if self._over or time.monotonic() >= deadline:
                raise CatalogBusy(self.path, self._holder, timeout)
            time.sleep(random.uniform(*ATTEMPT_SECONDS))

    def _try_let_go(self) -> bool | None:
        self._let_others_in()
        self._holder = os.getpid()
        if self._users:
            return None
        self._close_connection()
        self._users, self._let_go = 1, True
        return True

    def _try_cursor(self) -> Cursor | None:
        if self._let_go:
            self._holder = os.getpid()
            return None
        self._let_others_in()
        if self._broken and not self._users:
            self._close_connection()
        if self._broken or time.monotonic() < self._not_before:
            return None
        connection = self._open() if self._connection is None else self._connection
        if connection is None:
            return None
        cursor = connection.cursor()
        self._cursors.add(cursor)
        self._users += 1
        return cursor

    def _open(self) -> Cursor | None:
        """The connection, from now on this process's one; None while another process has it."""
        connection = self._connect()
        if connection is None:
            return None
        self._connection = self._set_up(connection)
        self._opened = self._used = time.monotonic()
        self._ended = threading.Event()
        self._watcher = threading.Thread(target=self._watch, args=(self._ended,), daemon=True)
        self._watcher.start()
        return self._connection

    def _connect(self) -> Cursor | None:
        """A connection to the file; None while another process holds it."""
        try:
            place = openable(self.path)
            read_only = is_read_only(self.path)
            if not read_only:
                make_folder(self.path.parent)
                refuse_a_lost_database(self.path)
            is_new = not self.path.exists()
            connection = attach(place, read_only=read_only)
            if is_new:
                self.path.chmod(0o600)
            return connection
        except duckdb.Error as error:
            if is_held(error):
                self._holder = holder_of(error)
                self.leave_note()
                return None
            raise (from_duckdb(error, self.path) or error) from error
        except OSError as error:
            raise from_os(error, self.path) from error

    def _set_up(self, connection: Cursor) -> Cursor:
        try:
            return self._prepare(connection, self.path)
        except duckdb.Error as error:
            connection.close()
            raise (from_duckdb(error, self.path) or error) from error
        except BaseException:
            connection.close()
            raise

    def _give_back(self, cursor: Cursor) -> None:
        with contextlib.suppress(duckdb.Error):  # a database found broken refuses this as well
            cursor.close()
        with self._guard:
            self._users -= 1
            self._used = time.monotonic()
            self._let_others_in()

    def _let_others_in(self) -> None:
        """Let the file go for a moment, once nobody here is using it, when others have waited."""
        held_seconds = time.monotonic() - self._opened
        if self._connection is None or held_seconds < TURN_SECONDS:
            return
        if held_seconds < MAX_HELD_SECONDS and not self._is_wanted():
            return
        self._not_before = time.monotonic() + GAP_SHARE * held_seconds
        if not self._users:
            self._close_connection()

    def _watch(self, ended: threading.Event) -> None:
        """Close the connection once it is idle or wanted elsewhere."""
        while not ended.wait(max(self._used + IDLE_SECONDS - time.monotonic(), IDLE_SECONDS / 5)):
            with self._guard:
                self._let_others_in()
                if (
                    not ended.is_set()
                    and not self._users
                    and time.monotonic() - self._used > IDLE_SECONDS
                ):
                    self._close_connection()

    def _close_connection(self) -> None:
        if self._connection is not None:
            with contextlib.suppress(
                duckdb.Error
            ):  # the last checkpoint; the log keeps what it had
                if self._broken:
                    self._connection.close()
                else:
                    detach(self._connection)
        self._connection, self._broken = None, False
        self._ended.set()

    def leave_note(self) -> None:
        """Tell the process that holds the file that somebody waits for it."""
        with contextlib.suppress(
            OSError
        ):  # a courtesy: without it one waits until the holder is idle
            write_note(self._note, str(os.getpid()))

    def _is_wanted(self) -> bool:
        try:
            recent = time.time() - self._note.stat().st_mtime < NOTE_SECONDS
            return recent and read_note(self._note) != str(os.getpid())
        except OSError:
            return False


_leases: dict[Path, Lease] = {}
_registry = threading.Lock()


def lease_of(path: Path, prepare: Callable[[Cursor, Path], Cursor]) -> Lease:
    """This process's lease of that file, the same one each time."""
    with _registry:
        return _leases.setdefault(path, Lease(path, prepare))


@atexit.register
def _close_all() -> None:
    for lease in _leases.values():
        lease.end()
    end_idle()
