"""Workers as processes: what they print, what they leave behind, a spool that goes away.

The worker here is a script that uses the real spool and loads no torch.
"""

import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from explorer import job_progress
from explorer.jobs import bounded_log, heartbeat, local_workers
from explorer.jobs.local_workers import LocalWorkers
from explorer.jobs.process import MARK_VARIABLE, ProcessName
from explorer.jobs.queue_state import JobState
from explorer.jobs.spool import Spool
from explorer.supervisor import supervisor as supervisors
from explorer.supervisor.supervisor import Supervisor
from store import Catalog
from tests.tiny import (
    ROOT,
    until,
    until_stored,
)

BEGIN = """
import os, sys, time
from pathlib import Path
from explorer.jobs import heartbeat
from explorer.jobs.process import ProcessName
from explorer.jobs.spool import Spool
heartbeat.BEAT_SECONDS = 0.05
spool = Spool(Path(sys.argv[1]))
if not os.fork():  # as a problem file may
    (spool.folder / "child").write_text(str(os.getpid()))
    time.sleep(3600)
"""
SERVES = """
with spool.enrolled_worker(ProcessName.of(os.getpid())):
    time.sleep(3600)
"""
HANGS = """
spool._held.add("over")
with spool.enrolled_worker(ProcessName.of(os.getpid())):
    time.sleep(3600)
"""
LEAVES = """
with spool.enrolled_worker(ProcessName.of(os.getpid())):
    while not (spool.folder / "go").exists():
        time.sleep(0.01)
"""
PRINTS = """
for _ in range(200):
    print("x" * 50_000, flush=True)
os.write(2, b"the last word\\n")
os._exit(3)
"""
REQUEST = {"problem": "/mine.py", "arguments": {}, "checkpoints": [], "name": "mine", "then": []}

pytestmark = pytest.mark.usefixtures("started_workers")


@pytest.fixture
def spool(tmp_path: Path) -> Spool:
    return Spool(tmp_path / "catalog" / "jobs")


def hired(
    spool: Spool, monkeypatch: pytest.MonkeyPatch, deeds: str
) -> tuple[LocalWorkers, ProcessName]:
    """A crew whose one worker does this, and the worker's child."""
    monkeypatch.setattr(local_workers, "WORKER_COMMAND", [sys.executable, "-c", BEGIN + deeds])
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    ours = LocalWorkers(spool)
    assert ours.ensure_workers(["cpu"]) == ""
    pid = until(lambda: (spool.folder / "child").is_file() and (spool.folder / "child").read_text())
    return ours, ProcessName.of(int(pid))


def test_what_a_worker_prints_fills_no_disk_and_is_told_at_its_end(spool, monkeypatch):
    """10 MB of print: the log keeps 2 MB at most, and the last line; its child ends with it."""
    ours, child = hired(spool, monkeypatch, PRINTS)
    (worker,) = spool.enrolments()
    until(lambda: not ours.is_alive(worker))
    assert child.alive
    ours.remove_dead()
    until(lambda: not child.alive)
    told = " (exit status 3); it last said: the last word"
    until(lambda: ours.end_text(worker) == told)  # its log may be behind on a busy machine
    assert spool.enrolments() == []
    sizes = [file.stat().st_size for file in spool.folder.glob("worker.log*")]
    assert 0 < sum(sizes) <= 2 * bounded_log.MAX_LOG_BYTES


def test_a_worker_is_ended_with_all_that_it_has_started(spool, monkeypatch):
    """Stop, after its grace: also what a problem file has forked."""
    ours, child = hired(spool, monkeypatch, SERVES)
    worker = until(lambda: (w := spool.workers()) and spool.beat(w[0]).count > 1 and w[0])
    assert spool.beat(worker).mark
    assert child.alive
    ours.end(worker)
    until(lambda: not worker.alive and not child.alive)


def test_a_worker_that_hangs_at_a_job_which_is_over_is_ended(spool, monkeypatch):
    """The process of its problem says no more: the others must not wait behind it for ever."""
    ours, child = hired(spool, monkeypatch, HANGS)
    worker = until(lambda: (w := spool.workers()) and spool.beat(w[0]).jobs and w[0])
    ours.remove_dead({"over"})
    assert worker.alive
    until(lambda: ours.remove_dead() or not worker.alive)
    until(lambda: not child.alive)


