"""The folder where supervisor and workers meet: jobs go in, pieces come out, by atomic renames.

    <jobs>/<priority>-<time>-<id>/   request.json, queued | claimed.<worker>, cancel,
                                     pieces/ (see piece_files), progress.json, finished.json, log,
                                     told.json
    <jobs>/workers/<worker>          one file per living worker, with its heartbeat, and beside it
                                     <worker>.lock, which it holds as long as it lives

A worker stands in a file's name as `<spool>.<pid>.<started>.<kernel>.<table>.<host>`, see
`ProcessName`: ids are used again, and the copy of a folder has no workers.
"""

import contextlib
import errno
import json
import os
import re
import shutil
import time
import uuid
from collections.abc import Iterator, Mapping
from datetime import datetime
from pathlib import Path
from typing import TypeVar

from explorer.codec import JsonValue, from_json, to_json
from explorer.contracts.inspection import ImportResult
from explorer.contracts.progress import Ending, EndStatus, StoredProgress, WorkerProgress
from explorer.contracts.request import Request, request_from_json
from explorer.jobs import signature
from explorer.jobs.heartbeat import LOCK_SUFFIX, Beat, Heartbeat, LifeSign, lock_of
from explorer.jobs.piece_files import files_of_pieces, piece_files, write_piece
from explorer.jobs.process import MARK_VARIABLE, ProcessName, end_marked
from explorer.jobs.whole_file import write_whole
from explorer.kinds.kind import Piece

LEFTOVER_SECONDS = 3600.0  # age at which half a folder belongs to nobody
MAX_JSON_BYTES = 1 << 28  # of a JSON file that is read: more is none of ours
_FOLDER = re.compile(r"[0-9]{2}-[0-9]{17}-[A-Za-z0-9_]+")
_LEFTOVER = re.compile(rf"\.{_FOLDER.pattern}\.[0-9a-f]{{32}}")  # being made or removed
_WORKER = re.compile(r"([0-9a-f]+-[0-9a-f]+\.)?[0-9]+\.[0-9]+(\.[A-Za-z0-9-]+)*")
_KEY = re.compile(r"[0-9a-f]{64}")

P = TypeVar("P", WorkerProgress, StoredProgress)


def write_json(path: Path, value: JsonValue) -> None:
    """Write the file whole or not at all."""
    write_whole(path, json.dumps(value).encode())


def read_json(path: Path) -> object:
    """The file's value, or None where there is no such file.

    Raises:
        ValueError: it is no JSON, or larger than any of ours.
    """
    try:
        if path.stat().st_size > MAX_JSON_BYTES:
            raise ValueError(f"{path} is too large to be read")
        return json.loads(path.read_text())
    except FileNotFoundError:
        return None
    except RecursionError as error:
        raise ValueError(f"{path} is nested too deeply to be read") from error


def identity_of(folder: Path) -> str:
    """What tells a folder from its copies, and stays when it is renamed; empty if there is none.

    All machines that share the folder see the same: the numbers in its file system of it and of the
    folder that it lies in, not that of the device, which each machine gives by itself.
    """
    try:
        return f"{folder.parent.stat().st_ino:x}-{folder.stat().st_ino:x}"
    except OSError:
        return ""


