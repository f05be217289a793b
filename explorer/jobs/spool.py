"""The folder where supervisor and workers meet: jobs go in, pieces come out, by atomic renames.

    <jobs>/<priority>-<time>-<id>/   request.json, queued | claimed.<pid>.<started>, cancel,
                                     pieces/<time>.safetensors, progress.json, finished.json, log
    <jobs>/workers/<pid>.<started>   one empty file per living worker
    <jobs>/half_done/<key>/          units of an answer that were not brought to their end

A process is named by its id and its start time, since ids are used again.
"""

import contextlib
import errno
import json
import os
import shutil
import time
import uuid
from collections.abc import Iterator, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import safetensors
from safetensors.numpy import save

from explorer.jobs.process import ProcessName
from explorer.kinds.kind import Piece

LEFT_SECONDS = 3600.0  # age at which half a folder belongs to nobody


def write_json(path: Path, value: Any) -> None:
    """Write the file whole or not at all."""
    _write_whole(path, json.dumps(value).encode())


def _write_whole(path: Path, content: bytes) -> None:
    """Write the file whole or not at all; a failure leaves nothing behind to fill the disk."""
    partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
    try:
        partial.write_bytes(content)
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


def read_json(path: Path) -> Any:
    """The file's value, or None where there is no such file."""
    try:
        return json.loads(path.read_text())
    except FileNotFoundError:
        return None


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
    def request(self) -> dict[str, Any]:
        """What is asked."""
        return read_json(self.path / "request.json")

    def offer(self, request: Mapping[str, Any]) -> None:
        """Put the job, or what is left of it, up for a worker to claim."""
        if not self.path.is_dir():
            self._make(request)
            return
        write_json(self.path / "request.json", request)
        for claim in self.path.glob("claimed.*"):
            claim.replace(self.path / "queued")  # one or the other at every instant
            return
        (self.path / "queued").touch()

    def _make(self, request: Mapping[str, Any]) -> None:
        """The whole folder in one rename; where another process was faster, its folder."""
        making = self.path.with_name(f".{self.path.name}.{uuid.uuid4().hex}")
        try:
            (making / "pieces").mkdir(parents=True)
            write_json(making / "request.json", request)
            (making / "queued").touch()
            with contextlib.suppress(FileExistsError):
                _rename_folder(making, self.path)
        finally:
            shutil.rmtree(making, ignore_errors=True)

    @property
    def is_queued(self) -> bool:
        """Whether it waits for a worker."""
        return (self.path / "queued").exists()

    def claim(self, worker: ProcessName) -> bool:
        """Take the job for a worker; False when another was faster."""
        try:
            (self.path / "queued").rename(self.path / f"claimed.{worker}")
        except FileNotFoundError:
            return False
        return True

    @property
    def worker(self) -> ProcessName | None:
        """The worker that claimed the job."""
        for claim in self.path.glob("claimed.*"):
            return ProcessName.parse(claim.name.removeprefix("claimed."))
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
        return (self.path / "cancel").exists()

    def put_piece(self, piece: Piece) -> None:
        """Add a piece, whole or not at all."""
        # safetensors 0.8 writes the memory of a strided array as if it had none
        arrays = {name: np.ascontiguousarray(value) for name, value in piece.columns.items()}
        note = {"facts": json.dumps(piece.facts), "seconds": repr(piece.seconds)}
        path = self.path / "pieces" / f"{time.time_ns():020d}.safetensors"
        _write_whole(path, save(arrays, note))

    def piece_files(self) -> list[Path]:
        """Whole pieces, oldest first."""
        return sorted((self.path / "pieces").glob("*.safetensors"))

    def finish(self, status: str, error: str = "", result: Any = None) -> None:
        """Say how it ended: "done", "failed" or "cancelled"."""
        ended = {"status": status, "error": error, "result": result}
        write_json(self.path / "finished.json", ended)

    @property
    def finished(self) -> dict[str, Any] | None:
        """How it ended, or None while it goes on."""
        return read_json(self.path / "finished.json")

    def report(self, **progress: Any) -> None:
        """Tell what the worker is doing."""
        write_json(self.path / "progress.json", {**progress, "time": time.time()})

    @property
    def progress(self) -> dict[str, Any]:
        """What the worker said last."""
        return read_json(self.path / "progress.json") or {}

    def remove(self) -> None:
        """Remove the folder; it is gone at once, whatever comes between."""
        removed = self.path.with_name(f".{self.path.name}.{uuid.uuid4().hex}")
        with contextlib.suppress(FileNotFoundError):
            self.path.rename(removed)
            shutil.rmtree(removed, ignore_errors=True)


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


def read_piece(path: Path) -> Piece:
    """A piece from its file.

    Raises:
        safetensors.SafetensorError: the file is damaged, as after a power loss.
    """
    with safetensors.safe_open(path, framework="numpy") as file:
        note = file.metadata()
        columns = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (no dictionary)
    return Piece(columns, json.loads(note["facts"]), float(note["seconds"]))


class Spool:
    """All jobs of a catalog."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        (folder / "workers").mkdir(parents=True, exist_ok=True)

    def new(self, job_id: str, priority: int, created: datetime | None) -> JobFolder:
        """A folder for a job, not yet offered; the same one for the same job."""
        time = round(created.timestamp() * 1e6) if created else 0
        name = f"{priority:02d}-{time:017d}-{job_id}"
        return JobFolder(self.folder / name)

    def sweep(self) -> None:
        """Remove what a killed process left of folders that it was making or removing."""
        for left in self.folder.glob(".*"):
            if left.is_dir() and time.time() - left.stat().st_mtime > LEFT_SECONDS:
                shutil.rmtree(left, ignore_errors=True)

    def half_done(self, key: str) -> Path:
        """The folder for what a question's units have left half done; it outlives a stopped job."""
        return self.folder / "half_done" / key

    def keys_half_done(self) -> list[str]:
        """The questions that have such a folder."""
        return [path.name for path in self.folder.glob("half_done/*")]

    def forget(self, key: str) -> None:
        """Remove what a question's units have left half done."""
        shutil.rmtree(self.half_done(key), ignore_errors=True)

    def jobs(self) -> list[JobFolder]:
        """All jobs, the most urgent first."""
        found = [p for p in self.folder.iterdir() if p.name[:2].isdigit() and p.is_dir()]
        return [JobFolder(path) for path in sorted(found)]

    def job(self, job_id: str) -> JobFolder | None:
        """The job with that id."""
        return next((job for job in self.jobs() if job.id == job_id), None)

    def claim_next(self, worker: ProcessName, more_urgent_than: int = 100) -> JobFolder | None:
        """The most urgent queued job, now the worker's."""
        for job in self.jobs():
            if job.priority < more_urgent_than and job.claim(worker):
                return job
        return None

    @contextlib.contextmanager
    def enrolled(self, worker: ProcessName) -> Iterator[None]:
        """Be listed as a living worker."""
        self.enrol(worker)
        try:
            yield
        finally:
            (self.folder / "workers" / str(worker)).unlink(missing_ok=True)

    def enrol(self, worker: ProcessName) -> None:
        """List a process as a worker until it dies or leaves."""
        (self.folder / "workers" / str(worker)).touch()

    def workers(self) -> list[ProcessName]:
        """Living workers; entries of dead ones are removed."""
        living = []
        for entry in (self.folder / "workers").iterdir():
            name = ProcessName.parse(entry.name)
            if name.alive:
                living.append(name)
            else:
                entry.unlink(missing_ok=True)
        return living
