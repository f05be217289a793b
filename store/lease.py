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

from store.errors import CatalogBusy, CatalogLost, from_duckdb, from_os, holder_of, is_held
from store.instance import USE_DATABASE, attach, detach, end_idle
from store.note import read_note, write_note
from store.place import is_read_only, make_folder, mark_of, openable, refuse_a_lost_database

IDLE_SECONDS = 0.12  # seconds without use after which the file is let go
WANTED_SECONDS = 0.02  # the same, where another process waits for it
WATCH_SECONDS = 0.02  # between two looks whether it is
MAX_FREE = 4  # cursors that are kept for the next use
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
        self._free: list[Cursor] = []  # cursors that nobody uses, of the connection there is
        self._prepared: tuple[int, ...] = ()  # state of the file that was let go, schema and all
        self._identity: tuple[int, int] | None = None  # of the file that was opened: device, inode
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
        with _interrupts():
            cursor, clean = self._take(timeout, self._try_cursor), False
        try:
            with _interrupts():
                yield cursor
            clean = True
        except duckdb.Error as error:
            catalog_error = from_duckdb(error, self.path)
            if catalog_error is None:
                raise
            self._broken = True
            raise catalog_error from error
        finally:
            self._give_back(cursor, clean)

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
        with _interrupts():
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
        if self._connection is not None and self._is_replaced():
            self._broken = True
        if self._broken and not self._users:
            self._close_connection()
        if self._broken or time.monotonic() < self._not_before:
            return None
        connection = self._open() if self._connection is None else self._connection
        if connection is None:
            return None
        cursor = self._free.pop() if self._free else self._new_cursor(connection)
        self._users += 1
        return cursor

    def _new_cursor(self, connection: Cursor) -> Cursor:
        cursor = connection.cursor()
        self._cursors.add(cursor)
        try:
            cursor.execute(USE_DATABASE)
        except duckdb.Error as error:
            self._broken = True
            raise (from_duckdb(error, self.path) or error) from error
        return cursor

    def _is_replaced(self) -> bool:
        """Whether another file, or none, lies where the one that is open was."""
        try:
            status = self.path.stat()
        except OSError:
            return True
        return (status.st_dev, status.st_ino) != self._identity

    def _open(self) -> Cursor | None:
        """The connection, from now on this process's one; None while another process has it."""
        connection = self._connect()
        if connection is None:
            return None
        self._connection = self._set_up(connection)
        self._holder = None
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
                self._holder = holder_of(error)
                self.leave_note()
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

    def _give_back(self, cursor: Cursor, clean: bool) -> None:
        with self._guard:
            self._users -= 1
            if clean and not self._broken and len(self._free) < MAX_FREE:
                self._free.append(cursor)
            else:
                _close_cursor(cursor)
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
        while not ended.wait(WATCH_SECONDS):
            with self._guard:
                self._let_others_in()
                if not ended.is_set() and not self._users and self._is_idle():
                    self._close_connection()

    def _is_idle(self) -> bool:
        """Whether it has not been used for as long as it is kept open."""
        unused = time.monotonic() - self._used
        return unused > IDLE_SECONDS or (unused > WANTED_SECONDS and self._is_wanted())

    def _close_connection(self) -> None:
        connection, broken = self._connection, self._broken
        self._connection, self._broken, self._prepared = None, False, ()
        self._ended.set()
        while self._free:
            _close_cursor(self._free.pop())
        if connection is not None:
            with contextlib.suppress(
                duckdb.Error
            ):  # the last checkpoint; the log keeps what it had
                if broken:
                    connection.close()
                else:
                    detach(connection)
                    self._prepared = mark_of(self.path)

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


@contextlib.contextmanager
def _interrupts() -> Iterator[None]:
    """Ctrl+C is what it is elsewhere, whatever DuckDB makes of it."""
    try:
        yield
    except RuntimeError as error:
        if "Query interrupted" in str(error):
            raise KeyboardInterrupt from error
        raise


def _close_cursor(cursor: Cursor) -> None:
    with contextlib.suppress(duckdb.Error):  # a database found broken refuses this as well
        cursor.close()


_leases: dict[Path, Lease] = {}
_registry = threading.Lock()


def lease_of(path: Path, prepare: Callable[[Cursor, Path], Cursor]) -> Lease:
    """This process's lease of that file, the same one each time."""
    with _registry:
        return _leases.setdefault(path, Lease(path, prepare))


@atexit.register
def _close_all() -> None:
    with _registry:
        leases = list(_leases.values())
    for lease in leases:
        lease.end()
    end_idle()
