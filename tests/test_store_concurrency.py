"""What the catalog promises when others come between: processes, threads, kills, full disks."""

import os
import resource
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest

from store import Catalog, CatalogBusy, CatalogFull, NotACatalog
from store.isolated import isolated
from store.lease import Lease
from store.note import read_note, write_note
from tests.fork_server import ForkedProcess, forked_script
from tests.stored import TABLE, ingest, question

ROOT = Path(__file__).parent.parent
ROWS = 50  # per piece


HEAD = "import sys; from store import *; import numpy as np; from tests.stored import *\n"


def child(code: str, *arguments: object) -> ForkedProcess:
    """Another process that runs the code."""
    return forked_script(HEAD + code, *arguments)


def started_child(code: str, *arguments: object) -> subprocess.Popen:
    """The same, that also ends as Python does."""
    return subprocess.Popen(
        [sys.executable, "-c", HEAD + code, *map(str, arguments)],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True,
    )


WRITER = """
catalog = Catalog(sys.argv[1])
first, count = int(sys.argv[2]), int(sys.argv[3])
for n in range(first, first + count):
    ingest(catalog, np.arange(n * 50, n * 50 + 50))
    print(n, flush=True)
"""


def test_a_kill_loses_no_acknowledged_piece_and_tears_none(tmp_path):
    """SIGKILL in the middle of ingests: what was reported stored is there, pieces are whole."""
    catalog = Catalog(tmp_path)
    catalog.ask(question(units=10**6))
    catalog.close()
    said = 0
    for round in range(2):
        stored = len(catalog.done_units("q1", TABLE)) // ROWS
        catalog.close()
        process = child(WRITER, tmp_path, stored, 10**4)
        for line in process.stdout:
            said = int(line) + 1
            if said >= stored + 15 + 10 * round:
                break
        time.sleep(0.003 * round)
        process.kill()
        said += len(process.stdout.read().split("\n")) - 1
        process.wait()
        units = catalog.done_units("q1", TABLE)
        assert len(units) >= said * ROWS
        assert len(units) % ROWS == 0
        assert np.array_equal(units, np.arange(len(units)))
        assert catalog.units_done("q1") == len(units)
    assert not [s for s in catalog.check_integrity() if "units" in s]


def test_two_processes_write_in_turns(tmp_path):
    """Both busy writers get through without an error, and so does a reader between them."""
    catalog = Catalog(tmp_path)
    catalog.ask(question(units=16 * ROWS))
    start = time.monotonic()
    writers = [child(WRITER, tmp_path, first, 8) for first in (0, 8)]
    waits = []
    while any(writer.poll() is None for writer in writers):
        began = time.monotonic()
        catalog.questions()
        waits.append(time.monotonic() - began)
        time.sleep(0.05)
    print(f"{time.monotonic() - start:.1f} s, longest wait of the reader {max(waits):.2f} s")
    assert [writer.communicate()[0] and writer.returncode for writer in writers] == [0, 0]
    assert catalog.question("q1").status == "complete"


HOLDER = """
import duckdb, time
connection = duckdb.connect(sys.argv[1])
print("held", flush=True)
time.sleep(99)
"""


def test_a_held_catalog_is_reported_with_its_holder(tmp_path):
    """After the time allowed, while it still holds it, the message names the process that does."""
    Catalog(tmp_path).check()
    Catalog(tmp_path).close()
    holder = child(HOLDER, tmp_path / "catalog.duckdb")
    try:
        holder.stdout.readline()
        with pytest.raises(CatalogBusy, match=f"process {holder.pid} ") as caught:
            Catalog(tmp_path, timeout=0.4).check()
        assert caught.value.pid == holder.pid
        assert holder.poll() is None
    finally:
        holder.kill()
        holder.communicate()
    Catalog(tmp_path).check()


