"""What a job does or waits for, from the spool alone: nobody need hold the catalog to tell."""

from dataclasses import dataclass

from explorer.jobs.job_folder import JobFolder
from explorer.jobs.process import ProcessName, this_host
from explorer.jobs.spool import Spool
from explorer.jobs.supervisor_lock import is_supervised


@dataclass(frozen=True)
class JobState:
    """What a job that is not over does or waits for, and how far it is itself."""

    stage: str  # as in "evaluating", "waits behind Surface of mlp_a"
    done: int | None = None  # of `total`
    total: int | None = None
    rest: str = ""  # words after the count, which may change while the stage stays

    @property
    def words(self) -> str:
        """All of it, as in "evaluating 3 of 10, search 2"."""
        return " ".join(filter(None, (self.stage, _count_text(self.done, self.total)))) + self.rest


def job_state(spool: Spool, job_id: str) -> JobState:
    """What a job that is not over does or waits for."""
    folder = spool.job(job_id)
    if folder is None:
        return JobState("starting")
    if waiting := _waiting_state(spool, job_id):
        return waiting
    worker = folder.worker
    if worker is None:  # this folder is a copy, or its supervisor was killed at just that moment
        return JobState("waits to be taken up again")
    told = folder.catalog_progress
    if told and told.silent:
        return JobState(_silence_text(worker))
    progress = folder.progress
    place = "" if worker.host == this_host() else f" on {worker.host}"
    within = f", {progress.within}" if progress and progress.within else ""
    stage = progress.stage if progress else "starting"
    return JobState(stage, *_count(folder), rest=place + within)


def _waiting_state(spool: Spool, job_id: str) -> JobState | None:
    """Why a queued job has not begun, as in "waits behind Surface of mlp_a (3 of 10)".

    None for a job that a worker has, and for one that is not in the spool.
    """
    jobs = spool.jobs()
    place = next((n for n, job in enumerate(jobs) if job.id == job_id), None)
    if place is None or not jobs[place].is_queued:
        return None
    if jobs[place].is_cancelled:
        return JobState("is being cancelled")
    at_work = [job for job in jobs if job.worker is not None and not job.ending]
    before = [job for job in jobs[:place] if job.is_queued]
    if not is_supervised(spool.folder):
        return JobState("waits for the app or a command that computes: none is running")
    if not at_work and not before:
        return JobState("waits for a worker to start")
    if at_work and jobs[place].priority < at_work[0].priority and not before:
        return _state_behind("begins after the piece in hand of", at_work[0])
    first, *more = [*at_work, *before]
    return _state_behind("waits behind", first, f" and {len(more):,} more" if more else "")


def _state_behind(why: str, other: JobFolder, rest: str = "") -> JobState:
    """Why a job waits for another; how far that one is is no count of its own."""
    progress, count = other.catalog_progress, _count_text(*_count(other))
    title = progress.title if progress else "another job"
    return JobState(f"{why} {title}", rest=(f" ({count})" if count else "") + rest)


def _silence_text(worker: ProcessName) -> str:
    """What is said of a worker that lives, as far as can be told, and gives no beats."""
    if worker.is_here:
        return f"its worker is silent; `kill -CONT {worker.pid}` lets it go on where it was stopped"
    return f"its worker {worker.pid} on {worker.host} is silent; see whether it runs there"


def _count(job: JobFolder) -> tuple[int | None, int | None]:
    """How much of a job is done, and of how much; None while nothing is known."""
    said, stored = job.progress, job.catalog_progress
    if said is not None and said.done is not None and said.total is not None:
        return said.done, said.total
    if stored is None or stored.units is None:
        return None, None
    return stored.units_done, stored.units


def _count_text(done: int | None, total: int | None) -> str:
    """As in "300 of 1,000"; empty while nothing is known."""
    return "" if done is None or total is None else f"{done:,} of {total:,}"
