"""What searches for the permutation of one model that is most like another have ended at."""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

import numpy as np

from explorer.codec import prefixed
from explorer.kinds.alignment_settings import AlignmentSettings
from explorer.kinds.facts import AnswerFacts, Values
from explorer.kinds.numbers import ResultNumber, ResultNumbers
from explorer.kinds.piece import Piece, partial_answer

VALUE_COLUMNS = (
    *("similarity", "distance", "change", "moved", "sweeps", "midpoint", "repaired"),
    "loss",
)  # of each search; NaN where there is nothing yet


@dataclass(frozen=True, kw_only=True)
class GroupFacts:
    """Channels that may change places."""

    name: str  # the layer that makes them
    count: int  # of channels, or of blocks
    inner: tuple[int, ...] = ()  # sizes of the kinds of channels within each block
    log10: float = 0.0  # of how many permutations there are


@dataclass(frozen=True, kw_only=True)
class FixedFacts:
    """An axis of a tensor along which not all channels may change places."""

    tensor: str
    axis: int
    positions: int
    why: str


@dataclass(frozen=True, kw_only=True)
class AlignmentFacts(AnswerFacts):
    """Of an alignment: which permutations there are, and each search's own."""

    groups: tuple[GroupFacts, ...] = ()
    fixed: tuple[FixedFacts, ...] = ()
    largest_output: float = math.nan  # absolute value: what a change of the outputs is beside
    tensors: tuple[str, ...] = ()  # parameters, in the order of the distances
    before: tuple[float, ...] = ()  # distance of each tensor of the two models
    after: Mapping[int, tuple[float, ...]] = field(
        default_factory=dict, metadata=prefixed("after_")
    )  # the same after each search
    digests: Mapping[int, str] = field(default_factory=dict, metadata=prefixed("permutation_"))
    # for each group, and each kind within its blocks, which of them came to each place
    places: Mapping[int, tuple[tuple[int, ...], ...]] = field(
        default_factory=dict, metadata=prefixed("places_")
    )
    own: tuple[Values, ...] = ()  # loss and metrics of both models
    no_repair: str = ""  # why activations between the two cannot be repaired
    midpoint: float | None = None  # loss halfway between the two models as they are

    @property
    def distance(self) -> float:
        """Of the two models as they are."""
        return float(np.linalg.norm(self.before)) if self.before else math.nan

    @property
    def log10_permutations(self) -> float:
        """log10 of how many permutations of a model leave its function."""
        return sum(group.log10 for group in self.groups)

    @property
    def point_losses(self) -> tuple[float | None, ...]:
        """The loss of each of the two by itself."""
        return tuple(values.get("loss") for values in self.own)


@dataclass(frozen=True)
class Alignment:
    """Where each search ended; NaN where there is nothing yet."""

    settings: AlignmentSettings
    values: Mapping[str, np.ndarray]  # (T,) each
    computed: np.ndarray  # (T,) bool
    facts: AlignmentFacts = field(default_factory=AlignmentFacts)

    @classmethod
    def from_pieces(cls, settings: AlignmentSettings, pieces: Iterable[Piece]) -> "Alignment":
        """The searches as far as the pieces go."""
        answer = partial_answer((settings.units,), ("unit",), ("search",), pieces)
        values = {name: np.full(settings.units, np.nan) for name in VALUE_COLUMNS}
        facts = AlignmentFacts.of(answer.facts)
        return cls(settings, values | answer.values, answer.computed, facts)

    @property
    def places(self) -> dict[str, np.ndarray]:
        """The number of each search, (T,)."""
        return {"search": np.arange(1, self.settings.units + 1)}

    @property
    def loss(self) -> np.ndarray:
        """Mean loss per example of each permuted copy, (T,)."""
        return self.values["loss"]

    @property
    def best(self) -> int | None:
        """The search whose copy is most like the fixed model, of those so far; the first of equals.

        Of random permutations it is the first one.
        """
        similarity = self.values["similarity"]
        if not np.isfinite(similarity).any():
            return None
        if not self.settings.matches:
            return int(np.flatnonzero(self.computed)[0])
        return int(np.nanargmax(similarity))

    @property
    def agreement(self) -> float:
        """The share of the searches so far that ended at the best one's permutation."""
        if self.best is None or self.best not in self.facts.digests:
            return math.nan
        digests = list(self.facts.digests.values())
        return digests.count(self.facts.digests[self.best]) / len(digests)

    @property
    def numbers(self) -> ResultNumbers:
        """How far the models are apart before and after, and how many equal copies there are."""
        if self.best is None:
            return {}
        numbers = {
            "distance": self.facts.distance,
            "aligned_distance": float(self.values["distance"][self.best]),
            "midpoint_loss": float(self.values["midpoint"][self.best]),
            "agreement": self.agreement,
            "output_change": float(self.values["change"][self.best]),
            "log10_permutations": self.facts.log10_permutations,
        }
        return {name: ResultNumber(value) for name, value in numbers.items()}
