"""The supervisor: starts workers, brings their pieces into the catalog, notices the dead.

One at a time per catalog, held by a file lock; it lives in the app or in the command line. Every
step can be repeated: a piece leaves the spool only after the catalog has it.
"""

import contextlib
import logging
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import safetensors
from filelock import FileLock, Timeout

from explorer.ask import requests
from explorer.contracts.progress import Ending, StoredProgress
from explorer.importing import storing
from explorer.importing.brought import answer_piece
from explorer.importing.following import Follower
from explorer.jobs import vetting
from explorer.jobs.job_folder import JobFolder
from explorer.jobs.local_workers import LocalWorkers
from explorer.jobs.piece_files import Arrival, read_arrival
from explorer.jobs.process import ProcessName
from explorer.jobs.spool import Spool
from explorer.jobs.spool_identity import identity_of
from explorer.jobs.supervisor_lock import remove_impostor, supervisor_lock
from explorer.kinds import kind_named
from store import (
    Catalog,
    CatalogBusy,
    CatalogDamaged,
    CatalogError,
    CatalogFull,
    UnknownEntry,
    records,
)
from store.errors import from_os

STEP_SECONDS = 0.15
REST_FACTOR = (
    2.0  # times as long as a step took until the next: other clients want the database too
)
MAX_REST_SECONDS = 2.0  # at most
PIECES_AT_ONCE = 32  # that are stored together: the database is opened and written once
BYTES_AT_ONCE = 1 << 26  # of them
DEATHS_ALLOWED = 3  # on the same piece
CANCEL_GRACE = 20.0  # seconds a worker has to reach the end of its piece
MAX_ERROR_LENGTH = 2000  # characters of an error
MAX_LOST_LOOKS = 3  # in a row at a job that is neither queued nor claimed nor over
RECOVER_SECONDS = 10.0  # between two looks for jobs that nobody has put into the spool
OWN_ERRORS = (UnknownEntry, ValueError)  # about the job itself: said as they are
JOB_FOLDER_ERRORS = (FileNotFoundError, NotADirectoryError, IsADirectoryError, PermissionError)
log = logging.getLogger(__name__)


