"""Who is at work: told by heartbeats and the locks beside them, never by two clocks."""

import contextlib
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from explorer.codec import to_json
from explorer.contracts.request import ImportRequest
from explorer.jobs import heartbeat, queue_state
from explorer.jobs.heartbeat import (
    BEAT_PATIENCE_SECONDS,
    MAX_BEATS_AFTER_JOB,
    Beat,
    HeartbeatMonitor,
    LifeSign,
)
from explorer.jobs.isolation import Isolation
from explorer.jobs.process import ProcessName
from explorer.jobs.spool import Spool
from explorer.supervisor import worker_watch
from explorer.supervisor.supervisor import Supervisor
from store import Catalog
from tests.tiny import ROOT, until

ME = ProcessName.of(os.getpid())
AWAY = ProcessName(1, 2, "another-machine", "another-kernel")
REQUEST = ImportRequest(problem=Path("/mine.py"), arguments={}, checkpoints=(), name="mine")


class Clock:
    """A clock that a test sets."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def unlocked(count: int) -> LifeSign:
    """A beat of a worker whose lock nobody holds, as far as can be seen from here."""
    return LifeSign(Beat(count, is_locked=True), None)


def test_a_worker_of_another_machine_lives_while_its_beats_move():
    """Not by a lock that only its own kernel keeps, and by the time of the one who looks alone."""
    clock = Clock()
    monitor = HeartbeatMonitor(clock)
    for count in range(5):
        assert monitor.is_alive(AWAY, unlocked(count))
        clock.now += BEAT_PATIENCE_SECONDS
    assert monitor.is_alive(AWAY, unlocked(4))
    clock.now += 1
    assert not monitor.is_alive(AWAY, unlocked(4))
    assert monitor.is_alive(AWAY, unlocked(5))


def test_a_worker_that_is_not_listed_lives_for_a_while():
    """Its file may be late on a shared disk; without one it is dead in the end."""
    clock = Clock()
    monitor = HeartbeatMonitor(clock)
    assert monitor.is_alive(AWAY, LifeSign(None, None))
    clock.now += BEAT_PATIENCE_SECONDS + 1
    assert not monitor.is_alive(AWAY, LifeSign(None, None))


def test_a_worker_of_this_machine_is_dead_as_soon_as_its_lock_is_free():
    """Its beats may stand still for ever while it holds it: stopped, or the machine was asleep."""
    clock = Clock()
    monitor = HeartbeatMonitor(clock)
    held = LifeSign(Beat(3, is_locked=True), 1)
    assert monitor.is_alive(ME, held) and not monitor.is_silent(ME, held)
    clock.now += 1e6
    assert monitor.is_alive(ME, held) and monitor.is_silent(ME, held)
    assert not monitor.is_alive(ME, unlocked(4))
    assert not monitor.is_alive(ME, LifeSign(None, None))


def test_without_a_lock_the_beats_alone_tell():
    """A worker that has not begun, and a file system that has no locks."""
    for beat in (Beat(0, mark="a"), Beat(7)):
        clock = Clock()
        monitor = HeartbeatMonitor(clock)
        assert monitor.is_alive(ME, LifeSign(beat, None))
        clock.now += BEAT_PATIENCE_SECONDS + 1
        assert not monitor.is_alive(ME, LifeSign(beat, None))


def test_a_clock_that_is_set_back_kills_nobody():
    """A beat has no time of its own, and the one of who looks may be wrong once."""
    clock = Clock()
    monitor = HeartbeatMonitor(clock)
    assert monitor.is_alive(AWAY, unlocked(1))
    clock.now -= 1e6
    assert monitor.is_alive(AWAY, unlocked(1))
    assert not monitor.is_silent(AWAY, unlocked(1))


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b'{"beat": 7, "jo',
        b"\xff\xfe",
        b"7",
        b"[" * 100_000,
        b'{"beat": Infinity, "jobs": [], "mark": "", "lock": true}',
        b'{"beat": "7", "jobs": [], "mark": "", "lock": true}',
        b'{"beat": 7, "jobs": [[]], "mark": "", "lock": true}',
        b'{"beat": 7, "jobs": [1], "mark": "", "lock": true}',
        b'{"beat": 7, "jobs": [], "mark": 1, "lock": true}',
        b'{"beat": 7, "jobs": [], "mark": "", "lock": 1}',
        b" " * (heartbeat.MAX_BEAT_BYTES + 1)
        + b'{"beat": 7, "jobs": [], "mark": "", "lock": true}',
    ],
)
def test_a_torn_or_hostile_heartbeat_is_none(tmp_path, content):
    """Whatever stands in the file, nothing is raised and nothing is believed."""
    path = tmp_path / "beat"
    path.write_bytes(content)
    assert Beat.read(path) is None


def test_what_is_no_file_is_no_heartbeat(tmp_path):
    """A pipe is not waited for, a link not followed, a folder not read."""
    os.mkfifo(tmp_path / "pipe")
    Beat(7).write(tmp_path / "beat")
    (tmp_path / "link").symlink_to(tmp_path / "beat")
    assert Beat.read(tmp_path / "beat") == Beat(7)
    for name in ("pipe", "link", ".", "none"):
        assert Beat.read(tmp_path / name) is None


def test_a_torn_heartbeat_of_a_living_worker_loses_nothing(served):
    """Its lock is held, so that it is not called dead; the next beat mends the file."""
    _, supervisor, spool, folder = served
    with spool.enrolled_worker(ME):
        assert spool.claim_next(ME) is not None
        spool._entry(ME).write_text("{")
        supervisor.step()
        assert folder.worker == ME
        until(lambda: spool.beat(ME))


def test_a_claim_counts_until_two_later_beats_lack_it():
    """The first beat after a claim may have been composed before it."""
    monitor = HeartbeatMonitor()
    assert monitor.holds_job(ME, Beat(7), "a")
    assert monitor.holds_job(ME, Beat(7), "a")
    assert monitor.holds_job(ME, Beat(8), "a")
    assert not monitor.holds_job(ME, Beat(9), "a")
    assert monitor.holds_job(ME, Beat(10, frozenset("a"), ""), "a")
    assert monitor.holds_job(ME, Beat(11), "a")  # counted anew
    assert monitor.holds_job(ME, None, "a")  # it does not say


def test_a_worker_that_hangs_at_a_job_which_is_over_is_told():
    """By its own beats: it names the job in many of them after the spool has lost it."""
    monitor = HeartbeatMonitor()
    for count in range(5, 5 + MAX_BEATS_AFTER_JOB):
        assert not monitor.stays_at_ended_job(ME, Beat(count, frozenset("ab"), "mark"), {"a"})
    assert not monitor.stays_at_ended_job(
        ME, Beat(90, frozenset("a"), "mark"), {"a"}
    )  # it has come back
    assert not monitor.stays_at_ended_job(
        ME, Beat(91, frozenset("ab"), "mark"), {"a"}
    )  # counted anew
    assert not monitor.stays_at_ended_job(
        ME, Beat(91 + MAX_BEATS_AFTER_JOB, frozenset("ab"), "mark"), {"a", "b"}
    )
    assert not monitor.stays_at_ended_job(ME, Beat(200, frozenset("a"), "mark"), frozenset())
    assert monitor.stays_at_ended_job(
        ME, Beat(200 + MAX_BEATS_AFTER_JOB, frozenset("a"), "mark"), frozenset()
    )
    assert not monitor.stays_at_ended_job(AWAY, None, frozenset())


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


ENROLS = """
import os, sys, time
from pathlib import Path
from explorer.jobs import heartbeat
from explorer.jobs.process import ProcessName
from explorer.jobs.spool import Spool
heartbeat.BEAT_SECONDS = 0.01
spool, name = Spool(Path(sys.argv[1])), ProcessName.of(os.getpid())
if sys.argv[2:]:  # as a problem file may: the child lives on, and holds what it has inherited
    if not os.fork():
        time.sleep(3600)