def test_threads_share_a_catalog(tmp_path):
    """Four threads ingest and read, each through its own object, while a fifth lets the file go."""
    catalog = Catalog(tmp_path)
    catalog.ask(question(units=4 * 6 * ROWS))
    errors: list[Exception] = []

    def work(number: int) -> None:
        mine = Catalog(tmp_path)
        try:
            for n in range(number * 6, number * 6 + 6):
                ingest(mine, np.arange(n * ROWS, n * ROWS + ROWS))
                assert (n * ROWS) in mine.values("q1", TABLE)["unit"]
                mine.questions("surface")
        except Exception as error:
            errors.append(error)

    threads = [threading.Thread(target=work, args=(n,)) for n in range(4)]
    for thread in threads:
        thread.start()
    while any(thread.is_alive() for thread in threads):
        catalog.close()
        time.sleep(0.01)
    assert errors == []
    assert catalog.question("q1").status == "complete"
    assert catalog.done_units("q1", TABLE).tolist() == list(range(4 * 6 * ROWS))


def test_overlapping_pieces_from_threads_are_stored_once(tmp_path):
    """Eight threads that bring the same piece at the same time add its rows once."""
    catalog = Catalog(tmp_path)
    catalog.ask(question(units=ROWS))
    barrier = threading.Barrier(8)

    def work() -> None:
        barrier.wait()
        ingest(catalog, np.arange(ROWS))

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert catalog.values("q1", TABLE)["unit"].tolist() == list(range(ROWS))


def test_a_remembered_list_that_threads_add_to_loses_nothing(tmp_path):
    """What each changes is what is kept at that moment, not what it read before."""
    catalog = Catalog(tmp_path)
    catalog.check()
    barrier = threading.Barrier(8)

    def add(number: int) -> None:
        barrier.wait()
        catalog.change_remembered("pinned", [], lambda kept: sorted([*kept, number]))

    threads = [threading.Thread(target=add, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert catalog.recall("pinned", []) == list(range(8))
    assert catalog.change_remembered("pinned", "", lambda kept: kept + "a") == "a"  # was no text


def test_a_foreign_transaction_in_this_process_is_waited_for(tmp_path):
    """A conflict with somebody else's open transaction is tried again until it is gone."""
    catalog = Catalog(tmp_path)
    catalog.remember("device", "cpu")
    with catalog._lease.cursor(10) as foreign:
        foreign.execute("BEGIN")
        foreign.execute("UPDATE settings SET value = '1'")
        timer = threading.Timer(0.01, lambda: foreign.execute("ROLLBACK"))
        timer.start()
        catalog.remember("device", "cuda")
        timer.join()
    assert catalog.recall("device", "") == "cuda"


def fill(catalog: Catalog, first: int) -> int:
    """Ingest until the disk is full; the number of units acknowledged."""
    stored = first
    with pytest.raises(CatalogFull, match="free some space"):
        while stored < 10**7:
            loss = np.random.default_rng(stored).random(10_000)
            ingest(catalog, np.arange(stored, stored + 10_000), loss=loss)
            stored += 10_000
    return stored


def check_after_full(catalog: Catalog, stored: int) -> None:
    units = catalog.done_units("q1", TABLE)
    assert np.array_equal(units, np.arange(len(units)))
    assert len(units) in (stored, stored + 10_000)  # a durable commit may lack only its answer
    assert catalog.units_done("q1") == len(units)
    ingest(catalog, np.arange(len(units), len(units) + 10))
    assert len(catalog.done_units("q1", TABLE)) == len(units) + 10


def test_a_file_size_limit_is_reported_and_survived(tmp_path):
    """A refused write gives CatalogFull; nothing is half stored; with space the catalog goes on."""
    catalog = Catalog(tmp_path)
    catalog.ask(question(units=10**8))
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1_500_000, before[1]))
    try:
        stored = fill(catalog, 0)
        with pytest.raises(CatalogFull):
            catalog.put_file(b"x" * 2_000_000, "bin")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert list((tmp_path / "files").rglob("*.*")) == []
    check_after_full(catalog, stored)