@dataclass
class TrackedJob:
    """What the supervisor remembers of a job in the spool."""

    table: str = ""  # of an answer's kind
    worker: ProcessName | None = None  # as it is noted in the catalog
    lost: int = 0  # looks in a row that found it neither queued nor claimed nor over
    cancelled: float | None = None  # since when
    told: StoredProgress | None = None  # what stands in its folder


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
            device: where workers compute.
            completed: called with the key of each question that becomes complete.
            hires: whether to start workers.
        """
        self.catalog = catalog
        self.device = device
        self.trouble = ""  # one sentence while the catalog cannot be written
        self._completed = completed
        self._hires = hires
        self._lock: FileLock | None = None
        self._thread: threading.Thread | None = None
        self._stop = threading.Event()
        self._follower = Follower(catalog)
        self._reset()
        self._place = identity_of(catalog.folder)

    def _reset(self) -> None:
        """Know nothing yet of what lies in the spool."""
        self._spool = Spool(self.catalog.jobs_folder)
        self._local_workers = LocalWorkers(self._spool)
        self._jobs: dict[str, TrackedJob] = {}
        self._recovered: float | None = None  # when jobs without a folder were last looked for
        self._written: tuple[int, ...] = ()  # state of the database's files then

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
                        self.catalog.close()  # now, not when its watcher gets to it
                        self._follower.check_runs()
                    self.trouble = ""
            except CatalogError as error:
                self.trouble = str(error)  # shown by the pages; pieces wait in the spool
            except OSError as error:
                self.trouble = str(from_os(error, self.catalog.folder))
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
        now = time.monotonic()
        if self._recovered is None:
            self.recover()
        elif now - self._recovered < RECOVER_SECONDS:
            return
        written = tuple(
            file.stat().st_mtime_ns for file in sorted(self.catalog.folder.glob("catalog.duckdb*"))
        )
        if written != self._written:
            self._offer_lost()
        self._recovered, self._written = now, written

    def recover(self) -> None:
        """Clear what a crash has left, and offer again the jobs that it left without a folder."""
        self._spool.sweep()
        self._spool.remove_half_done()
        self._offer_lost()

    def _offer_lost(self) -> None:
        folders = {job.id for job in self._spool.jobs()} | self._jobs.keys()
        for job in self.catalog.jobs(status=vetting.ACTIVE_STATUSES, limit=10_000):
            if job.id not in folders:
                with contextlib.suppress(UnknownEntry, ValueError):  # the job says so
                    requests.offer(self.catalog, job)

    def step(self) -> None:
        """Ingest what has arrived, settle what has ended, start what waits."""
        waiting = []
        folders = self._spool.jobs()
        present = {folder.id for folder in folders}
        self._end_removed(present)
        for folder in folders:
            try:
                if self._advance(folder):
                    waiting.append(folder)
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
        if waiting and self._hires and (trouble := self._local_workers.ensure_worker(self.device)):
            for folder in waiting:
                if folder.withdraw():
                    folder.finish("failed", error=trouble)

    def _end_removed(self, present: set[str]) -> None:
        """End the jobs whose folder somebody has removed."""
        for job_id in self._jobs.keys() - present:
            if self._is_active(job_id):
                where = self._spool.folder
                error = (
                    f"its folder in {where} was removed while it ran, by the problem file's code "
                    "or by hand; see that nothing there is removed, and compute it anew"
                )
                self.catalog.update_job(job_id, status="failed", error=error)
            del self._jobs[job_id]

    def _is_active(self, job_id: str) -> bool:
        """Whether the catalog has the job, and not as ended."""
        try:
            return self.catalog.job(job_id).status in vetting.ACTIVE_STATUSES
        except UnknownEntry:
            return False

    def _advance(self, folder: JobFolder) -> bool:
        """Do what there is to do for one job; whether it waits for a worker."""
        job = self._jobs.get(folder.id) or self._track_job(folder)
        if job is None:
            return False
        ended = folder.ending  # read before the pieces: none can come after it
        self._ingest(folder, job)
        if ended:
            self._settle(folder, ended)
        elif folder.is_queued:
            return self._keep_waiting(folder)
        else:
            self._watch_worker(folder, job)
        return False

    def _track_job(self, folder: JobFolder) -> TrackedJob | None:
        """The job of a folder that was not seen before; None where it is none of this catalog."""
        record = vetting.job_of(self.catalog, self._spool, folder)
        if record is None:
            return None
        question = self.catalog.question(record.question_key) if record.question_key else None
        job = TrackedJob(kind_named(question.kind).table if question else "")
        _tell(folder, job, _stored_progress(record, record.units_done))
        self._jobs[folder.id] = job
        return job

    def _give_up(self, folder: JobFolder, error: Exception) -> None:
        """End a job that cannot be served, lest it hold up the others."""
        if not isinstance(error, OWN_ERRORS):
            log.info("job %s", folder.id, exc_info=error)  # the sentence is what a user reads
        sentence = f"what its worker left cannot be used ({error!r}); compute it anew"
        if isinstance(error, OWN_ERRORS):
            sentence = str(error)
        with contextlib.suppress(UnknownEntry):  # it was deleted with its analysis
            self.catalog.update_job(folder.id, status="failed", error=sentence[:MAX_ERROR_LENGTH])
        self._forget(folder)

    def _forget(self, folder: JobFolder) -> None:
        """The job is over."""
        folder.remove()
        self._jobs.pop(folder.id, None)

    def _ingest(self, folder: JobFolder, job: TrackedJob) -> None:
        """Bring the job's pieces into the catalog, oldest first."""
        for files in _file_batches(folder.piece_files()):
            pieces = list(filter(None, (_readable_arrival(folder, file) for file in files)))
            if not pieces:
                continue
            record = self.catalog.job(folder.id)
            done = self._store(record.question_key or "", job, pieces)
            answered = [each.piece for each in pieces if each.piece.units]
            rates = [len(piece.units) / max(piece.seconds, 1e-9) for piece in answered]
            speed = {"worker": {"units_per_second": rates[-1]}} if rates else {}
            self._note(folder, job, units_done=done, attempts=0, **speed)
            _tell(folder, job, _stored_progress(record, done))

    def _store(self, key: str, job: TrackedJob, pieces: Sequence[Arrival]) -> int:
        """Store pieces and remove their files; how many units are answered then."""
        try:
            arrived = [answer_piece(self.catalog, key, piece) for piece in pieces]
            done = self.catalog.ingest_together(key, job.table, arrived)
        except ValueError:  # one does not fit: those before it are kept
            if len(pieces) == 1:
                raise
            return [self._store(key, job, [piece]) for piece in pieces][-1]
        facts = {name: fact for each in pieces for name, fact in each.piece.facts.items()}
        storing.store_directions(self.catalog, key, facts)
        storing.note_choice(self.catalog, key, facts)
        for each in pieces:
            each.remove()
        return done

    def _note(self, folder: JobFolder, job: TrackedJob, **fields: Any) -> None:
        """Update the job's row; the first time also with the worker that has it."""
        worker = folder.worker
        if worker and job.worker != worker:
            fields |= {"status": "running", "pid": worker.pid}
            fields |= {"pid_started": worker.started / 1000, "host": worker.host}
            if began := self.catalog.job(folder.id).started:
                fields["started"] = began  # by an earlier worker, or seen by an earlier supervisor
            job.worker = worker
        self.catalog.update_job(folder.id, **fields)

    def _keep_waiting(self, folder: JobFolder) -> bool:
        """Whether a queued job still wants a worker."""
        if folder.is_cancelled and folder.withdraw():
            folder.finish("cancelled")
            return False
        return True

    def _watch_worker(self, folder: JobFolder, job: TrackedJob) -> None:
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
                self._note(folder, job)
            if job.told:
                silent = self._local_workers.is_silent(worker)
                _tell(folder, job, replace(job.told, silent=silent))
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
            for other in self._spool.jobs()
        )

    def _replace_worker(self, folder: JobFolder, job: TrackedJob, worker: ProcessName) -> None:
        """The worker died or left: offer the rest again, or stop after too many deaths."""
        if not self._local_workers.is_alive(worker):
            self._local_workers.end(worker)  # what it has started must not go on at the job
        self._ingest(folder, job)  # what it left since the last look
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
            folder.offer(requests.request_of(self.catalog, self.catalog.job(folder.id)))

    def _settle(self, folder: JobFolder, ended: Ending) -> None:
        """Write how a job ended, then remove its folder."""
        job = self.catalog.job(folder.id)
        status, error = ended.status, ended.error[:MAX_ERROR_LENGTH] or None
        if status == "done" and job.task == "import":
            if ended.result is None:
                raise ValueError("its worker does not say what it found; import anew")
            storing.store_import(self.catalog, job, ended.result, folder.path)
        if status == "done" and job.task == "answer":
            question = self.catalog.question(job.question_key or "")
            if question and question.status != "complete":  # a piece was damaged
                folder.path.joinpath("finished.json").unlink()
                folder.offer(requests.request_of(self.catalog, job))
                return
        self.catalog.update_job(folder.id, status=status, error=error)
        self._forget(folder)
        if status == "done" and job.question_key:
            self._completed(job.question_key)

    @property
    def workers(self) -> list[ProcessName]:
        """The living workers."""
        return self._spool.workers()


