"""What a supervisor does for each job at each step: ingest, watch, share, settle."""

from collections.abc import Callable, Sequence

from explorer.contracts.progress import Ending
from explorer.jobs import vetting
from explorer.jobs.job_folder import JobFolder
from explorer.jobs.local_workers import LocalWorkers
from explorer.jobs.shares import Share, join_shares, shares_of
from explorer.jobs.spool import Spool
from explorer.kinds import kind_named, settings_from_json
from explorer.supervisor.endings import fail, fail_removed, settle
from explorer.supervisor.ingestion import Ingestion
from explorer.supervisor.sharing import Sharing, WorkersToSpare
from explorer.supervisor.tracked_job import TrackedJob, stored_progress, tell
from explorer.supervisor.worker_watch import WorkerWatch
from store import Catalog


class JobSteps:
    """The jobs of a spool on their way home."""

    def __init__(
        self,
        catalog: Catalog,
        spool: Spool,
        local_workers: LocalWorkers,
        workers_to_spare: WorkersToSpare,
        completed: Callable[[str], None],
    ) -> None:
        """Prepare.

        Args:
            catalog: that gets the pieces.
            spool: of the jobs.
            local_workers: that do them.
            workers_to_spare: how many there are with a device of that title.
            completed: called with the key of each question that becomes complete.
        """
        self.catalog, self._spool = catalog, spool
        self.tracked: dict[str, TrackedJob] = {}  # by id of the job
        self._workers_to_spare, self._completed = workers_to_spare, completed
        self._watch = WorkerWatch(catalog, spool, local_workers)
        self._ingestion = Ingestion(catalog)
        self._sharing = Sharing(catalog)

    def share_longest(self, folders: Sequence[JobFolder]) -> None:
        """See `Sharing.share_longest`."""
        self._sharing.share_longest(self.tracked, folders, self._workers_to_spare)

    def advance(self, folder: JobFolder) -> list[JobFolder]:
        """Do what there is to do for one job; what of it waits for a worker."""
        job = self.tracked.get(folder.id) or self.track_job(folder)
        if job is None:
            return []
        if shares_of(folder) and not folder.has_ended:
            return self._advance_shares(folder, job)
        return self._advance_part(folder, job)

    def _advance_part(self, folder: JobFolder, job: TrackedJob) -> list[JobFolder]:
        """Do what there is to do for a job or a share that one worker answers."""
        try:
            ended = folder.ending  # read before the pieces: none can come after it
        finally:  # whatever it is, what was computed is stored
            self._ingestion.ingest(folder, job)
        if ended and ended.status == "handed_back":
            self._sharing.take_back(folder, job, self._workers_to_spare)
        elif ended:
            self._settle(folder, job, ended)
        elif folder.is_queued:
            return [folder] if self._keep_waiting(folder) else []
        else:
            self._watch.watch(folder, job)
        return []

    def _advance_shares(self, folder: JobFolder, job: TrackedJob) -> list[JobFolder]:
        """Do what there is to do for the shares of a job; those that wait for a worker."""
        waiting: list[JobFolder] = []
        for share in shares_of(folder):
            if share.path.name not in job.shares and not share.is_ours:
                vetting.rejoin(self.catalog, folder)
                return []
            waiting += self._advance_part(share, job.of_share(share.path.name))
        left = shares_of(folder)
        if job.failure:
            self._end_shares(folder, left, job.failure)
            return []
        if not left:
            join_shares(folder)
            folder.finish("done")
        elif self._sharing.are_left_alone(left, job):
            join_shares(folder)
            folder.put_back(self._sharing.request_of(folder))
        return waiting

    def _end_shares(self, folder: JobFolder, left: Sequence[Share], failure: Ending) -> None:
        """End a job of which a share has failed, once no worker is at any other."""
        for share in left:
            if not share.withdraw():
                share.cancel()
        if not any(share.worker for share in left):
            join_shares(folder)
            folder.finish(failure.status, error=failure.error)

    def track_job(self, folder: JobFolder) -> TrackedJob | None:
        """The job of a folder that was not seen before; None where it is none of this catalog."""
        record = vetting.job_of(self.catalog, self._spool, folder)
        if record is None:
            return None
        question = self.catalog.question(record.question_key) if record.question_key else None
        job = TrackedJob()
        if question:
            job.kind = kind_named(question.kind)
            job.settings = settings_from_json(job.kind.settings, question.settings)
        tell(folder, job, stored_progress(record, record.units_done))
        self.tracked[folder.id] = job
        return job

    def end_removed(self, present: set[str]) -> None:
        """End the jobs whose folder somebody has removed."""
        for job_id in self.tracked.keys() - present:
            fail_removed(self.catalog, job_id, self._spool.folder)
            del self.tracked[job_id]

    def give_up(self, folder: JobFolder, error: Exception) -> None:
        """End a job that cannot be served, lest it hold up the others."""
        fail(self.catalog, folder, error)
        self._forget(folder)

    def _settle(self, folder: JobFolder, tracked: TrackedJob, ended: Ending) -> None:
        """Write how a job or a share ended, then remove its folder."""
        if isinstance(folder, Share):
            self.tracked[folder.id].note_share_end(ended)
            folder.remove()
            return
        job = settle(self.catalog, folder, tracked, ended)
        if job is None:
            return
        self._forget(folder)
        if ended.status == "done" and job.question_key:
            self._completed(job.question_key)

    def _forget(self, folder: JobFolder) -> None:
        """The job is over."""
        folder.remove()
        self.tracked.pop(folder.id, None)

    def _keep_waiting(self, folder: JobFolder) -> bool:
        """Whether a queued job still wants a worker."""
        if folder.is_cancelled and folder.withdraw():
            folder.finish("cancelled")
            return False
        return True
