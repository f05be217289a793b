"""What lies in a spool that this program did not write: it is never run, and nothing else suffers.

No worker is started here: what could be claimed is what one would run.
"""

import json
import os
import shutil
import unittest
from pathlib import Path

import numpy as np
import pytest

from explorer.ask import requests
from explorer.codec import to_json
from explorer.contracts.facts import ProblemFacts
from explorer.contracts.inspection import ImportResult, InspectedPoint
from explorer.contracts.request import ImportRequest, Request
from explorer.jobs.job_folder import JobFolder
from explorer.jobs.json_files import write_json
from explorer.jobs.piece_files import read_arrival
from explorer.jobs.process import ProcessName
from explorer.jobs.spool import Spool
from explorer.kinds.piece import Piece
from explorer.supervisor import lost_jobs, worker_watch
from explorer.supervisor.supervisor import Supervisor
from store import Catalog

ME = ProcessName.of(os.getpid())
PLANTED = {"task": "import", "problem": "/evil.py", "digest": "", "arguments": {}, "then": []}
REQUEST = ImportRequest(problem=Path("/mine.py"), arguments={}, checkpoints=(), name="mine")
EVIL = ImportRequest(problem=Path("/evil.py"), arguments={}, checkpoints=(), name="evil")

PROBLEM = ProblemFacts(splits={}, loss="cross_entropy")


class Place:
    """A catalog with a supervisor that starts no worker."""

    def __init__(self, folder: Path) -> None:
        self.catalog = Catalog(folder)
        self.catalog.check()
        self.supervisor = Supervisor(self.catalog, hires=False)
        self.spool = Spool(self.catalog.jobs_folder)

    def look(self, times: int = 1) -> None:
        """Let the supervisor do what it does when it begins, then some steps."""
        assert self.supervisor.acquire()
        self.supervisor.recover()
        for _ in range(times):
            self.supervisor.step()

    def add_job(self, job_id: str = "known") -> JobFolder:
        """An import that the database knows; its folder is not made yet."""
        job = self.catalog.add_job(
            job_id, "import", "Import of mine", to_json(REQUEST), priority=20
        )
        return self.spool.new(job.id, job.priority, job.created)

    def claimed(self) -> list[Request]:
        """What a worker would run now."""
        taken = []
        while job := self.spool.claim_next(ME):
            taken.append(job.request)
        return taken


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path / "catalog")


def plant(path: Path, request: object = PLANTED) -> Path:
    """A job's folder as somebody else writes it."""
    (path / "pieces").mkdir(parents=True)
    write_json(path / "request.json", request)
    (path / "queued").touch()
    return path


def test_a_planted_job_is_never_run(place):
    """No job of the database: no worker takes it, before or after a supervisor looks."""
    planted = plant(place.spool.new("planted", 1, None).path)
    assert place.claimed() == []
    with unittest.TestCase().assertLogs("explorer", "WARNING") as logged:
        place.look()
    assert place.claimed() == []
    assert place.spool.jobs() == [] and place.catalog.jobs() == []
    assert f"{planted} is no job of this catalog and is not run" in logged.output[0]
    (kept,) = (place.spool.folder / "refused").iterdir()
    assert json.loads((kept / "request.json").read_text()) == PLANTED


def test_a_planted_request_of_a_known_job_is_written_anew(place):
    """What is run is what the database says; what else lay in the folder is gone."""
    folder = place.add_job()
    plant(folder.path)
    write_json(folder.path / "finished.json", {"status": "done", "result": {"source_hash": "x"}})
    place.look()
    (request,) = place.claimed()
    assert request == REQUEST
    assert place.catalog.job("known").status == "queued"


def test_a_request_that_we_signed_for_a_job_that_is_gone_is_not_run(place):
    """The database was put back to an earlier state: its spool's newer jobs are none."""
    place.spool.new("gone", 20, None).offer(EVIL)
    place.look()
    assert place.claimed() == []


def test_a_job_that_is_over_is_not_run_again(place):
    """Its folder was left by a crash just after it had ended."""
    folder = place.add_job()
    folder.offer(REQUEST)
    place.catalog.update_job("known", status="done")
    place.look()
    assert not folder.path.exists() and place.claimed() == []


def test_one_job_has_one_folder(place):
    """A second folder of the same job, more urgent by its name, is not looked at."""
    folder = place.add_job()
    folder.offer(REQUEST)
    plant(place.spool.new("known", 1, None).path)
    place.look()
    assert [job.path for job in place.spool.jobs()] == [folder.path]


