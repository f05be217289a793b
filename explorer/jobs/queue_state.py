"""What a job does or waits for, from the spool alone: nobody need hold the catalog to tell."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from explorer.jobs.job_folder import JobFolder
from explorer.jobs.process import ProcessName, this_host
from explorer.jobs.shares import is_left, parts_of, shares_of, workers_at
from explorer.jobs.spool import Spool
from explorer.jobs.supervisor_lock import is_supervised
from explorer.wording import counted


@dataclass(frozen=True)
class JobState:
    """What a job that is not over does or waits for, and how far it is itself."""

    stage: str  # as in "evaluating", "waits behind Surface of mlp_a"
    done: int | None = None  # of `total`
    total: int | None = None
    rest: str = ""  # words after the count, which may change while the stage stays
    behind: int = 0  # jobs that come before it

    @property
    def words(self) -> str:
        """All of it, as in "evaluating 3 of 10, search 2"."""
        return " ".join(filter(None, (self.stage, _count_text(self.done, self.total)))) + self.rest


def job_state(spool: Spool, job_id: str, jobs: Sequence[JobFolder] | None = None) -> JobState:
    """What a job that is not over does or waits for.

    Args:
        spool: where it is.
        job_id: of the job.
        jobs: all of the spool, where they were read already.
    """
    folder = spool.job(job_id)
    if folder is None:
        return JobState("starting")
    jobs = spool.jobs() if jobs is None else jobs
    if waiting := _waiting_state(spool, job_id, jobs) or _parked_state(folder, jobs):
        return waiting
    if shares_of(folder):
        return _shared_state(folder)
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


def _shared_state(folder: JobFolder) -> JobState:
    """Of a job that several workers have."""
    hosts = [worker.host for worker in workers_at(folder)]
    if is_left(folder):
        return JobState("waits for a worker to start")
    elsewhere = sorted(set(hosts) - {this_host()})
    place = f" on {counted(len(hosts), 'worker')}" if hosts else ""
    return JobState("computing", *_count(folder), rest=place + "".join(f", {h}" for h in elsewhere))


def _is_at_work(job: JobFolder) -> bool:
    """Whether some worker has the job, or one of its shares."""
    return not job.ending and any(part.worker is not None for part in parts_of(job))


def _parked_state(folder: JobFolder, jobs: Sequence[JobFolder]) -> JobState | None:
    """Of a job that its worker has put aside for more urgent ones; None for any other."""
    worker = folder.worker
    urgent = [
        job
        for job in jobs
        if worker and job.worker == worker and job.priority < folder.priority and not job.ending
    ]
    if not urgent:
        return None
    state = _state_behind("is paused for", urgent[0])
    return replace(state, behind=len(urgent))


def _waiting_state(spool: Spool, job_id: str, jobs: Sequence[JobFolder]) -> JobState | None:
    """Why a queued job has not begun, as in "waits behind Surface of mlp_a (3 of 10)".

    None for a job that a worker has, and for one that is not in the spool.
    """
    place = next((n for n, job in enumerate(jobs) if job.id == job_id), None)
    if place is None or not jobs[place].is_queued:
        return None
    if jobs[place].is_cancelled:
        return JobState("is being cancelled")
    at_work = [job for job in jobs if _is_at_work(job)]
    before = [job for job in jobs[:place] if job.is_queued]
    if not is_supervised(spool.folder):
        return JobState("waits for the app or a command that computes: none is running")
    if not at_work and not before:
        return JobState("waits for a worker to start")
    if at_work and jobs[place].priority < at_work[0].priority and not before:
        return replace(_state_behind("begins after the piece in hand of", at_work[0]), behind=1)
    first, *more = [*at_work, *before]
    state = _state_behind("waits behind", first, f" and {len(more):,} more" if more else "")
    return replace(state, behind=1 + len(more))


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
    stored = job.catalog_progress
    said = None if shares_of(job) else job.progress  # of who had it before it was shared
    if said is not None and said.done is not None and said.total is not None:
        return said.done, said.total
    if stored is None or stored.units is None:
        return None, None
    return stored.units_done, stored.units


def _count_text(done: int | None, total: int | None) -> str:
    """As in "300 of 1,000"; empty while nothing is known."""
    return "" if done is None or total is None else f"{done:,} of {total:,}"
