"""One job's folder in the spool: its request, who has it, its pieces and its end; see `spool`."""

import contextlib
import os
import shutil
import time
import uuid
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TypeVar

from explorer.codec import from_json, to_json
from explorer.contracts.inspection import ImportResult
from explorer.contracts.progress import (
    UNKNOWN_SPEED,
    Ending,
    EndStatus,
    Speed,
    StoredProgress,
    WorkerProgress,
)
from explorer.contracts.request import Request, request_from_json
from explorer.jobs import signature
from explorer.jobs.json_files import json_value, read_json, write_json
from explorer.jobs.piece_files import files_of_pieces, piece_files, write_piece
from explorer.jobs.process import ProcessName
from explorer.jobs.spool_identity import identity_of, worker_named
from explorer.jobs.whole_folder import remove_tree, rename_folder
from explorer.kinds.piece import Piece

P = TypeVar("P", WorkerProgress, StoredProgress)


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
            rename_folder(making, self.path)

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
            rename_folder(making, self.path)

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

    def ask_back(self) -> None:
        """Ask the worker to hand the job back after the piece in hand, for others to share it."""
        (self.path / "hand_back").touch()

    @property
    def is_asked_back(self) -> bool:
        """Whether its worker is to hand it back."""
        return os.path.lexists(self.path / "hand_back")

    def put_back(self, request: Request) -> None:
        """Offer a job that its worker has handed back."""
        (self.path / "hand_back").unlink(missing_ok=True)
        (self.path / "finished.json").unlink(missing_ok=True)
        self.offer(request)

    def set_aside(self) -> None:
        """Be neither queued nor claimed: its shares are, from now on."""
        for name in ("hand_back", "finished.json", "queued", "progress.json"):
            (self.path / name).unlink(missing_ok=True)
        for claim in self.path.glob("claimed.*"):
            claim.unlink()

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
    def has_ended(self) -> bool:
        """Whether somebody has said how it ended, readable or not."""
        return os.path.lexists(self.path / "finished.json")

    @property
    def ending(self) -> Ending | None:
        """How it ended, or None while it goes on.

        Raises:
            ValueError: what stands there was written by no worker of ours.
        """
        file = self.path / "finished.json"
        try:
            return from_json(Ending, json_value(file))
        except FileNotFoundError:
            return None
        except ValueError as error:
            raise ValueError(
                f"{file} does not say how the job ended ({error}); compute it anew"
            ) from error

    def report(
        self,
        stage: str,
        done: int | None = None,
        total: int | None = None,
        within: str = "",
        speed: Speed = UNKNOWN_SPEED,
    ) -> None:
        """Tell what the worker is doing, and how far it is."""
        progress = WorkerProgress(
            stage=stage, done=done, total=total, within=within, time=time.time(), speed=speed
        )
        _write_progress(self.path / "progress.json", progress)

    @property
    def progress(self) -> WorkerProgress | None:
        """What the worker said last; None where it has said nothing that can be read."""
        return _record_in(self.path / "progress.json", WorkerProgress)

    def write_catalog_progress(self, progress: StoredProgress) -> None:
        """Say what the catalog has of the job, for those who wait and leave the catalog alone."""
        _write_progress(self.path / "told.json", progress)

    @property
    def catalog_progress(self) -> StoredProgress | None:
        """What the supervisor said last; None where it has said nothing that can be read."""
        return _record_in(self.path / "told.json", StoredProgress)

    def remove(self) -> None:
        """Remove the folder; it is gone at once, whatever comes between."""
        removed = self.path.with_name(f".{self.path.name}.{uuid.uuid4().hex}")
        with contextlib.suppress(FileNotFoundError):
            self.path.rename(removed)
            remove_tree(removed)


def _write_progress(path: Path, progress: WorkerProgress | StoredProgress) -> None:
    """Write what is only told; a folder that somebody put there ends nothing."""
    with contextlib.suppress(IsADirectoryError):
        write_json(path, to_json(progress))


def _record_in(path: Path, cls: type[P]) -> P | None:
    """What a file of progress says; None where it is missing or not of ours."""
    with contextlib.suppress(ValueError, OSError):
        return from_json(cls, read_json(path), ignore_unknown=True)
    return None