spool._held.add("known")
with spool.enrolled_worker(name):
    print(name, flush=True)
    sys.stdin.read()
"""


@contextlib.contextmanager
def other_worker(spool: Spool, *before: str, forks: bool = False):
    """A worker process, which computes nothing, and its name."""
    command = [*before, sys.executable, "-c", ENROLS, str(spool.folder), *["forks"] * forks]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    process = subprocess.Popen(command, cwd=ROOT, text=True, start_new_session=True, **pipes)
    try:
        yield process, ProcessName.parse(process.stdout.readline().strip())
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.communicate()


def test_a_stopped_worker_is_told_of_and_ended_by_a_cancel(served, monkeypatch):
    """SIGSTOP: it lives and may go on, so that nobody else takes its job; Stop ends it."""
    monkeypatch.setattr(worker_watch, "CANCEL_GRACE", 0.0)
    monkeypatch.setattr(heartbeat, "SILENT_SECONDS", 0.3)
    catalog, supervisor, spool, folder = served
    with other_worker(spool) as (process, worker):
        assert folder.claim(worker)
        supervisor.step()
        assert queue_state.job_state(spool, "known").words == "starting"
        process.send_signal(signal.SIGSTOP)
        said = f"its worker is silent; `kill -CONT {worker.pid}` lets it go on where it was stopped"
        until(lambda: supervisor.step() or queue_state.job_state(spool, "known").words == said)
        assert folder.worker == worker
        process.send_signal(signal.SIGCONT)
        until(lambda: supervisor.step() or queue_state.job_state(spool, "known").words != said)
        process.send_signal(signal.SIGSTOP)
        folder.cancel()
        until(lambda: supervisor.step() or not folder.path.exists())
        assert process.wait(10) == -signal.SIGKILL
        assert catalog.job("known").status == "cancelled"


def test_the_death_of_a_worker_that_others_started_is_seen_at_the_next_look(served):
    """The kernel drops its lock, also where a child that it has forked lives on."""
    catalog, supervisor, spool, folder = served
    with other_worker(spool, forks=True) as (process, worker):
        assert folder.claim(worker)
        supervisor.step()
        job = catalog.job("known")
        assert (job.status, job.pid, job.host) == ("running", worker.pid, worker.host)
        process.kill()
        process.wait()
        supervisor.step()
        assert folder.is_queued and catalog.job("known").attempts == 1
        assert spool.enrolments() == []
        assert list((spool.folder / "workers").iterdir()) == []


CONTAINER = ("unshare", "--user", "--map-root-user", "--pid", "--fork", "--kill-child")


@pytest.mark.skipif(
    subprocess.run([*CONTAINER, "true"], capture_output=True).returncode != 0,
    reason="no process namespaces are to be had here",
)
def test_a_worker_in_a_container_of_this_machine_lives_by_its_lock(served):
    """Its host name is ours and its id one of its own table: neither confuses, its end is seen."""
    _, supervisor, spool, folder = served
    with other_worker(spool, *CONTAINER) as (process, worker):
        assert worker.host == ME.host and worker.kernel == ME.kernel
        assert worker.table != ME.table and worker.pid < 10
        assert folder.claim(worker)
        for _ in range(3):
            supervisor.step()
        assert folder.worker == worker and spool.workers() == [worker]
        assert spool.life_sign(worker).holder is not None
        supervisor._local_workers.end(worker)  # cannot be sent a signal, and nobody else gets it
        process.kill()
        process.wait()
        until(lambda: supervisor.step() or folder.is_queued)
        assert spool.workers() == []


def test_a_file_that_names_another_process_ends_nobody(served):
    """Whoever prepares a folder may list any process of the user's: its lock is not that one's."""
    _, supervisor, spool, _ = served
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as innocent:
        named = ProcessName.of(innocent.pid)
        Beat(3, frozenset({"over"}), "mark", is_locked=True).write(spool._entry(named))
        supervisor.step()
        supervisor._local_workers.end(named)
        assert named.alive
        assert spool.enrolments() == []


def test_a_claim_of_a_dead_process_is_offered_again_three_times_at_most(served):
    """A process that ended; and one that got its id is not the worker."""
    catalog, supervisor, spool, folder = served
    for death in range(worker_watch.DEATHS_ALLOWED):
        assert folder.claim(ProcessName(os.getpid(), ME.started - 60_000 - death))
        supervisor.step()
    supervisor.step()
    assert catalog.job("known").status == "failed"
    assert catalog.job("known").attempts == worker_watch.DEATHS_ALLOWED
    assert spool.jobs() == []


def test_a_claim_of_another_machine_is_not_called_dead_here(served):
    """Its process is none of this machine's, and its heart may beat."""
    _, supervisor, spool, folder = served
    assert folder.claim(AWAY)
    for _ in range(5):
        supervisor.step()
    assert folder.worker == AWAY
    assert "on another-machine" in queue_state.job_state(spool, "known").words
