"""From question to answer with the real supervisor and the real worker process."""

import contextlib
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import safetensors.torch
import torch

from explorer.analysis.model.problems import load_problem
from explorer.analysis.objective.named_tensors import content_hash
from explorer.ask import questions, requests
from explorer.contracts.checkpoint import Checkpoint
from explorer.contracts.request import AnswerRequest
from explorer.importing.order import order_import
from explorer.jobs.piece_files import read_arrival
from explorer.jobs.process import ProcessName
from explorer.jobs.provenance import provenance
from explorer.jobs.spool import Spool
from explorer.jobs.worker.answering import Worker
from explorer.kinds.line import LINE, LineSettings
from explorer.kinds.piece import Piece
from explorer.kinds.surface import SURFACE, SurfaceSettings
from explorer.supervisor import lost_jobs, worker_watch
from explorer.supervisor import supervisor as supervisors
from explorer.supervisor.supervisor import Supervisor
from store import Catalog, CatalogError, records
from tests.fork_server import forked_app, forked_script
from tests.stored import line_rows
from tests.tiny import (
    agreed,
    checkpoint,
    dumped,
    end_workers,
    ended,
    imported,
    problem_file,
    supervised,
    tensors,
    trapped,
    until,
    until_stored,
)
from tests.tiny_problem import problem

PAUSE = 0.005  # seconds that each evaluation of the slow model takes


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple]:
    """One catalog with its supervisor and a worker for the tests that do not end them."""
    folder = tmp_path_factory.mktemp("served")
    with supervised(folder / "catalog") as (catalog, supervisor):
        imported(catalog, folder, "quick")
        imported(catalog, folder, "slow", seed=1, pause=PAUSE, gate=str(folder / "gate"))
        yield catalog, supervisor, folder


def named(catalog: Catalog, name: str) -> records.Model:
    return next(model for model in catalog.models() if model.name == name)


def answered(catalog: Catalog, key: str) -> records.Question:
    """The question once its job has ended well."""
    until_stored(catalog, lambda: catalog.active_job_for(key) is None)
    stored_question = catalog.question(key)
    assert stored_question is not None
    assert stored_question.status == "complete", [job.error for job in catalog.jobs()[:3]]
    return stored_question


@contextlib.contextmanager
def gate_closed(folder: Path) -> Iterator[None]:
    """Meanwhile no evaluation of the slow model ends."""
    gate = folder / "gate"
    gate.touch()
    try:
        yield
    finally:
        gate.unlink()


def test_a_model_is_imported_and_a_surface_answered(served):
    """What comes out are the losses of this model: at the centre the one measured at import."""
    catalog, _, _ = served
    model = named(catalog, "quick")
    settings = SurfaceSettings(x_count=9, y_count=7)
    stored_question = answered(catalog, questions.ask(catalog, SURFACE, model, settings))
    surface = questions.result_of(catalog, stored_question)
    assert surface.computed.all()
    assert np.isfinite(surface.loss).all()
    measured = model.measurements["train"]
    # float32 parameters, sums in float64: the last bits of float32 may differ between batchings
    assert surface.loss[3, 4] == pytest.approx(measured["loss"], rel=1e-6)
    assert surface.values["accuracy"][3, 4] == measured["accuracy"]
    assert len(np.unique(surface.loss)) > 50
    assert stored_question.provenance["device"].startswith("cpu")
    assert not list(catalog.jobs_folder.glob("2*"))  # nothing is left in the spool


def test_progress_is_told_while_it_goes_on(served):
    """Points, worker and speed are in the catalog while the job runs, and the answer grows."""
    catalog, supervisor, _ = served
    key = questions.ask(catalog, LINE, named(catalog, "slow"), LineSettings(x_count=801))
    seen, counts = [], set()

    def over() -> bool:
        job = catalog.active_job_for(key)
        if job is not None and 0 < job.units_done < job.units:
            seen.append(job)
            counts.add(job.units_done)
            values = catalog.values(key, LINE.table)
            assert len(values["unit"]) >= job.units_done
        return job is None

    until(over)
    assert len(counts) >= 2
    assert all(job.status == "running" for job in seen)
    assert {job.pid for job in seen} == {worker.pid for worker in supervisor.workers}
    assert 0 < seen[-1].worker["units_per_second"] <= 1 / PAUSE
    answered(catalog, key)


