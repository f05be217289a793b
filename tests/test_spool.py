"""The spool: what is half written is never seen, and every job has one taker."""

import os
import resource
import shutil
import threading
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest
import safetensors

from explorer.contracts.request import ImportRequest
from explorer.jobs import job_folder
from explorer.jobs.heartbeat import Beat
from explorer.jobs.job_folder import JobFolder
from explorer.jobs.json_files import read_json, write_json
from explorer.jobs.piece_files import piece_files, read_arrival
from explorer.jobs.process import ProcessName
from explorer.jobs.spool import Spool
from explorer.kinds.piece import Piece
from tests.fork_server import forked_script

ROOT = Path(__file__).parent.parent
ME = ProcessName.of(os.getpid())
TIME = datetime(2026, 1, 1, tzinfo=UTC)


def request(name: str) -> ImportRequest:
    return ImportRequest(problem=Path("/mine.py"), arguments={}, checkpoints=(), name=name)


def offered(spool: Spool, job_id: str, priority: int = 20, second: int = 0) -> JobFolder:
    folder = spool.new(job_id, priority, TIME.replace(second=second))
    folder.offer(request(job_id))
    return folder


def piece(count: int = 3) -> Piece:
    units = np.arange(count, dtype=np.int64)
    return Piece({"unit": units, "loss": units / 7.0}, {"device": "cpu"}, seconds=0.1)


def test_every_bit_of_a_piece_survives(tmp_path):
    """NaN with its payload, both infinities, -0.0 and the smallest number come back bit by bit."""
    bits = [0x7FF8000000000001, 0xFFF8DEADBEEF0001, 0x7FF0000000000000, 0xFFF0000000000000]
    loss = np.array([*bits, 0x8000000000000000, 1], dtype=np.uint64).view(np.float64)
    columns = {"unit": np.arange(6, dtype=np.int64), "loss": loss, "wide": loss.astype(np.float32)}
    folder = offered(Spool(tmp_path), "a")
    folder.put_piece(Piece(columns, {"at": float("nan"), "name": "ä"}, seconds=1 / 3))
    [file] = folder.piece_files()
    arrived = read_arrival(file).piece
    assert {name: value.tobytes() for name, value in arrived.columns.items()} == {
        name: value.tobytes() for name, value in columns.items()
    }
    assert np.isnan(arrived.facts["at"])
    assert arrived.facts["name"] == "ä"
    assert arrived.seconds == 1 / 3


def test_a_piece_of_strided_columns_survives(tmp_path):
    """Columns that are views into a larger array, as those of a transposed one, keep values."""
    rows = np.arange(12.0).reshape(4, 3)
    units = np.arange(8)[::2]
    folder = offered(Spool(tmp_path), "a")
    folder.put_piece(Piece({"unit": units, "x": rows.T[1], "y": rows[::-1, 2]}))
    (file,) = folder.piece_files()
    columns = read_arrival(file).piece.columns
    assert columns["unit"].tolist() == [0, 2, 4, 6]
    assert columns["x"].tolist() == [1.0, 4.0, 7.0, 10.0]
    assert columns["y"].tolist() == [11.0, 8.0, 5.0, 2.0]


def test_pieces_come_oldest_first(tmp_path):
    """Pieces are listed in the order in which they were put."""
    folder = offered(Spool(tmp_path), "a")
    for count in (5, 1, 3):
        folder.put_piece(piece(count))
    assert [len(read_arrival(file).piece.units) for file in folder.piece_files()] == [5, 1, 3]


def test_a_half_written_piece_is_not_listed(tmp_path, monkeypatch):
    """A writer that dies before the rename leaves nothing that counts as a piece."""
    folder = offered(Spool(tmp_path), "a")
    monkeypatch.setattr(Path, "replace", lambda source, target: os._exit(7))
    child = os.fork()
    if child == 0:
        folder.put_piece(piece())
        os._exit(0)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 7
    assert len(list((folder.path / "pieces").iterdir())) == 1  # the half is there
    assert folder.piece_files() == []


@pytest.mark.parametrize("kept", [0, 4, 8, 40, -1], ids=lambda kept: f"{kept} bytes")
def test_a_truncated_piece_says_so(tmp_path, kept):
    """A file cut anywhere, as by a power loss, raises the one error that means damage."""
    folder = offered(Spool(tmp_path), "a")
    folder.put_piece(piece())
    [file] = folder.piece_files()
    file.write_bytes(file.read_bytes()[:kept])
    with pytest.raises(safetensors.SafetensorError):
        read_arrival(file)


