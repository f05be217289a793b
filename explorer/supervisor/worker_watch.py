"""Workers watched: one that died or hangs is followed by another, or its job ends."""

import time
from dataclasses import replace

from explorer.jobs.job_folder import JobFolder
from explorer.jobs.local_workers import LocalWorkers
from explorer.jobs.process import ProcessName
from explorer.jobs.shares import parts_of
from explorer.jobs.spool import Spool
from explorer.supervisor.ingestion import Ingestion
from explorer.supervisor.sharing import Sharing
from explorer.supervisor.tracked_job import TrackedJob, note, tell
from store import Catalog

DEATHS_ALLOWED = 3  # on the same piece
CANCEL_GRACE = 20.0  # seconds a worker has to reach the end of its piece
MAX_LOST_LOOKS = 3  # in a row at a job that is neither queued nor claimed nor over


class WorkerWatch:
    """Sees whether somebody works at the claimed jobs of a spool."""

    def __init__(self, catalog: Catalog, spool: Spool, local_workers: LocalWorkers) -> None:
        self.catalog = catalog
        self._spool = spool
        self._local_workers = local_workers
        self._ingestion = Ingestion(catalog)
        self._sharing = Sharing(catalog)

    def watch(self, folder: JobFolder, job: TrackedJob) -> None:
        """See whether somebody works at a claimed job."""
        worker = folder.worker
        job.lost = job.lost + 1 if worker is None else 0
        if worker is None:  # claimed and queued change places in one rename: look again
            if job.lost >= MAX_LOST_LOOKS and not folder.ending:
                self._offer_again(folder)
            return
        self._local_workers.note_job_taken(worker)
        if self._local_workers.works_at(worker, folder.id):
            if job.worker != worker:
                note(self.catalog, folder, job)
            if job.told:
                silent = self._local_workers.is_silent(worker)
                tell(folder, job, replace(job.told, silent=silent))
            self._end_after_cancel(folder, job, worker)
        elif not folder.ending:
            self._replace_worker(folder, job, worker)

    def _end_after_cancel(self, folder: JobFolder, job: TrackedJob, worker: ProcessName) -> None:
        """End a worker that does not come to the end of its piece after a cancel."""
        if folder.is_cancelled and not self._waits_for_urgent(folder, worker):
            job.cancelled = job.cancelled or time.monotonic()
            if time.monotonic() - job.cancelled > CANCEL_GRACE:
                self._local_workers.end(worker)
                folder.finish("cancelled")

    def _waits_for_urgent(self, folder: JobFolder, worker: ProcessName) -> bool:
        """Whether the job waits until its worker has done a more urgent one."""
        return any(
            other.worker == worker and other.priority < folder.priority
            for job in self._spool.jobs()
            for other in parts_of(job)
        )

    def _replace_worker(self, folder: JobFolder, job: TrackedJob, worker: ProcessName) -> None:
        """The worker died or left: offer the rest again, or stop after too many deaths."""
        if not self._local_workers.is_alive(worker):
            self._local_workers.end(worker)  # what it has started must not go on at the job
        self._ingestion.ingest(folder, job)  # what it left since the last look
        record = self.catalog.job(folder.id)
        deaths = record.attempts + 1
        if not folder.is_cancelled and deaths >= DEATHS_ALLOWED:
            how = self._local_workers.end_text(worker)
            where = "in this import" if record.task == "import" else "on the same piece"
            out = "; call the problem file's functions in a Python of your own to see why"
            folder.finish("failed", error=f"the worker died {deaths} times {where}{how}{out}")
        else:
            self._offer_again(folder)
        self.catalog.update_job(folder.id, attempts=deaths)  # last: on a full disk nobody died

    def _offer_again(self, folder: JobFolder) -> None:
        """Put what is missing up for another worker, unless somebody has asked to stop."""
        if folder.is_cancelled:
            folder.finish("cancelled")
        else:
            folder.offer(self._sharing.request_of(folder))
