"""Rows and facts as a kind's result: what is none of its kind is refused in words."""

import math
from collections.abc import Sequence

from explorer.kinds.kind import Kind
from explorer.kinds.objective_settings import ObjectiveSettings
from explorer.kinds.piece import Piece
from explorer.kinds.result import Result

# What reading raises of rows at no place of their answer, or of codes that stand for nothing.
_MISREADINGS = (ArithmeticError, AttributeError, LookupError, TypeError)


def read_result(kind: Kind, settings: ObjectiveSettings, pieces: Sequence[Piece]) -> Result:
    """The result of a kind as far as its pieces go.

    Raises:
        ValueError: a column is missing, a row stands at no place of the answer, or facts are none.
    """
    for piece in pieces:
        missing = [name for name in ("unit", *kind.columns) if name not in piece.columns]
        if missing:
            raise ValueError(f"its rows lack the columns {', '.join(missing)}")
    try:
        return kind.result.from_pieces(settings, pieces)
    except _MISREADINGS as error:
        raise ValueError("its rows stand at no place of the answer") from error


def check_pieces(kind: Kind, settings: ObjectiveSettings, pieces: Sequence[Piece]) -> None:
    """Refuse pieces that are none of the kind before they are stored; some may have no rows.

    Raises:
        ValueError: as for `read_result`, or a number of a row stands for nothing.
    """
    kind.facts.of_pieces(pieces)
    for piece in pieces:
        if not 0 <= piece.seconds < math.inf:
            raise ValueError(f"a piece must take 0 seconds or more, got {piece.seconds}")
    try:
        result = read_result(kind, settings, [piece for piece in pieces if piece.units])
        _ = result.places, result.values
    except _MISREADINGS as error:
        raise ValueError("its rows have numbers that stand for nothing") from error


def check_numbers(result: Result) -> None:
    """Refuse a result of which no tables and lists can be made.

    Raises:
        ValueError: a number of a row stands for nothing.
    """
    try:
        _ = result.places, result.values, result.numbers
    except _MISREADINGS as error:
        raise ValueError("its rows have numbers that stand for nothing") from error
