"""The engine of a Ray cluster: the same bits as one machine, and nothing lost where something dies.

One Ray of this machine with two workers, which only this machine can reach, serves all of it.
"""

import contextlib
import errno
import os
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator, Sequence
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import psutil
import pytest
import torch

from explorer.ask import questions, requests
from explorer.commands.app import main
from explorer.consent import agreed_code
from explorer.contracts.devices import ELSEWHERE, RAY, device_of
from explorer.contracts.request import AnswerRequest
from explorer.jobs import local_workers
from explorer.jobs.engine import address, versions
from explorer.jobs.engine import local_cluster as local_cluster_module
from explorer.jobs.engine.__main__ import end_sentence
from explorer.jobs.engine.choice import choose_engine, chosen_engine
from explorer.jobs.engine.delivery import Delivery
from explorer.jobs.engine.events import Lost, Machine, Parcel
from explorer.jobs.engine.held_job import HeldJob
from explorer.jobs.engine.local_cluster import local_cluster
from explorer.jobs.engine.node_worker import cores_of_each
from explorer.jobs.job_folder import JobFolder
from explorer.jobs.process import ProcessName
from explorer.jobs.spool import Spool
from explorer.jobs.worker.answering import Worker
from explorer.kinds import KINDS
from explorer.kinds.line import LINE, LineSettings
from explorer.kinds.surface import SURFACE, SurfaceSettings
from explorer.own_code import SAMPLES
from explorer.pages._running import stop_apps
from store import Catalog, records
from tests.filling import add_tiny, new_catalog, work
from tests.screen import IMPORT_PAGE, JOBS_PAGE, fine, opened, texts
from tests.small_answers import ask, columns_by_unit, two_runs
from tests.tiny import (
    ROOT,
    ended,
    imported,
    problem_file,
    supervised,
    trapped,
    until,
    until_stored,
)

needs_ray = pytest.mark.skipif(
    find_spec("ray") is None, reason="Ray is an extra: explorer/jobs/requirements-engine.txt"
)
WORKERS = 2
SHARE_SECONDS = 0.1  # so that small answers are shared too


@pytest.fixture(scope="module")
def cluster() -> Iterator[str]:
    """The address of a Ray with two workers."""
    folder = Path(tempfile.mkdtemp(prefix="ray", dir="/tmp"))  # sockets have short names
    with local_cluster(WORKERS, folder=folder) as place:
        yield place
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="module")
def at_ray(cluster: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Catalog]:
    """A catalog with two runs, whose supervisor has the cluster's engine in place of workers."""
    folder = two_runs(tmp_path_factory.mktemp("ray"))
    command = [*local_workers.ENGINE_COMMAND, "--share-seconds", str(SHARE_SECONDS)]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(local_workers, "ENGINE_COMMAND", command)
        with supervised(folder, device_of(cluster, "cpu")) as (catalog, _):
            yield catalog


@pytest.fixture
def cores() -> Iterator[None]:
    """As many threads in this process as a node's worker has: sums depend on their number."""
    before, count = torch.get_num_threads(), cores_of_each(WORKERS)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("EXPLORER_CORES", str(count))
        torch.set_num_threads(count)
        yield
    torch.set_num_threads(before)


@needs_ray
def test_every_kind_has_the_same_bits_on_two_workers_of_ray(
    at_ray: Catalog, cores: None, tmp_path: Path
) -> None:
    """All answers are complete, in shares or not, and equal what one worker here computes."""
    here = Catalog(two_runs(tmp_path))
    for kind in KINDS:
        ask(at_ray, kind)
        ask(here, kind)
    work(here)
    until_stored(at_ray, lambda: not at_ray.active_jobs())
    assert [(job.title, job.error) for job in at_ray.jobs(limit=100) if job.error] == []
    for kind in KINDS:
        ours, theirs = (columns_by_unit(catalog, kind) for catalog in (here, at_ray))
        for name, column in ours.items():
            numbers = column.dtype.kind == "f"
            same = np.array_equal(column, theirs[name], equal_nan=numbers)
            assert same, f"{kind.name}: {name}"
    (worker,) = Spool(at_ray.jobs_folder).workers()
    assert Spool(at_ray.jobs_folder).beat(worker).place.device.startswith("Ray at 127.0.0.1:")