def test_a_stopped_worker_holds_nothing_up(spool, monkeypatch):
    """SIGSTOP of one that has no job in hand: another is started beside it."""
    monkeypatch.setattr(heartbeat, "SILENT_SECONDS", 0.5)
    ours, _ = hired(spool, monkeypatch, SERVES)
    worker = until(lambda: (w := spool.workers()) and spool.beat(w[0]).count and w[0])
    os.kill(worker.pid, signal.SIGSTOP)
    until(lambda: ours.ensure_workers(["cpu"]) == "" and len(spool.workers()) == 2)
    (other,) = set(spool.workers()) - {worker}
    until(lambda: spool.beat(other).count)
    monkeypatch.setattr(heartbeat, "SILENT_SECONDS", 60.0)  # however busy the machine is
    assert ours.ensure_workers(["cpu"]) == ""
    assert set(spool.workers()) == {worker, other}
    for each in (worker, other):
        ours.end(each)
    until(lambda: not worker.alive and not other.alive)


def test_a_worker_that_leaves_ends_what_it_has_started(spool, monkeypatch):
    """Also where no app and no command is there to do so."""
    _, child = hired(spool, monkeypatch, LEAVES)
    (spool.folder / "go").touch()
    until(lambda: not child.alive)
    until(lambda: spool.enrolments() == [])


@pytest.mark.parametrize("deed", ["renamed", "removed"])
def test_a_worker_whose_spool_is_gone_leaves(spool, monkeypatch, deed):
    """Nobody could get at what it computes: it ends with its children."""
    _, child = hired(spool, monkeypatch, SERVES)
    worker = until(lambda: (w := spool.workers()) and spool.beat(w[0]).count > 1 and w[0])
    catalog = spool.folder.parent
    if deed == "renamed":
        catalog.rename(catalog.with_name("elsewhere"))
    else:
        shutil.rmtree(catalog, ignore_errors=True)
    until(lambda: not worker.alive and not child.alive)
    assert not catalog.exists()


def test_waiting_ends_when_the_catalog_has_moved(tmp_path):
    """One sentence; nothing is made where it was, and where it is now the job is there."""
    catalog = Catalog(tmp_path / "catalog")
    catalog.check()
    job = catalog.add_job("known", "import", "Import of mine", REQUEST, priority=20)
    supervisor = Supervisor(catalog, hires=False)
    supervisor.start()
    told = []

    def move(said: JobState) -> None:
        told.append(said)
        if len(told) == 3:
            catalog.close()
            catalog.folder.rename(tmp_path / "elsewhere")

    try:
        with pytest.raises(ValueError, match="was moved or removed while it was in use; open it"):
            job_progress.wait_for_job(catalog, job.id, supervisor, move)
        until(lambda: "was moved or removed" in supervisor.trouble)
    finally:
        supervisor.stop()
    assert not catalog.folder.exists()
    moved = Catalog(tmp_path / "elsewhere")
    assert moved.job(job.id).status == "queued"
    assert [folder.id for folder in Spool(moved.jobs_folder).jobs()] == [job.id]


def test_a_spool_that_was_removed_is_made_anew(tmp_path, monkeypatch):
    """Its jobs end with a sentence, the catalog goes on."""
    monkeypatch.setattr(supervisors, "STEP_SECONDS", 0.01)
    catalog = Catalog(tmp_path / "catalog")
    catalog.check()
    catalog.add_job("known", "import", "Import of mine", REQUEST, priority=20)
    supervisor = Supervisor(catalog, hires=False)
    supervisor.start()
    try:
        until(lambda: Spool(catalog.jobs_folder).job("known"))
        until(lambda: Spool(catalog.jobs_folder).job("known").catalog_progress)
        shutil.rmtree(catalog.jobs_folder)
        until_stored(catalog, lambda: catalog.job("known").status == "failed")
        assert "was removed while it ran" in catalog.job("known").error
        until(lambda: (catalog.jobs_folder / "workers").is_dir() and not supervisor.trouble)
    finally:
        supervisor.stop()


def test_only_a_worker_by_itself_is_ended_by_a_lost_spool(tmp_path, monkeypatch):
    """A program that merely uses the spool, as this one, is not."""
    monkeypatch.delenv(MARK_VARIABLE, raising=False)
    code = (
        "import os, shutil, sys, time; from pathlib import Path\n"
        "from explorer.jobs import heartbeat; heartbeat.BEAT_SECONDS = 0.01\n"
        "from explorer.jobs.process import ProcessName; from explorer.jobs.spool import Spool\n"
        "spool = Spool(Path(sys.argv[1]))\n"
        "with spool.enrolled_worker(ProcessName.of(os.getpid())):\n"
        "    shutil.rmtree(spool.folder); time.sleep(0.2)\n"
        "print('alive')\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path / "jobs")],
        cwd=ROOT,
        capture_output=True,
        text=True,
        env={name: value for name, value in os.environ.items() if name != MARK_VARIABLE},
    )
    assert done.stdout == "alive\n", done.stderr
