"""What a worker is asked for: an answer, or an import."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from explorer.codec import Json, from_json
from explorer.contracts.checkpoint import Checkpoint, InspectedSnapshots, RunFolder
from explorer.kinds.execution import EarlierChoice

SHARED_SECONDS = 20.0  # of work that must be left to be shared: its workers begin anew


@dataclass(frozen=True, kw_only=True)
class AnswerRequest:
    """The units of an answer that are missing, and all that is needed to compute them."""

    key: str  # of the question
    kind: str
    settings: Json
    problem: Path
    arguments: Json  # of its function `problem`
    source_hash: str  # of the problem's code when the question was asked
    fingerprint: str  # of the data of its split then
    points: tuple[str, ...]  # content hashes
    files: tuple[Path, ...]  # of the points' tensors
    further_fingerprints: Mapping[str, str] = field(default_factory=dict)  # of splits read too
    done: tuple[int, ...] = ()  # units that are answered
    units: tuple[int, ...] = ()  # the only ones that are wanted: a share; none: all
    device: str = ""  # title of the device that a share is answered on; "": any
    choices: Mapping[str, EarlierChoice] = field(default_factory=dict)  # by device
    states: Mapping[str, tuple[Path, ...]] = field(default_factory=dict)  # by unit: parts in order
    losses: tuple[float | None, ...] = ()  # of each point at its import; None where unknown
    task: Literal["answer"] = "answer"

    def not_wanted(self, units: int) -> set[int]:
        """The units, of so many, that are answered or are another's share."""
        others = set(range(units)) - set(self.units) if self.units else set()
        return others | set(self.done)


@dataclass(frozen=True, kw_only=True)
class NextQuestion:
    """What to ask about a model once it is imported."""

    kind: str
    settings: Json = field(default_factory=dict)
    priority: int | None = None  # in the background unless given


@dataclass(frozen=True, kw_only=True)
class ImportRequest:
    """Checkpoints of one model; the last is its final point."""

    problem: Path
    arguments: Json  # of its function `problem`
    checkpoints: tuple[Checkpoint, ...]  # in order; all but the first may be left out
    name: str  # of the model, as people see it
    facts: Json = field(default_factory=dict)  # beside what the worker finds: optimiser, recipe
    then: tuple[NextQuestion, ...] = ()
    run: RunFolder | None = None
    inspected: tuple[InspectedSnapshots, ...] = ()  # of the run, by earlier imports
    direction: bool = False  # whether the last one is no point but a direction
    task: Literal["import"] = "import"

    @property
    def part(self) -> str:
        """Keys before the weights in each of its files; "" for the usual ones."""
        return self.checkpoints[-1].part if self.checkpoints else ""


Request = AnswerRequest | ImportRequest


def request_from_json(value: object) -> Request:
    """The request that stands in JSON values.

    Raises:
        ValueError: it is none, or of another version; the sentence names the field.
    """
    task = value.get("task") if isinstance(value, Mapping) else None
    if task == "answer":
        return from_json(AnswerRequest, value)
    if task == "import":
        return from_json(ImportRequest, value)
    raise ValueError(f"the field task must be answer or import, got {task!r}")


def stored_import(request: Json) -> ImportRequest:
    """An import as the catalog keeps it, also of an earlier version.

    Raises:
        ValueError: it is none; the sentence names the field.
    """
    try:
        return from_json(ImportRequest, request, ignore_unknown=True)
    except ValueError as error:
        raise ValueError(f"the stored import cannot be read ({error}); import anew") from error
