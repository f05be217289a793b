"""Long jobs shared among workers that have nothing to do.

Its worker hands such a job back after the piece in hand; what is missing is cut into shares, one
for each worker, and each is claimed, watched and brought home like a job. So one answer's units
come from several processes, of devices of one kind: bits of another's might differ.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import replace

from explorer.ask import requests
from explorer.contracts.request import SHARED_SECONDS, AnswerRequest, Request
from explorer.jobs.job_folder import JobFolder
from explorer.jobs.process import ProcessName
from explorer.jobs.shares import (
    Share,
    contiguous_parts,
    join_shares,
    offer_shares,
    parts_of,
    shares_of,
)
from explorer.kinds.facts import AnswerFacts
from explorer.supervisor.tracked_job import TrackedJob
from store import Catalog

UNTAKEN_SECONDS = 60.0  # after which shares that nobody takes are one job again


WorkersToSpare = Callable[[str], int]


class Sharing:
    """Cuts jobs into shares, and joins them again."""

    def __init__(self, catalog: Catalog) -> None:
        self.catalog = catalog

    def share_longest(
        self,
        jobs: dict[str, TrackedJob],
        folders: Sequence[JobFolder],
        workers_to_spare: WorkersToSpare,
    ) -> None:
        """Have the worker hand back what will take longest, if it is worth sharing.

        Args:
            jobs: what is known of the jobs, by id.
            folders: of the jobs in the spool.
            workers_to_spare: how many there are with a device of that title.
        """
        parts = in_hand(folders)
        if any(part.is_asked_back for part in parts):
            return  # one after the other
        left = [(self._seconds_left(part, jobs.get(part.id)), part) for part in parts]
        seconds, longest = max(left, key=lambda each: each[0], default=(0.0, None))
        if longest is None or seconds <= SHARED_SECONDS:
            return
        if workers_to_spare(self._device_of(self._key_of(longest))):
            longest.ask_back()

    def _key_of(self, part: JobFolder) -> str:
        """The key of the question that a job answers."""
        return self.catalog.job(part.id).question_key or ""

    def _seconds_left(self, part: JobFolder, job: TrackedJob | None) -> float:
        """Seconds until a worker is through with its part; 0 where that is not to be shared."""
        if job is None or job.kind is None or job.kind.in_order or not job.seconds_per_unit:
            return 0.0
        if part.is_cancelled:
            return 0.0
        missing = self._missing(part, job)
        return len(missing) * job.seconds_per_unit if len(missing) > 1 else 0.0

    def _missing(self, part: JobFolder, job: TrackedJob) -> list[int]:
        """The units of a job or a share that are not stored, in order."""
        if job.kind is None or job.settings is None:
            return []
        key = self._key_of(part)
        wanted = _share_of(part) or range(job.settings.units)
        stored = set(self.catalog.done_units(key, job.kind.table).tolist())
        return [unit for unit in wanted if unit not in stored]

    def are_left_alone(self, shares: Sequence[Share], job: TrackedJob) -> bool:
        """Whether nobody has taken any of the shares for long, as where their device is gone."""
        if any(share.worker or share.ending for share in shares):
            job.untaken = None
            return False
        job.untaken = job.untaken or time.monotonic()
        return time.monotonic() - job.untaken > UNTAKEN_SECONDS

    def take_back(self, part: JobFolder, job: TrackedJob, workers_to_spare: WorkersToSpare) -> None:
        """Offer again what its worker has handed back: in shares if that was asked for.

        Args:
            part: the job, or one of its shares.
            job: what is known of it.
            workers_to_spare: how many there are with a device of that title.
        """
        request = self.request_of(part)
        if not isinstance(request, AnswerRequest):
            part.put_back(request)
            return
        missing = self._missing(part, job)
        parts: list[tuple[int, ...]] = []
        if part.is_asked_back:
            workers = 1 + workers_to_spare(self._device_of(request.key))  # it is free now, too
            parts = contiguous_parts(missing, workers)
        if not missing:
            part.finish("done")
        elif not isinstance(part, Share) and shares_of(part):  # this process was killed here
            join_shares(part)
            part.put_back(request)
        elif len(parts) > 1:
            self._cut(part, request, parts)
        else:
            part.put_back(request)

    def _cut(
        self, part: JobFolder, request: AnswerRequest, parts: Sequence[tuple[int, ...]]
    ) -> None:
        """Offer parts of a job or a share as shares in its place."""
        device = self._device_of(request.key)
        shares = [replace(request, units=units, device=device) for units in parts]
        if isinstance(part, Share):
            offer_shares(part.job, shares)
            part.remove()
        else:
            offer_shares(part, shares)
            part.set_aside()

    def _device_of(self, key: str) -> str:
        """The title of the device that an answer was begun on."""
        question = self.catalog.question(key)
        return AnswerFacts.of(question.facts).device if question else ""

    def request_of(self, part: JobFolder) -> Request:
        """What is missing of a job or of a share, as it is to be offered again.

        Raises:
            UnknownEntry: something that it is about is gone.
            ValueError: it was asked of another version of this program.
        """
        request = requests.request_of(self.catalog, self.catalog.job(part.id))
        if isinstance(part, Share) and isinstance(request, AnswerRequest):
            before = part.request
            if isinstance(before, AnswerRequest):
                return replace(request, units=before.units, device=before.device)
        return request


def in_hand(folders: Sequence[JobFolder]) -> list[JobFolder]:
    """Of each worker the job or share that it is at: others that it has are put aside for that.

    Args:
        folders: of the jobs in the spool, the most urgent first.
    """
    parts: dict[ProcessName, JobFolder] = {}
    for part in (part for job in folders for part in parts_of(job)):
        if part.worker and not part.ending:
            parts.setdefault(part.worker, part)
    return list(parts.values())


def _share_of(part: JobFolder) -> tuple[int, ...]:
    """The units that a share is of; none for a whole job."""
    request = part.request if isinstance(part, Share) else None
    return request.units if isinstance(request, AnswerRequest) else ()