def add_model(catalog: Catalog, folder: Path, name: str, arguments: object) -> records.Model:
    """The tiny model, imported by the cluster."""
    return imported(catalog, folder / name, name, **arguments)


def slow_surface(catalog: Catalog, model: records.Model) -> tuple[str, str]:
    """Key and job of a surface in the background of a model that waits: so there is a midway."""
    settings = SurfaceSettings(x_count=7, y_count=7)
    key = questions.ask(catalog, SURFACE, model, settings, priority=requests.BACKGROUND_PRIORITY)
    job = catalog.active_job_for(key)
    assert job is not None
    return key, job.id


def tasks(place: str) -> list[psutil.Process]:
    """The processes of Ray that are at a share now."""
    heads = [p for p in psutil.process_iter() if "gcs_server" in " ".join(_words(p))]
    port = place.rpartition(":")[2]
    (head,) = [p for p in heads if f"--gcs_server_port={port}" in _words(p)]
    family = head.parent().children(recursive=True) if head.parent() else []
    return [p for p in family if _words(p)[:1] == ["ray::_answer"]]


def _words(process: psutil.Process) -> Sequence[str]:
    with contextlib.suppress(psutil.Error):
        return [word.strip() for word in process.cmdline()]
    return []


@needs_ray
def test_urgent_failing_cancelled_and_killed(cluster: str, at_ray: Catalog, tmp_path: Path) -> None:
    """While a long job has all places, what is urgent ends before it, and a failure is told.

    A worker of Ray that is killed loses no more than its piece; a cancel keeps what came.
    """
    line = LineSettings(x_count=3)
    stumble = {"trap": trapped(line, 1), "deed": "stumble"}
    models = [add_model(at_ray, tmp_path, *each) for each in (("good", {}), ("bad", stumble))]
    slow = add_model(at_ray, tmp_path, "slow", {"pause": 0.02})
    key, long = slow_surface(at_ray, slow)
    both = until(lambda: len(at := tasks(cluster)) == WORKERS and at)
    keys = [questions.ask(at_ray, LINE, model, line, priority=1) for model in models]
    jobs = [at_ray.active_job_for(key).id for key in keys]  # now: one may end before the other
    good, bad = (ended(at_ray, job) for job in jobs)
    assert (good.status, good.error) == ("done", None)
    assert bad.status == "failed"
    assert "stumbled over the trap" in bad.error and str(tmp_path) in bad.error
    assert at_ray.job(long).status == "running"
    os.kill(both[0].pid, signal.SIGKILL)
    done = ended(at_ray, long)
    assert (done.status, done.error) == ("done", None)
    units = at_ray.values(key, SURFACE.table)["unit"]
    assert sorted(units.tolist()) == list(range(49))


@needs_ray
def test_a_cancel_keeps_what_came(at_ray: Catalog, tmp_path: Path) -> None:
    """All shares end at their next piece."""
    key, long = slow_surface(at_ray, add_model(at_ray, tmp_path, "slower", {"pause": 0.03}))
    until_stored(at_ray, lambda: at_ray.question(key).units_done)
    requests.cancel(at_ray, long)
    assert ended(at_ray, long).status == "cancelled"
    assert 0 < at_ray.question(key).units_done < 49


def compute_line(catalog: Catalog, folder: Path, place: str) -> int:
    """The exit status of a command that asks a line of the cluster there."""
    add_tiny(catalog, folder, "one", [0])
    words = ["compute", "line", "--model", "one", "--x-count", "3", "--engine", place]
    return main([*words, "--catalog", str(catalog.folder)])


