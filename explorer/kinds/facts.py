"""What holds for a whole answer, whatever its kind: each kind adds facts of its own.

Facts are stored as JSON under these names; those of another version are kept among the `others`.
"""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Self

from explorer.codec import OTHERS, Json, StoredFacts, named, prefixed
from explorer.kinds.execution import Choice, Timing
from explorer.kinds.piece import Piece

Values = Mapping[str, float | None]  # loss and metrics at a point; None where JSON knows no number


@dataclass(frozen=True, kw_only=True)
class TakenOver:
    """What of an answer came from other questions."""

    points: int
    givers: tuple[str, ...] = field(default=(), metadata=named("from"))  # their keys


@dataclass(frozen=True, kw_only=True)
class PrecisionError:
    """How far a reduced precision is from float32, at a sample of the points."""

    points: float
    range: float | None = None  # of the losses there
    largest: float | None = None  # None where it is not finite


@dataclass(frozen=True, kw_only=True)
class DirectionFacts:
    """One axis of an answer."""

    recipe: Json  # how it is made again
    others: Json = field(default_factory=dict, metadata=OTHERS)


@dataclass(frozen=True, kw_only=True)
class AnswerFacts(StoredFacts):
    """What any answer may say of itself."""

    device: str = ""
    examples: int = 0  # that the loss is a mean of; 0 unknown yet
    available: int = 0  # examples of the split
    parameters: int = 0  # that move
    moved: str | None = None  # which parameters move, where it is not all
    choice: Choice | None = None  # how the objective was evaluated
    timing: Timing = field(default_factory=Timing)
    evaluated: str | None = None  # the same in words
    chosen: str | None = None  # why so
    loss: float | None = None  # at the point itself, where an answer says it beside its values
    stand_alone: Values = field(default_factory=dict)  # of the model by itself
    precision_error: PrecisionError | None = None
    directions: tuple[DirectionFacts, ...] = ()
    products: Mapping[int, float] = field(default_factory=dict, metadata=prefixed("products_"))
    taken_over: TakenOver | None = None
    others: Json = field(default_factory=dict, metadata=OTHERS)

    @classmethod
    def of_pieces(cls, pieces: Iterable[Piece]) -> Self:
        """The facts of all pieces; of one said twice the later holds.

        Raises:
            ValueError: they are none; the sentence names the field.
        """
        return cls.of({name: fact for piece in pieces for name, fact in piece.facts.items()})

    @property
    def product_count(self) -> int:
        """Products with a matrix that are counted, over all units of work."""
        return int(sum(self.products.values()))

    @property
    def stand_alone_loss(self) -> float | None:
        """The loss of the model by itself."""
        return self.stand_alone.get("loss")

    @property
    def point_losses(self) -> tuple[float | None, ...]:
        """The loss at each point that the answer is about, in their order, as far as it says it."""
        return (self.stand_alone.get("loss", self.loss),)


@dataclass(frozen=True, kw_only=True)
class GivenAxis:
    """What an axis that the user gave is made of."""

    sort: str  # of explorer.kinds.given_axes
    scaling: str
    subjects: tuple[int, ...] = ()  # of the question, by their places


@dataclass(frozen=True, kw_only=True)
class MarkedPoint:
    """Where a point that an axis leads through lies."""

    subject: int  # of the question
    x: float
    y: float = 0.0  # of a plane
    out: float = 0.0  # distance from the plane or line
    loss: float | None = None  # of the point itself, with its own statistics


@dataclass(frozen=True, kw_only=True)
class AxesFacts(AnswerFacts):
    """Of an answer along directions: what they are, and how well they fit what was asked."""

    theta_norm: float = math.nan  # of the parameters that move
    direction_norms: tuple[float | None, ...] = ()
    norm_error: float | None = None  # largest relative difference of norms that should be equal
    axes_cosine: float | None = None
    ranks: tuple[int, ...] = ()  # of the eigenvalues, where axes are eigenvectors
    eigenvalues: tuple[float, ...] = ()
    residuals: tuple[float, ...] = ()
    slopes: tuple[float, ...] = ()  # of the loss along them
    given: tuple[GivenAxis, ...] = ()  # where the user gave the axes
    marks: tuple[MarkedPoint, ...] = ()  # the points that such axes lead through


@dataclass(frozen=True, kw_only=True)
class ChordFacts(AxesFacts):
    """Of an answer between two points."""

    distance: float | None = None  # of the two
    points_cosine: float = math.nan  # of their parameters
    alone: tuple[Values, ...] = ()  # at the ends, each model by itself
    own: tuple[Values, ...] = ()  # the same, with each model's own statistics
    statistics: str = ""  # where the running statistics between them come from
    arc_length: float | None = None  # of the path between them

    @property
    def point_losses(self) -> tuple[float | None, ...]:
        """The loss of each of the two by itself."""
        return tuple(values.get("loss") for values in self.own or self.alone)


def number(values: Values, name: str) -> float:
    """A loss or metric; NaN where it is missing or no number."""
    value = values.get(name)
    return math.nan if value is None else value
