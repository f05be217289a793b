"""The supervisor: starts workers, brings their pieces into the catalog, notices the dead.

One at a time per catalog, held by a file lock; it lives in the app or in the command line. Every
step can be repeated: a piece leaves the spool only after the catalog has it.
"""

import logging
import threading
import time
from collections.abc import Callable, Sequence

from filelock import FileLock, Timeout

from explorer.contracts.devices import ELSEWHERE, RAY, devices_for_workers, listed_devices
from explorer.gallery.wishes import WishKeeper
from explorer.importing.following import Follower
from explorer.jobs.job_folder import JobFolder
from explorer.jobs.local_workers import LocalWorkers
from explorer.jobs.process import ProcessName
from explorer.jobs.spool import Spool
from explorer.jobs.spool_identity import identity_of
from explorer.jobs.supervisor_lock import remove_impostor, supervisor_lock
from explorer.jobs.worker_states import WorkerState, worker_states
from explorer.supervisor.job_steps import JobSteps
from explorer.supervisor.lost_jobs import LostJobs
from explorer.supervisor.result_numbers import NumbersKeeper
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
        self._result_numbers = NumbersKeeper(catalog)
        self._reset()
        self._place = identity_of(catalog.folder)

    def _reset(self) -> None:
        """Know nothing yet of what lies in the spool."""
        self._spool = Spool(self.catalog.jobs_folder)
        self._local_workers = LocalWorkers(self._spool)
        self._jobs = JobSteps(
            self.catalog, self._spool, self._local_workers, self._workers_to_spare, self._end_well
        )
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
                        self._result_numbers.keep_up(at_work=bool(self._jobs.tracked))
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
        tracked_jobs = self._jobs.tracked
        self._reset()
        self._jobs.tracked = tracked_jobs
        return True

    def _look_for_lost(self) -> None:
        """At first, and now and then where the database has changed: jobs without a folder."""
        self._lost_jobs.look(self._jobs.tracked.keys())

    def recover(self) -> None:
        """Clear what a crash has left, and offer again the jobs that it left without a folder."""
        self._lost_jobs.recover(self._jobs.tracked.keys())

    def step(self) -> None:
        """Ingest what has arrived, settle what has ended, start what waits."""
        waiting: list[JobFolder] = []
        folders = self._spool.jobs()
        present = {folder.id for folder in folders}
        self._jobs.end_removed(present)
        for folder in folders:
            try:
                waiting += self._jobs.advance(folder)
            except (CatalogBusy, CatalogFull, CatalogDamaged):
                raise  # nothing is wrong with the job: it waits
            except OSError as error:
                if not isinstance(error, JOB_FOLDER_ERRORS):
                    raise
                if folder.path.is_dir():  # else it is missed at the next step
                    self._jobs.give_up(folder, error)
            except Exception as error:
                self._jobs.give_up(folder, error)
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
            self._jobs.share_longest(folders)

    @property
    def worker_devices(self) -> list[str]:
        """Names of the devices that may each have a worker; none where others compute."""
        if self.device == ELSEWHERE:
            return []
        names = self._local_workers.device_names()
        return devices_for_workers(listed_devices(self.device), names, self.paused)

    def _workers_to_spare(self, device: str = "") -> int:
        """Devices that have no worker, and workers that have nothing to do; of that title, if any.

        What an answer has begun on one device is shared with others of its title alone.
        """
        workers, devices = self._local_workers, self.worker_devices
        free = workers.free_devices_of(device, devices) if device else workers.free_devices(devices)
        return len(free) + workers.idle_count(device)

    def _end_well(self, key: str) -> None:
        """Do what is due when a question becomes complete."""
        self._result_numbers.expect()
        self._completed(key)

    def change_devices(self, device: str) -> None:
        """Have workers on other devices from now on; who has nothing to do makes place at once.

        An idle one would take what waits, with the cores that it was started with.

        Args:
            device: where workers compute, as `listed_devices` reads it.
        """
        self.device = device
        self.paused.clear()
        for state in self.worker_states:
            if not state.jobs:
                self._spool.ask_to_leave(state.worker)

    def change_engine(self, device: str) -> None:
        """Compute somewhere else from now on; those at work leave after the piece in hand.

        Args:
            device: where workers compute, as `listed_devices` reads it.
        """
        self.device = device
        for worker in self.workers:
            beat = self._spool.beat(worker)
            is_engine = beat is not None and beat.place.wanted.startswith(RAY)
            if not (is_engine and device == ELSEWHERE):  # that may be the one that is meant
                self._spool.ask_to_leave(worker)

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
