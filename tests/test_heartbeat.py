"""Who is at work: told by the process table here, by heartbeats elsewhere, never by two clocks."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from explorer import supervisor as supervisors
from explorer.codec import to_json
from explorer.contracts.request import ImportRequest
from explorer.jobs import heartbeat, queue_state
from explorer.jobs.heartbeat import (
    BEAT_PATIENCE_SECONDS,
    MAX_BEATS_AFTER_JOB,
    Beat,
    HeartbeatMonitor,
)
from explorer.jobs.isolation import Isolation
from explorer.jobs.process import ProcessName
from explorer.jobs.spool import Spool
from explorer.supervisor import Supervisor
from store import Catalog
from tests.tiny import until

ME = ProcessName.of(os.getpid())
AWAY = ProcessName(1, 2, "another-machine")
REQUEST = ImportRequest(problem=Path("/mine.py"), arguments={}, checkpoints=(), name="mine")


class Clock:
    """A clock that a test sets."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def test_a_worker_of_another_machine_lives_while_its_beats_move():
    """Not by the local process table, and by the time of the one who looks alone."""
    clock = Clock()
    pulse = HeartbeatMonitor(clock)
    for count in range(5):
        assert pulse.is_alive(AWAY, Beat(count, frozenset(), ""))
        clock.now += BEAT_PATIENCE_SECONDS
    assert pulse.is_alive(AWAY, Beat(4, frozenset(), ""))
    clock.now += 1
    assert not pulse.is_alive(AWAY, Beat(4, frozenset(), ""))
    assert pulse.is_alive(AWAY, Beat(5, frozenset(), ""))


def test_a_worker_that_is_not_listed_lives_for_a_while():
    """Its file may be late on a shared disk; without one it is dead in the end."""
    clock = Clock()
    pulse = HeartbeatMonitor(clock)
    assert pulse.is_alive(AWAY, None)
    clock.now += BEAT_PATIENCE_SECONDS + 1
    assert not pulse.is_alive(AWAY, None)


def test_a_claim_counts_until_two_later_beats_lack_it():
    """The first beat after a claim may have been composed before it."""
    pulse = HeartbeatMonitor()
    assert pulse.holds_job(ME, Beat(7, frozenset(), ""), "a")
    assert pulse.holds_job(ME, Beat(7, frozenset(), ""), "a")
    assert pulse.holds_job(ME, Beat(8, frozenset(), ""), "a")
    assert not pulse.holds_job(ME, Beat(9, frozenset(), ""), "a")
    assert pulse.holds_job(ME, Beat(10, frozenset("a"), ""), "a")
    assert pulse.holds_job(ME, Beat(11, frozenset(), ""), "a")  # counted anew
    assert pulse.holds_job(ME, None, "a")  # it does not say


def test_a_worker_that_hangs_at_a_job_which_is_over_is_told():
    """By its own beats: it names the job in many of them after the spool has lost it."""
    pulse = HeartbeatMonitor()
    for count in range(5, 5 + MAX_BEATS_AFTER_JOB):
        assert not pulse.stays_at_ended_job(ME, Beat(count, frozenset("ab"), "mark"), {"a"})
    assert not pulse.stays_at_ended_job(
        ME, Beat(90, frozenset("a"), "mark"), {"a"}
    )  # it has come back
    assert not pulse.stays_at_ended_job(
        ME, Beat(91, frozenset("ab"), "mark"), {"a"}
    )  # counted anew
    assert not pulse.stays_at_ended_job(
        ME, Beat(91 + MAX_BEATS_AFTER_JOB, frozenset("ab"), "mark"), {"a", "b"}
    )
    assert not pulse.stays_at_ended_job(ME, Beat(200, frozenset("a"), "mark"), frozenset())
    assert pulse.stays_at_ended_job(
        ME, Beat(200 + MAX_BEATS_AFTER_JOB, frozenset("a"), "mark"), frozenset()
    )
    assert not pulse.stays_at_ended_job(AWAY, None, frozenset())