def test_a_cancelled_job_keeps_its_points_and_goes_on_later(served):
    """After a cancel the question is open with what was computed; resuming computes the rest."""
    catalog, _, folder = served
    key = questions.ask(catalog, LINE, named(catalog, "slow"), LineSettings(x_count=801, seed=2))
    job = until_stored(
        catalog, lambda: (j := catalog.active_job_for(key)) and j.units_done > 5 and j
    )
    with gate_closed(folder):  # it cannot end before it is cancelled
        assert catalog.active_job_for(key) is not None
        requests.cancel(catalog, job.id)
    assert ended(catalog, job.id).status == "cancelled"
    stored_question = catalog.question(key)
    before = catalog.values(key, LINE.table)
    assert stored_question.status == "open"
    assert 5 < stored_question.units_done == len(before["unit"]) < 801
    questions.resume(catalog, stored_question)
    resumed = catalog.active_job_for(key)
    assert (
        resumed and resumed.units_done >= stored_question.units_done
    )  # what is there counts from the start
    answered(catalog, key)
    after = catalog.values(key, LINE.table)
    assert len(after["unit"]) == 801
    kept = np.isin(after["unit"], before["unit"])
    assert after["loss"][kept].tobytes() == before["loss"].tobytes()
    requests.cancel(catalog, job.id)
    assert catalog.job(job.id).status == "cancelled"


def test_cancelling_what_is_over_changes_nothing(served):
    """A click on Stop that comes too late leaves a done job done."""
    catalog, _, _ = served
    answered(
        catalog, questions.ask(catalog, LINE, named(catalog, "quick"), LineSettings(x_count=5))
    )
    job = catalog.jobs(status="done", limit=1)[0]
    requests.cancel(catalog, job.id)
    assert catalog.job(job.id).status == "done"


def test_a_queued_job_can_be_cancelled(served):
    """What no worker has begun is cancelled without one."""
    catalog, _, folder = served
    model = named(catalog, "slow")
    with gate_closed(folder):  # the worker has the first one in hand, and goes on with nothing
        first = questions.ask(catalog, LINE, model, LineSettings(x_count=101, seed=3))
        until_stored(catalog, lambda: catalog.active_job_for(first).status == "running")
        waiting = questions.ask(catalog, LINE, model, LineSettings(x_count=51, seed=4))
        job = catalog.active_job_for(waiting)
        requests.cancel(catalog, job.id)
        assert ended(catalog, job.id).status == "cancelled"
        assert catalog.active_job_for(first) is not None
    assert catalog.question(waiting).units_done == 0
    answered(catalog, first)


def test_the_more_urgent_goes_first_at_a_piece_border(served):
    """An urgent question is answered in the middle of a long one, by the same worker."""
    catalog, supervisor, _ = served
    slow, quick = named(catalog, "slow"), named(catalog, "quick")
    long = questions.ask(
        catalog,
        LINE,
        slow,
        LineSettings(x_count=801, seed=5),
        priority=requests.BACKGROUND_PRIORITY,
    )
    until_stored(catalog, lambda: catalog.active_job_for(long).units_done)
    [worker] = supervisor.workers
    answered(catalog, questions.ask(catalog, LINE, quick, LineSettings(x_count=31, seed=5)))
    job = catalog.active_job_for(long)
    assert 0 < job.units_done < 801
    later = questions.ask(
        catalog,
        LINE,
        quick,
        LineSettings(x_count=31, seed=6),
        priority=requests.BACKGROUND_PRIORITY,
    )
    spool = Spool(catalog.jobs_folder)
    first, second = spool.job(job.id), spool.job(catalog.active_job_for(later).id)
    done = catalog.question(long).units_done
    until_stored(
        catalog, lambda: catalog.question(long).units_done > min(done, 800)
    )  # a border has been passed
    claimed = not second.is_queued  # one of equal priority goes only after the first has ended
    assert not claimed or not first.path.exists() or first.ending
    answered(catalog, long)
    answered(catalog, later)
    assert supervisor.workers == [worker]


