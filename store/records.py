"""What the catalog takes and gives: frozen records of plain values."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    JsonValue = None | bool | int | float | str | Sequence["JsonValue"] | Mapping[str, "JsonValue"]
else:  # as in explorer/codec.py, of which the store knows nothing
    JsonValue = object
Json = Mapping[str, JsonValue]
NEVER = None  # a time that has not come
ACTIVE = ("queued", "running")  # statuses of a job that has not ended
ENDED = ("done", "failed", "cancelled")


@dataclass(frozen=True, kw_only=True)
class Problem:
    """A problem file with its arguments, as it was at import."""

    id: str
    name: str
    path: str
    source_hash: str
    arguments: Json = field(default_factory=dict)
    facts: Json = field(default_factory=dict)  # splits {name: {count, fingerprint}}, loss, metrics
    created: datetime | None = NEVER


@dataclass(frozen=True, kw_only=True)
class Model:
    """A model; the last five are what the catalog knows about it."""

    id: str
    name: str
    problem_id: str
    point_id: str  # its final point
    facts: Json = field(default_factory=dict)
    created: datetime | None = NEVER
    deleted: datetime | None = NEVER
    measurements: Mapping[str, Mapping[str, float]] = field(
        default_factory=dict
    )  # of its final point, by split
    points: int = 0
    analyses: int = 0
    origin: str = ""  # the shared catalog that it came from


@dataclass(frozen=True, kw_only=True)
class Point:
    """Parameters that a model had, kept as a file."""

    model_id: str
    point_id: str  # hash of parameters and buffers
    label: str
    step: int | None = None
    file_hash: str | None = None
    facts: Json = field(default_factory=dict)
    created: datetime | None = NEVER

    @property
    def optimiser_state(self) -> str:
        """Hash of what its file also holds of the optimiser's state; "" where there is none."""
        return str(self.facts.get("moments", ""))


@dataclass(frozen=True, kw_only=True)
class AnswerPoint:
    """A point that an answer brought: questions are asked about it as about a model's own."""

    question_key: str  # of the answer, which may be gone while others are about the point
    name: str  # by which the answer knows it
    point_id: str  # hash of parameters and buffers
    unit: int  # of work, with which it came
    model_id: str  # whose parameters they are
    file_hash: str
    label: str
    created: datetime | None = NEVER
    is_direction: bool | None = None  # no place of its own but a way from others; None: a place

    @property
    def point(self) -> Point:
        """As a point of its model."""
        return Point(
            model_id=self.model_id,
            point_id=self.point_id,
            label=self.label,
            file_hash=self.file_hash,
            created=self.created,
        )


@dataclass(frozen=True, kw_only=True)
class AnswerState:
    """A part of what a unit of work goes on from; parts follow each other from 0."""

    unit: int
    part: int
    file_hash: str


@dataclass(frozen=True, kw_only=True)
class PointFile:
    """A point that a piece brings, its tensors in a file."""

    name: str
    point_id: str
    unit: int
    model_id: str
    label: str
    file: Path
    is_direction: bool = False


@dataclass(frozen=True, kw_only=True)
class StateFile:
    """A part of a unit's state that a piece brings; it replaces that part and all after it."""

    unit: int
    part: int
    file: Path


@dataclass(frozen=True, kw_only=True)
class AnswerPiece:
    """A piece of an answer on its way into the catalog."""

    columns: Mapping[str, np.ndarray]  # `unit` and others, all (R,); may be empty
    facts: Json = field(default_factory=dict)  # that hold for the whole answer
    seconds: float = 0.0  # that it took
    provenance: Json = field(default_factory=dict)  # where and with what it was computed
    taken_from: Json | None = None  # the provenance of its rows alone, where it is not that
    points: Sequence[PointFile] = ()
    state: StateFile | None = None
    finished: bool = False  # whether the answer is complete with it, whatever units are missing


@dataclass(frozen=True, kw_only=True)
class Share:
    """How much of an answer was computed where and with what."""

    provenance: Json
    units: int


@dataclass(frozen=True, kw_only=True)
class Measurement:
    """A loss or metric of a point on a split."""

    point_id: str
    problem_id: str
    split: str
    name: str
    value: float
    count: int  # examples