class JobFolder:
    """One job in the spool."""

    def __init__(self, path: Path) -> None:
        self.path = path

    @property
    def id(self) -> str:
        """The job's id, the last part of the folder's name."""
        return self.path.name.rsplit("-", 1)[1]

    @property
    def priority(self) -> int:
        """Lower is more urgent."""
        return int(self.path.name.split("-", 1)[0])

    @property
    def spool(self) -> str:
        """What tells this spool from its copies."""
        return identity_of(self.path.parent)

    @property
    def request(self) -> Request:
        """What is asked.

        Raises:
            ValueError: it was not written by this user for this job in this spool, or not by this
                version of the program.
        """
        written = read_json(self.path / "request.json")
        request = signature.verified_request(written, self.id, self.spool)
        try:
            return request_from_json(request)
        except ValueError as error:
            raise ValueError(
                f"the request of job {self.id} is of another version of this program ({error}); "
                "compute it anew"
            ) from error

    @property
    def is_ours(self) -> bool:
        """Whether its request can be read, and was written by this user for this job here."""
        try:
            return bool(self.request)
        except (OSError, ValueError):
            return False

    def offer(self, request: Request) -> None:
        """Put the job, or what is left of it, up for a worker to claim."""
        if not self.path.is_dir():
            self._make(request)
            return
        self._write_request(self.path, request)
        for claim in self.path.glob("claimed.*"):
            claim.replace(self.path / "queued")  # one or the other at every instant
            return
        (self.path / "queued").touch()

    def offer_once(self, request: Request) -> None:
        """Put the job up for a worker, unless it is in the spool already."""
        if not self.path.is_dir():
            self._make(request)

    def _make(self, request: Request) -> None:
        """The whole folder in one rename; where another process was faster, its folder."""
        with self._unnamed_folder(request) as making, contextlib.suppress(FileExistsError):
            _rename_folder(making, self.path)

    @contextlib.contextmanager
    def _unnamed_folder(self, request: Request) -> Iterator[Path]:
        """A whole folder under a name that is no job's, to be renamed; else it is removed."""
        making = self.path.with_name(f".{self.path.name}.{uuid.uuid4().hex}")
        try:
            (making / "pieces").mkdir(parents=True)
            self._write_request(making, request)
            (making / "queued").touch()
            yield making
        finally:
            shutil.rmtree(making, ignore_errors=True)

    def _write_request(self, folder: Path, request: Request) -> None:
        signed = signature.signed_request(self.id, self.spool, to_json(request))
        write_json(folder / "request.json", signed)

    def offer_anew(self, request: Request) -> None:
        """Put the job up in a folder made by us, with its pieces and a cancel, and nothing else."""
        with self._unnamed_folder(request) as making:
            if not (self.path / "pieces").is_symlink():
                for file in files_of_pieces(self.path / "pieces"):
                    file.rename(making / "pieces" / file.name)
            if self.is_cancelled:
                (making / "cancel").touch()
            self.remove()
            _rename_folder(making, self.path)

    @property
    def is_queued(self) -> bool:
        """Whether it waits for a worker."""
        return (self.path / "queued").exists()

    def claim(self, worker: ProcessName) -> bool:
        """Take the job for a worker; False when another was faster."""
        try:
            (self.path / "queued").rename(self.path / f"claimed.{self.spool}.{worker}")
        except FileNotFoundError:
            return False
        return True

    @property
    def worker(self) -> ProcessName | None:
        """The worker that claimed the job in this spool."""
        for claim in self.path.glob("claimed.*"):
            if worker := worker_named(claim.name.removeprefix("claimed."), self.spool):
                return worker
        return None

    def withdraw(self) -> bool:
        """Take the job out of the queue; False when a worker has it."""
        try:
            (self.path / "queued").unlink()
        except FileNotFoundError:
            return False
        return True

    def cancel(self) -> None:
        """Ask the worker to stop after the piece in hand."""
        (self.path / "cancel").touch()

    @property
    def is_cancelled(self) -> bool:
        """Whether somebody asked to stop."""
        return os.path.lexists(self.path / "cancel")

    def put_piece(self, piece: Piece, provenance: Mapping[str, str] | None = None) -> None:
        """Add a piece, whole or not at all.

        Args:
            piece: to add.
            provenance: where and with what it was computed.
        """
        write_piece(self.path / "pieces", self.id, piece, provenance or {})

    def piece_files(self) -> list[Path]:
        """Whole pieces, oldest first."""
        return piece_files(self.path / "pieces")

    def finish(
        self, status: EndStatus, error: str = "", result: ImportResult | None = None
    ) -> None:
        """Say how it ended."""
        ending = Ending(status=status, error=error, result=result)
        write_json(self.path / "finished.json", to_json(ending))

    @property
    def ending(self) -> Ending | None:
        """How it ended, or None while it goes on.

        Raises:
            ValueError: what stands there was written by no worker of ours.
        """
        file = self.path / "finished.json"
        if (written := read_json(file)) is None and not file.exists():
            return None
        try:
            return from_json(Ending, written)
        except ValueError as error:
            raise ValueError(f"{file} does not say how the job ended: {error}") from error

    def report(
        self, stage: str, done: int | None = None, total: int | None = None, within: str = ""
    ) -> None:
        """Tell what the worker is doing, and how far it is."""
        progress = WorkerProgress(
            stage=stage, done=done, total=total, within=within, time=time.time()
        )
        write_json(self.path / "progress.json", to_json(progress))

    @property
    def progress(self) -> WorkerProgress | None:
        """What the worker said last; None where it has said nothing that can be read."""
        return _record_in(self.path / "progress.json", WorkerProgress)

    def write_catalog_progress(self, progress: StoredProgress) -> None:
        """Say what the catalog has of the job, for those who wait and leave the catalog alone."""
        write_json(self.path / "told.json", to_json(progress))

    @property
    def catalog_progress(self) -> StoredProgress | None:
        """What the supervisor said last; None where it has said nothing that can be read."""
        return _record_in(self.path / "told.json", StoredProgress)

    def remove(self) -> None:
        """Remove the folder; it is gone at once, whatever comes between."""
        removed = self.path.with_name(f".{self.path.name}.{uuid.uuid4().hex}")
        with contextlib.suppress(FileNotFoundError):
            self.path.rename(removed)
            _remove_tree(removed)