def test_what_is_no_address_is_refused_before_anything_is_asked(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """One sentence, and the catalog is as it was."""
    catalog = new_catalog(tmp_path / "catalog")
    assert compute_line(catalog, tmp_path, "nowhere") == 1
    error = capsys.readouterr().err
    assert error == "error: the address of a Ray cluster is auto or HOST:PORT, got 'nowhere'\n"
    assert catalog.questions()[0] == []


@needs_ray
def test_where_no_cluster_answers_the_job_says_so_and_is_resumed_here(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """One sentence, and nothing is lost."""
    catalog = new_catalog(tmp_path / "catalog")
    assert compute_line(catalog, tmp_path, "127.0.0.1:1") == 1
    error = capsys.readouterr().err
    assert "Ray at 127.0.0.1:1 does not answer" in error and error.count("\n") == 1
    (question,), _ = catalog.questions()
    questions.resume(catalog, question)
    work(catalog)
    assert catalog.question(question.key).status == "complete"


@pytest.mark.parametrize("engine", ["", "node7:6379", ELSEWHERE])
def test_who_agrees_to_code_is_told_of_the_nodes_that_run_it(
    engine: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """One sentence on the terminal and on the page Import, only where a cluster is chosen."""
    catalog = new_catalog(tmp_path / "catalog")
    choose_engine(catalog.folder, engine)
    monkeypatch.setenv("EXPLORER_CATALOG", str(catalog.folder))
    problem = problem_file(tmp_path)
    assert main(["agree", "--yes", str(problem)]) == 0
    page = opened(IMPORT_PAGE)
    page.text_input(key="problem").set_value(str(problem)).run()
    stop_apps()
    said = capsys.readouterr().out.splitlines(), texts(fine(page), "caption")
    assert [sum("It then runs on every node" in text for text in place) for place in said] == (
        [1, 1] if engine else [0, 0]
    )
    choose_engine(catalog.folder, "")


@needs_ray
def test_the_app_s_choice_of_an_engine_is_the_user_s_and_no_catalog_s(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Jobs keeps an address outside the catalog where a cluster answers, else says why not."""
    catalog = new_catalog(tmp_path / "catalog")
    catalog.remember("engine", "somebody-else:6379")
    catalog.close()
    monkeypatch.setenv("EXPLORER_CATALOG", str(catalog.folder))
    monkeypatch.setenv("RAY_ADDRESS", "127.0.0.1:1")
    app = fine(opened(JOBS_PAGE))
    app.button_group[0].set_value("Ray").run()
    for text, why in (("", "does not answer"), ("nowhere", "is auto or HOST")):
        app.text_input[0].set_value(text).run()
        assert why in app.error[0].value
        assert chosen_engine(catalog.folder) == ""
    with speaker(bytes((0, 0, 0, address.SETTINGS, 0, 0, 0, 0, 0))) as place:
        fine(app.text_input[0].set_value(place).run())
        assert chosen_engine(catalog.folder) == place
    other_window = fine(opened(JOBS_PAGE))
    fine(app.button_group[0].set_value("Started elsewhere").run())
    assert chosen_engine(catalog.folder) == ELSEWHERE
    fine(other_window.run())  # it follows, and chooses nothing itself
    assert other_window.button_group[0].value == "Started elsewhere"
    assert chosen_engine(catalog.folder) == ELSEWHERE
    assert any("No engine is at work on" in text for text in texts(app, "caption"))
    fine(app.button_group[0].set_value("This machine").run())
    assert chosen_engine(catalog.folder) == ""
    stop_apps()


def test_the_word_of_another_user_leads_nowhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ray notes its address in a folder of all; auto in its own variable means that folder."""
    (tmp_path / "ray").mkdir()
    note = tmp_path / "ray" / "ray_current_cluster"
    note.write_text("127.0.0.1:1")
    monkeypatch.setenv("RAY_TMPDIR", str(tmp_path))
    monkeypatch.setenv("RAY_ADDRESS", "auto")
    with pytest.raises(ValueError, match=r"Ray at 127.0.0.1:1 does not answer"):
        address.reachable("auto")
    if os.getuid() == 0:
        os.chown(note, 12345, -1)
    else:
        monkeypatch.setattr(os, "getuid", lambda: note.stat().st_uid + 1)
    with pytest.raises(ValueError, match="is another user's"):
        address.reachable("auto")


@needs_ray
def test_a_ray_that_does_not_start_leaves_nothing_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nor does one that would not stop in order: what it has started ends with it."""
    command, pids = tmp_path / "ray", tmp_path / "pids"
    command.write_text(
        f"#!/bin/sh\ntrap '' TERM\nsleep 3600 &\necho $! > {pids}\necho no port\nwait\n"
    )
    command.chmod(0o700)
    monkeypatch.setattr(local_cluster_module, "ray_command", lambda: str(command))
    monkeypatch.setattr(local_cluster_module, "START_SECONDS", 1.0)
    monkeypatch.setattr(local_cluster_module, "STOP_SECONDS", 0.2)
    sentence = r"did not start at .*; it last said: no port"
    with pytest.raises(ValueError, match=sentence), local_cluster(WORKERS):
        pass
    with contextlib.suppress(psutil.NoSuchProcess):
        child = psutil.Process(int(pids.read_text()))
        until(lambda: child.status() == psutil.STATUS_ZOMBIE)


@contextlib.contextmanager
def speaker(word: bytes) -> Iterator[str]:
    """An address where all who connect hear this, and no more."""
    with socket.create_server(("127.0.0.1", 0)) as server, contextlib.ExitStack() as stack:

        def speak() -> None:
            with contextlib.suppress(OSError):
                while True:
                    stack.enter_context(server.accept()[0]).sendall(word)

        threading.Thread(target=speak, daemon=True).start()
        yield f"127.0.0.1:{server.getsockname()[1]}"
        server.shutdown(socket.SHUT_RDWR)


@pytest.mark.parametrize(("word", "why"), [(b"", "timed out"), (b"HTTP/1.0 400", "something else")])
def test_what_takes_connections_and_is_no_ray_does_not_answer(
    word: bytes, why: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ray itself would wait for it without end."""
    monkeypatch.setattr(address, "WORD_SECONDS", 0.1)
    with speaker(word) as place, pytest.raises(ValueError, match=f"does not answer .{why}"):
        address.answering(place)


def test_an_engine_whose_cluster_says_nothing_any_more_ends() -> None:
    """One sentence, whatever its other threads wait for."""
    code = (
        "import time; from explorer.jobs.engine.patience import Patience; "
        "Patience('node7:1', 0.1); time.sleep(3600)"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 1
    assert done.stderr.startswith("error: Ray at node7:1 has said nothing for")
    assert done.stderr.count("\n") == 1


@needs_ray
def test_shares_of_a_node_that_is_gone_are_lost() -> None:
    """Also where Ray says nothing of them, as of a node that is frozen; the others go on."""
    from explorer.jobs.engine.cluster import Cluster

    class Stream:
        """Of a share that says nothing."""

    cluster = Cluster.__new__(Cluster)  # of no process
    cluster._streams = {Stream(): "one"}
    cluster._places, cluster._alive = {"one": "frozen"}, {"sound"}
    ((share, event),) = cluster.events(0.0)
    assert (share, event) == ("one", Lost(how="its machine is gone", machine_gone=True))
    assert list(cluster.events(0.0)) == []


def test_shares_of_a_job_that_comes_again_have_other_ids(tmp_path: Path) -> None:
    """So that the late end of one from before is not taken for the end of the new one."""
    catalog = new_catalog(tmp_path / "catalog")
    add_tiny(catalog, tmp_path, "one", [0])
    questions.ask(catalog, LINE, catalog.models()[0], LineSettings(x_count=9))
    folder = Spool(catalog.jobs_folder).jobs()[0]
    code, machine = agreed_code(folder.request.problem), Machine("1", "node1", 1, is_own=True)
    ids = {HeldJob(folder, folder.request, code).new_share(machine).id for _ in range(2)}
    assert len(ids) == 2


def test_a_full_disk_ends_the_engine_with_a_sentence() -> None:
    """A fault of ours keeps its traceback."""
    jobs = Path("/data/jobs")
    full = OSError(errno.ENOSPC, "No space left on device")
    sentence = "no space is left on the disk of /data/jobs; free some and resume"
    assert end_sentence(full, jobs) == sentence
    assert end_sentence(FileNotFoundError(errno.ENOENT, "x"), jobs) == ""


def test_without_ray_the_sentence_says_how_to_install_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is started, and nothing is tried."""
    monkeypatch.setattr(address, "find_spec", lambda name: None)
    trouble = address.engine_trouble([f"{RAY}auto"])
    assert trouble.startswith("Ray is not installed; run `pip install -r")
    assert (ROOT / "explorer/jobs/requirements-engine.txt").is_file()


def test_another_version_on_a_node_is_refused() -> None:
    """One sentence names what differs; another patch of the same minor version does not."""
    own = versions.own_versions()
    assert versions.version_refusal(own) == ""
    refusal = versions.version_refusal({**own, "torch": "1.13"})
    assert f"has torch {own['torch']} and the engine 1.13" in refusal


def test_code_travels_to_where_it_does_not_lie(tmp_path: Path) -> None:
    """A copy of the code agreed to answers, laid out as it was; a changed file is not run."""
    catalog = new_catalog(tmp_path / "catalog")
    add_tiny(catalog, tmp_path, "one", [0])
    questions.ask(catalog, LINE, catalog.models()[0], LineSettings(x_count=3))
    (waiting,) = Spool(catalog.jobs_folder).jobs()
    request = waiting.request
    assert isinstance(request, AnswerRequest)
    parcel = Parcel(
        folder=waiting.path.name,
        request=request,
        code=agreed_code(request.problem),
        samples=SAMPLES,
        tensors={file: file.name for file in request.files},
    )
    content = {file.name: file.read_bytes() for file in request.files}
    request.problem.write_text("raise SystemExit")
    spool = Spool(tmp_path / "node" / "jobs")
    delivery = Delivery(parcel, tmp_path / "node")
    assert not delivery.in_place
    job = delivery.offer(spool, content.__getitem__)
    assert job.claim(ProcessName.of(os.getpid()))
    Worker(spool, torch.device("cpu")).run(job)
    assert job.ending and (job.ending.status, job.ending.error) == ("done", "")
    assert len(job.piece_files()) > 0
    copy = delivery.place_of(request.problem)
    assert delivery.own_words(f"in {copy}") == f"in {request.problem}"
    copy.write_text(copy.read_text() + "# changed")
    _again(job, delivery, spool, content)


def _again(job: JobFolder, delivery: Delivery, spool: Spool, content: dict[str, bytes]) -> None:
    """What lies there changed is written anew from what was agreed to."""
    again = delivery.offer(spool, content.__getitem__)
    assert again.claim(ProcessName.of(os.getpid()))
    Worker(spool, torch.device("cpu")).run(again)
    assert again.ending and again.ending.status == "done"


@pytest.mark.parametrize("run", ["", "study run 'a b'"])
def test_the_printed_batch_script_is_one(
    run: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Bash reads it; nodes, GPUs, time and further options stand where SLURM looks."""
    catalog = new_catalog(tmp_path / "a catalog")
    words = "cluster slurm --nodes 4 --gpus-per-node 8 --time 2:00:00 --sbatch=--partition=gpu"
    assert main([*words.split(), "--run", run, "--catalog", str(catalog.folder)]) == 0
    script = capsys.readouterr().out
    subprocess.run(["bash", "-n"], input=script, text=True, check=True)
    lines = script.splitlines()
    for option in ("nodes=4", "gpus-per-node=8", "time=2:00:00", "partition=gpu"):
        assert f"#SBATCH --{option}" in lines
    last = shlex.split(lines[-1])
    if run:
        assert last[-4:] == ["run", "a b", "--engine", "$address"]
    else:
        assert last[-4:] == [str(catalog.jobs_folder), "--address", "$address", "--drain"]
    assert main(["cluster", "slurm", "--nodes", "0", "--time", "1:00:00"]) == 1
    assert "a batch job has 1 node or more" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("run", "words"),
    [
        ("stduy run x", "begins with compute, study, minima, phenomena"),
        ("python -m explorer study run x", "begins with compute, study"),
        ("study run 'x", "cannot be read: no closing quotation"),
    ],
)
def test_a_command_that_computes_nothing_makes_no_batch_script(
    run: str, words: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """It would wait in the queue for hours, and then say so."""
    catalog = new_catalog(tmp_path)
    slurm = ["cluster", "slurm", "--nodes", "2", "--time", "1:00:00", "--run", run]
    assert main([*slurm, "--catalog", str(catalog.folder)]) == 1
    printed = capsys.readouterr()
    assert printed.out == "" and words in printed.err


def test_a_local_cluster_wants_a_free_port() -> None:
    """One that is taken, or is none, is a sentence before Ray is started."""
    with socket.create_server(("127.0.0.1", 0)) as other:
        for port, words in ((other.getsockname()[1], "is not to be had"), (99999, "is no port")):
            with pytest.raises(ValueError, match=words), local_cluster(1, port):
                pass