def test_links_and_odd_names_are_no_jobs(place, tmp_path):
    """Neither run nor touched, and the job beside them is served."""
    outside = plant(tmp_path / "outside")
    folder = place.add_job()
    folder.offer(REQUEST)
    (place.spool.folder / place.spool.new("linked", 1, None).path.name).symlink_to(outside)
    for name in ("01", "01-", "²²-x", "01-00000000000000000-a b", "2024-photos"):
        plant(place.spool.folder / name)
    before = sorted(path.name for path in place.spool.folder.iterdir())
    place.look(2)
    assert len(place.claimed()) == 1
    assert sorted(path.name for path in outside.iterdir()) == ["pieces", "queued", "request.json"]
    left = {path.name for path in place.spool.folder.iterdir()}
    assert set(before) <= left


def test_a_folder_that_leads_elsewhere_changes_nothing_there(place, tmp_path):
    """Links in place of a job's pieces, of half done work, of the list of workers."""
    mine = tmp_path / "mine"
    mine.mkdir()
    for name in ("00000000000000000001.safetensors", "1.2", "notes"):
        (mine / name).write_bytes(b"mine")
    folder = place.add_job()
    plant(folder.path)
    (folder.path / "pieces").rmdir()
    (folder.path / "pieces").symlink_to(mine)
    key = "a" * 64
    (place.spool.folder / "half_done" / key).mkdir(parents=True)
    (place.spool.folder / "half_done" / key / "0").symlink_to(mine / "notes")
    (place.spool.folder / "half_done" / ("b" * 64)).symlink_to(mine)
    (place.spool.folder / "workers").rmdir()
    (place.spool.folder / "workers").symlink_to(mine)
    (place.spool.folder / "refused").symlink_to(mine)
    plant(place.spool.new("planted", 1, None).path)
    place = Place(place.catalog.folder)
    place.look(2)
    assert len(place.claimed()) == 1
    assert {path.name: path.read_bytes() for path in mine.iterdir()} == dict.fromkeys(
        ("00000000000000000001.safetensors", "1.2", "notes"), b"mine"
    )
    assert not list(place.spool.folder.glob("half_done/**/0"))


def test_a_spool_that_is_a_link_to_a_home_folder_empties_nothing(tmp_path):
    """Hidden folders there look like none of ours, however old they are."""
    home = tmp_path / "home"
    (home / ".ssh").mkdir(parents=True)
    (home / "half_done" / "diploma").mkdir(parents=True)
    os.utime(home / ".ssh", (0, 0))
    (tmp_path / "catalog").mkdir()
    (tmp_path / "catalog" / "jobs").symlink_to(home)
    Place(tmp_path / "catalog").look()
    assert (home / ".ssh").is_dir() and (home / "half_done" / "diploma").is_dir()


@pytest.mark.parametrize(
    "text", ["{", "[" * 100_000, "3", '{"status": "done"}', "\0", '{"a": ' * 5000]
)
@pytest.mark.parametrize("name", ["finished", "progress", "told", "request"])
def test_malformed_files_stop_no_other_job(place, name, text):
    """Text that is no JSON, nested without end or of another form: at most its own job ends."""
    bad, good = place.add_job("bad"), place.add_job("good")
    for folder in (bad, good):
        folder.offer(REQUEST)
    bad.path.joinpath(f"{name}.json").write_text(text)
    place.look(3)
    status = place.catalog.job("bad").status
    assert status == ("failed" if name == "finished" else "queued")
    assert place.catalog.job("good").status == "queued"
    assert len(place.claimed()) == (1 if status == "failed" else 2)


def test_an_import_takes_no_file_from_elsewhere(place, tmp_path):
    """A result whose point leads out of the job's folder: refused, and the file is where it was."""
    mine = tmp_path / "mine.safetensors"
    mine.write_bytes(b"mine")
    folder = place.add_job()
    folder.offer(REQUEST)
    for point in ("../../../mine", str(mine)[: -len(".safetensors")], "c" * 64):
        if len(point) == 64:
            (folder.path / f"{point}.safetensors").symlink_to(mine)
        inspected = InspectedPoint(
            point_id=point, label="a", step=None, changed=0, not_finite=0, moments="", losses={}
        )
        result = ImportResult(
            source_hash="x",
            problem=PROBLEM,
            points=(inspected,),
            final_point=point,
            tensors=(),
        )
        folder.finish("done", result=result)
        place.look()
        assert place.catalog.job("known").status == "failed"
        assert "names a point that it has not left in" in place.catalog.job("known").error
        place.catalog.update_job("known", status="queued")
        folder.offer(REQUEST)
    assert mine.read_bytes() == b"mine"
    assert place.catalog.models() == []


