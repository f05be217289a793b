"""What a kind of analysis is: its settings, its result, where it is answered, drawn and shown."""

import importlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from explorer.kinds.look import Look

COMPANION_COLUMNS = (
    "loss_se",
    "loss_skewness",
    "squared_norm",
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
    facts: Mapping[str, Any] = field(
        default_factory=dict
    )  # JSON values that hold for the whole answer
    seconds: float = 0.0
    points: Sequence[PiecePoint] = ()
    state: PieceState | None = None
    finished: bool = False  # whether the answer is complete with it, whatever units are missing

    @property
    def units(self) -> frozenset[int]:
        """The units of work that this piece answers."""
        return frozenset(int(unit) for unit in self.columns.get("unit", ()))


@dataclass(frozen=True, eq=False)  # there is one of each
class Kind:
    """One kind of analysis. Text entries name code that is imported only where it is needed."""

    name: str  # stored with every answer: never renamed
    title: str
    subjects: tuple[str, ...]  # what the question is about, in order: "point"
    settings: type
    result: Any  # the class of the result, with `from_pieces(settings, pieces)`
    version: int  # raise it when the same question gets another answer
    answer: str  # "module:function", torch
    look: type[Look]  # how the result is drawn
    draw: str  # "module:function": result or several by name, look, subjects' names -> drawing
    page: str  # path of the page's script
    icon: str  # Material symbol of the page
    axes: tuple[str, ...] = ()  # the settings that only say where the points lie
    taken_over: str = ""  # "module:function", numpy: settings, old columns -> rows at equal points
    joined: str = "and"  # the word between the names of two subjects
    runs_from: int | None = None  # from this subject on each stands for all snapshots of its model
    fewest: int = 1  # snapshots that each run must have
    later: tuple[str, ...] = ()  # settings that came later: at their default they are in no key
    own_pace: bool = False  # its evaluations are guesses: they time questions of its kind alone
    of_samples: Mapping[str, int] = field(default_factory=dict)
    # settings with which it is asked of each shipped model at the first start; none: it is not
    unit: str = "points"  # the word for units of work
    point_words: str = ""  # of the point that each unit brings, with its number: "end of search {}"
    first_facts: tuple[str, ...] = ()  # facts that unit 0 brings: they go with its rows

    def count_text(self, count: int, of: int | None = None) -> str:
        """Units of work in words, as in "1 search", "3 of 2,601 points"."""
        last = count if of is None else of
        one = self.unit.removesuffix("es" if self.unit.endswith("ches") else "s")
        numbers = f"{count:,}" if of is None else f"{count:,} of {of:,}"
        return f"{numbers} {one if last == 1 else self.unit}"

    def unit_point(self, unit: int) -> tuple[str, str]:
        """Name and label of the point that a unit of work brings."""
        return str(unit + 1), self.point_words.format(unit + 1)

    @property
    def whole_run(self) -> bool:
        """Whether subjects are whole runs: all snapshots in order, the final one last."""
        return self.runs_from is not None

    @property
    def own_page(self) -> bool:
        """Whether its page is not that of another kind, over whose picture it is drawn."""
        return self.page.endswith(f"/{self.name}.py")

    @property
    def table(self) -> str:
        """The catalog's table that holds this kind's rows."""
        return f"{self.name}_values"


@dataclass(frozen=True)
class PartialAnswer:
    """What the pieces of an answer hold, each value at its place."""

    values: dict[str, np.ndarray]  # name -> (...), NaN where there is none yet
    computed: np.ndarray  # (...) bool
    facts: dict[str, Any]


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
    """
    answer = PartialAnswer({}, np.zeros(shape, dtype=bool), {})
    places = ("unit", *indices, *coordinates)
    for piece in pieces:
        place = tuple(piece.columns[name] for name in indices)
        answer.computed[place] = True
        for name, column in piece.columns.items():
            if name not in places:
                answer.values.setdefault(name, np.full(shape, np.nan))[place] = column
        answer.facts.update(piece.facts)
    return answer


def measured_names(values: Iterable[str]) -> list[str]:
    """Those names of values that are a loss or a metric, in their order."""
    return [name for name in values if name not in COMPANION_COLUMNS]


def named_code(entry: str) -> Any:
    """What an entry "module:function" of a kind names, imported now."""
    module, _, name = entry.partition(":")
    return getattr(importlib.import_module(module), name)
