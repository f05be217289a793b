"""A checkpoint on its way from a name that somebody typed to a point in the catalog."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from explorer.codec import JsonValue
from explorer.contracts.facts import ProblemFacts


@dataclass(frozen=True, kw_only=True)
class Checkpoint:
    """A file of weights."""

    file: Path
    step: int | None = None  # of the training, where it is known
    label: str = ""  # what to call it where the file's own name does not tell it from others
    part: str = ""  # the key of the weights within the file; the usual one unless given
    optimizer: Path | None = None  # file of its optimiser's state

    @property
    def name(self) -> str:
        """Its label, or else its file's name."""
        return self.label or self.file.stem


@dataclass(frozen=True, kw_only=True)
class RunIdentity:
    """What tells a run from all others, wherever its folder lies."""

    started: JsonValue = None
    machine: JsonValue = None
    seed: JsonValue = None


@dataclass(frozen=True, kw_only=True)
class RunFolder:
    """The recorded run that checkpoints are of."""

    folder: Path
    identity: RunIdentity


@dataclass(frozen=True, kw_only=True)
class InspectedFile:
    """A snapshot as an import found it."""

    changed: int | None  # when the file was last changed, in nanoseconds
    point_id: str
    state_seen: bool  # whether a state of an optimiser beside it was looked for


@dataclass(frozen=True, kw_only=True)
class InspectedSnapshots:
    """What an earlier import of a run has inspected: of this very problem it is passed over."""

    source_hash: str
    problem: ProblemFacts
    part: str = ""  # keys before the weights that were inspected; "" for the usual ones
    files: Mapping[str, InspectedFile] = field(default_factory=dict)  # by label