def _record_in(path: Path, cls: type[P]) -> P | None:
    """What a file of progress says; None where it is missing or not of ours."""
    with contextlib.suppress(ValueError, OSError):
        return from_json(cls, read_json(path), ignore_unknown=True)
    return None


def set_aside(folder: JobFolder) -> Path:
    """Where a job's folder that is none of ours lies from now on: kept, and never looked at."""
    aside = folder.path.parent / "refused"
    if aside.is_symlink():  # it would lead somewhere else
        aside.unlink()
    aside.mkdir(mode=0o700, exist_ok=True)
    target = aside / f"{folder.path.name}.{uuid.uuid4().hex}"
    folder.path.rename(target)
    return target


def _remove_tree(path: Path) -> None:
    """Remove a folder, or a link without what it leads to."""
    if path.is_symlink() or path.is_file():
        path.unlink(missing_ok=True)
    shutil.rmtree(path, ignore_errors=True)


def worker_named(text: str, spool: str) -> ProcessName | None:
    """The worker that a file is named for; None where it is another spool's, or no such name."""
    owner, _, name = text.partition(".")
    with contextlib.suppress(ValueError):
        return ProcessName.parse(name) if owner == spool else None
    return None


def _rename_folder(source: Path, target: Path) -> None:
    """Rename; the system says either of two things where the target is there.

    Raises:
        FileExistsError: the target is there.
    """
    try:
        source.rename(target)
    except OSError as error:
        if error.errno == errno.ENOTEMPTY:
            raise FileExistsError(target) from error
        raise


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
                _remove_tree(leftover)
        for leftover in (self.folder / "workers").glob("*"):
            orphan = leftover.name.endswith(LOCK_SUFFIX) and not _entry_beside(leftover).exists()
            if (orphan or leftover.name.startswith(".")) and _is_old(leftover):
                leftover.unlink(missing_ok=True)

    def remove_half_done(self) -> None:
        """Remove what an earlier version kept of units half done: they are computed anew."""
        for path in (self.folder / "half_done", *self.folder.glob("half_done/*")):
            if path.is_symlink() or _KEY.fullmatch(path.name):
                _remove_tree(path)
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

    def claim_next(self, worker: ProcessName, more_urgent_than: int = 100) -> JobFolder | None:
        """The most urgent queued job that we have signed, now the worker's; see `at_work`."""
        for job in self.jobs():
            if job.priority < more_urgent_than and job.is_queued and job.is_ours:
                self._held.add(job.id)  # before the claim: no heartbeat may miss it
                if job.claim(worker):
                    return job
                self._held.discard(job.id)
        return None

    @contextlib.contextmanager
    def at_work(self, job: JobFolder) -> Iterator[None]:
        """Have the heartbeat of this process name a claimed job; after this it is given up."""
        self._held.add(job.id)
        try:
            yield
        finally:
            self._held.discard(job.id)

    @contextlib.contextmanager
    def enrolled_worker(self, worker: ProcessName) -> Iterator[None]:
        """Be listed as a living worker, with a heartbeat that names the jobs it works at."""
        entry = self._entry(worker)
        try:
            with Heartbeat(entry, self._held, lambda: self.is_there):
                yield
        finally:
            if os.getpid() == worker.pid:  # not a child that goes on where its parent was
                end_marked(os.environ.get(MARK_VARIABLE, ""))  # what its jobs have started
                self.strike_off(worker)

    def enrol(self, worker: ProcessName, mark: str = "") -> None:
        """List a process as a worker before its first beat, until it dies or leaves."""
        if not self._entry(worker).exists():
            Beat(0, mark=mark).write(self._entry(worker))

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
        for file in (entry, lock_of(entry)):
            file.unlink(missing_ok=True)

    def _entry(self, worker: ProcessName) -> Path:
        return self.folder / "workers" / f"{self.identity}.{worker}"


def _is_old(path: Path) -> bool:
    """Whether nobody is at it any more."""
    return time.time() - path.lstat().st_mtime > LEFTOVER_SECONDS


def _entry_beside(lock: Path) -> Path:
    return lock.with_name(lock.name.removesuffix(LOCK_SUFFIX))


def _is_folder(entry: os.DirEntry[str]) -> bool:
    return entry.is_dir(follow_symlinks=False)
