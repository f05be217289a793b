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
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeVar

import duckdb

from store.database_file import Cursor, DatabaseFile
from store.errors import CatalogBusy, from_duckdb
from store.instance import end_idle
from store.note import read_note, write_note
from store.read_memory import ReadMemory

IDLE_SECONDS = 0.12  # without use, after which the file is let go
WANTED_SECONDS = 0.02  # the same, where another process waits for it
WATCH_SECONDS = 0.02  # between two looks whether it is
# After so many it is let go though it is in use all the time: other clients leave no note.
MAX_HELD_SECONDS = 0.5
TURN_SECONDS = 0.25  # for which one may go on while others wait: opening and closing cost 10 ms
GAP_SHARE = 1 / 3  # of the time it was held, for which it is let go: under load all takes longer
NOTE_SECONDS = 0.3  # a waiting process renews its note at each attempt
EXIT_SECONDS = 5.0  # that other threads have at the end of the process
ATTEMPT_SECONDS = (0.015, 0.045)  # between two attempts, drawn anew; a failed one costs 10 ms

Taken = TypeVar("Taken")


class Lease:
    """The one use at a time that this process makes of one database file, by all its threads."""

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
        self.commits = 0  # that were tried: one of them is seen only once it is done
        self.memory = ReadMemory()
        self.beside: Cursor | None = None  # another connection, which is interrupted at the end
        self._file = DatabaseFile(path, prepare)
        self._guard = threading.Lock()
        self._users = 0
        self._last_cursors: list[Cursor] = []
        self._over = False  # the process ends: nobody begins to use it
        self._opened = self._used = 0.0
        self._ended = threading.Event()
        self._watcher: threading.Thread | None = None
        self._not_before = 0.0
        self._let_go = False  # another connection of this process has the file open
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
            self._file.broken = True
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
        self._file.broken = True

    def close(self) -> None:
        """Let the file go now if nobody in this process is using it."""
        with _interrupts():
            self._close_if_unused()

    def _close_if_unused(self) -> bool:
        """Let the file go unless somebody uses it, or is about to; whether it is let go."""
        with self._guard:
            if not self._users:
                self._close()
            return not self._users

    def end(self) -> None:
        """Close for good, some seconds later at most.

        A thread left in DuckDB at exit aborts the process, and so does one that drops the last
        reference to a cursor then: those that are still named somewhere are kept from here on.
        """
        deadline = time.monotonic() + EXIT_SECONDS
        self._over = True
        while not self._close_if_unused() and time.monotonic() < deadline:
            if self.beside is not None:
                with contextlib.suppress(duckdb.Error):  # closed at this moment
                    self.beside.interrupt()
            time.sleep(IDLE_SECONDS / 5)
        self._last_cursors = self._file.named_cursors
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
                raise CatalogBusy(self.path, self._file.holder, timeout)
            time.sleep(random.uniform(*ATTEMPT_SECONDS))

    def _try_let_go(self) -> bool | None:
        self._let_others_in()
        self._file.holder = os.getpid()
        if self._users:
            return None
        self._close()
        self._users, self._let_go = 1, True
        return True

    def _try_cursor(self) -> Cursor | None:
        if self._let_go:
            self._file.holder = os.getpid()
            return None
        self._let_others_in()
        if self._file.is_open and self._file.is_replaced:
            self._file.broken = True
        if self._file.broken and not self._users:
            self._close()
        if self._file.broken or time.monotonic() < self._not_before:
            return None
        if not self._file.is_open and not self._open():
            return None
        cursor = self._file.cursor()
        self._users += 1
        return cursor

    def _open(self) -> bool:
        """Open the file, and see to it that it is let go again; whether that could be done."""
        if not self._file.open():
            self.leave_note()
            return False
        self._opened = self._used = time.monotonic()
        self._ended = threading.Event()
        self._watcher = threading.Thread(target=self._watch, args=(self._ended,), daemon=True)
        self._watcher.start()
        return True

    def _close(self) -> None:
        self._ended.set()
        self._file.close()

    def _give_back(self, cursor: Cursor, clean: bool) -> None:
        with self._guard:
            self._users -= 1
            self._file.put_back(cursor, clean)
            self._used = time.monotonic()
            self._let_others_in()

    def _let_others_in(self) -> None:
        """Let the file go for a moment, once nobody here is using it, when others have waited."""
        held_seconds = time.monotonic() - self._opened
        if not self._file.is_open or held_seconds < TURN_SECONDS:
            return
        if held_seconds < MAX_HELD_SECONDS and not self._is_wanted():
            return
        self._not_before = time.monotonic() + GAP_SHARE * held_seconds
        if not self._users:
            self._close()

    def _watch(self, ended: threading.Event) -> None:
        """Close the file once it is idle or wanted elsewhere."""
        while not ended.wait(WATCH_SECONDS):
            with self._guard:
                self._let_others_in()
                if not ended.is_set() and not self._users and self._is_idle():
                    self._close()

    def _is_idle(self) -> bool:
        """Whether it has not been used for as long as it is kept open."""
        unused = time.monotonic() - self._used
        return unused > IDLE_SECONDS or (unused > WANTED_SECONDS and self._is_wanted())

    def leave_note(self) -> None:
        """Tell the process that holds the file that somebody waits for it."""
        with contextlib.suppress(OSError):  # a courtesy: else one waits until the holder is idle
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
