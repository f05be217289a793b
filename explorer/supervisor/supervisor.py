"""The supervisor: starts workers, brings their pieces into the catalog, notices the dead.

One at a time per catalog, held by a file lock; it lives in the app or in the command line. Every
step can be repeated: a piece leaves the spool only after the catalog has it.
"""

import logging
import threading
import time
from collections.abc import Callable, Sequence

from filelock import FileLock, Timeout

from explorer.contracts.devices import devices_for_workers, listed_devices
from explorer.contracts.progress import Ending
from explorer.gallery.wishes import WishKeeper
from explorer.importing.following import Follower
from explorer.jobs import vetting
from explorer.jobs.job_folder import JobFolder
from explorer.jobs.local_workers import LocalWorkers
from explorer.jobs.process import ProcessName
from explorer.jobs.shares import Share, join_shares, shares_of
from explorer.jobs.spool import Spool
from explorer.jobs.spool_identity import identity_of
from explorer.jobs.supervisor_lock import remove_impostor, supervisor_lock
from explorer.jobs.worker_states import WorkerState, worker_states
from explorer.kinds import kind_named, settings_from_json
from explorer.supervisor.endings import fail, fail_removed, settle
from explorer.supervisor.ingestion import Ingestion
from explorer.supervisor.lost_jobs import LostJobs
from explorer.supervisor.result_numbers import NumbersKeeper
from explorer.supervisor.sharing import Sharing
from explorer.supervisor.tracked_job import TrackedJob, stored_progress, tell
from explorer.supervisor.worker_watch import WorkerWatch
from store import Catalog, CatalogBusy, CatalogDamaged, CatalogError, CatalogFull
from store.errors import from_os

STEP_SECONDS = 0.15
# Times as long as a step took until the next: other clients want the database too.
REST_FACTOR = 2.0
MAX_REST_SECONDS = 2.0  # at most
JOB_FOLDER_ERRORS = (FileNotFoundError, NotADirectoryError, IsADirectoryError, PermissionError)
log = logging.getLogger(__name__)


