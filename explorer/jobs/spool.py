"""The folder where supervisor and workers meet: jobs go in, pieces come out, by atomic renames.

    <jobs>/<priority>-<time>-<id>/   request.json, queued | claimed.<worker>, cancel,
                                     pieces/ (see piece_files), progress.json, finished.json, log,
                                     told.json
                                     shares/ of a long job, see `shares`
    <jobs>/workers/<worker>          one file per living worker, with its heartbeat, and beside it
                                     <worker>.lock, which it holds as long as it lives
    <jobs>/leave.<worker>            it is to leave after the piece in hand

A worker stands in a file's name as `<spool>.<pid>.<started>.<kernel>.<table>.<host>`, see
`ProcessName`: ids are used again, and the copy of a folder has no workers.
"""

import contextlib
import os
import re
import time
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

from explorer.contracts.devices import NOWHERE, Place
from explorer.contracts.request import AnswerRequest, Request
from explorer.jobs.heartbeat import LOCK_SUFFIX, Beat, Heartbeat, LifeSign, lock_of, partial_of
from explorer.jobs.job_folder import JobFolder
from explorer.jobs.process import MARK_VARIABLE, ProcessName, end_marked
from explorer.jobs.shares import parts_of
from explorer.jobs.spool_identity import identity_of, worker_named
from explorer.jobs.whole_folder import remove_tree

LEFTOVER_SECONDS = 3600.0  # age at which half a folder belongs to nobody
_FOLDER = re.compile(r"[0-9]{2}-[0-9]{17}-[A-Za-z0-9_]+")
_LEFTOVER = re.compile(rf"\.{_FOLDER.pattern}\.[0-9a-f]{{32}}")  # being made or removed
_WORKER = re.compile(r"([0-9a-f]+-[0-9a-f]+\.)?[0-9]+\.[0-9]+(\.[A-Za-z0-9-]+)*")
_KEY = re.compile(r"[0-9a-f]{64}")


