"""Paths that answers brought: between which points they lead, and past which bends."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import cast

from explorer.ask.questions import result_of
from explorer.ask.subjects import Subject
from explorer.kinds import KINDS, kind_named, settings_from_json
from explorer.kinds.kind import Kind, named_code
from explorer.kinds.result import Result
from explorer.wording import counted
from store import Catalog, records

MOST_SEARCHED = 200  # answers of a kind about one model, the latest first
KEY_LETTERS = 8
BestCopy = Callable[[Result], int | None]


@dataclass(frozen=True)
class StoredPath:
    """A path from one point to another, as an answer brought it."""

    question: records.Question
    shape: str  # of explorer.kinds.path_shape
    bends: tuple[Subject, ...]  # from the first point to the second

    @property
    def label(self) -> str:
        """What it is called beside others between the same points."""
        kind = kind_named(self.question.kind)
        settings = settings_from_json(kind.settings, self.question.settings)
        what = settings.path_words or self.shape
        bends = counted(len(self.bends), "bend")
        return f"{what}, {bends} ({self.question.key[:KEY_LETTERS]})"


def curve_label(first: records.Model, second: records.Model, path: StoredPath) -> str:
    """What a path is called over a plane, where paths between other points may lie too."""
    return f"{first.name} to {second.name}: {path.label}"


def stored_paths(catalog: Catalog, first: Subject, second: Subject) -> list[StoredPath]:
    """The paths that lead from one point to another, or back, the latest first."""
    paths = []
    for kind in KINDS:
        if not kind.brings_path:
            continue
        ends = (first[1], second[1])
        paths += [
            path
            for question in _questions_about(catalog, kind, first)
            if question.point_ids in (ends, ends[::-1])
            and (path := path_of(catalog, question, first[1]))
        ]
    return paths


def like_copies(catalog: Catalog, first: Subject, second: Subject) -> dict[str, Subject]:
    """The best copies of the second point that compute the same and are like the first, by label.

    The latest comes first.
    """
    copies: dict[str, Subject] = {}
    for kind in KINDS:
        if not kind.best_copy:
            continue
        best_copy = cast(BestCopy, named_code(kind.best_copy))
        for question in _questions_about(catalog, kind, second):
            if question.point_ids == (first[1], second[1]) and question.status == "complete":
                best = best_copy(result_of(catalog, question))
                for point in catalog.answer_points(key=question.key):
                    if point.unit == best:
                        label = f"to {point.label} ({question.key[:KEY_LETTERS]})"
                        copies[label] = (second[0], point.point_id)
    return copies


def _questions_about(catalog: Catalog, kind: Kind, subject: Subject) -> list[records.Question]:
    """The latest questions of a kind about any points of a subject's model."""
    questions, _ = catalog.questions(kind=kind.name, model_id=subject[0].id, limit=MOST_SEARCHED)
    return questions


def path_of(catalog: Catalog, question: records.Question, first: str) -> StoredPath | None:
    """The path that an answer brought, from its end `first` on; None where it has none yet.

    Args:
        catalog: where it is.
        question: of the answer.
        first: id of the point from which the path is wanted.
    """
    kind = kind_named(question.kind)
    shape = settings_from_json(kind.settings, question.settings).path_shape
    if not kind.brings_path or question.status != "complete":
        return None
    brought = catalog.answer_points(key=question.key)
    models = {point.model_id: catalog.model(point.model_id) for point in brought}
    bends = [(models[point.model_id], point.point_id) for point in brought]
    if question.point_ids[0] != first:
        bends.reverse()
    return StoredPath(question, shape, tuple(bends)) if bends else None


def bringer_of(catalog: Catalog, bends: Sequence[tuple[str, str]]) -> str:
    """Key of the answer that brought these bends, model and point each; "" if none has them all."""
    if not bends:
        return ""
    bend_points = {point for _, point in bends}
    by_answer: dict[str, set[str]] = {}
    for brought in catalog.answer_points(model_id=bends[0][0]):
        by_answer.setdefault(brought.question_key, set()).add(brought.point_id)
    return next((key for key, points in by_answer.items() if bend_points <= points), "")