def test_a_job_that_makes_way_is_cancelled_without_harm(served, monkeypatch):
    """A cancel of the job that waits beneath an urgent one does not kill their common worker."""
    monkeypatch.setattr(worker_watch, "CANCEL_GRACE", 1.0)
    catalog, supervisor, _ = served
    slow = named(catalog, "slow")
    long = questions.ask(
        catalog,
        LINE,
        slow,
        LineSettings(x_count=801, seed=7),
        priority=requests.BACKGROUND_PRIORITY,
    )
    beneath = until_stored(
        catalog, lambda: (j := catalog.active_job_for(long)) and j.units_done and j
    )
    [worker] = supervisor.workers
    urgent = questions.ask(catalog, LINE, slow, LineSettings(x_count=401, seed=8))
    until_stored(catalog, lambda: catalog.active_job_for(urgent).units_done)
    requests.cancel(catalog, beneath.id)
    answered(catalog, urgent)
    assert ended(catalog, beneath.id).status == "cancelled"
    assert supervisor.workers == [worker]


def test_a_repeated_question_makes_no_job(served):
    """51 x 51 stored points: asking again queues nothing, and all of them are there."""
    catalog, _, _ = served
    model, settings = named(catalog, "quick"), SurfaceSettings(x_count=51, y_count=51)
    answered(catalog, questions.ask(catalog, SURFACE, model, settings))
    jobs = len(catalog.jobs(limit=1000))
    key = questions.ask(catalog, SURFACE, model, settings)
    assert len(catalog.values(key, SURFACE.table)["unit"]) == 51 * 51
    assert len(catalog.jobs(limit=1000)) == jobs


def test_one_supervisor_at_a_time(served):
    """A second one waits for the lock, and does nothing to the first one's jobs meanwhile."""
    catalog, _, _ = served
    second = Supervisor(catalog, "cpu")
    assert second.acquire() is False
    second.start()
    time.sleep(3 * supervisors.STEP_SECONDS)
    assert second.trouble == ""
    second.stop()
    assert second.acquire() is False


def refused_import(catalog: Catalog, folder: Path, file: Path, text: str | None = None) -> str:
    """What a failed import says; the catalog must be as before, but for the job."""
    source = problem_file(folder / "refused")
    if text is not None:
        source.write_text(text)
        agreed(source)
    before = dumped(catalog).split('"jobs"')[0]
    job_id = order_import(catalog, source, {}, [Checkpoint(file=file)], "refused")
    job = ended(catalog, job_id)
    assert job.status == "failed"
    assert "\n" not in job.error
    assert dumped(catalog).split('"jobs"')[0] == before
    return job.error


def damaged_file(folder: Path, damage: str) -> Path:
    """A checkpoint with that damage."""
    file, weights = folder / f"{damage}.safetensors", tensors()
    if damage == "missing file":
        return file
    if damage == "pickle":
        file = file.with_suffix(".pt")
        torch.save({"0.weight": problem}, file)
        return file
    if damage == "missing key":
        del weights["1.running_var"]
    if damage == "unknown key":
        weights["head.bias"] = torch.zeros(3)
    if damage == "wrong shape":
        weights["3.weight"] = torch.zeros(3, 7)
    safetensors.torch.save_file(weights, file)
    if damage == "truncated":
        file.write_bytes(file.read_bytes()[:-10])
    return file


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        ("missing file", "there is no file"),
        ("truncated", "no whole safetensors file"),
        ("pickle", "cannot be read as weights alone"),
        ("missing key", "lacks '1.running_var'"),
        ("unknown key", "has 'head.bias', unknown to the model"),
        ("wrong shape", "3.weight must have shape (3, 6), got (3, 7)"),
    ],
)
def test_a_bad_checkpoint_is_refused_by_name(served, damage, words):
    """The job fails with one sentence that names file and key; the catalog stays as it was."""
    catalog, _, folder = served
    file = damaged_file(folder, damage)
    said = refused_import(catalog, folder, file)
    assert str(file) in said
    assert words in said


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("x = 1", "must have a function problem"),
        ("def problem(:", "SyntaxError"),
        ("def problem():\n    return 3", "must return a Problem, got int"),
        ("def problem():\n    raise KeyError('data')", "KeyError: 'data'"),
    ],
)
def test_a_bad_problem_file_is_refused_by_name(served, text, words):
    """What a problem file does wrong is told in one sentence that names it."""
    catalog, _, folder = served
    said = refused_import(catalog, folder, checkpoint(folder / "good.safetensors"), text)
    assert "tiny_problem.py" in said
    assert words in said


