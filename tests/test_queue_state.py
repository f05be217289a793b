"""What a job waits for, in words, and stopping jobs from the command line."""

import errno
import json
import os
import subprocess
import sys
from pathlib import Path
from unittest.mock import Mock

import pytest
from filelock import Timeout

from explorer.ask import requests
from explorer.codec import to_json
from explorer.contracts.progress import StoredProgress
from explorer.contracts.request import ImportRequest
from explorer.jobs import queue_state
from explorer.jobs.job_folder import JobFolder
from explorer.jobs.process import ProcessName
from explorer.jobs.spool import Spool
from explorer.jobs.supervisor_lock import is_supervised, supervisor_lock
from store import Catalog, CatalogFull
from tests.tiny import command_line

ME = ProcessName.of(os.getpid())
REQUEST = ImportRequest(problem=Path("/mine.py"), arguments={}, checkpoints=(), name="mine")


class Queue:
    """A catalog whose spool has jobs that nobody runs."""

    def __init__(self, folder) -> None:
        self.catalog = Catalog(folder)
        self.catalog.check()
        self.spool = Spool(self.catalog.jobs_folder)

    def add(self, name: str, priority: int = 20, units: int = 10) -> JobFolder:
        job = self.catalog.add_job(
            name, "import", f"Import of {name}", to_json(REQUEST), priority=priority, units=units
        )
        folder = self.spool.new(job.id, job.priority, job.created)
        folder.offer(REQUEST)
        folder.write_catalog_progress(StoredProgress(title=job.title, units=units, units_done=0))
        return folder


@pytest.fixture
def queue(tmp_path):
    return Queue(tmp_path / "catalog")


def test_a_job_that_cannot_be_signed_fails_and_one_without_space_waits(
    tmp_path, monkeypatch
) -> None:
    """The job says why; where the spool is full, who asks is told and the job stays queued."""
    catalog = Catalog(tmp_path / "catalog")
    catalog.check()
    state = tmp_path / "state"
    state.mkdir(mode=0o700)
    (state / "secret").write_bytes(b"abc")
    monkeypatch.setenv("EXPLORER_STATE", str(state))
    job = catalog.add_job("first", "import", "Import", to_json(REQUEST), priority=20, units=1)
    with pytest.raises(ValueError, match=f"{state}/secret is damaged; remove it"):
        requests.offer(catalog, job)
    failed = catalog.job("first")
    assert failed.status == "failed" and "is damaged; remove it" in failed.error
    (state / "secret").unlink()
    job = catalog.add_job("second", "import", "Import", to_json(REQUEST), priority=20, units=1)
    with monkeypatch.context() as full:
        full.setattr(JobFolder, "offer_once", Mock(side_effect=OSError(errno.ENOSPC, "full")))
        with pytest.raises(CatalogFull, match="free some space and try again"):
            requests.offer(catalog, job)
    assert catalog.job("second").status == "queued"
    requests.offer(catalog, job)
    assert [folder.id for folder in Spool(catalog.jobs_folder).jobs()] == ["second"]


def test_a_pipe_in_place_of_the_lock_is_not_waited_for(queue):
    """Whoever copies a catalog may plant one: opening it to read would wait for ever."""
    os.mkfifo(queue.spool.folder / "supervisor.lock")
    assert not is_supervised(queue.spool.folder)


HOLDER = """
import sys, pathlib
from explorer.jobs.supervisor_lock import supervisor_lock
lock = supervisor_lock(pathlib.Path(sys.argv[1]))
lock.acquire()
print("held", flush=True)
sys.stdin.read()
"""


def test_death_frees_the_lock(queue):
    """Another process that holds it is noticed; killed, it leaves a lock that can be taken."""
    folder = queue.spool.folder
    command = [sys.executable, "-c", HOLDER, str(folder)]
    with subprocess.Popen(command, stdin=-1, stdout=-1, text=True) as holder:
        assert holder.stdout.readline() == "held\n"
        assert is_supervised(folder)
        with pytest.raises(Timeout):
            supervisor_lock(folder).acquire()
        holder.kill()
        holder.wait()
        assert not is_supervised(folder)
        with supervisor_lock(folder):
            assert is_supervised(folder)


def test_a_link_to_the_lock_is_not_followed(queue, tmp_path):
    """Asking whether somebody supervises opens and makes nothing at the link's end."""
    (queue.spool.folder / "supervisor.lock").symlink_to(tmp_path / "elsewhere")
    assert is_supervised(queue.spool.folder)
    assert not (tmp_path / "elsewhere").exists()