@pytest.fixture
def small_disk(tmp_path):
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=12m", "tmpfs", str(disk)]
    if os.geteuid() != 0 or subprocess.run(mount, capture_output=True).returncode:
        pytest.skip("a small disk can only be mounted as root")
    yield disk
    subprocess.run(["umount", "-l", str(disk)], check=True)


def test_a_full_disk_is_reported_and_survived(small_disk):
    """The same with a real full file system: CatalogFull, then usable once space is free."""
    ballast = small_disk / "ballast"
    ballast.write_bytes(b"\0" * 8_500_000)
    catalog = Catalog(small_disk / "catalog")
    catalog.ask(question(units=10**8))
    stored = fill(catalog, 0)
    ballast.unlink()
    check_after_full(catalog, stored)
    catalog.close()


def test_a_waiting_process_is_let_in_by_a_busy_one(tmp_path):
    """A thread that never pauses does not starve another process."""
    catalog = Catalog(tmp_path)
    catalog.ask(question(units=10**6))
    stop = threading.Event()

    def busy() -> None:
        while not stop.is_set():
            catalog.questions()

    thread = threading.Thread(target=busy)
    thread.start()
    try:
        visitor = child(WRITER, tmp_path, 0, 3)
        assert visitor.communicate(timeout=60)[0].split() == ["0", "1", "2"]
    finally:
        stop.set()
        thread.join()


def test_a_note_is_left_in_a_file_of_its_own_and_nowhere_else(tmp_path):
    """What a link, a second name or a pipe under the note's name leads to stays as it is."""
    kept = tmp_path / "kept"
    kept.write_text("mine")
    note = tmp_path / "catalog.wanted"
    for plant in (note.symlink_to, note.hardlink_to):
        plant(kept)
        with pytest.raises(OSError):
            write_note(note, "1")
        with pytest.raises(OSError):
            read_note(note)
        note.unlink()
    os.mkfifo(note)
    with pytest.raises(OSError):
        write_note(note, "1")
    with pytest.raises(OSError):
        read_note(note)
    note.unlink()
    write_note(note, "123")
    write_note(note, "45")
    assert read_note(note) == "45"
    assert kept.read_text() == "mine"


def test_the_time_that_others_have_grows_with_the_time_it_was_held(tmp_path):
    """Where a machine is slow, others too need longer to get in: the file stays closed as long."""
    lease = Lease(tmp_path / "catalog.duckdb", lambda connection, path: connection)
    with lease.cursor(10):
        lease._opened -= 6.0
    gap = lease._not_before - time.monotonic()
    assert not lease._file.is_open
    assert 1.0 < gap < 3.0
    lease.end()


AT_EXIT = """
import sys, threading, time
from pathlib import Path
from store.lease import lease_of

def slow(cursor, seconds):
    began = time.monotonic()
    while time.monotonic() - began < seconds:
        cursor.execute("SELECT count(*) FROM range(1000000)").fetchall()

def prepare(cursor, path):
    opening.set()
    slow(cursor, 0.5)
    return cursor

def use():
    with lease.cursor(5) as cursor:
        slow(cursor, 0.5)

opening, lease = threading.Event(), lease_of(Path(sys.argv[1]), prepare)
threading.Thread(target=use, daemon=True).start()
opening.wait()
"""


def test_a_process_ends_in_peace_while_another_thread_opens(tmp_path: Path) -> None:
    """A thread that is about to use the database has done so when the interpreter ends."""
    process = started_child(AT_EXIT, tmp_path / "catalog.duckdb")
    process.communicate()
    assert process.returncode == 0


LONG_QUERY_AT_EXIT = """
import threading, time
catalog = Catalog(sys.argv[1])
def ask():
    while True:
        try:
            catalog.query("SELECT count(*) FROM range(100000000000) t(a) WHERE a % 7 = hash(a) % 5")
        except CatalogError:
            pass
threading.Thread(target=ask, daemon=True).start()
while catalog._lease.beside is None:
    time.sleep(0.01)
"""


