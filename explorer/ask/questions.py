"""Where questions are asked: what is missing of their answers becomes a job in the spool."""

import dataclasses
import itertools
import os
import threading
import uuid
from collections.abc import Sequence
from pathlib import Path
from typing import TypeVar

from explorer.ask import requests
from explorer.ask.question import ProblemIdentity, QuestionIdentity
from explorer.ask.requests import FOREGROUND_PRIORITY
from explorer.ask.reuse import take_over
from explorer.ask.subjects import (
    Reads,
    Subject,
    check_ends,
    models_of,
    named_points,
    ordered_subjects,
    point_of,
    run_snapshots,
    snapshot_text,
)
from explorer.contracts.facts import ModelFacts, ProblemFacts
from explorer.jobs.spool import Spool
from explorer.kinds import Kind, Piece, kind_named, settings_from_json, unreadable
from explorer.kinds.objective_settings import ObjectiveSettings
from explorer.kinds.reading import read_result
from explorer.kinds.result import Result
from explorer.kinds.trajectory import OfRuns
from store import Catalog, UnreadableAnswer, records

R = TypeVar("R", bound=Result)
_ONE_AT_A_TIME = threading.Lock()  # two tabs that ask the same get one job


def default_catalog_folder() -> Path:
    """The catalog's folder if none is named: $EXPLORER_CATALOG, else `.catalog` beside app.py."""
    return Path(os.environ.get("EXPLORER_CATALOG", Path(__file__).parents[2] / ".catalog"))


def result_of(catalog: Catalog, question: records.Question) -> Result:
    """The result of a question of any kind as far as it is stored.

    Raises:
        UnreadableAnswer: another version asked it, or what is stored is no answer to it.
    """
    if why := unreadable(question.kind, question.settings):
        raise UnreadableAnswer(f"{question.title} is {why}: update this program to see it")
    if not question.model_ids or not question.point_ids:
        raise UnreadableAnswer(f"{question.title} ({question.key[:8]}) does not say what it is of")
    kind = kind_named(question.kind)
    settings = settings_from_json(kind.settings, question.settings)
    columns = catalog.values(question.key, kind.table)
    pieces = [Piece(columns, question.facts)] if columns else []
    try:
        return read_result(kind, settings, pieces)
    except ValueError as error:
        raise UnreadableAnswer(
            f"what is stored of {question.title} ({question.key[:8]}) is no answer to it: {error}; "
            "move it to the trash, empty that and compute it anew"
        ) from error


def result_as(catalog: Catalog, question: records.Question, result: type[R]) -> R:
    """The same as an instance of the class that its kind's results have.

    Raises:
        TypeError: they are of another class.
        UnreadableAnswer: as for `result_of`.
    """
    stored = result_of(catalog, question)
    if not isinstance(stored, result):
        raise TypeError(f"{question.kind} has results {type(stored).__name__}, not {result}")
    return stored


def question_about(
    catalog: Reads,
    kind: Kind,
    model: records.Model,
    settings: ObjectiveSettings,
    *,
    point: str = "",
    others: Sequence[Subject] = (),
) -> QuestionIdentity:
    """The question of that kind about a model's point (its final one unless another is named).

    Args:
        catalog: where the models are.
        kind: of the question.
        model: its first subject.
        settings: of the kind.
        point: of the model.
        others: further subjects.

    Raises:
        ValueError: more or fewer subjects than the kind has, models of several problems, or points
            of which the settings ask nothing.
        UnknownEntry: the model's problem is not in the catalog.
    """
    if settings.subject_sequence():
        settings = settings.with_further(1 + len(others) - len(kind.subjects))
    subjects = ordered_subjects(kind, settings, [(model, point), *others])
    for other, _ in others:
        if other.problem_id != model.problem_id:
            raise ValueError(
                "all models must be of one problem, with the same tensors, data and loss, got "
                f"{model.name} and {other.name}"
            )
    problem = catalog.problem(model.problem_id)
    facts = ProblemFacts.of(problem.facts)
    settings = settings.among_declared(list(facts.experiments))
    identity = ProblemIdentity.of(problem.source_hash, problem.arguments, facts)
    single = len(kind.single_subjects(settings))
    points = tuple(p or m.point_id for m, p in subjects[:single])
    named = dict(zip(kind.single_subjects(settings), points, strict=False))
    check_ends(named)
    settings.check_points(named)
    if isinstance(settings, OfRuns):
        runs = [
            settings.wanted_of(run_snapshots(catalog, subject, kind.fewest))
            for subject in subjects[single:]
        ]
        settings = settings.about(runs)
        settings.check_beside(points, runs)
        points += tuple(itertools.chain.from_iterable(run.points for run in runs))
    return QuestionIdentity(kind, settings, identity, points)


