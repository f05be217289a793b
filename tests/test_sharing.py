"""Long jobs shared among workers: cut, claimed, watched and brought home like jobs."""

import os
import signal
from dataclasses import replace
from pathlib import Path

import numpy as np
import psutil
import pytest
import torch

from explorer.ask import questions, requests
from explorer.contracts.devices import (
    ELSEWHERE,
    RAY,
    Place,
    check_devices,
    cpu_title,
    devices_for_workers,
    listed_devices,
)
from explorer.contracts.progress import Speed, StoredProgress
from explorer.contracts.request import AnswerRequest
from explorer.jobs.job_folder import JobFolder
from explorer.jobs.process import ProcessName
from explorer.jobs.queue_state import job_state
from explorer.jobs.shares import contiguous_parts, is_left, offer_shares, shares_of, workers_at
from explorer.jobs.spool import Spool
from explorer.jobs.worker import answering
from explorer.jobs.worker.answering import Worker, WorkerContext
from explorer.jobs.worker_states import worker_states
from explorer.kinds.line import LINE, LineSettings
from explorer.kinds.surface import SURFACE, SurfaceSettings
from explorer.pages._progress import waiting_words
from explorer.supervisor import sharing
from explorer.supervisor.supervisor import Supervisor
from store import Catalog
from tests.filling import add_tiny, new_catalog, work
from tests.tiny import ended, imported, supervised, until, until_stored

SETTINGS = SurfaceSettings(x_count=31, y_count=21)


def test_units_are_cut_into_neighbours_of_about_one_size() -> None:
    """None is lost or doubled, whatever the numbers; never more parts than units."""
    for count in range(9):
        for parts in range(1, 5):
            cut = contiguous_parts(range(count), parts)
            assert [unit for part in cut for unit in part] == list(range(count))
            sizes = [len(part) for part in cut]
            assert (
                len(cut) == min(count, parts) and max(sizes, default=0) - min(sizes, default=0) < 2
            )


@pytest.mark.parametrize(
    ("wanted", "present", "paused", "devices"),
    [
        ("auto", (), (), ["auto"]),
        ("auto", ("cpu",), (), ["cpu"]),
        ("auto", ("cuda:0", "cuda:1", "cpu"), (), ["cuda:0", "cuda:1"]),
        ("cuda", ("cuda:0", "cuda:1", "cpu"), ("cuda:0",), ["cuda:1"]),
        ("mps, cpu", ("mps", "cpu"), (), ["mps", "cpu"]),
        ("cpu,cpu", ("cpu",), (), ["cpu", "cpu"]),
        ("cuda:3", ("cuda:0", "cpu"), (), ["cuda:3"]),  # its worker says that there is none
    ],
)
def test_devices_are_those_of_the_list(wanted, present, paused, devices) -> None:
    """All CUDA devices where none is named; one as often as it is named."""
    assert devices_for_workers(listed_devices(wanted), present, paused) == devices


@pytest.mark.parametrize("wanted", ["", "cpu,,cpu", ",".join(["cpu"] * 65)])
def test_what_is_no_list_of_devices_is_refused(wanted: str, tmp_path: Path) -> None:
    """In one sentence, before anything is begun."""
    with pytest.raises(ValueError, match="device must be auto, cpu"):
        Supervisor(Catalog(tmp_path), wanted)


@pytest.mark.parametrize("wanted", ["cdua", "cpu,cuad", "cuda:x", "CPU", "cpu:1"])
def test_a_misspelt_device_is_refused_where_it_is_typed(wanted: str) -> None:
    """In the sentence that names what there is, not by a worker that cannot start."""
    with pytest.raises(ValueError, match="device must be auto, cpu"):
        check_devices(wanted)
    assert check_devices("cuda:0, cuda:12") == "cuda:0, cuda:12"


def test_a_worker_that_has_nothing_to_do_makes_place_for_other_devices(tmp_path: Path) -> None:
    """It is asked to leave; one at work is not, and finishes what it has."""
    catalog, spool, job, _ = _asked(tmp_path)
    us = ProcessName.of(os.getpid())
    supervisor = Supervisor(catalog, "auto", hires=False)
    with spool.enrolled_worker(us, Place(wanted="auto", name="cpu", device="cpu, 2 threads")):
        assert job.claim(us)
        supervisor.step()
        supervisor.change_devices("cpu,cpu")
        assert not spool.is_to_leave(us)
        job.finish("done")
        supervisor.change_devices("cpu,cpu")
        assert spool.is_to_leave(us)