def _tell(folder: JobFolder, job: TrackedJob, progress: StoredProgress) -> None:
    """Say in a job's folder what is new of it."""
    if progress != job.told:
        folder.write_catalog_progress(progress)
        job.told = progress


def _file_batches(files: Sequence[Path]) -> Iterator[list[Path]]:
    """The files in order, as many together as are to be read and stored at once."""
    batch: list[Path] = []
    size = 0
    for file in files:
        length = file.stat().st_size
        if batch and (len(batch) >= PIECES_AT_ONCE or size + length > BYTES_AT_ONCE):
            yield batch
            batch, size = [], 0
        batch.append(file)
        size += length
    if batch:
        yield batch


def _readable_arrival(folder: JobFolder, file: Path) -> Arrival | None:
    """The piece in a file; one that is damaged or another job's is put aside."""
    try:
        arrival = read_arrival(file)
    except (safetensors.SafetensorError, ValueError):
        file.rename(file.with_suffix(".damaged"))  # its units stay missing and come again
        return None
    if arrival.job != folder.id:
        file.rename(file.with_suffix(".foreign"))
        log.warning("%s was computed for another job; it is left out", file)
        return None
    return arrival


def _stored_progress(job: records.Job, units_done: int) -> StoredProgress:
    """What the catalog has of a job."""
    return StoredProgress(title=job.title, units=job.units, units_done=units_done)


def moved_sentence(catalog: Catalog) -> str:
    """What is said of a catalog that no longer lies where it was opened."""
    return (
        f"the catalog {catalog.folder} was moved or removed while it was in use; open it where it "
        "lies now, and what was being computed goes on"
    )