def test_arguments_that_are_no_json_are_refused_at_once(served):
    """NaN has no canonical JSON, so it could be in no key: no job is made."""
    catalog, _, folder = served
    before = dumped(catalog)
    with pytest.raises(ValueError, match="arguments must be JSON values, without NaN"):
        order_import(catalog, folder / "p.py", {"a": float("nan")}, [], "nan")
    assert dumped(catalog) == before


def test_a_changed_problem_file_answers_nothing(served):
    """A question about a model whose problem file has changed since fails with the way out."""
    catalog, _, folder = served
    model = imported(catalog, folder / "changing", "changing", seed=9)
    file = Path(catalog.problem(model.problem_id).path)
    file.write_text(file.read_text().replace("nn.ReLU()", "nn.Tanh()"))
    key = questions.ask(catalog, LINE, model, LineSettings(x_count=5))
    job = ended(catalog, catalog.active_job_for(key).id)
    assert job.status == "failed"
    assert job.error == (
        f"{file} has changed since you agreed to run tiny_problem.py; read and agree: "
        f"python -m explorer agree {file}"
    )
    agreed(file)
    questions.resume(catalog, catalog.question(key))
    job = ended(catalog, catalog.active_job_for(key).id)
    assert job.error == f"{file} has changed since its models were imported; import them again"
    assert catalog.question(key).units_done == 0


def test_a_lost_point_file_fails_the_job_and_holds_up_no_other(served):
    """With the stored weights gone the question fails at once; others are answered after it."""
    catalog, _, folder = served
    model = imported(catalog, folder / "lost", "lost", seed=10)
    catalog.file_path(catalog.points(model.id)[0].file_hash).unlink()
    with pytest.raises(CatalogError, match="there is no file"):
        questions.ask(catalog, LINE, model, LineSettings(x_count=5))
    job = catalog.jobs(limit=1)[0]
    assert (job.status, job.title) == ("failed", "Line of lost")
    quick = named(catalog, "quick")
    answered(catalog, questions.ask(catalog, LINE, quick, LineSettings(x_count=5, seed=10)))


def test_an_error_in_the_model_ends_the_job_and_keeps_its_points(served):
    """An exception at one point is told by its name; what was computed before it stays."""
    catalog, supervisor, folder = served
    settings = LineSettings(x_count=65, seed=11)
    trap = trapped(settings, unit=40)
    model = imported(catalog, folder / "stumbles", "stumbles", trap=trap, deed="stumble")
    [worker] = supervisor.workers
    key = questions.ask(catalog, LINE, model, settings)
    job = ended(catalog, catalog.active_job_for(key).id)
    assert job.status == "failed"
    assert "RuntimeError: stumbled over the trap (line " in job.error
    assert 0 < catalog.question(key).units_done <= 40
    assert supervisor.workers == [worker]


def test_a_worker_that_dies_three_times_on_a_piece_ends_the_job(served):
    """SIGKILL at one point of the line: two more tries, then a sentence; earlier points stay."""
    catalog, _, folder = served
    settings = LineSettings(x_count=65, seed=12)
    trap = trapped(settings, unit=5)
    model = imported(catalog, folder / "dies", "dies", trap=trap, pause=PAUSE)
    key = questions.ask(catalog, LINE, model, settings)
    job = ended(catalog, catalog.active_job_for(key).id)
    assert job.status == "failed"
    assert job.attempts == worker_watch.DEATHS_ALLOWED
    assert job.error.startswith(
        "the worker died 3 times on the same piece (exit status -9: SIGKILL"
    )
    stored = catalog.values(key, LINE.table)["unit"]  # how many go with the fifth: by its cores
    assert 0 < len(stored) <= 5 and np.array_equal(stored, np.arange(len(stored)))
    quick = named(catalog, "quick")
    answered(catalog, questions.ask(catalog, LINE, quick, LineSettings(x_count=5, seed=12)))