def test_a_failed_write_leaves_no_half_file(tmp_path):
    """Where the system stops a write half-way the partial file goes, so that it fills no disk."""
    folder = offered(Spool(tmp_path), "a")
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4096, limits[1]))
    try:
        with pytest.raises(OSError, match="File too large"):
            folder.put_piece(piece(2000))
        with pytest.raises(OSError, match="File too large"):
            write_json(folder.path / "progress.json", "x" * 5000)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert list((folder.path / "pieces").iterdir()) == []
    assert sorted(p.name for p in folder.path.iterdir()) == ["pieces", "queued", "request.json"]


def test_json_is_replaced_whole(tmp_path):
    """A reader beside a writer sees one whole value or another, never a part of one."""
    file, stop = tmp_path / "progress.json", threading.Event()
    values = [{"n": n, "text": "x" * 20_000 * n} for n in (1, 2)]
    write_json(file, values[0])

    def write() -> None:
        while not stop.is_set():
            for value in values:
                write_json(file, value)

    writer = threading.Thread(target=write)
    writer.start()
    try:
        seen = [read_json(file) for _ in range(300)]
    finally:
        stop.set()
        writer.join()
    assert all(value in values for value in seen)


def test_eight_threads_take_each_job_once(tmp_path):
    """No job is taken twice or left over when eight claim at the same time."""
    spool = Spool(tmp_path)
    wanted = [offered(spool, f"job{n}", second=n).id for n in range(40)]
    barrier, taken = threading.Barrier(8), []

    def take() -> None:
        barrier.wait()
        while (job := spool.claim_next(ME)) is not None:
            taken.append(job.id)

    threads = [threading.Thread(target=take) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(taken) == sorted(wanted)


TAKER = """
import os, sys, time
from pathlib import Path
from explorer.jobs.heartbeat import Beat
from explorer.jobs.process import ProcessName
from explorer.jobs.spool import Spool
spool, name = Spool(Path(sys.argv[1])), ProcessName.of(os.getpid())
while not Path(sys.argv[1], "go").exists():
    time.sleep(0.001)
while (job := spool.claim_next(name)) is not None:
    print(job.id, job.worker == name)
"""


def test_four_processes_take_each_job_once(tmp_path):
    """The same between processes, and each claim names the process that has it."""
    spool = Spool(tmp_path)
    wanted = [offered(spool, f"job{n}", second=n).id for n in range(40)]
    takers = [forked_script(TAKER, tmp_path) for _ in range(4)]
    (tmp_path / "go").touch()
    lines = [line for taker in takers for line in taker.communicate(timeout=60)[0].splitlines()]
    assert sorted(lines) == sorted(f"{job_id} True" for job_id in wanted)


def test_the_most_urgent_is_taken_first(tmp_path):
    """Lower priority number first, then the older one; a bound leaves the less urgent."""
    spool = Spool(tmp_path)
    for job_id, priority, second in (("c", 50, 0), ("b", 20, 9), ("a", 20, 3), ("d", 5, 59)):
        offered(spool, job_id, priority, second)
    assert spool.claim_next(ME, more_urgent_than=5) is None
    assert [spool.claim_next(ME).id for _ in range(3)] == ["d", "a", "b"]
    assert spool.claim_next(ME, more_urgent_than=50) is None
    assert spool.claim_next(ME).id == "c"


def test_an_offer_again_goes_from_claim_to_queue(tmp_path):
    """What a dead worker had can be taken again, with the new request and only once."""
    spool = Spool(tmp_path)
    folder = offered(spool, "a")
    assert folder.claim(ProcessName(1, 2))
    folder.offer(request("again"))
    assert (folder.is_queued, folder.worker) == (True, None)
    assert folder.claim(ME)
    assert not folder.claim(ME)
    assert (folder.worker, folder.request.name) == (ME, "again")


def test_a_job_is_in_the_spool_once_however_often_it_is_offered(tmp_path):
    """Two processes that offer the same new job make one folder; a claim of it stays."""
    spool = Spool(tmp_path)
    offered(spool, "a")
    again = spool.new("a", 20, TIME)
    assert spool.claim_next(ME) is not None
    again._make(request("again"))  # the slower one had not seen the folder
    assert [job.id for job in spool.jobs()] == ["a"]
    assert (again.worker, again.is_queued) == (ME, False)
    assert [p.name for p in tmp_path.iterdir() if p.name.startswith(".")] == []


def test_a_folder_being_made_or_removed_is_no_job(tmp_path, monkeypatch):
    """A process killed while making or removing a folder leaves no job; the rest is swept later."""
    spool = Spool(tmp_path)
    kept, gone = offered(spool, "kept"), offered(spool, "gone")
    monkeypatch.setattr(shutil, "rmtree", lambda *a, **k: None)  # killed just there
    monkeypatch.setattr(
        job_folder, "write_json", lambda *a: (_ for _ in ()).throw(KeyboardInterrupt)
    )
    gone.remove()
    with pytest.raises(KeyboardInterrupt):
        offered(spool, "new")
    assert [job.id for job in spool.jobs()] == ["kept"]
    monkeypatch.undo()
    spool.sweep()
    assert len(list(tmp_path.glob(".*"))) == 2  # somebody may still be at it
    for left in tmp_path.glob(".*"):
        os.utime(left, (0, 0))
    spool.sweep()
    assert list(tmp_path.glob(".*")) == []
    assert kept.path.is_dir()


def test_only_living_workers_are_listed(tmp_path):
    """One that has not begun yet counts; one that ended, whoever got its id, does not."""
    spool = Spool(tmp_path)
    called = ProcessName(1, 2)
    spool.enrol(called)
    assert spool.workers() == [called]
    gone = ProcessName(os.getpid(), ME.started - 60_000)
    Beat(3, is_locked=True).write(spool._entry(gone))
    assert set(spool.enrolments()) == {called, gone}
    assert spool.workers() == [called]
    spool.strike_off(called)
    with spool.enrolled_worker(ME):
        assert spool.workers() == [ME]
    assert spool.workers() == []


def test_what_killed_workers_have_left_beside_their_heartbeats_is_swept(tmp_path):
    """A lock without a heartbeat, and half a heartbeat, once nobody can be at it any more."""
    spool = Spool(tmp_path)
    with spool.enrolled_worker(ME):
        kept = sorted((tmp_path / "workers").iterdir())
        for name in (f"{spool.identity}.{ProcessName(1, 2)}.lock", ".half"):
            (tmp_path / "workers" / name).touch()
        spool.sweep()
        assert len(list((tmp_path / "workers").iterdir())) == len(kept) + 2
        for file in (tmp_path / "workers").iterdir():
            os.utime(file, (0, 0))
        spool.sweep()
        assert sorted((tmp_path / "workers").iterdir()) == kept


def test_an_ending_is_read_while_it_is_written(tmp_path: Path) -> None:
    """Whoever looks at the very moment sees no ending or the whole one, never an error."""
    folder = JobFolder(tmp_path / "20-1-abc")
    folder.path.mkdir()
    file, over, looks = folder.path / "finished.json", threading.Event(), 0

    def write_and_remove() -> None:
        while not over.is_set():
            folder.finish("done")
            file.unlink()

    writer = threading.Thread(target=write_and_remove)
    writer.start()
    try:
        endings: set[str | None] = set()
        while looks < 3000 or (len(endings) < 2 and looks < 300_000):  # the writer has had its turn
            ending, looks = folder.ending, looks + 1
            endings.add(ending and ending.status)
    finally:
        over.set()
        writer.join()
    assert endings == {None, "done"}


@pytest.mark.parametrize("name", ["finished.json", "progress.json"])
def test_a_pipe_or_a_link_in_a_job_is_not_waited_for(tmp_path: Path, name: str) -> None:
    """Whoever reads a job's folder goes on at once; only how it ended is asked for in words."""
    folder = JobFolder(tmp_path / "20-1-abc")
    folder.path.mkdir()
    for put in (os.mkfifo, lambda file: file.symlink_to("/dev/zero"), Path.mkdir):
        file = folder.path / name
        put(file)
        assert folder.progress is None
        if name == "finished.json":
            with pytest.raises(ValueError, match="compute it anew"):
                _ = folder.ending
        file.rmdir() if file.is_dir() else file.unlink()


def test_a_pipe_among_pieces_is_none(tmp_path: Path) -> None:
    """It is not opened."""
    os.mkfifo(tmp_path / f"{1:020d}.safetensors")
    assert piece_files(tmp_path) == []
