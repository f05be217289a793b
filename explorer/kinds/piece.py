"""Pieces of an answer: what a worker gives bit by bit, and what they hold together."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from explorer.codec import Json, JsonValue

COMPANION_COLUMNS = (
    "loss_se",
    "loss_skewness",
    "squared_norm",
    "arc_length",
)  # columns that say more about a point


@dataclass(frozen=True)
class PiecePoint:
    """A point that an answer brings, which others can be asked about."""

    name: str  # by which the answer knows it, as in KEY:3
    label: str  # by which people do, as in "end of search 3"
    point_id: str  # content hash of its tensors
    unit: int  # of work, with which it comes
    tensors: Mapping[str, np.ndarray]  # parameters and buffers
    subject: int = 0  # of the question: whose parameters they are
    is_direction: bool = False  # no place of its own but a way from others


@dataclass(frozen=True)
class PieceState:
    """A part of what a unit goes on from; it takes the place of that part and all after it."""

    unit: int
    part: int  # 0 for one that goes on from nothing
    arrays: Mapping[str, np.ndarray]


@dataclass(frozen=True)
class Piece:
    """A part of an answer, small enough to lose.

    `columns` has one entry per column of the kind's table; all have the same length R. The column
    `unit` (int64) says which unit of work each row belongs to; a unit is whole within one piece.
    """

    columns: Mapping[str, np.ndarray]
    facts: Json = field(default_factory=dict)  # that hold for the whole answer
    seconds: float = 0.0
    points: Sequence[PiecePoint] = ()
    state: PieceState | None = None
    finished: bool = False  # whether the answer is complete with it, whatever units are missing

    @property
    def units(self) -> frozenset[int]:
        """The units of work that this piece answers."""
        return frozenset(int(unit) for unit in self.columns.get("unit", ()))


@dataclass(frozen=True)
class PartialAnswer:
    """What the pieces of an answer hold, each value at its place."""

    values: dict[str, np.ndarray]  # name -> (...), NaN where there is none yet
    computed: np.ndarray  # (...) bool
    facts: dict[str, JsonValue]


def partial_answer(
    shape: tuple[int, ...],
    indices: Sequence[str],
    coordinates: Sequence[str],
    pieces: Iterable[Piece],
) -> PartialAnswer:
    """The values of an answer as far as the pieces go.

    Args:
        shape: of the answer.
        indices: the columns that say where a row stands along each axis of the shape.
        coordinates: the columns that say which point that is.
        pieces: of the answer, in any order.

    Raises:
        IndexError: a row stands at no place of the answer.
    """
    answer = PartialAnswer({}, np.zeros(shape, dtype=bool), {})
    places = ("unit", *indices, *coordinates)
    for piece in pieces:
        place = tuple(piece.columns[name] for name in indices)
        if any((index < 0).any() for index in place):
            raise IndexError("a row stands before the first place")
        answer.computed[place] = True
        for name, column in piece.columns.items():
            if name not in places:
                answer.values.setdefault(name, np.full(shape, np.nan))[place] = column
        answer.facts.update(piece.facts)
    return answer


def measured_names(values: Iterable[str]) -> list[str]:
    """Those names of values that are a loss or a metric, in their order."""
    return [name for name in values if name not in COMPANION_COLUMNS]