class Supervisor:
    """Brings jobs to their end."""

    def __init__(
        self,
        catalog: Catalog,
        device: str = "auto",
        completed: Callable[[str], None] = lambda key: None,
        hires: bool = True,
    ) -> None:
        """Prepare; `start` begins.

        Args:
            catalog: the catalog to serve.
            device: where workers compute, as `listed_devices` reads it.
            completed: called with the key of each question that becomes complete.
            hires: whether to start workers.

        Raises:
            ValueError: the device is no list of any.
        """
        self.catalog = catalog
        listed_devices(device)  # refused here rather than in a thread
        self.device = device
        self.paused: list[str] = []  # names of devices that get no worker, as often as so
        self.trouble = ""  # one sentence while the catalog cannot be written
        self._completed = completed
        self._hires = hires
        self._lock: FileLock | None = None
        self._thread: threading.Thread | None = None
        self._stop = threading.Event()
        self._follower = Follower(catalog)
        self._wish_keeper = WishKeeper(catalog)
        self._ingestion = Ingestion(catalog)
        self._sharing = Sharing(catalog)
        self._result_numbers = NumbersKeeper(catalog)
        self._reset()
        self._place = identity_of(catalog.folder)

    def _reset(self) -> None:
        """Know nothing yet of what lies in the spool."""
        self._spool = Spool(self.catalog.jobs_folder)
        self._local_workers = LocalWorkers(self._spool)
        self._watch = WorkerWatch(self.catalog, self._spool, self._local_workers)
        self._jobs: dict[str, TrackedJob] = {}
        self._lost_jobs = LostJobs(self.catalog, self._spool)

    def acquire(self) -> bool:
        """Become this catalog's supervisor; False when another process is."""
        if self._lock is None:
            remove_impostor(self.catalog.jobs_folder)
            lock = supervisor_lock(self.catalog.jobs_folder)
            try:
                lock.acquire()
            except Timeout:
                return False
            self._lock = lock
        return True

    def start(self) -> None:
        """Work in a thread of its own, as soon as no other process is the supervisor."""
        self._thread = threading.Thread(target=self._run, name="supervisor", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """End the thread; workers go on."""
        self._stop.set()
        if self._thread:
            self._thread.join(timeout=10)
        self._release_lock()

    def _release_lock(self) -> None:
        """Be the supervisor no longer."""
        if self._lock:
            self._lock.release()
            self._lock = None

    def _run(self) -> None:
        while not self._stop.is_set():
            began = time.monotonic()
            try:
                if self._is_in_place():
                    if self.acquire():
                        self._look_for_lost()
                        self.step()
                        self._follower.check_runs()
                        self._wish_keeper.keep_up()
                        self._result_numbers.keep_up(at_work=bool(self._jobs))
                        self.catalog.close()  # now, not when its watcher gets to it
                    self.trouble = ""
            except CatalogError as error:
                self.trouble = str(error)  # shown by the pages; pieces wait in the spool
            except OSError as error:
                self.trouble = str(from_os(error, self.catalog.jobs_folder))
            except Exception:
                log.exception("supervisor step")
            took = time.monotonic() - began
            self._stop.wait(min(max(STEP_SECONDS, REST_FACTOR * took), MAX_REST_SECONDS))

    def _is_in_place(self) -> bool:
        """Whether the catalog lies where it was; its spool is made anew where it was removed."""
        if self._spool.is_there:
            return True
        self._release_lock()
        if identity_of(self.catalog.folder) != self._place:
            self.trouble = moved_sentence(self.catalog)
            return False
        known_jobs = self._jobs
        self._reset()
        self._jobs = known_jobs
        return True

    def _look_for_lost(self) -> None:
        """At first, and now and then where the database has changed: jobs without a folder."""
        self._lost_jobs.look(self._jobs.keys())

    def recover(self) -> None:
        """Clear what a crash has left, and offer again the jobs that it left without a folder."""
        self._lost_jobs.recover(self._jobs.keys())

    def step(self) -> None:
        """Ingest what has arrived, settle what has ended, start what waits."""
        waiting: list[JobFolder] = []
        folders = self._spool.jobs()
        present = {folder.id for folder in folders}
        self._end_removed(present)
        for folder in folders:
            try:
                waiting += self._advance(folder)
            except (CatalogBusy, CatalogFull, CatalogDamaged):
                raise  # nothing is wrong with the job: it waits
            except OSError as error:
                if not isinstance(error, JOB_FOLDER_ERRORS):
                    raise
                if folder.path.is_dir():  # else it is missed at the next step
                    self._give_up(folder, error)
            except Exception as error:
                self._give_up(folder, error)
        self._local_workers.remove_dead(present)
        if self._hires:
            self._employ(waiting, folders)

    def _employ(self, waiting: Sequence[JobFolder], folders: Sequence[JobFolder]) -> None:
        """Have workers for what waits; where nothing does, share what takes long."""
        devices = self.worker_devices
        if waiting:
            trouble = self._local_workers.ensure_workers(devices, len(waiting)) if devices else ""
            for folder in waiting if trouble else ():
                if folder.withdraw():
                    folder.finish("failed", error=trouble)
        elif folders and self._workers_to_spare():
            self._sharing.share_longest(self._jobs, folders, self._workers_to_spare)

    @property
    def worker_devices(self) -> list[str]:
        """Names of the devices that may each have a worker."""
        names = self._local_workers.device_names()
        return devices_for_workers(listed_devices(self.device), names, self.paused)

    def _workers_to_spare(self, device: str = "") -> int:
        """Devices that have no worker, and workers that have nothing to do on one of that title."""
        free = self._local_workers.free_devices(self.worker_devices)
        return len(free) + self._local_workers.idle_count(device)

    def _advance(self, folder: JobFolder) -> list[JobFolder]:
        """Do what there is to do for one job; what of it waits for a worker."""
        job = self._jobs.get(folder.id) or self._track_job(folder)
        if job is None:
            return []
        if not folder.ending and shares_of(folder):
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

    def _track_job(self, folder: JobFolder) -> TrackedJob | None:
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
        self._jobs[folder.id] = job
        return job

    def _end_removed(self, present: set[str]) -> None:
        """End the jobs whose folder somebody has removed."""
        for job_id in self._jobs.keys() - present:
            fail_removed(self.catalog, job_id, self._spool.folder)
            del self._jobs[job_id]

    def _give_up(self, folder: JobFolder, error: Exception) -> None:
        """End a job that cannot be served, lest it hold up the others."""
        fail(self.catalog, folder, error)
        self._forget(folder)

    def _settle(self, folder: JobFolder, tracked: TrackedJob, ended: Ending) -> None:
        """Write how a job or a share ended, then remove its folder."""
        if isinstance(folder, Share):
            self._jobs[folder.id].note_share_end(ended)
            folder.remove()
            return
        job = settle(self.catalog, folder, tracked, ended)
        if job is None:
            return
        self._forget(folder)
        if ended.status == "done" and job.question_key:
            self._result_numbers.expect()
            self._completed(job.question_key)

    def _forget(self, folder: JobFolder) -> None:
        """The job is over."""
        folder.remove()
        self._jobs.pop(folder.id, None)

    def _keep_waiting(self, folder: JobFolder) -> bool:
        """Whether a queued job still wants a worker."""
        if folder.is_cancelled and folder.withdraw():
            folder.finish("cancelled")
            return False
        return True

    def stop_worker(self, state: WorkerState) -> None:
        """Have a worker end after its piece in hand, and its device stay without one."""
        self._spool.ask_to_leave(state.worker)
        self.paused.append(state.place.name or state.place.wanted)

    @property
    def worker_states(self) -> list[WorkerState]:
        """The workers, with what each does."""
        return worker_states(self._spool)

    @property
    def workers(self) -> list[ProcessName]:
        """The living workers."""
        return self._spool.workers()


def moved_sentence(catalog: Catalog) -> str:
    """What is said of a catalog that no longer lies where it was opened."""
    return (
        f"the catalog {catalog.folder} was moved or removed while it was in use; open it where it "
        "lies now, and what was being computed goes on"
    )
