"""Work cut into pieces that are long enough to be cheap to store and short enough to lose."""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence, Set

import numpy as np

from explorer.analysis.objective.choice_words import choice_words
from explorer.analysis.objective.evaluator import Evaluator
from explorer.analysis.objective.named_tensors import Tensors, content_hash
from explorer.analysis.objective.streaming import POINTS
from explorer.codec import JsonValue, to_json
from explorer.kinds.execution import Choice
from explorer.kinds.piece import Piece, PiecePoint

TARGET_SECONDS = 0.4
LARGEST = 4096


def answer_pieces(
    units: int,
    done: Set[int],
    columns: Callable[[np.ndarray], Mapping[str, np.ndarray]],
    facts: Mapping[str, JsonValue],
    evaluator: Evaluator,
    points: Sequence[PiecePoint] = (),
) -> Iterator[Piece]:
    """The units of work that are not done, in order, each piece taking about `TARGET_SECONDS`.

    `columns` answers an array of units with one row each. The first piece carries the facts, and a
    piece that found too little memory the evaluator's new choice. The points come with unit 0.
    """
    todo = np.array([unit for unit in range(units) if unit not in done], dtype=np.int64)
    choice = evaluator.objective.choice
    start, size = 0, _round_up_to_launches(1, choice)
    while start < len(todo):
        part = todo[start : start + size]
        began = time.perf_counter()
        answered = columns(part)
        seconds = time.perf_counter() - began
        said = dict(facts) if start == 0 else {}
        if evaluator.objective.choice != choice:
            choice = evaluator.objective.choice
            said |= {"choice": to_json(choice), "evaluated": choice_words(choice)}
        brought = points if 0 in part else ()
        yield Piece({"unit": part, **answered}, said, seconds=seconds, points=brought)
        start += len(part)
        wanted = int(len(part) * TARGET_SECONDS / max(seconds, 1e-6))
        size = _round_up_to_launches(min(max(1, wanted), 4 * size, LARGEST), choice)


def piece_point(
    name: str,
    label: str,
    tensors: Tensors,
    unit: int = 0,
    subject: int = 0,
    is_direction: bool = False,
) -> PiecePoint:
    """The point, or the direction, of these tensors on the CPU, as a piece brings it.

    Args:
        name: by which the answer knows it.
        label: what people call it.
        tensors: its parameters and buffers.
        unit: of work that it comes with.
        subject: of the question, whose model it is of.
        is_direction: whether it is a direction.
    """
    arrays = {name: value.numpy() for name, value in tensors.items()}
    return PiecePoint(name, label, content_hash(tensors), unit, arrays, subject, is_direction)


def _round_up_to_launches(points: int, choice: Choice) -> int:
    """At least so many points, and no lane or place of a launch left empty; enough for a pass."""
    together = max(choice.lanes, choice.stacked, POINTS if choice.streamed else 1)
    return -(-points // together) * together
