"""A study: models, and the questions that are asked of each, as a user names and keeps them."""

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final, Literal, TypeAlias

from explorer.ask.subjects import Subject, named_points
from explorer.codec import Json, from_json, to_json
from explorer.kinds import Kind, kind_named, settings_from_json
from explorer.kinds.setting import setting_fields
from store import Catalog, records
from store.documents import MAX_NAME_LENGTH

STUDY = "study"  # the sort of the catalog's document
# Subjects that each model of a study has one of its own for: itself, the start of its training.
EACH: Final[Literal["model"]] = "model"
START: Final[Literal["start"]] = "start"


@dataclass(frozen=True, kw_only=True)
class StudyModel:
    """A model at its final point, or at another of its points."""

    id: str
    name: str  # as it was called: for a catalog that has it not
    point: str = ""  # id; "": the final one


StudySubject: TypeAlias = Literal["model", "start"] | StudyModel


@dataclass(frozen=True, kw_only=True)
class StudyQuestion:
    """What is asked of each model; a kind or setting of another version is kept as it is."""

    kind: str
    settings: Json = field(default_factory=dict)
    # Of each subject of the kind in order: the study's model, the start of its training, or always
    # the same model.
    subjects: tuple[StudySubject, ...] = (EACH,)
    number: str = ""  # of the answers, that is shown; "": their first


@dataclass(frozen=True, kw_only=True)
class Study:
    """The rows and columns of a matrix of analyses."""

    models: tuple[StudyModel, ...] = ()
    questions: tuple[StudyQuestion, ...] = ()

    def with_models(self, models: Sequence[StudyModel]) -> "Study":
        """The study with these models too, each once."""
        new = [model for model in models if not self._has(model)]
        once = {(model.id, model.point): model for model in new}
        return dataclasses.replace(self, models=(*self.models, *once.values()))

    def with_questions(self, questions: Sequence[StudyQuestion]) -> "Study":
        """The study with these questions too, each once, whichever number of it is shown."""
        all_questions = list(self.questions)
        for question in questions:
            if not any(_asks_the_same(question, other) for other in all_questions):
                all_questions.append(question)
        return dataclasses.replace(self, questions=tuple(all_questions))

    def _has(self, model: StudyModel) -> bool:
        return any((own.id, own.point) == (model.id, model.point) for own in self.models)


def _asks_the_same(one: StudyQuestion, other: StudyQuestion) -> bool:
    return dataclasses.replace(one, number="") == dataclasses.replace(other, number="")


def study_from_json(content: object) -> Study:
    """The study that stands in a document of the catalog or in a file.

    Raises:
        ValueError: this version cannot read it; the sentence names the field.
    """
    try:
        return from_json(Study, content)
    except ValueError as error:
        raise ValueError(f"it is no study that this version can read: {error}") from error


def study_named(catalog: Catalog, name: str) -> tuple[str, Study]:
    """The id of the document of that name and its study.

    Raises:
        UnknownEntry: there is none.
        ValueError: this version cannot read it.
    """
    document = catalog.document_named(STUDY, name)
    return document.id, study_from_json(document.content)


def add_study(catalog: Catalog, name: str, study: Study) -> str:
    """Keep a new study under a name; the document's id.

    Raises:
        ValueError: the name is taken, empty, too long or not printable.
    """
    return catalog.add_document(STUDY, name, to_json(study))


def free_name(catalog: Catalog, name: str) -> str:
    """The name, or with a number that no study has yet."""
    names = {document.name for document in catalog.documents(STUDY)}
    number, free = 2, name
    while free in names:
        free = f"{name[: MAX_NAME_LENGTH - 6]} ({number})"
        number += 1
    return free


def change_study(catalog: Catalog, id: str, study: Study) -> None:
    """Keep a study in the place of what it was.

    Raises:
        UnknownEntry: there is none.
    """
    catalog.change_document(STUDY, id, to_json(study))


def usual_subjects(kind: Kind) -> tuple[StudySubject, ...]:
    """What a kind is asked about in a study unless something else is chosen.

    Further whole runs are the model's own; two points are those of its training in order; a second
    one that may be left out is the start of its training.
    """
    further = len(kind.subjects) - 1
    starts: tuple[StudySubject, ...] = (START,) * further
    if kind.whole_run or not further:
        return (EACH,) * (1 + further)
    return (EACH, *starts) if kind.own_second else (*starts, EACH)


def settings_to_keep(kind: Kind, settings: object) -> Json:
    """All settings of a question but those that its subjects fill in.

    Also those at their default: another version may have another.
    """
    fields = [f for f in setting_fields(kind.settings) if not f.setting.filled_in]
    values = {f.name: getattr(settings, f.name) for f in fields}
    return {name: list(v) if isinstance(v, tuple) else v for name, v in values.items()}


def study_of(catalog: Catalog, questions: Sequence[records.Question]) -> Study:
    """A study of the models and of the questions of these analyses.

    Raises:
        ValueError: this version cannot read one of them.
        UnknownEntry: a model of one of them is not in the catalog.
    """
    study = Study()
    for question in questions:
        model, asked_of_each = row_and_column(catalog, question)
        study = study.with_models([model]).with_questions([asked_of_each])
    return study


def row_and_column(
    catalog: Catalog, question: records.Question
) -> tuple[StudyModel, StudyQuestion]:
    """The model that an analysis is about, and its question as it can be asked of any model.

    It is about the first of its subjects that is a model's final point, else about the first.

    Raises:
        ValueError: this version cannot read it.
        UnknownEntry: a model of it is not in the catalog.
    """
    kind = kind_named(question.kind)
    settings = settings_from_json(kind.settings, question.settings)
    models = [catalog.model(id) for id in question.model_ids]
    points = named_points(kind, settings, question.point_ids)
    subjects = list(zip(models, points, strict=True))
    own = subjects[: len(kind.subjects)]  # further ones are what its settings ask for
    finals = [subject for subject in own if subject[1] == subject[0].point_id]
    main = subjects[0] if kind.whole_run or not finals else finals[0]
    first_run = len(kind.single_subjects(settings)) if kind.whole_run else len(subjects)
    roles = tuple(
        _run_role(main, one) if place >= first_run else _role(catalog, kind, main, place, one)
        for place, one in enumerate(subjects)
    )
    stored_settings = settings_to_keep(kind, settings)
    return study_model(*main), StudyQuestion(
        kind=kind.name, settings=stored_settings, subjects=roles
    )


def study_model(model: records.Model, point: str = "") -> StudyModel:
    """A model of a study, at that point."""
    return StudyModel(id=model.id, name=model.name, point="" if point == model.point_id else point)


def _run_role(main: Subject, subject: Subject) -> StudySubject:
    """What a whole run, or a point alone, is where the question is asked of another model."""
    model, point = subject
    whole = point == model.point_id
    return EACH if whole and model.id == main[0].id else study_model(model, point)


def _role(
    catalog: Catalog, kind: Kind, main: Subject, place: int, subject: Subject
) -> StudySubject:
    """What a point is where the question is asked of another model than the main one."""
    model, point = subject
    own = model.id == main[0].id
    snapshots = catalog.points(model.id)
    if own and place and kind.own_second and len(snapshots) < 2:  # there is no start before it
        return START
    if own and point == main[1]:
        return EACH
    return START if own and point == snapshots[0].point_id else study_model(model, point)