def test_places_that_call_themselves_otherwise_are_not_shared_with(tmp_path: Path) -> None:
    """Half of the cores is another device than all of them; one that says nothing may be it."""
    catalog, *_ = _asked(tmp_path)
    workers = Supervisor(catalog, "cpu,cpu", hires=False)._local_workers
    half = cpu_title(max(1, (psutil.cpu_count(logical=False) or 1) // 2))
    assert workers.free_devices_of(half, ["cpu", "cpu"]) == ["cpu", "cpu"]
    assert workers.free_devices_of(cpu_title(999), ["cpu", "cpu"]) == []
    assert workers.free_devices_of("a quick device", ["cuda:0", "cuda:1"]) == ["cuda:0", "cuda:1"]


def test_a_shared_job_is_as_far_as_its_stored_units(tmp_path: Path) -> None:
    """Not as far as who had it before it was shared last said."""
    catalog, spool, job, _ = _asked(tmp_path)
    us = ProcessName.of(os.getpid())
    assert job.claim(us)
    job.report("computing", 1, 9)
    _cut(catalog, job, 2)
    job.write_catalog_progress(StoredProgress(title="Line", units=9, units_done=5))
    assert shares_of(job)[0].claim(us)
    state = job_state(spool, job.id)
    assert (state.done, state.total) == (5, 9)


def test_a_job_whose_workers_have_left_waits(tmp_path: Path) -> None:
    """A worker counts once for all its shares, and no more once these have ended."""
    catalog, spool, job, _ = _asked(tmp_path)
    us = ProcessName.of(os.getpid())
    _cut(catalog, job, 3)
    first, second, _ = shares_of(job)
    assert is_left(job) and waiting_words(catalog, job.id) == "waits for a worker to start"
    assert first.claim(us) and second.claim(us)
    assert workers_at(job) == {us} and not waiting_words(catalog, job.id)
    assert job_state(spool, job.id).rest == " on 1 worker"
    first.finish("done")
    second.finish("done")
    assert is_left(job) and not workers_at(job)


def test_two_workers_share_a_long_answer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Both bring units; the death of one loses no more than what it had in hand."""
    monkeypatch.setattr(sharing, "SHARED_SECONDS", 1.0)
    with supervised(tmp_path / "catalog", "cpu,cpu") as (catalog, _):
        quick = imported(catalog, tmp_path / "quick", "quick")
        alone = questions.ask(catalog, SURFACE, quick, SETTINGS)
        until_stored(catalog, lambda: catalog.question(alone).status == "complete")
        model = imported(catalog, tmp_path / "slow", "slow", pause=0.01)
        key = questions.ask(catalog, SURFACE, model, SETTINGS)
        job = catalog.active_job_for(key)
        spool = Spool(catalog.jobs_folder)
        workers = until(lambda: _workers_at(spool, job.id, 2))
        assert job_state(spool, job.id).rest == " on 2 workers"
        os.kill(min(workers, key=str).pid, signal.SIGKILL)
        done = ended(catalog, job.id)
        assert (done.status, done.error) == ("done", None)
        assert_same_values(catalog, alone, key)


def assert_same_values(catalog: Catalog, key: str, other: str) -> None:
    """Two answers have the same values, unit by unit."""
    one, two = (catalog.values(each, SURFACE.table) for each in (key, other))
    assert one.keys() == two.keys()
    for name, column in one.items():
        ours, theirs = np.argsort(one["unit"]), np.argsort(two["unit"])
        np.testing.assert_allclose(two[name][theirs], column[ours], rtol=1e-5, err_msg=name)


def _workers_at(spool: Spool, job_id: str, count: int) -> set[ProcessName]:
    """The workers that have shares of a job, once there are so many."""
    job = spool.job(job_id)
    workers = {share.worker for share in (shares_of(job) if job else []) if share.worker}
    return workers if len(workers) >= count else set()


def _asked(tmp_path: Path) -> tuple[Catalog, Spool, JobFolder, str]:
    """A catalog with a line that waits, its spool, its job's folder and its key."""
    catalog = new_catalog(tmp_path / "catalog")
    add_tiny(catalog, tmp_path, "one", [0])
    key = questions.ask(catalog, LINE, catalog.models()[0], LineSettings(x_count=9))
    spool = Spool(catalog.jobs_folder)
    return catalog, spool, spool.jobs()[0], key


def _cut(catalog: Catalog, job: JobFolder, count: int) -> AnswerRequest:
    """Cut a waiting job into shares, as after its first piece."""
    request = requests.request_of(catalog, catalog.job(job.id))
    assert isinstance(request, AnswerRequest)
    units = contiguous_parts(range(9), count)
    offer_shares(job, [replace(request, units=part) for part in units])
    job.set_aside()
    return request


def test_a_share_that_fails_ends_its_job_and_the_others(tmp_path: Path) -> None:
    """The job has its sentence; what other shares have brought stays, and resuming goes on."""
    catalog, spool, job, key = _asked(tmp_path)
    _cut(catalog, job, 3)
    supervisor = Supervisor(catalog, "cpu", hires=False)
    first, second, _ = shares_of(job)
    work_at(spool, first)
    assert second.claim(ProcessName.of(os.getpid()))
    second.finish("failed", error="the loss is no number")
    until(lambda: supervisor.step() or not spool.jobs())
    (record,) = [each for each in catalog.jobs() if each.id == job.id]
    assert (record.status, record.error) == ("failed", "the loss is no number")
    assert catalog.question(key).units_done == 3
    questions.resume(catalog, catalog.question(key))
    work(catalog)
    assert catalog.question(key).status == "complete"


def work_at(spool: Spool, part: JobFolder) -> None:
    """Answer one share in this process."""
    name = ProcessName.of(os.getpid())
    assert part.claim(name)
    Worker(spool, torch.device("cpu")).run(part)


def test_a_cancel_ends_all_shares(tmp_path: Path) -> None:
    """Those that wait at once, and what was computed stays."""
    catalog, spool, job, key = _asked(tmp_path)
    _cut(catalog, job, 3)
    supervisor = Supervisor(catalog, "cpu", hires=False)
    work_at(spool, shares_of(job)[1])
    requests.cancel(catalog, job.id)
    until(lambda: supervisor.step() or not spool.jobs())
    assert catalog.job(job.id).status == "cancelled"
    assert catalog.question(key).units_done == 3


def test_a_share_of_another_device_is_left_to_that(tmp_path: Path) -> None:
    """An answer is of one kind of device; once nobody takes its shares, it is one job again."""
    catalog, spool, job, key = _asked(tmp_path)
    request = _cut(catalog, job, 2)
    for share in shares_of(job):
        share.put_back(replace(request, units=(1, 2), device="a quick device"))
    us = ProcessName.of(os.getpid())
    assert spool.claim_next(us, device="cpu, 2 threads") is None
    supervisor = Supervisor(catalog, "cpu", hires=False)
    supervisor.step()
    assert shares_of(job)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sharing, "UNTAKEN_SECONDS", 0.0)
        until(lambda: supervisor.step() or not shares_of(job))
    assert job.is_queued
    work(catalog)
    assert catalog.question(key).status == "complete"


def test_a_share_that_another_wrote_is_not_run(tmp_path: Path) -> None:
    """The job is offered anew, by the database's word."""
    catalog, _, job, key = _asked(tmp_path)
    _cut(catalog, job, 2)
    (shares_of(job)[0].path / "request.json").write_text('{"body": "{}", "signature": "00"}')
    Supervisor(catalog, "cpu", hires=False).step()
    assert job.is_queued and not shares_of(job)
    work(catalog)
    assert catalog.question(key).status == "complete"


def test_a_supervisor_that_dies_while_it_cuts_loses_nothing(tmp_path: Path) -> None:
    """Some shares are there, and the job still says that it was handed back: it is one again."""
    catalog, _, job, key = _asked(tmp_path)
    request = requests.request_of(catalog, catalog.job(job.id))
    assert job.claim(ProcessName.of(os.getpid()))
    job.ask_back()
    job.finish("handed_back")
    offer_shares(job, [replace(request, units=(0, 1))])
    Supervisor(catalog, "cpu", hires=False).step()
    assert job.is_queued and not shares_of(job)
    work(catalog)
    assert catalog.question(key).status == "complete"


def test_a_worker_that_is_to_leave_hands_its_job_back(tmp_path: Path) -> None:
    """After the piece in hand; the rest waits for another, and what it brought stays."""
    catalog, spool, job, key = _asked(tmp_path)
    us = ProcessName.of(os.getpid())
    assert job.claim(us)
    spool.ask_to_leave(us)
    Worker(spool, torch.device("cpu")).run(job)
    assert job.ending.status == "handed_back"
    spool.strike_off(us)
    assert not spool.is_to_leave(us)
    Supervisor(catalog, "cpu", hires=False).step()
    assert job.is_queued and catalog.job(job.id).is_active
    work(catalog)
    assert catalog.question(key).status == "complete"


def test_workers_say_what_they_do(tmp_path: Path) -> None:
    """Device, job in hand, speed and memory of each, from the spool alone."""
    catalog, spool, job, _ = _asked(tmp_path)
    us = ProcessName.of(os.getpid())
    place = Place(wanted="auto", name="cpu", device="cpu, 2 threads", devices=("cpu",))
    with spool.enrolled_worker(us, place):
        (idle,) = worker_states(spool)
        assert (idle.jobs, idle.has_begun, idle.leaves) == ((), True, False)
        assert job.claim(us)
        Supervisor(catalog, "cpu", hires=False).step()
        job.report("computing", speed=Speed(units_per_second=3.5, device_bytes=7))
        spool.ask_to_leave(us)
        (busy,) = worker_states(spool)
    assert (busy.worker, busy.place, busy.leaves) == (us, place, True)
    assert busy.jobs == (catalog.job(job.id).title,) and busy.memory > 10**7
    assert (busy.speed.units_per_second, busy.speed.device_bytes) == (3.5, 7)
    assert worker_states(spool) == []


def test_an_urgent_job_is_left_to_a_worker_that_has_nothing_to_do(tmp_path: Path) -> None:
    """Else the one at work puts its own aside; one of another kind of device does not count."""
    _, spool, job, _ = _asked(tmp_path)
    us = ProcessName.of(os.getpid())
    assert not spool.is_queue_empty(50)
    assert spool.is_queue_empty(job.priority)
    other = replace(us, pid=us.pid + 1)
    spool.enrol(other, place=Place(name="cpu", device="cpu, 2 threads"))
    assert spool.has_idle_worker(us, "cpu, 2 threads")
    assert not spool.has_idle_worker(us, "a quick device")
    assert not spool.has_idle_worker(other, "cpu, 2 threads")


@pytest.mark.parametrize("others", [0, 1])
def test_a_worker_offers_long_work_to_one_that_has_nothing_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, others: int
) -> None:
    """At once after its first piece, where there is another; else it goes on to the end."""
    monkeypatch.setattr(answering, "LONG_PIECE_SECONDS", 0.0)
    monkeypatch.setattr(answering, "SHARED_SECONDS", -1e9)  # so all work is long
    _, spool, job, _ = _asked(tmp_path)
    us = ProcessName.of(os.getpid())
    place = Place(name="cpu", device="cpu, 2 threads")
    for number in range(others):
        spool.enrol(replace(us, pid=us.pid + 1 + number), place=place)
    assert job.claim(us)
    context = WorkerContext(spool.folder, us, place, 0.0)
    Worker(spool, torch.device("cpu"), context).run(job)
    assert job.ending.status == ("handed_back" if others else "done")
    assert job.is_asked_back == bool(others)


def test_an_engine_that_was_started_elsewhere_is_left_to_compute(tmp_path: Path) -> None:
    """Nothing is started here, workers that are here leave, and what an engine brings is stored."""
    catalog, spool, job, key = _asked(tmp_path)
    us = ProcessName.of(os.getpid())
    here, engine = (replace(us, pid=us.pid + number) for number in (1, 2))
    spool.enrol(here, place=Place(wanted="cpu"))
    spool.enrol(engine, place=Place(wanted=f"{RAY}auto"))
    supervisor = Supervisor(catalog, "cpu")
    supervisor.change_engine(ELSEWHERE)
    assert (spool.is_to_leave(here), spool.is_to_leave(engine)) == (True, False)
    spool.strike_off(here)
    spool.strike_off(engine)
    supervisor.step()
    assert (spool.enrolments(), job.is_queued) == ([], True)
    work_at(spool, job)
    until(lambda: supervisor.step() or not spool.jobs())
    assert catalog.question(key).status == "complete"
