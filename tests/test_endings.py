"""Ends of jobs whose workers say that they are done."""

import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch

from explorer.ask import questions
from explorer.jobs.job_folder import JobFolder
from explorer.jobs.process import ProcessName
from explorer.jobs.spool import Spool
from explorer.jobs.worker.answering import Worker
from explorer.kinds.line import LINE, LineSettings
from explorer.kinds.piece import Piece
from explorer.supervisor.endings import MAX_OFFERS
from explorer.supervisor.supervisor import Supervisor
from store import Catalog
from tests.filling import add_tiny, new_catalog
from tests.stored import line_rows


@pytest.fixture
def catalog(tmp_path: Path) -> Iterator[Catalog]:
    catalog = new_catalog(tmp_path / "catalog")
    yield catalog
    catalog.close()


def run_next_job(catalog: Catalog) -> JobFolder | None:
    """Have a worker do what waits, as far as files in the spool; its folder."""
    spool = Spool(catalog.jobs_folder)
    job = spool.claim_next(ProcessName.of(os.getpid()))
    if job is not None:
        Worker(spool, torch.device("cpu")).run(job)
    return job


def cut(file: Path) -> None:
    file.write_bytes(file.read_bytes()[:-8])


def test_an_answer_whose_pieces_are_lost_each_time_fails(catalog: Catalog, tmp_path: Path) -> None:
    """As on a disk that cuts files short: it is not offered for ever, and a sentence says why."""
    model = add_tiny(catalog, tmp_path, "tiny")
    key = questions.ask(catalog, LINE, model, LineSettings(x_count=9))
    supervisor, turns = Supervisor(catalog, "cpu", hires=False), 0
    while turns <= 2 * MAX_OFFERS and (job := run_next_job(catalog)):
        for file in job.piece_files():
            cut(file)
        supervisor.step()
        turns += 1
    last = catalog.jobs(limit=1)[0]
    assert turns == MAX_OFFERS + 1 and last.question_key == key
    assert last.status == "failed" and last.error
    assert last.error.startswith("9 of its 9 units are missing though its workers say that all")


def test_an_answer_that_grows_is_offered_as_often_as_it_takes(
    catalog: Catalog, tmp_path: Path
) -> None:
    """Each turn brings a unit: no count of turns ends it, and nothing is lost."""
    model = add_tiny(catalog, tmp_path, "tiny")
    key = questions.ask(catalog, LINE, model, LineSettings(x_count=9))
    supervisor, spool = Supervisor(catalog, "cpu", hires=False), Spool(catalog.jobs_folder)
    for unit in range(9):
        job = spool.claim_next(ProcessName.of(os.getpid()))
        assert job is not None
        job.put_piece(Piece(line_rows(np.array([unit]))))
        job.finish("done")
        supervisor.step()
    question = catalog.question(key)
    assert question and question.status == "complete"


def test_a_folder_in_the_place_of_what_is_told_ends_no_answer(
    catalog: Catalog, tmp_path: Path
) -> None:
    """Neither the worker's words nor the supervisor's: they are only told."""
    model = add_tiny(catalog, tmp_path, "tiny")
    key = questions.ask(catalog, LINE, model, LineSettings(x_count=9))
    (folder,) = Spool(catalog.jobs_folder).jobs()
    for name in ("progress.json", "told.json"):
        (folder.path / name).unlink(missing_ok=True)
        (folder.path / name).mkdir()
    run_next_job(catalog)
    Supervisor(catalog, "cpu", hires=False).step()
    question = catalog.question(key)
    assert question and question.status == "complete", catalog.jobs(limit=1)[0].error
