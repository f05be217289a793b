"""A question and its key: the same question has the same key, any other question another."""

import dataclasses
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass

from explorer.codec import Json
from explorer.contracts.facts import ProblemFacts
from explorer.kinds import Kind
from explorer.kinds.objective_settings import ObjectiveSettings


@dataclass(frozen=True)
class ProblemIdentity:
    """What of a problem can change an answer."""

    source_hash: str
    arguments: Json
    loss: str
    metrics: tuple[str, ...]
    fingerprints: Mapping[str, str]  # split -> hash of its data
    moved: str = ""  # which parameters move, where it is not all

    @classmethod
    def of(cls, source_hash: str, arguments: Json, facts: ProblemFacts) -> "ProblemIdentity":
        """The identity of a problem as the worker inspected it."""
        return cls(
            source_hash,
            arguments,
            facts.loss or "",
            facts.metrics,
            {name: split.fingerprint for name, split in facts.splits.items()},
            facts.moved or "",
        )

    @property
    def id(self) -> str:
        """Key of the problem with all its splits."""
        every = dataclasses.asdict(self)
        return sha256({n: v for n, v in every.items() if n != "moved" or v})


@dataclass(frozen=True)
class QuestionIdentity:
    """A kind of analysis, its settings, and the points it is about."""

    kind: Kind
    settings: ObjectiveSettings  # of the kind
    problem: ProblemIdentity
    points: tuple[str, ...]  # content hashes of parameters and buffers

    @property
    def key(self) -> str:
        """sha256 of everything that can change the answer; paths, names and devices are not in it.

        Raises:
            ValueError: the problem has no such split; the message lists its splits.
        """
        version = self.kind.version_of(self.settings)
        return sha256(self._identity(dataclasses.asdict(self.settings), version))

    @property
    def family(self) -> str:
        """sha256 of what is in the key but not where the points lie: it gives each point its loss.

        Raises:
            ValueError: as for the key.
        """
        settings = dataclasses.asdict(self.settings).items()
        shared = {n: v for n, v in settings if n not in self.kind.axes}
        return sha256(self._identity(shared, self.kind.version))

    @property
    def objective(self) -> str:
        """sha256 of the loss and its data alone, whatever is asked about them, and at which point.

        Raises:
            ValueError: as for the key.
        """
        names = [field.name for field in dataclasses.fields(ObjectiveSettings)]
        settings = {name: getattr(self.settings, name) for name in names}
        return sha256({"settings": settings, **self._problem})

    def _identity(self, settings: Mapping[str, object], version: int) -> dict[str, object]:
        usual = {f.name: f.default for f in dataclasses.fields(self.kind.settings)}
        key_settings = {
            name: value
            for name, value in settings.items()
            if name not in self.kind.later or value != usual[name]
        }
        return {
            "kind": self.kind.name,
            "version": version,
            "settings": key_settings,
            "points": list(self.points),
            **self._problem,
            **self._further_data,
        }

    @property
    def _further_data(self) -> dict[str, object]:
        """Hashes of the further splits that are read; of one that the problem lacks there is none.

        Nothing where no further split is.
        """
        splits = self.settings.further_splits
        fingerprints = {split: self.problem.fingerprints.get(split) for split in splits}
        return {"further_data": fingerprints} if fingerprints else {}

    @property
    def _problem(self) -> dict[str, object]:
        """What of the problem counts for this question: of the data only its split."""
        split = self.settings.split
        if split not in self.problem.fingerprints:
            splits = ", ".join(self.problem.fingerprints)
            raise ValueError(f"split must be one of {splits}, got {split!r}")
        return {
            "source": self.problem.source_hash,
            "arguments": self.problem.arguments,
            "loss": self.problem.loss,
            "metrics": list(self.problem.metrics),
            "data": self.problem.fingerprints[split],
            **({"moved": self.problem.moved} if self.problem.moved else {}),
        }


def sha256(value: object) -> str:
    """sha256 of canonical JSON: sorted keys, no spaces, shortest round-trip floats."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()