@dataclass(frozen=True, kw_only=True)
class Question:
    """A question; to ask one give the fields up to `objective`."""

    key: str
    kind: str
    version: int
    title: str
    settings: Json
    problem_id: str
    model_ids: tuple[str, ...]
    point_ids: tuple[str, ...]
    units: int
    family: str | None = None  # hash of all but where the points lie; None before schema 2
    objective: str | None = None  # hash of the loss and its data alone
    units_done: int = 0
    status: str = "open"  # or "complete"
    seconds: float = 0.0  # sum over its pieces
    facts: Json = field(default_factory=dict)
    provenance: Json = field(default_factory=dict)
    created: datetime | None = NEVER
    completed: datetime | None = NEVER
    deleted: datetime | None = NEVER
    finished: bool | None = None  # whether it said itself that it is complete
    model_names: tuple[str, ...] = ()
    origin: str = ""  # the shared catalog that it came from

    @property
    def split(self) -> str:
        """The split of the data that it is about."""
        return str(self.settings["split"])

    @property
    def share_done(self) -> float:
        """How much of it is answered, from 0 to 1."""
        return min(max(self.units_done / max(self.units, 1), 0.0), 1.0)

    @property
    def ended_early(self) -> bool:
        """Whether it is complete though some of its units were not needed."""
        return self.status == "complete" and self.units_done < self.units


@dataclass(frozen=True, kw_only=True)
class Direction:
    """One axis of an answer: how to draw it again, and what is known about it."""

    id: str
    axis: int
    recipe: Json
    facts: Json = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Job:
    """Work that was asked for: queued, running, done, failed or cancelled."""

    id: str
    task: str  # "answer" or "import"
    title: str
    question_key: str | None = None
    request: Json = field(default_factory=dict)
    status: str = "queued"
    priority: int = 0
    attempts: int = 0
    pid: int | None = None
    pid_started: float | None = None
    host: str | None = None  # of that process; None before schema 5
    worker: Json = field(default_factory=dict)  # device, versions
    units_done: int = 0
    units: int | None = None
    error: str | None = None
    created: datetime | None = NEVER
    started: datetime | None = NEVER
    finished: datetime | None = NEVER

    @property
    def is_active(self) -> bool:
        """Whether it waits or runs."""
        return self.status in ACTIVE


@dataclass(frozen=True)
class TrashEntry:
    """Something deleted that can still be restored."""

    what: str  # "model" or "analysis"
    id: str
    title: str
    deleted: datetime


@dataclass(frozen=True)
class CollectedFiles:
    """Files that nothing referred to and that are gone now."""

    count: int
    bytes: int


@dataclass(frozen=True)
class RebuildCounts:
    """A new database, and what of the old one is in it."""

    aside: Path | None  # where the old one is kept; none where there was none with content
    rows: int  # that were saved
    incomplete: int  # tables of which not all could be read
    log_lost: bool  # the old one's log could not be read: what was stored last is not among them
    files: int  # beside the database, all kept


@dataclass(frozen=True)
class Table:
    """What a query gave."""

    columns: tuple[str, ...]
    rows: list[tuple[object, ...]]


@dataclass(frozen=True)
class QueryRows:
    """What a query gives, while it gives it."""

    columns: tuple[str, ...]
    rows: Iterator[tuple[object, ...]]


@dataclass(frozen=True)
class MergeCounts:
    """What another catalog had that this one lacked."""

    models: int = 0
    points: int = 0
    questions: int = 0
    units: int = 0  # of work, of these questions and of those that were here
    files: int = 0

    def __add__(self, other: "MergeCounts") -> "MergeCounts":
        """What both had."""
        return MergeCounts(
            *(getattr(self, each.name) + getattr(other, each.name) for each in fields(self))
        )


@dataclass(frozen=True)
class MergedCatalogs:
    """What came of several catalogs, and why the others could not be merged."""

    counts: MergeCounts  # in sum
    refused: Mapping[Path, str]  # a sentence each


@dataclass(frozen=True, kw_only=True)
class SharedCatalog:
    """A catalog that others own, whose entries are shown beside those of this one."""

    name: str
    folder: str
    folders: tuple[str, ...]  # in which its files may lie: its own, and those shared with it
    mark: str  # of its database when it was read last
    read: datetime | None = NEVER