def test_a_process_ends_in_peace_while_another_thread_queries(tmp_path: Path) -> None:
    """A query of minutes is interrupted, and no other begins, when the interpreter ends."""
    process = started_child(LONG_QUERY_AT_EXIT, tmp_path)
    process.communicate()
    assert process.returncode == 0


LOCKING = """
import fcntl, sys
with open(sys.argv[1], "rb+") as file:
    fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
"""


@pytest.mark.parametrize("way", ["check", "query", "merge"])
def test_the_lock_on_a_database_in_use_stays(tmp_path: Path, way: str) -> None:
    """Nothing that this process does beside its own use of a database lets another one in."""
    catalog, other = Catalog(tmp_path / "a"), Catalog(tmp_path / "b")
    catalog.check()
    with catalog._lease.cursor(10):
        if way == "check":
            assert catalog.check_integrity(contents=True) == []
        else:
            catalog._timeout = 0.1
            with pytest.raises(CatalogBusy):
                catalog.query("SELECT 1") if way == "query" else _merge(other, catalog)
        database = catalog.folder / "catalog.duckdb"
        locked = subprocess.run(
            [sys.executable, "-c", LOCKING, database], capture_output=True, text=True
        )
    assert "BlockingIOError" in locked.stderr


def _merge(other: Catalog, catalog: Catalog) -> None:
    other.check()
    other._timeout = 0.1
    other.merge(catalog.folder)


def test_a_query_has_the_database_to_itself_in_its_process(tmp_path: Path) -> None:
    """What would open the file beside it is busy, and goes on when the query is done."""
    catalog = Catalog(tmp_path)
    catalog.check()
    with isolated(catalog._lease, 10) as connection:
        catalog._timeout = 0.1
        with pytest.raises(CatalogBusy, match=f"process {os.getpid()}"):
            catalog.models()
        assert connection.execute("SELECT count(*) FROM models").fetchone() == (0,)
    catalog._timeout = 10
    assert catalog.models() == []


def test_a_transaction_that_stays_in_the_way_is_named(tmp_path: Path) -> None:
    """Another connection of this process keeps a row: the sentence says what is in the way."""
    catalog = Catalog(tmp_path)
    catalog.remember("count", 0)
    with catalog._lease.cursor(10) as other:
        other.execute("BEGIN")
        other.execute("UPDATE settings SET value = '1'")
        with pytest.raises(CatalogBusy, match="met another one of this very process 5 times"):
            catalog.remember("count", 2)
        other.execute("ROLLBACK")
    catalog.remember("count", 2)
    assert catalog.recall("count", 0) == 2


def test_two_catalogs_at_once_and_in_turns_keep_to_themselves(tmp_path):
    """What one has is not seen in the other, whichever DuckDB instance serves it; also damaged."""
    catalogs = [Catalog(tmp_path / name) for name in ("it's", "other", "third")]
    for count, catalog in enumerate(catalogs, start=1):
        catalog.ask(question(f"q{count}"))
        ingest(catalog, np.arange(count), f"q{count}")
    for _ in range(2):
        with catalogs[0]._lease.cursor(10), catalogs[1]._lease.cursor(10):
            keys = [[q.key for q in catalog.questions()[0]] for catalog in catalogs]
        assert keys == [["q1"], ["q2"], ["q3"]]
        for catalog in catalogs:
            catalog.close()
    (tmp_path / "other" / "catalog.duckdb").write_bytes(b"no database" * 1000)
    with pytest.raises(NotACatalog):
        catalogs[1].check()
    assert len(catalogs[0].values("q1", TABLE)["unit"]) == 1
    assert len(catalogs[2].values("q3", TABLE)["unit"]) == 3