@pytest.fixture
def served(tmp_path, monkeypatch):
    """A catalog with one job in its spool, and a supervisor that starts no worker."""
    monkeypatch.setattr(heartbeat, "BEAT_SECONDS", 0.01)
    catalog = Catalog(tmp_path / "catalog")
    catalog.check()
    supervisor = Supervisor(catalog, hires=False)
    assert supervisor.acquire()
    job = catalog.add_job("known", "import", "Import of mine", to_json(REQUEST), priority=20)
    folder = supervisor._spool.new(job.id, job.priority, job.created)
    folder.offer(REQUEST)
    return catalog, supervisor, Spool(catalog.jobs_folder), folder


def test_what_a_living_worker_has_left_is_offered_again(served):
    """It has claimed the job, and works at another: nobody would come back to it."""
    catalog, supervisor, spool, folder = served
    with spool.enrolled_worker(ME):
        assert spool.claim_next(ME) is not None
        supervisor.step()
        assert catalog.job("known").status == "running"
        for _ in range(5):
            count = spool.beat(ME).count
            until(lambda count=count: spool.beat(ME).count > count)
            supervisor.step()
        assert folder.worker == ME  # it is at work, or about to be
        with spool.at_work(folder):
            pass  # and is no longer, by an error that nobody told
        until(lambda: supervisor.step() or folder.is_queued)
        assert folder.worker is None
        assert catalog.job("known").attempts == 1


def test_the_heart_beats_for_a_job_that_a_child_has_claimed(served):
    """An urgent job is claimed by the process of a problem, which has no heartbeat of its own."""
    _, _, spool, folder = served
    named = []

    def look(*given: object) -> str:
        count = spool.beat(ME).count
        until(lambda: spool.beat(ME).count > count + 1)
        named.append(spool.beat(ME).jobs)
        raise ValueError("looked")

    with spool.enrolled_worker(ME):
        assert folder.claim(ME)
        Isolation(spool, look, lambda key: lambda partner: None, lambda *told: None).run(folder)
        assert named == [{"known"}]
        until(lambda: not spool.beat(ME).jobs)


def test_a_heartbeat_goes_on_while_the_worker_works(served):
    """It names the job, in the file by which the worker is listed."""
    _, _, spool, folder = served
    with spool.enrolled_worker(ME), spool.at_work(folder):
        first = spool.beat(ME).count
        until(lambda: spool.beat(ME).count > first + 2)
        assert spool.beat(ME).jobs == {"known"}
    assert spool.beat(ME) is None


def test_a_stopped_worker_is_told_of_and_ended_by_a_cancel(served, monkeypatch):
    """SIGSTOP: it lives and may go on, so that nobody else takes its job; Stop ends it."""
    monkeypatch.setattr(supervisors, "CANCEL_GRACE", 0.0)
    catalog, supervisor, spool, folder = served
    process = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    try:
        worker = ProcessName.of(process.pid)
        assert folder.claim(worker)
        process.send_signal(signal.SIGSTOP)
        until(lambda: worker.is_stopped)
        supervisor.step()
        assert folder.worker == worker
        said = f"its worker is stopped; `kill -CONT {worker.pid}` lets it go on"
        assert queue_state.progress_text(spool, "known") == said
        folder.cancel()
        until(lambda: supervisor.step() or not folder.path.exists())
        assert process.wait(10) == -signal.SIGKILL
        assert catalog.job("known").status == "cancelled"
    finally:
        process.kill()
        process.communicate()


def test_a_claim_of_a_dead_process_is_offered_again_three_times_at_most(served):
    """A process that ended; and one that got its id is not the worker."""
    catalog, supervisor, spool, folder = served
    for death in range(supervisors.DEATHS_ALLOWED):
        assert folder.claim(ProcessName(os.getpid(), ME.started - 60_000 - death))
        supervisor.step()
    supervisor.step()
    assert catalog.job("known").status == "failed"
    assert catalog.job("known").attempts == supervisors.DEATHS_ALLOWED
    assert spool.jobs() == []


def test_a_claim_of_another_machine_is_not_called_dead_here(served):
    """Its process is none of this machine's, and its heart may beat."""
    _, supervisor, _, folder = served
    assert folder.claim(AWAY)
    for _ in range(5):
        supervisor.step()
    assert folder.worker == AWAY
