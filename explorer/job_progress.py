"""Waiting for jobs to end, and seeing how they do, with the catalog left alone meanwhile."""

import time
from collections.abc import Callable

from explorer.jobs.queue_state import JobState, job_state
from explorer.jobs.spool import Spool
from explorer.jobs.spool_identity import identity_of
from explorer.supervisor.supervisor import Supervisor, moved_sentence
from store import Catalog, records

POLL_SECONDS = 0.2
LOOK_SECONDS = 10.0  # between two looks into the catalog for a job that is in the spool


def wait_for_job(
    catalog: Catalog,
    job_id: str,
    supervisor: Supervisor,
    tell: Callable[[JobState], None] = lambda state: None,
) -> records.Job:
    """The job once it has ended.

    Args:
        catalog: where it is.
        job_id: of the job.
        supervisor: of this process, whose trouble is told.
        tell: is given what the job does, each time that somebody looks.

    Raises:
        ValueError: the catalog no longer lies where it was.
    """
    spool, place = Spool(catalog.jobs_folder), identity_of(catalog.folder)
    job = catalog.job(job_id)
    last_look = time.monotonic()
    while job.is_active:
        trouble = supervisor.trouble
        tell(JobState(trouble) if trouble else job_state(spool, job_id))
        time.sleep(POLL_SECONDS)
        if identity_of(catalog.folder) != place:
            raise ValueError(moved_sentence(catalog))
        if spool.job(job_id) is None or time.monotonic() - last_look > LOOK_SECONDS:
            job, last_look = catalog.job(job_id), time.monotonic()
    return job
