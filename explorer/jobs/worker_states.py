"""What each worker does, on which device and how fast, from the spool alone."""

from collections.abc import Sequence
from dataclasses import dataclass

from explorer.contracts.devices import NOWHERE, Place
from explorer.contracts.progress import UNKNOWN_SPEED, Speed
from explorer.jobs.job_folder import JobFolder
from explorer.jobs.process import ProcessName
from explorer.jobs.shares import Share, parts_of
from explorer.jobs.spool import Spool


@dataclass(frozen=True, kw_only=True)
class WorkerState:
    """A worker as it says of itself."""

    worker: ProcessName
    place: Place = NOWHERE
    memory: int = 0  # bytes of its machine's
    has_begun: bool = False  # whether it has loaded torch
    leaves: bool = False  # whether it was asked to
    jobs: tuple[str, ...] = ()  # titles of those that it has, the one in hand first
    speed: Speed = UNKNOWN_SPEED  # at the one in hand


def worker_states(spool: Spool) -> list[WorkerState]:
    """The workers of a spool, those of other machines too, but for the certainly dead."""
    parts = [part for job in spool.jobs() for part in parts_of(job)]  # the most urgent first
    states = []
    for worker in sorted(spool.enrolments(), key=str):
        sign = spool.life_sign(worker)
        if sign.beat is None or sign.tells_death(worker):
            continue
        own = [part for part in parts if part.worker == worker and not part.ending]
        progress = own[0].progress if own else None
        states.append(
            WorkerState(
                worker=worker,
                place=sign.beat.place,
                memory=sign.beat.memory,
                has_begun=bool(sign.beat.place.name),
                leaves=spool.is_to_leave(worker),
                jobs=tuple(_titles(own)),
                speed=progress.speed if progress else UNKNOWN_SPEED,
            )
        )
    return states


def _titles(parts: Sequence[JobFolder]) -> list[str]:
    """What jobs are called; of a share, its job."""
    titles = []
    for part in parts:
        told = (part.job if isinstance(part, Share) else part).catalog_progress
        titles.append(told.title if told else "a job")
    return titles
