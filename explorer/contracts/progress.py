"""What is said of a job while it goes on, and how it ended."""

from dataclasses import dataclass
from typing import Literal

from explorer.contracts.inspection import ImportResult

EndStatus = Literal["done", "failed", "cancelled", "handed_back"]  # the last: others go on


@dataclass(frozen=True, kw_only=True)
class Speed:
    """How fast a worker is at a job, and what that takes of its device."""

    units_per_second: float | None = None  # of its last piece; None before that
    device_bytes: int = 0  # of a device's own memory


UNKNOWN_SPEED = Speed()


@dataclass(frozen=True, kw_only=True)
class WorkerProgress:
    """What the worker is doing."""

    stage: str
    done: int | None = None  # of `total`
    total: int | None = None
    within: str = ""  # where it is within a unit of work
    speed: Speed = UNKNOWN_SPEED
    time: float = 0.0  # when it said so


@dataclass(frozen=True, kw_only=True)
class StoredProgress:
    """What the catalog has of a job, for those who wait and leave the catalog alone."""

    title: str
    units: int | None
    units_done: int
    silent: bool = False  # whether its worker gives no beats


@dataclass(frozen=True, kw_only=True)
class Ending:
    """How a job ended."""

    status: EndStatus
    error: str
    result: ImportResult | None = None  # of an import that is done
