"""What a job waits for, from the spool alone: nobody need hold the catalog to tell."""

from explorer.jobs.job_folder import JobFolder
from explorer.jobs.process import ProcessName, this_host
from explorer.jobs.spool import Spool
from explorer.jobs.supervisor_lock import is_supervised


def waiting_reason(spool: Spool, job_id: str) -> str:
    """Why a queued job has not begun, as in "waits behind Surface of mlp_a (3 of 10)".

    Empty for a job that a worker has, and for one that is not in the spool.
    """
    jobs = spool.jobs()
    place = next((n for n, job in enumerate(jobs) if job.id == job_id), None)
    if place is None or not jobs[place].is_queued:
        return ""
    if jobs[place].is_cancelled:
        return "is being cancelled"
    at_work = [job for job in jobs if job.worker is not None and not job.ending]
    before = [job for job in jobs[:place] if job.is_queued]
    if not is_supervised(spool.folder):
        return "waits for the app or a command that computes: none is running"
    if not at_work and not before:
        return "waits for a worker to start"
    if at_work and jobs[place].priority < at_work[0].priority and not before:
        return f"begins after the piece in hand of {_job_text(at_work[0])}"
    first, *more = [*at_work, *before]
    return f"waits behind {_job_text(first)}" + (f" and {len(more):,} more" if more else "")


def progress_text(spool: Spool, job_id: str) -> str:
    """What a job that is not over does, in words: its stage and how far it is."""
    folder = spool.job(job_id)
    if folder is None:
        return "starting"
    if reason := waiting_reason(spool, job_id):
        return reason
    worker = folder.worker
    if worker is None:  # this folder is a copy, or its supervisor was killed at just that moment
        return "waits to be taken up again"
    told = folder.catalog_progress
    if told and told.silent:
        return _silence_text(worker)
    progress = folder.progress
    place = "" if worker.host == this_host() else f"on {worker.host}"
    stage = progress.stage if progress else "starting"
    within = f", {progress.within}" if progress and progress.within else ""
    return " ".join(part for part in (stage, _count_text(folder), place) if part) + within


def _silence_text(worker: ProcessName) -> str:
    """What is said of a worker that lives, as far as can be told, and gives no beats."""
    if worker.is_here:
        return f"its worker is silent; `kill -CONT {worker.pid}` lets it go on where it was stopped"
    return f"its worker {worker.pid} on {worker.host} is silent; see whether it runs there"


def _job_text(job: JobFolder) -> str:
    """A job by its title and how far it is."""
    count = _count_text(job)
    progress = job.catalog_progress
    return (progress.title if progress else "another job") + (f" ({count})" if count else "")


def _count_text(job: JobFolder) -> str:
    """How far a job is; empty while nothing is known."""
    said, stored = job.progress, job.catalog_progress
    if said is not None and said.done is not None and said.total is not None:
        return f"{said.done:,} of {said.total:,}"
    if stored is None or stored.units is None:
        return ""
    return f"{stored.units_done:,} of {stored.units:,}"