def test_pieces_of_another_job_and_damaged_ones_are_left_out(place):
    """A piece says which job it was computed for."""
    mine, other = place.add_job("mine"), place.add_job("other")
    for folder in (mine, other):
        folder.offer(REQUEST)
    units = np.arange(3, dtype=np.int64)
    other.put_piece(Piece({"unit": units, "loss": units / 7}, {"device": "cpu"}), {"torch": "1"})
    (file,) = other.piece_files()
    assert read_arrival(file).provenance == {"torch": "1"}
    (mine.path / "pieces" / file.name).write_bytes(file.read_bytes())
    file.write_bytes(b"nothing")
    place.look(2)
    assert [path.suffix for path in (mine.path / "pieces").iterdir()] == [".foreign"]
    assert [path.suffix for path in (other.path / "pieces").iterdir()] == [".damaged"]
    assert len(place.claimed()) == 2


def test_a_copied_spool_has_no_workers_and_keeps_its_pieces(place, tmp_path):
    """A copy taken at any moment: its jobs are offered again, whoever has the original's."""
    folder = place.add_job()
    folder.offer(REQUEST)
    units = np.arange(3, dtype=np.int64)
    folder.put_piece(Piece({"unit": units, "loss": units / 7}))
    with place.spool.enrolled_worker(ME):
        assert place.spool.claim_next(ME) is not None
        place.catalog.close()
        shutil.copytree(place.catalog.folder, tmp_path / "copy")
        copy = Place(tmp_path / "copy")
        assert copy.spool.workers() == []
        (copied,) = copy.spool.jobs()
        assert copied.worker is None and not copied.is_ours
        assert copy.supervisor.acquire()
        assert copy.supervisor._jobs.track_job(copied) is not None
        assert len(copied.piece_files()) == 1
        assert len(copy.claimed()) == 1
        assert copy.catalog.job("known").status == "queued"
        assert place.spool.workers() == [ME]
        assert folder.worker == ME


def test_a_job_is_cancelled_in_a_copy_without_harm_to_the_original(place, tmp_path, monkeypatch):
    """Its worker is the original's, here this very process: Stop does not reach it."""
    monkeypatch.setattr(worker_watch, "CANCEL_GRACE", 0.0)
    folder = place.add_job()
    folder.offer(REQUEST)
    with place.spool.enrolled_worker(ME):
        assert place.spool.claim_next(ME) is not None
        place.catalog.close()
        shutil.copytree(place.catalog.folder, tmp_path / "copy")
        copy = Place(tmp_path / "copy")
        requests.cancel(copy.catalog, "known")
        copy.look(3)
        assert copy.catalog.job("known").status == "cancelled"
        assert folder.worker == ME and not folder.is_cancelled


def test_a_job_whose_folder_is_removed_ends_with_a_sentence(place):
    """Nobody waits for it for ever."""
    folder = place.add_job()
    folder.offer(REQUEST)
    place.look()
    folder.remove()
    place.supervisor.step()
    job = place.catalog.job("known")
    assert job.status == "failed"
    assert job.error.startswith(f"its folder in {place.spool.folder} was removed while it ran")


def test_a_job_that_was_never_put_into_the_spool_is_found(place, monkeypatch):
    """Another process was killed just after it had stored the job; the app need not start anew."""
    monkeypatch.setattr(lost_jobs, "RECOVER_SECONDS", 0.0)
    assert place.supervisor.acquire()
    place.supervisor._look_for_lost()
    place.add_job()
    place.supervisor._look_for_lost()
    assert len(place.claimed()) == 1


def test_a_job_neither_queued_nor_claimed_is_offered_again(place):
    """A supervisor was killed between taking it out of the queue and saying how it ended."""
    folder = place.add_job()
    folder.offer(REQUEST)
    place.look()
    assert folder.withdraw()
    for _ in range(worker_watch.MAX_LOST_LOOKS):
        place.supervisor.step()
    assert len(place.claimed()) == 1
