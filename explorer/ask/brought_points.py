"""What is known of the points that answers brought, in the words of their answers' kinds."""

from collections.abc import Callable, Sequence
from typing import cast

from explorer.ask.questions import result_of
from explorer.kinds import kind_named, unreadable
from explorer.kinds.kind import named_code
from explorer.kinds.result import Result
from store import Catalog, UnreadableAnswer, records

PointText = Callable[[Result, int], str]


def brought_words(catalog: Catalog, points: Sequence[records.AnswerPoint]) -> list[str]:
    """What is known of each point, as "loss 0.31, a saddle of index 2"; "" where that is nothing.

    Args:
        catalog: where they are.
        points: as answers brought them.
    """
    tellers = {key: _teller(catalog, key) for key in dict.fromkeys(p.question_key for p in points)}
    return [tellers[point.question_key](point.unit) for point in points]


def directions_by_model(catalog: Catalog) -> dict[str, list[records.AnswerPoint]]:
    """The directions that answers brought, by the ids of their models, in one look."""
    directions: dict[str, list[records.AnswerPoint]] = {}
    for point in catalog.answer_points():
        if point.is_direction:
            directions.setdefault(point.model_id, []).append(point)
    return directions


def _teller(catalog: Catalog, key: str) -> Callable[[int], str]:
    """From the unit of work that brings a point of this answer to the words for the point."""
    question = catalog.question(key)
    if question is None or unreadable(question.kind, question.settings):
        return _no_words
    kind = kind_named(question.kind)
    if not kind.point_text:
        return _no_words
    try:
        result = result_of(catalog, question)
    except UnreadableAnswer:
        return _no_words
    text = cast(PointText, named_code(kind.point_text))
    return lambda unit: text(result, unit)


def _no_words(_: int) -> str:
    return ""