def ask(
    catalog: Catalog,
    kind: Kind,
    model: records.Model,
    settings: ObjectiveSettings,
    *,
    point: str = "",
    priority: int = FOREGROUND_PRIORITY,
    others: Sequence[Subject] = (),
) -> str:
    """The key of a question that is stored, being answered, or from now on queued.

    What other questions have found at the same points is taken over, not computed again. Question
    and job are stored in one transaction: whatever happens afterwards, the job is found and done.

    Raises:
        ValueError: the settings do not fit the problem.
        CatalogError: the catalog cannot be read or written.
    """
    question = question_about(catalog, kind, model, settings, point=point, others=others)
    settings = question.settings
    models = models_of(kind, settings, [(model, point), *others])
    _check_sorts(catalog, question, models)
    name = title(catalog, question, models)
    stored = catalog.ask(
        records.Question(
            key=question.key,
            kind=kind.name,
            version=kind.version_of(settings),
            title=name,
            settings=dataclasses.asdict(settings),
            problem_id=model.problem_id,
            model_ids=tuple(model.id for model in models),
            point_ids=question.points,
            units=settings.units,
            family=question.family,
            objective=question.objective,
        ),
        _new_job(question.key, name, priority, settings.units),
    )
    done, complete = stored.units_done, stored.status == "complete"
    if not done and not complete:
        with _ONE_AT_A_TIME:
            complete = take_over(catalog, kind, settings, stored) >= stored.units
    if not complete:
        resume(catalog, stored, priority)
    elif job := catalog.active_job_for(question.key):  # there is nothing to do
        catalog.drop_job(job.id)
    return question.key


def _check_sorts(
    catalog: Catalog, question: QuestionIdentity, models: Sequence[records.Model]
) -> None:
    """Refuse a direction in the place of a point, and a point in that of a direction.

    Raises:
        ValueError: there is one.
    """
    names = question.kind.single_subjects(question.settings)
    for name, model, point in zip(names, models, question.points, strict=False):
        is_direction = _is_direction(catalog, model, point)
        if is_direction != name.endswith("_stored"):
            sort = "a point, got a direction" if is_direction else "a stored direction, got a point"
            raise ValueError(f"{name} must be {sort} of {model.name}; choose another")
    if isinstance(question.settings, OfRuns):
        ends = named_points(question.kind, question.settings, question.points)
        for model, point in zip(models[len(names) :], ends[len(names) :], strict=True):
            if _is_direction(catalog, model, point):
                raise ValueError(f"a run must be points of {model.name}, got a direction; leave it")


def _is_direction(catalog: Catalog, model: records.Model, point: str) -> bool:
    """Whether that is a direction: an imported one, or one that an answer brought."""
    brought = catalog.answer_point(point)
    return ModelFacts.of(model.facts).direction or bool(brought and brought.is_direction)


def _new_job(key: str, name: str, priority: int, units: int) -> records.Job:
    """A job that answers the question of that key."""
    return records.Job(
        id=uuid.uuid4().hex[:12],
        task="answer",
        title=name,
        request={"priority": priority},
        question_key=key,
        priority=priority,
        units=units,
    )


def title(catalog: Catalog, question: QuestionIdentity, models: Sequence[records.Model]) -> str:
    """The kind and the names of its subjects, with the step of what is no final point."""
    points = named_points(question.kind, question.settings, question.points)
    names = []
    for model, point in zip(models, points, strict=True):
        final = point == model.point_id
        where = "" if final else f" at {snapshot_text(point_of(catalog, model.id, point))}"
        names.append(model.name + where)
    joined = question.kind.joined_names(names, question.settings)
    return f"{question.kind.title} of {joined}"


def resume(
    catalog: Catalog, question: records.Question, priority: int = FOREGROUND_PRIORITY
) -> None:
    """Queue what a question lacks, unless that is under way."""
    with _ONE_AT_A_TIME:
        job = catalog.active_job_for(question.key)
        if job is not None and Spool(catalog.jobs_folder).job(job.id) is not None:
            return
        if job is None:
            new = _new_job(question.key, question.title, priority, question.units)
            job = catalog.add_job(
                new.id,
                new.task,
                new.title,
                new.request,
                question_key=question.key,
                priority=priority,
                units=question.units,
                units_done=question.units_done,
            )
        requests.offer(catalog, job)
