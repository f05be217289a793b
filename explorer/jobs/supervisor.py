"""The supervisor: starts workers, brings their pieces into the catalog, notices the dead.

One at a time per catalog, held by a file lock; it lives in the app or in the command line. Every
step can be repeated: a piece leaves the spool only after the catalog has it.
"""

import contextlib
import fcntl
import logging
import os
import platform
import signal
import threading
import time
from collections.abc import Callable, Mapping
from importlib.metadata import version
from typing import IO, Any

import safetensors

from explorer.jobs import arrivals, orders
from explorer.jobs.crew import Crew
from explorer.jobs.following import Follower
from explorer.jobs.process import ProcessName
from explorer.jobs.spool import JobFolder, Spool, read_piece
from explorer.kinds import kind_named
from store import (
    Catalog,
    CatalogBusy,
    CatalogDamaged,
    CatalogError,
    CatalogFull,
    UnknownEntry,
)
from store.errors import from_os

STEP_SECONDS = 0.15
DEATHS_ALLOWED = 3  # on the same piece
CANCEL_GRACE = 20.0  # seconds a worker has to reach the end of its piece
log = logging.getLogger(__name__)


class Supervisor:
    """Brings jobs to their end."""

    def __init__(
        self,
        catalog: Catalog,
        device: str = "auto",
        completed: Callable[[str], None] = lambda key: None,
    ) -> None:
        """Prepare; `start` begins.

        Args:
            catalog: the catalog to serve.
            device: where workers compute.
            completed: called with the key of each question that becomes complete.
        """
        self.catalog = catalog
        self.device = device
        self.trouble = ""  # one sentence while the catalog cannot be written
        self._completed = completed
        self._spool = Spool(catalog.jobs_folder)
        self._lock: IO[str] | None = None
        self._thread: threading.Thread | None = None
        self._stop = threading.Event()
        self._crew = Crew(self._spool)
        self._follower = Follower(catalog)
        self._known: dict[str, str] = {}  # job id -> status in the catalog
        self._cancelled_at: dict[str, float] = {}

    def acquire(self) -> bool:
        """Become this catalog's supervisor; False when another process is."""
        if self._lock is None:
            file = (self.catalog.jobs_folder / "supervisor.lock").open("a")
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                file.close()
                return False
            self._lock = file
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
        if self._lock:
            self._lock.close()
            self._lock = None

    def _run(self) -> None:
        ready = False
        while not self._stop.is_set():
            try:
                if self.acquire():
                    if not ready:
                        self.recover()
                        ready = True
                    self.step()
                    self._follower.look()
                self.trouble = ""
            except CatalogError as error:
                self.trouble = str(error)  # shown by the pages; pieces wait in the spool
            except OSError as error:
                self.trouble = str(from_os(error, self.catalog.folder))
            except Exception:
                log.exception("supervisor step")
            self._stop.wait(STEP_SECONDS)

    def recover(self) -> None:
        """Offer again the jobs that a crash left without a folder."""
        self._spool.sweep()
        for key in self._spool.keys_half_done():
            asked = self.catalog.question(key)
            if asked is None or asked.status == "complete":
                self._spool.forget(key)
        folders = {job.id for job in self._spool.jobs()}
        for job in self.catalog.jobs(status=("queued", "running"), limit=10_000):
            if job.id not in folders:
                with contextlib.suppress(UnknownEntry):  # the job says so
                    orders.offer(self.catalog, job)

    def step(self) -> None:
        """Ingest what has arrived, settle what has ended, start what waits."""
        waiting = []
        for folder in self._spool.jobs():
            try:
                if self._advance(folder):
                    waiting.append(folder)
            except (CatalogBusy, CatalogFull, CatalogDamaged, OSError):
                raise  # nothing is wrong with the job: it waits
            except Exception as error:
                self._give_up(folder, error)
        if waiting and (trouble := self._crew.call(self.device)):
            for folder in waiting:
                if folder.withdraw():
                    folder.finish("failed", error=trouble)

    def _advance(self, folder: JobFolder) -> bool:
        """Do what there is to do for one job; whether it waits for a worker."""
        ended = folder.finished  # read before the pieces: none can come after it
        self._ingest(folder)
        if ended:
            self._settle(folder, ended)
        elif folder.is_queued:
            return self._keep_waiting(folder)
        else:
            self._watch(folder)
        return False

    def _give_up(self, folder: JobFolder, error: Exception) -> None:
        """End a job that cannot be served, lest it hold up the others."""
        if not isinstance(error, UnknownEntry | ValueError):
            log.error("job %s", folder.id, exc_info=error)
        said = str(error) if isinstance(error, UnknownEntry | ValueError) else repr(error)
        with contextlib.suppress(UnknownEntry):  # it was deleted with its analysis
            self.catalog.update_job(folder.id, status="failed", error=said)
        folder.remove()

    def _ingest(self, folder: JobFolder) -> None:
        """Bring the job's pieces into the catalog, oldest first."""
        files = folder.piece_files()
        if not files:
            return
        job = self.catalog.job(folder.id)
        done, rate = job.units_done, 0.0
        for file in files:
            try:
                piece = read_piece(file)
            except safetensors.SafetensorError:
                file.rename(file.with_suffix(".damaged"))  # its units stay missing and come again
                continue
            key = job.question_key or ""
            table = kind_named(folder.request["kind"]).table
            done = self.catalog.ingest(
                key, table, piece.columns, piece.facts, piece.seconds, provenance(piece.facts)
            )
            arrivals.store_directions(self.catalog, key, piece.facts)
            arrivals.note_choice(self.catalog, key, piece.facts)
            file.unlink()
            rate = len(piece.units) / max(piece.seconds, 1e-9)
        self._note(folder, units_done=done, attempts=0, worker={"units_per_second": rate})

    def _note(self, folder: JobFolder, **fields: Any) -> None:
        """Update the job's row; the first time also with the worker that has it."""
        worker = folder.worker
        if worker and self._known.get(folder.id) != str(worker):
            fields |= {"status": "running", "pid": worker.pid}
            fields["pid_started"] = worker.started / 1000
            if began := self.catalog.job(folder.id).started:
                fields["started"] = began  # by an earlier worker, or seen by an earlier supervisor
            self._known[folder.id] = str(worker)
        self.catalog.update_job(folder.id, **fields)

    def _keep_waiting(self, folder: JobFolder) -> bool:
        """Whether a queued job still wants a worker."""
        if folder.is_cancelled and folder.withdraw():
            folder.finish("cancelled")
            return False
        return True

    def _watch(self, folder: JobFolder) -> None:
        """See whether the worker of a claimed job is alive."""
        worker = folder.worker
        if worker is None:
            return  # claimed and queued change places in one rename; look again
        self._crew.saw(worker)
        if worker.alive:
            if self._known.get(folder.id) != str(worker):
                self._note(folder)
            self._press(folder, worker)
        elif not folder.finished:
            self._bury(folder, worker)

    def _press(self, folder: JobFolder, worker: ProcessName) -> None:
        """End a worker that does not come to the end of its piece after a cancel."""
        if folder.is_cancelled and not self._makes_way(folder, worker):
            since = self._cancelled_at.setdefault(folder.id, time.monotonic())
            if time.monotonic() - since > CANCEL_GRACE:
                os.kill(worker.pid, signal.SIGKILL)
                folder.finish("cancelled")

    def _makes_way(self, folder: JobFolder, worker: ProcessName) -> bool:
        """Whether the job waits until its worker has done a more urgent one."""
        return any(
            other.worker == worker and other.priority < folder.priority
            for other in self._spool.jobs()
        )

    def _bury(self, folder: JobFolder, worker: ProcessName) -> None:
        """The worker died: offer the rest again, or stop after too many deaths on one piece."""
        self._ingest(folder)  # what it left since the last look
        job = self.catalog.job(folder.id)
        deaths = job.attempts + 1
        if folder.is_cancelled:
            folder.finish("cancelled")
        elif deaths >= DEATHS_ALLOWED:
            how = self._crew.last_words(worker)
            where = "in this import" if job.task == "import" else "on the same piece"
            out = "; call the problem file's functions in a Python of your own to see why"
            folder.finish("failed", error=f"the worker died {deaths} times {where}{how}{out}")
        else:
            folder.offer(orders.request_of(self.catalog, job))
        self.catalog.update_job(folder.id, attempts=deaths)  # last: on a full disk nobody died

    def _settle(self, folder: JobFolder, ended: dict[str, Any]) -> None:
        """Write how a job ended, then remove its folder."""
        job = self.catalog.job(folder.id)
        status, error = ended["status"], ended["error"] or None
        if status == "done" and job.task == "import":
            arrivals.store_import(self.catalog, job, ended["result"], folder.path)
        if status == "done" and job.task == "answer":
            asked = self.catalog.question(job.question_key or "")
            if asked and asked.status != "complete":  # a piece was damaged
                folder.path.joinpath("finished.json").unlink()
                folder.offer(orders.request_of(self.catalog, job))
                return
        self.catalog.update_job(folder.id, status=status, error=error)
        folder.remove()
        self._known.pop(folder.id, None)
        if status == "done" and job.question_key:
            self._spool.forget(job.question_key)
            self._completed(job.question_key)

    @property
    def workers(self) -> list[ProcessName]:
        """The living workers."""
        return self._spool.workers()


def provenance(facts: Mapping[str, Any]) -> dict[str, Any]:
    """Where and with what the answer was computed; empty for a piece that names no device."""
    if "device" not in facts:
        return {}
    return {
        "device": facts["device"],
        "torch": version("torch"),
        "numpy": version("numpy"),
        "python": platform.python_version(),
        "machine": platform.node(),
        "processor": platform.machine(),
    }