def test_a_spool_that_can_only_be_read_is_nobodys(queue):
    """A lock that came with a copy tells nothing where nobody may write."""
    folder = queue.spool.folder
    with supervisor_lock(folder):
        pass
    folder.chmod(0o500)
    try:
        assert not is_supervised(folder)
    finally:
        folder.chmod(0o700)


def test_each_job_says_what_it_waits_for(queue, monkeypatch):
    """Behind what is at work, how far that is, and how many stand between."""
    monkeypatch.setattr(queue_state, "is_supervised", lambda folder: True)
    first, second, third = (queue.add(name) for name in ("a", "b", "c"))
    assert queue_state.job_state(queue.spool, "a").words == "waits for a worker to start"
    assert queue_state.job_state(queue.spool, "b").words == "waits behind Import of a (0 of 10)"
    assert first.claim(ME)
    first.write_catalog_progress(StoredProgress(title="Import of a", units=1000, units_done=0))
    first.report("inspecting", 300, 1000)
    assert queue_state.job_state(queue.spool, "a").done == 300
    assert queue_state.job_state(queue.spool, "a").words == "inspecting 300 of 1,000"
    assert (
        queue_state.job_state(queue.spool, "b").words == "waits behind Import of a (300 of 1,000)"
    )
    said = queue_state.job_state(queue.spool, "c").words
    assert said == "waits behind Import of a (300 of 1,000) and 1 more"
    queue.add("d", priority=5)
    said = queue_state.job_state(queue.spool, "d").words
    assert said == "begins after the piece in hand of Import of a (300 of 1,000)"
    second.cancel()
    assert queue_state.job_state(queue.spool, "b").words == "is being cancelled"
    assert third.is_queued


def test_a_job_that_its_worker_has_put_aside_says_so(queue, monkeypatch):
    """For which more urgent one, and how far that is; the urgent one says what it does itself."""
    monkeypatch.setattr(queue_state, "is_supervised", lambda folder: True)
    first = queue.add("a")
    assert first.claim(ME)
    first.report("evaluating", 3, 10)
    assert queue_state.job_state(queue.spool, "a").behind == 0
    urgent = queue.add("b", priority=5)
    assert queue_state.job_state(queue.spool, "b").behind == 1
    assert urgent.claim(ME)
    urgent.report("evaluating", 1, 4)
    paused = queue_state.job_state(queue.spool, "a")
    assert (paused.words, paused.behind) == ("is paused for Import of b (1 of 4)", 1)
    assert queue_state.job_state(queue.spool, "b").words == "evaluating 1 of 4"
    queue.add("c")
    assert queue_state.job_state(queue.spool, "c").behind == 2


def test_where_nobody_is_at_work_that_is_said(queue):
    """With no app and no command a job waits for one; a supervisor of another process counts."""
    queue.add("a")
    assert queue_state.job_state(queue.spool, "a").words.endswith("none is running")
    with supervisor_lock(queue.spool.folder):
        assert queue_state.job_state(queue.spool, "a").words == "waits for a worker to start"
    assert queue_state.job_state(queue.spool, "unknown").words == "starting"


def test_jobs_are_listed_and_cancelled_by_command(queue):
    """`jobs` shows ids and why each waits, `cancel` takes an id's beginning; none is computed."""
    for name in ("first", "second", "third"):
        queue.add(name)
    queue.catalog.close()
    where = {"catalog": queue.catalog.folder}
    done = command_line("jobs", "--json", **where)
    listed = json.loads(done.stdout)
    assert [(job["id"], job["status"]) for job in listed] == [
        ("first", "queued"),
        ("second", "queued"),
        ("third", "queued"),
    ]
    assert listed[0]["doing"].startswith("waits for the app or a command")
    assert "second Import of second: waits" in command_line("jobs", **where).stdout
    done = command_line("cancel", "sec", **where)
    assert (done.returncode, done.stdout) == (0, "second Import of second: cancelled\n")
    assert queue.catalog.job("first").status == "queued"
    queue.catalog.close()
    done = command_line("cancel", "sec", **where)
    assert done.returncode == 1
    assert done.stderr == (
        "error: 'sec' names no job that runs or waits; `jobs` lists them with their ids\n"
    )
    done = command_line("cancel", "--all", **where)
    assert done.stdout.splitlines() == [
        "third Import of third: cancelled",
        "first Import of first: cancelled",
    ]
    assert command_line("jobs", **where).stdout == "no job runs or waits\n"
    assert len(command_line("jobs", "--all", **where).stdout.splitlines()) == 3
    assert queue.spool.jobs() == []
