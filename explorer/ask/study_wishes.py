"""What a study asks of each of its models, or why it cannot be asked."""

from dataclasses import dataclass
from functools import cached_property
from typing import TypeAlias

from explorer.ask.question import QuestionIdentity
from explorer.ask.questions import question_about
from explorer.ask.study import START, Study, StudyModel, StudyQuestion
from explorer.ask.study_reads import StudyReads
from explorer.ask.subjects import Subject
from explorer.kinds import Kind, kind_named, settings_from_json
from explorer.kinds.objective_settings import ObjectiveSettings
from store import UnknownEntry


@dataclass(frozen=True)
class Wish:
    """What a study asks of one of its models; or why it cannot be asked."""

    row: int  # of the model
    column: int  # of the question
    subjects: tuple[Subject, ...] = ()
    question: QuestionIdentity | None = None
    refusal: str = ""

    @cached_property
    def key(self) -> str:
        """Of the question; empty where it cannot be asked."""
        return self.question.key if self.question else ""


def wishes_of(reads: StudyReads, study: Study) -> list[Wish]:
    """What a study asks, row by row."""
    kinds = [_kind_and_settings(question) for question in study.questions]
    return [
        _wish(reads, study, row, column, kind)
        for row in range(len(study.models))
        for column, kind in enumerate(kinds)
    ]


KindAndSettings: TypeAlias = tuple[Kind, ObjectiveSettings] | str


def _kind_and_settings(question: StudyQuestion) -> KindAndSettings:
    """The kind and settings of a question, or why this version cannot read them."""
    try:
        kind = kind_named(question.kind)
        return kind, settings_from_json(kind.settings, question.settings)
    except (ValueError, TypeError) as error:
        return str(error)


def _wish(
    reads: StudyReads, study: Study, row: int, column: int, readable: KindAndSettings
) -> Wish:
    """What is asked in one cell."""
    if isinstance(readable, str):
        return Wish(row, column, refusal=readable)
    kind, settings = readable
    try:
        subjects = _subjects(reads, readable, study.models[row], study.questions[column])
        (model, point), *others = subjects
        question = question_about(reads, kind, model, settings, point=point, others=others)
        question.key  # noqa: B018 - it refuses a split that the problem has not
    except (ValueError, UnknownEntry) as error:
        return Wish(row, column, refusal=str(error))
    return Wish(row, column, tuple(subjects), question)


def _subjects(
    reads: StudyReads,
    readable: tuple[Kind, ObjectiveSettings],
    row: StudyModel,
    question: StudyQuestion,
) -> list[Subject]:
    """What a question is about where it is asked of that model.

    Raises:
        ValueError: a model is gone, or there are no two points.
    """
    kind, settings = readable
    single = len(kind.single_subjects(settings))
    own = reads.subject(row)
    subjects: list[Subject] = []
    for place, subject in enumerate(question.subjects):
        is_run = kind.whole_run and place >= single
        if isinstance(subject, StudyModel):
            subjects.append(reads.subject(subject))
        elif subject == START and not is_run:
            subjects.append(reads.start(own, kind.own_second))
        else:
            subjects.append(own)
    alone = len({point for _, point in subjects}) == 1
    if alone and len(subjects) > 1 and not (kind.whole_run or kind.own_second):
        raise ValueError(
            f"the {' and the '.join(kind.all_subjects(settings))} are the same point here"
        )
    return subjects
