"""Catalogs filled in the test process: by the real worker's and supervisor's code, without a wait.

For tests of what is done with an answer; that workers and supervisors work as processes of their
own is shown by the tests of those.
"""

import gc
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch

from explorer.ask import questions
from explorer.ask.subjects import Subject
from explorer.contracts.checkpoint import Checkpoint
from explorer.importing.order import order_import
from explorer.jobs.job_folder import JobFolder
from explorer.jobs.process import ProcessName
from explorer.jobs.shares import Share
from explorer.jobs.spool import Spool
from explorer.jobs.worker.answering import Worker
from explorer.kinds import Kind
from explorer.supervisor.supervisor import Supervisor
from store import Catalog, records
from tests.tiny import checkpoint, ended, problem_file, sample_identities, until_stored


def new_catalog(folder: Path) -> Catalog:
    """An empty catalog, into which the app will import no samples."""
    catalog = Catalog(folder)
    catalog.check()
    catalog.remember("samples", sample_identities())
    return catalog


def work(catalog: Catalog, pieces: int | None = None, device: str = "cpu") -> None:
    """Do what waits in the spool; of each job only the first piece if it is to be one alone."""
    spool = Spool(catalog.jobs_folder)
    worker = Worker(spool, torch.device(device))
    while job := spool.claim_next(ProcessName.of(os.getpid())):
        if pieces:
            _cancel_after_piece(job)
        worker.run(job)
        gc.freeze()  # it has collected: what a job has loaded is not looked at after each other one
    Supervisor(catalog, "cpu", hires=False).step()


def work_shared(catalog: Catalog, workers: int = 2) -> int:
    """Do what waits, each answer cut after its first piece into shares; how many shares were done.

    Args:
        catalog: whose jobs wait.
        workers: that there would be for what is cut.
    """
    spool = Spool(catalog.jobs_folder)
    supervisor = Supervisor(catalog, ",".join(["cpu"] * (workers - 1)), hires=False)
    shares = 0
    while job := spool.claim_next(ProcessName.of(os.getpid())):
        if isinstance(job, Share):
            shares += 1
        else:
            _after_first_piece(job, job.ask_back)
        Worker(spool, torch.device("cpu")).run(job)
        gc.freeze()
        supervisor.step()
    return shares


def _cancel_after_piece(job: JobFolder) -> None:
    """Have the job cancelled as soon as it has put its first piece into the spool."""
    _after_first_piece(job, job.cancel)


def _after_first_piece(job: JobFolder, ask: Callable[[], None]) -> None:
    """Have something asked of a job's worker as soon as it has put a piece into the spool."""
    put_piece = job.put_piece

    def put_and_ask(*arguments: object) -> None:
        put_piece(*arguments)
        ask()

    job.put_piece = put_and_ask  # type: ignore[method-assign]


def done(catalog: Catalog, job_id: str) -> records.Job:
    """The job, done with all that waits: here, or by a worker that a page's press has started."""
    work(catalog)
    job = ended(catalog, job_id)
    assert job.status == "done", job.error
    return job


def add_model(
    catalog: Catalog,
    problem: Path,
    checkpoints: Sequence[Checkpoint],
    name: str,
    arguments: dict[str, Any] | None = None,
    **facts: Any,
) -> records.Model:
    """A model, imported."""
    done(catalog, order_import(catalog, problem, arguments or {}, checkpoints, name, facts=facts))
    return next(model for model in catalog.models() if model.name == name)


def add_tiny(
    catalog: Catalog, folder: Path, name: str, seeds: Sequence[int] = (0,), **arguments: Any
) -> records.Model:
    """The tiny model with a snapshot of each seed, by steps of 10; a single one has no step."""
    steps = [None] if len(seeds) == 1 else [10 * place for place in range(len(seeds))]
    snapshots = [
        Checkpoint(file=checkpoint(folder / f"{name}-{seed}.safetensors", seed), step=step)
        for seed, step in zip(seeds, steps, strict=True)
    ]
    return add_model(catalog, problem_file(folder / "problem"), snapshots, name, arguments)


def add_answer(
    catalog: Catalog,
    kind: Kind,
    settings: object,
    *subjects: Subject,
) -> records.Question:
    """A question about these subjects, answered."""
    (model, point), *others = subjects
    key = questions.ask(catalog, kind, model, settings, point=point, others=others)
    work(catalog)
    # a worker that a page's press has started may have been the first to take the job
    until_stored(catalog, lambda: catalog.active_job_for(key) is None)
    question = catalog.question(key)
    assert question is not None and question.status == "complete", catalog.jobs(limit=1)[0].error
    return question
