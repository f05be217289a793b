"""Listing and stopping jobs."""

from collections.abc import Sequence

from explorer import job_progress
from explorer.ask import requests
from explorer.commands.json_values import print_json
from explorer.commands.parameters import OpenCatalog
from explorer.jobs import queue_state
from explorer.jobs.spool import Spool
from explorer.supervisor.supervisor import Supervisor
from explorer.wording import message
from store import records

MAX_JOBS = 1_000_000  # jobs that one listing holds


def list_jobs(*, all: bool = False, json: bool = False, catalog: OpenCatalog) -> int:
    """Jobs that run or wait in the order of their turns, then those that have ended, latest first.

    Each with its id, which `cancel` takes, and with what it does or why it has not begun.

    Args:
        all: also what has ended.
        json: as JSON.
        catalog: where they are.
    """
    spool = Spool(catalog.jobs_folder)
    under_way = sorted(
        catalog.active_jobs(),
        key=lambda j: (j.status != "running", j.priority, str(j.created)),
    )
    over = catalog.jobs(status=records.ENDED, limit=MAX_JOBS) if all else []
    progress_texts = {job.id: queue_state.job_state(spool, job.id).words for job in under_way}
    if json:
        content = [_job_json(job, progress_texts.get(job.id, "")) for job in (*under_way, *over)]
        print_json(content)
        return 0
    for job in (*under_way, *over):
        ended = job.status if not job.error else f"{job.status}: {job.error}"
        print(f"{job.id} {message(job.title)}: {progress_texts.get(job.id, ended)}")
    if not under_way and not over:
        print("no job runs or waits")
    return 0


def cancel_jobs(*job: str, all: bool = False, catalog: OpenCatalog) -> int:
    """Stop jobs after the piece in hand, and wait until they have ended.

    Args:
        job: id of a job, or its beginning; see `jobs`.
        all: all that run or wait.
        catalog: where they are.

    Raises:
        ValueError: no job is named, or one that neither runs nor waits.
    """
    under_way = catalog.active_jobs()
    jobs_to_cancel = under_way if all else [_job_by_id_prefix(under_way, id) for id in job]
    if not jobs_to_cancel and not all:
        raise ValueError("name a job by its id, which `jobs` shows, or give --all")
    for cancelled in jobs_to_cancel:
        requests.cancel(catalog, cancelled.id)
    supervisor = Supervisor(catalog, hires=False)
    supervisor.start()
    try:
        for cancelled in jobs_to_cancel:
            ended = job_progress.wait_for_job(catalog, cancelled.id, supervisor)
            print(f"{cancelled.id} {message(cancelled.title)}: {ended.status}", flush=True)
    finally:
        supervisor.stop()
    return 0


def _job_by_id_prefix(under_way: Sequence[records.Job], name: str) -> records.Job:
    """The job whose id begins so.

    Raises:
        ValueError: there is none, or there are several.
    """
    matches = [job for job in under_way if name and job.id.startswith(name)]
    if len(matches) == 1:
        return matches[0]
    what = f"{len(matches)} jobs" if matches else "no job that runs or waits"
    raise ValueError(f"{name!r} names {what}; `jobs` lists them with their ids")


def _job_json(job: records.Job, progress_text: str) -> dict[str, object]:
    return {
        "id": job.id,
        "title": job.title,
        "task": job.task,
        "status": job.status,
        "doing": progress_text,
        "units_done": job.units_done,
        "units": job.units,
        "error": job.error,
        "analysis": job.question_key,
        "created": str(job.created),
    }
