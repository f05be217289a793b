"""Shares of a long job: folders like its own, within it, each for another worker to claim.

    <job>/shares/<number>/      request.json with the units that are this share's, queued |
                                claimed.<worker>, pieces/, progress.json, finished.json

A job that is shared is itself neither queued nor claimed.
"""

import re
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

from explorer.contracts.progress import WorkerProgress
from explorer.contracts.request import AnswerRequest
from explorer.jobs.job_folder import JobFolder
from explorer.jobs.piece_files import files_of_pieces
from explorer.jobs.process import ProcessName
from explorer.jobs.whole_folder import remove_tree

SHARES = "shares"
_SHARE = re.compile(r"[0-9]{6}")


class Share(JobFolder):
    """One share of a job: its id, priority and cancel are those of the job."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self.job = JobFolder(path.parent.parent)

    @property
    def id(self) -> str:
        """See `JobFolder.id`."""
        return self.job.id

    @property
    def priority(self) -> int:
        """See `JobFolder.priority`."""
        return self.job.priority

    @property
    def spool(self) -> str:
        """See `JobFolder.spool`."""
        return self.job.spool

    @property
    def is_cancelled(self) -> bool:
        """See `JobFolder.is_cancelled`."""
        return self.job.is_cancelled or super().is_cancelled


def folder_at(path: Path) -> JobFolder:
    """The job or the share that lies there."""
    return Share(path) if path.parent.name == SHARES else JobFolder(path)


def shares_of(job: JobFolder) -> list[Share]:
    """The shares of a job that are there; none where it is not shared."""
    try:
        names = sorted(path.name for path in (job.path / SHARES).iterdir())
    except (FileNotFoundError, NotADirectoryError):
        return []
    return [Share(job.path / SHARES / name) for name in names if _SHARE.fullmatch(name)]


def parts_of(job: JobFolder) -> Sequence[JobFolder]:
    """What workers claim of a job: its shares, or itself."""
    return shares_of(job) or [job]


def workers_at(job: JobFolder) -> set[ProcessName]:
    """The workers that have something of a job in hand; one may have had several shares."""
    return {part.worker for part in parts_of(job) if part.worker and not part.has_ended}


def is_left(job: JobFolder) -> bool:
    """Whether nobody has what is left of a job."""
    rest = [part for part in parts_of(job) if not part.has_ended]
    return bool(rest) and not any(part.worker for part in rest)


def latest_progress(job: JobFolder) -> WorkerProgress | None:
    """What a worker of the job said last; None while none has said anything."""
    words = [part.progress for part in parts_of(job)]
    return max((each for each in words if each), key=lambda each: each.time, default=None)


def offer_shares(job: JobFolder, requests: Sequence[AnswerRequest]) -> None:
    """Put shares up beside those that a job has.

    Args:
        job: that is at rest, or was shared before.
        requests: of the new shares.
    """
    (job.path / SHARES).mkdir(mode=0o700, exist_ok=True)
    numbers = [int(share.path.name) for share in shares_of(job)]
    first = max(numbers, default=-1) + 1
    for number, request in enumerate(requests, first):
        Share(job.path / SHARES / f"{number:06d}").offer_once(request)


def keep_pieces(job: JobFolder) -> None:
    """Put the pieces that lie in a job's shares into the job's own folder."""
    for share in shares_of(job):
        for file in files_of_pieces(share.path / "pieces"):
            file.rename(job.path / "pieces" / file.name)


def join_shares(job: JobFolder) -> None:
    """Have a job be of one piece again; what its shares have brought stays."""
    keep_pieces(job)
    remove_tree(job.path / SHARES)


def contiguous_parts(units: Sequence[int], count: int) -> list[tuple[int, ...]]:
    """The units in at most so many parts of about one size, each of neighbours."""
    count = min(count, len(units))
    ends = [len(units) * number // count for number in range(count + 1)] if count else []
    return [tuple(units[a:b]) for a, b in pairwise(ends)]