class Spool:
    """All jobs of a catalog."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        with contextlib.suppress(OSError):  # an archive or somebody else's: it can be looked at
            if (folder / "workers").is_symlink():  # it would lead somewhere else
                (folder / "workers").unlink()
            for place in (folder.parent, folder, folder / "workers"):  # their owner's alone
                place.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.identity = identity_of(folder)
        self._held: set[str] = set()  # ids of the jobs that this process claims or works at

    @property
    def is_there(self) -> bool:
        """Whether the folder still lies where it was."""
        return identity_of(self.folder) == self.identity

    def new(self, job_id: str, priority: int, created: datetime | None) -> JobFolder:
        """A folder for a job, not yet offered; the same one for the same job."""
        time = round(created.timestamp() * 1e6) if created else 0
        name = f"{priority:02d}-{time:017d}-{job_id}"
        return JobFolder(self.folder / name)

    def sweep(self) -> None:
        """Remove what a killed process left of folders that it was making or removing."""
        for leftover in self.folder.glob(".*"):
            ours = _LEFTOVER.fullmatch(leftover.name)
            if ours and _is_old(leftover):
                remove_tree(leftover)
        for leftover in (self.folder / "workers").glob("*"):
            orphan = leftover.name.endswith(LOCK_SUFFIX) and not _entry_beside(leftover).exists()
            if (orphan or leftover.name.startswith(".")) and _is_old(leftover):
                leftover.unlink(missing_ok=True)

    def remove_half_done(self) -> None:
        """Remove what an earlier version kept of units half done: they are computed anew."""
        for path in (self.folder / "half_done", *self.folder.glob("half_done/*")):
            if path.is_symlink() or _KEY.fullmatch(path.name):
                remove_tree(path)
        with contextlib.suppress(OSError):  # something of somebody else's is in it
            (self.folder / "half_done").rmdir()

    def jobs(self) -> list[JobFolder]:
        """All jobs, the most urgent first; none where the folder is gone."""
        try:
            with os.scandir(self.folder) as entries:
                names = [e.name for e in entries if _FOLDER.fullmatch(e.name) and _is_folder(e)]
        except FileNotFoundError:
            return []
        return [JobFolder(self.folder / name) for name in sorted(names)]

    def job(self, job_id: str) -> JobFolder | None:
        """The job with that id."""
        return next((job for job in self.jobs() if job.id == job_id), None)

    def claim_next(
        self, worker: ProcessName, more_urgent_than: int = 100, device: str = ""
    ) -> JobFolder | None:
        """The most urgent queued job or share that we have signed, now the worker's; see `at_work`.

        Args:
            worker: that claims.
            more_urgent_than: a priority.
            device: title of the worker's; shares of another's are left to others.
        """
        for job in self._queued_before(more_urgent_than):
            if job.is_ours and _may_answer(device, job.request):
                self._held.add(job.id)  # before the claim: no heartbeat may miss it
                if job.claim(worker):
                    return job
                self._held.discard(job.id)
        return None

    def is_queue_empty(self, more_urgent_than: int) -> bool:
        """Whether no job or share waits that is more urgent than that."""
        return next(self._queued_before(more_urgent_than), None) is None

    def _queued_before(self, priority: int) -> Iterator[JobFolder]:
        """Jobs and shares that wait for a worker and are more urgent than that."""
        for job in self.jobs():
            if job.priority < priority:
                yield from (part for part in parts_of(job) if part.is_queued)

    def has_idle_worker(self, worker: ProcessName, device: str) -> bool:
        """Whether another worker, of the same kind of device, says that it has nothing to do."""
        for other in self.workers():
            beat = self.beat(other)
            if other == worker or beat is None or beat.jobs or self.is_to_leave(other):
                continue
            if beat.place.device == device:
                return True
        return False

    @contextlib.contextmanager
    def at_work(self, job: JobFolder) -> Iterator[None]:
        """Have the heartbeat of this process name a claimed job; after this it is given up."""
        self._held.add(job.id)
        try:
            yield
        finally:
            self._held.discard(job.id)

    @contextlib.contextmanager
    def enrolled_worker(self, worker: ProcessName, place: Place = NOWHERE) -> Iterator[None]:
        """Be listed as a living worker, with a heartbeat that names the jobs it works at.

        Args:
            worker: this process.
            place: where it computes.
        """
        entry = self._entry(worker)
        try:
            with Heartbeat(entry, self._held, lambda: self.is_there, place):
                yield
        finally:
            if os.getpid() == worker.pid:  # not a child that goes on where its parent was
                end_marked(os.environ.get(MARK_VARIABLE, ""))  # what its jobs have started
                self.strike_off(worker)

    def enrol(self, worker: ProcessName, mark: str = "", place: Place = NOWHERE) -> None:
        """List a process as a worker before its first beat, until it dies or leaves."""
        if not self._entry(worker).exists():
            Beat(0, mark=mark, place=place).write(self._entry(worker))

    def workers(self) -> list[ProcessName]:
        """The workers of this machine but for those that have certainly ended."""
        return [
            worker
            for worker in self.enrolments()
            if worker.shares_kernel and not self.life_sign(worker).tells_death(worker)
        ]

    def enrolments(self) -> list[ProcessName]:
        """The workers that are listed, dead or alive; those of other spools are struck off."""
        listed = []
        with contextlib.suppress(FileNotFoundError):
            for entry in (self.folder / "workers").iterdir():
                worker = worker_named(entry.name.removesuffix(LOCK_SUFFIX), self.identity)
                if worker and not entry.name.endswith(LOCK_SUFFIX):
                    listed.append(worker)
                elif worker is None and _WORKER.fullmatch(entry.name):
                    with contextlib.suppress(OSError):
                        entry.unlink()
        return listed

    def beat(self, worker: ProcessName) -> Beat | None:
        """The last heartbeat of a worker; None where it is not listed."""
        return Beat.read(self._entry(worker))

    def life_sign(self, worker: ProcessName) -> LifeSign:
        """What is to be seen of a worker now."""
        return LifeSign.of(worker, self._entry(worker))

    def strike_off(self, worker: ProcessName) -> None:
        """List a worker no longer."""
        entry = self._entry(worker)
        for file in (entry, partial_of(entry), lock_of(entry), self._leave(worker)):
            file.unlink(missing_ok=True)

    def ask_to_leave(self, worker: ProcessName) -> None:
        """Have a worker end after the piece in hand; what is left of its job is another's."""
        self._leave(worker).touch()

    def is_to_leave(self, worker: ProcessName) -> bool:
        """Whether a worker was asked to leave."""
        return os.path.lexists(self._leave(worker))

    def _leave(self, worker: ProcessName) -> Path:
        return self.folder / f"leave.{self.identity}.{worker}"

    def _entry(self, worker: ProcessName) -> Path:
        return self.folder / "workers" / f"{self.identity}.{worker}"


def _may_answer(device: str, request: Request) -> bool:
    """Whether a worker with that device may have it: an answer is of one kind of device."""
    wanted = request.device if isinstance(request, AnswerRequest) else ""
    return not wanted or not device or wanted == device


def _is_old(path: Path) -> bool:
    """Whether nobody is at it any more."""
    return time.time() - path.lstat().st_mtime > LEFTOVER_SECONDS


def _entry_beside(lock: Path) -> Path:
    return lock.with_name(lock.name.removesuffix(LOCK_SUFFIX))


def _is_folder(entry: os.DirEntry[str]) -> bool:
    return entry.is_dir(follow_symlinks=False)