def test_a_worker_that_hangs_is_ended_by_a_cancel(served, monkeypatch):
    """Where no piece comes to its end the worker is killed after a grace, and another follows."""
    monkeypatch.setattr(worker_watch, "CANCEL_GRACE", 0.5)
    catalog, supervisor, folder = served
    settings = LineSettings(x_count=65, seed=13)
    trap = trapped(settings, unit=40)
    model = imported(catalog, folder / "hangs", "hangs", trap=trap, deed="hang")
    key = questions.ask(catalog, LINE, model, settings)
    job = until_stored(catalog, lambda: (j := catalog.active_job_for(key)) and j.units_done and j)
    [worker] = supervisor.workers
    requests.cancel(catalog, job.id)
    assert ended(catalog, job.id).status == "cancelled"
    until(lambda: not worker.alive)
    assert catalog.question(key).units_done == len(catalog.values(key, LINE.table)["unit"]) > 0
    quick = named(catalog, "quick")
    answered(catalog, questions.ask(catalog, LINE, quick, LineSettings(x_count=5, seed=13)))


def test_an_analysis_deleted_for_good_while_it_runs_holds_up_no_other(served):
    """With its rows gone from the catalog a job disappears; worker and other jobs go on."""
    catalog, supervisor, _ = served
    key = questions.ask(catalog, LINE, named(catalog, "slow"), LineSettings(x_count=801, seed=14))
    until_stored(catalog, lambda: catalog.active_job_for(key).units_done)
    [worker] = supervisor.workers
    catalog.delete_question(key)
    catalog.empty_trash()
    quick = named(catalog, "quick")
    answered(catalog, questions.ask(catalog, LINE, quick, LineSettings(x_count=5, seed=14)))
    until(lambda: not list(catalog.jobs_folder.glob("2*")))  # swept at the supervisor's next look
    assert supervisor.workers == [worker]
    assert supervisor.trouble == ""


def test_a_piece_that_the_catalog_refuses_ends_only_its_own_job(served):
    """A piece with a column that no table can have fails its job; the next one is answered."""
    catalog, _, _ = served
    key = questions.ask(catalog, LINE, named(catalog, "slow"), LineSettings(x_count=801, seed=15))
    job = until_stored(catalog, lambda: (j := catalog.active_job_for(key)) and j.units_done and j)
    folder = Spool(catalog.jobs_folder).job(job.id)
    units = np.array([800], dtype=np.int64)
    folder.put_piece(Piece({**line_rows(units), "Top-1": units}))
    job = ended(catalog, job.id)
    assert job.status == "failed"
    assert "got 'Top-1'" in job.error
    quick = named(catalog, "quick")
    answered(catalog, questions.ask(catalog, LINE, quick, LineSettings(x_count=5, seed=15)))


