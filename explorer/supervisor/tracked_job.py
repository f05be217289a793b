"""What the supervisor remembers of a job, and what it says of it."""

from dataclasses import dataclass, field

from explorer.contracts.progress import Ending, StoredProgress
from explorer.jobs.job_folder import JobFolder
from explorer.jobs.process import ProcessName
from explorer.kinds import Kind
from explorer.kinds.objective_settings import ObjectiveSettings
from store import Catalog, records


@dataclass
class TrackedJob:
    """What the supervisor remembers of a job in the spool."""

    kind: Kind | None = None  # of an answer
    settings: ObjectiveSettings | None = None  # of its question
    worker: ProcessName | None = None  # as it is noted in the catalog
    lost: int = 0  # looks in a row that found it neither queued nor claimed nor over
    cancelled: float | None = None  # since when
    told: StoredProgress | None = None  # what stands in its folder
    offers: int = 0  # of what its workers called done, since its answer had other units
    units_offered_at: int = -1  # units that were answered then
    seconds_per_unit: float = 0.0  # of the last piece
    shares: dict[str, "TrackedJob"] = field(default_factory=dict)  # by name of their folders
    failure: Ending | None = None  # of the first share that did not come to its end
    untaken: float | None = None  # since when nobody is at work at any of its shares

    def of_share(self, name: str) -> "TrackedJob":
        """What is remembered of one of its shares."""
        return self.shares.setdefault(
            name,
            TrackedJob(self.kind, self.settings, seconds_per_unit=self.seconds_per_unit),
        )

    def note_share_end(self, ended: Ending) -> None:
        """Remember how a share ended, where others need not go on."""
        if ended.status != "done":
            self.failure = self.failure or ended


def tell(folder: JobFolder, job: TrackedJob, progress: StoredProgress) -> None:
    """Say in a job's folder what is new of it."""
    if progress != job.told:
        folder.write_catalog_progress(progress)
        job.told = progress


def note(catalog: Catalog, folder: JobFolder, job: TrackedJob, **fields: object) -> None:
    """Update the job's row; the first time also with the worker that has it."""
    worker = folder.worker
    if worker and job.worker != worker:
        fields |= {"status": "running", "pid": worker.pid}
        fields |= {"pid_started": worker.started / 1000, "host": worker.host}
        if began := catalog.job(folder.id).started:
            fields["started"] = began  # by an earlier worker, or seen by an earlier supervisor
        job.worker = worker
    catalog.update_job(folder.id, **fields)


def stored_progress(job: records.Job, units_done: int) -> StoredProgress:
    """What the catalog has of a job."""
    return StoredProgress(title=job.title, units=job.units, units_done=units_done)