def test_a_job_without_a_folder_is_offered_when_asked_again(served):
    """A crash between the catalog's row and the spool's folder loses no question."""
    catalog, _, _ = served
    model, settings = named(catalog, "quick"), LineSettings(x_count=9, seed=16)
    identity = questions.question_about(catalog, LINE, model, settings)
    with pytest.MonkeyPatch.context() as patch:
        interrupt = (KeyboardInterrupt for _ in ()).throw
        patch.setattr(requests, "offer", lambda catalog, job: interrupt(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            questions.ask(catalog, LINE, model, settings)
    stuck = catalog.active_job_for(identity.key)
    assert Spool(catalog.jobs_folder).job(stuck.id) is None
    assert questions.ask(catalog, LINE, model, settings) == identity.key
    answered(catalog, identity.key)
    assert catalog.job(stuck.id).status == "done"


KILLED = """
import os, signal, sys
from explorer.ask import questions, requests
from explorer.kinds.line import LINE, LineSettings
from store import Catalog

def die(*given):
    os.kill(os.getpid(), signal.SIGKILL)

if sys.argv[2] == "before the spool":
    requests.offer = die
catalog = Catalog(sys.argv[1], timeout=60)
model = next(model for model in catalog.models() if model.name == "quick")
questions.ask(catalog, LINE, model, LineSettings(x_count=9, seed=int(sys.argv[3])))
die()
"""


@pytest.mark.parametrize(("when", "seed"), [("before the spool", 31), ("just after", 32)])
def test_a_question_asked_just_before_a_kill_is_answered(served, monkeypatch, when, seed):
    """SIGKILL of who asks, in another process: question and job are stored together, and done."""
    monkeypatch.setattr(lost_jobs, "RECOVER_SECONDS", 0.0)
    catalog, _, _ = served
    asker = forked_script(KILLED, catalog.folder, when, seed)
    assert asker.wait(60) == -signal.SIGKILL
    asker.communicate()
    settings = LineSettings(x_count=9, seed=seed)
    identity = questions.question_about(catalog, LINE, named(catalog, "quick"), settings)
    answered(catalog, identity.key)


def test_an_answer_tells_what_the_pieces_say_of_where_they_come_from(served):
    """The worker's versions and machine, not those of the process that brings the pieces home."""
    catalog, _, _ = served
    settings = LineSettings(x_count=801, seed=33)
    key = questions.ask(catalog, LINE, named(catalog, "slow"), settings)
    job = until_stored(catalog, lambda: (j := catalog.active_job_for(key)) and j.units_done and j)
    stored_question = catalog.question(key)
    assert stored_question.provenance == provenance(stored_question.facts["device"])
    folder = Spool(catalog.jobs_folder).job(job.id)
    units = np.array([800], dtype=np.int64)
    folder.put_piece(Piece(line_rows(units)), {"cluster": "of the worker"})
    until_stored(catalog, lambda: "cluster" in catalog.question(key).provenance)
    assert catalog.question(key).provenance == {
        **stored_question.provenance,
        "cluster": "of the worker",
    }
    requests.cancel(catalog, job.id)
    ended(catalog, job.id)


def worker_alone(folder: Path) -> tuple[Catalog, str]:
    """A catalog whose worker answers a slow line while no supervisor is there any more."""
    catalog = Catalog(folder / "catalog")
    catalog.check()
    supervisor = Supervisor(catalog, "cpu")
    supervisor.start()
    model = imported(catalog, folder, "slow", pause=PAUSE)
    key = questions.ask(catalog, LINE, model, LineSettings(x_count=401))
    until_stored(catalog, lambda: catalog.active_job_for(key).units_done)
    supervisor.stop()
    return catalog, key


def test_a_damaged_piece_is_computed_again(tmp_path):
    """A piece file cut short in the spool, as by a power loss: its points come again, all right."""
    catalog, key = worker_alone(tmp_path)
    [folder] = Spool(catalog.jobs_folder).jobs()
    until(lambda: folder.ending)
    cut = folder.piece_files()[1]
    lost = read_arrival(cut).piece
    cut.write_bytes(cut.read_bytes()[:-8])
    with supervised(tmp_path / "catalog") as (catalog, _):
        answered(catalog, key)
    values = catalog.values(key, LINE.table)
    assert np.array_equal(values["unit"], np.arange(401))
    again = np.isin(values["unit"], list(lost.units))
    assert values["loss"][again].tobytes() == lost.columns["loss"].tobytes()
    assert catalog.check_integrity() == []


def test_another_app_takes_over_the_running_worker(tmp_path):
    """The app dies by SIGKILL; the worker goes on, and the next app ingests all that it left."""
    first = forked_app(tmp_path / "catalog")
    catalog = Catalog(tmp_path / "catalog", timeout=60)
    second = None
    try:
        assert first.stdout.readline() == "ready\n"
        model = imported(catalog, tmp_path, "slow", pause=PAUSE)
        key = questions.ask(catalog, LINE, model, LineSettings(x_count=801))
        job = until_stored(
            catalog, lambda: (j := catalog.active_job_for(key)) and j.units_done and j
        )
        first.kill()
        first.wait()
        worker = ProcessName.of(job.pid)
        [folder] = Spool(catalog.jobs_folder).jobs()
        until(lambda: len(folder.piece_files()) >= 3)  # written while nobody ingests
        stored = catalog.question(key).units_done
        second = forked_app(tmp_path / "catalog")
        until_stored(catalog, lambda: catalog.question(key).units_done > stored)
        assert worker.alive
        assert Spool(catalog.jobs_folder).workers() == [worker]
        answered(catalog, key)
        assert catalog.job(job.id).pid == worker.pid
        assert catalog.job(job.id).attempts == 0
    finally:
        for process in (first, second):
            if process is not None:
                process.kill()
                process.communicate()
        end_workers(catalog)


def test_a_device_that_is_not_there_fails_the_waiting_jobs(tmp_path):
    """Workers that cannot even start are not started for ever: the job says what they said."""
    catalog = Catalog(tmp_path / "catalog")
    catalog.check()
    supervisor = Supervisor(catalog, "tpu")
    supervisor.start()
    try:
        file = checkpoint(tmp_path / "a.safetensors")
        job_id = order_import(
            catalog, problem_file(tmp_path), {}, [Checkpoint(file=file)], "nowhere"
        )
        job = ended(catalog, job_id)
        assert job.status == "failed"
        assert job.error.startswith("no worker could be started (exit status 1); it last said: ")
        assert "device must be one of cpu, got 'tpu'" in job.error
    finally:
        supervisor.stop()
        end_workers(catalog)


def test_an_urgent_job_does_not_change_the_arithmetic_of_the_one_beneath(tmp_path):
    """The number of threads, on which last bits depend, is put back after making way."""
    loaded = load_problem(problem_file(tmp_path), {})
    file = checkpoint(tmp_path / "a.safetensors")
    spool = Spool(tmp_path / "jobs")
    request = AnswerRequest(
        key="k" * 64,
        kind="line",
        settings={"x_count": 3, "split": "train"},
        problem=tmp_path / "tiny_problem.py",
        arguments={},
        source_hash=loaded.source_hash,
        fingerprint=loaded.splits["train"].fingerprint,
        points=(content_hash(tensors()),),
        files=(file,),
    )
    urgent, beneath = (spool.new(name, n, None) for n, name in ((20, "urgent"), (50, "beneath")))
    for job in (urgent, beneath):
        job.offer(request)
    before = torch.get_num_threads()
    try:
        torch.set_num_threads(2)  # the tiny problem itself is worth one
        Worker(spool, torch.device("cpu"))._do_urgent_jobs(beneath)
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)
    assert urgent.ending.status == "done", urgent.ending.error
    assert len(urgent.piece_files()) > 0
    assert beneath.is_queued


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 32 MB of its own: a small catalog takes 13."""
    place = tmp_path / "disk"
    place.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=32m", "tmpfs", str(place)], capture_output=True
    )
    if mounted.returncode:
        pytest.skip("a file system can be mounted by root only")
    yield place
    subprocess.run(["umount", "--lazy", str(place)], check=True)


def test_a_full_disk_loses_nothing_and_the_job_goes_on_afterwards(small_disk, tmp_path):
    """Full in the middle of a line: the user reads why, and once there is space all comes."""
    with supervised(small_disk / "catalog") as (catalog, supervisor):
        model = imported(catalog, tmp_path, "slow", pause=PAUSE)
        key = questions.ask(catalog, LINE, model, LineSettings(x_count=801))
        job = until_stored(
            catalog, lambda: (j := catalog.active_job_for(key)) and j.units_done and j
        )
        filler = small_disk / "filler"
        with filler.open("wb", buffering=0) as file, contextlib.suppress(OSError):
            while file.write(b"\0" * 512):
                pass
        until(lambda: supervisor.trouble or catalog.job(job.id).error)
        said = supervisor.trouble or catalog.job(job.id).error
        print(f"\nfull disk: {said}")
        assert "space" in said
        time.sleep(2)
        before = catalog.values(key, LINE.table)
        filler.unlink()
        until(lambda: not supervisor.trouble)
        until_stored(catalog, lambda: catalog.active_job_for(key) is None)
        stored_question = catalog.question(key)
        print(f"then: {catalog.job(job.id).status}, {catalog.job(job.id).error}")
        if stored_question.status != "complete":
            questions.resume(catalog, stored_question)
        answered(catalog, key)
        after = catalog.values(key, LINE.table)
        kept = np.isin(after["unit"], before["unit"])
        assert 0 < kept.sum() == len(before["unit"]) < 801
        assert after["loss"][kept].tobytes() == before["loss"].tobytes()
        assert catalog.check_integrity(contents=True) == []
