"""Where questions are asked and imports ordered: what is missing becomes a job in the spool."""

import contextlib
import dataclasses
import hashlib
import os
import threading
import uuid
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from explorer.jobs import runs
from explorer.jobs.question import ProblemIdentity, Question, sha256
from explorer.jobs.relatives import take_over
from explorer.jobs.spool import Spool
from explorer.kinds import Kind, Piece, kind_named, settings_from_json
from store import Catalog, UnknownEntry, records

ASKED = 20  # priority of what somebody is waiting for; lower is more urgent
BACKGROUND = 50
FEWEST = 3  # snapshots that make a plane
Subject = tuple[records.Model, str]  # a model and the id of its point; "" for the final one
_ONE_AT_A_TIME = threading.Lock()  # two tabs that ask the same get one job


def usual_folder() -> Path:
    """The catalog's folder if none is named: $EXPLORER_CATALOG, else `.catalog` beside app.py."""
    return Path(os.environ.get("EXPLORER_CATALOG", Path(__file__).parents[2] / ".catalog"))


def result_of(catalog: Catalog, asked: records.Question) -> Any:
    """The result of a question as far as it is stored, an instance of its kind's result."""
    kind = kind_named(asked.kind)
    settings = settings_from_json(kind.settings, asked.settings)
    columns = catalog.values(asked.key, kind.table)
    pieces = [Piece(columns, asked.facts)] if columns else []
    return kind.result.from_pieces(settings, pieces)


def question(
    catalog: Catalog,
    kind: Kind,
    model: records.Model,
    settings: Any,
    point: str = "",
    others: Sequence[Subject] = (),
) -> Question:
    """The question of that kind about a model's point (its final one unless another is named).

    Args:
        catalog: where the models are.
        kind: of the question.
        model: its first subject.
        settings: an instance of kind.settings.
        point: of the model.
        others: further subjects.

    Raises:
        ValueError: more or fewer subjects than the kind has, or models of several problems.
        UnknownEntry: the model's problem is not in the catalog.
    """
    subjects = [(model, point), *others]
    if len(subjects) != len(kind.subjects):
        needed = f"{len(kind.subjects)} ({', '.join(kind.subjects)})"
        raise ValueError(f"the subjects of {kind.name} must be {needed}, got {len(subjects)}")
    for other, _ in others:
        if other.problem_id != model.problem_id:
            raise ValueError(
                "all models must be of one problem, with the same tensors, data and loss, got "
                f"{model.name} and {other.name}"
            )
    problem = catalog.problem(model.problem_id)
    identity = ProblemIdentity.of(problem.source_hash, problem.arguments, problem.facts)
    points = tuple(p or m.point_id for m, p in subjects)
    if kind.whole_run:
        points = _snapshots(catalog, model)
    return Question(kind, settings, identity, points)


def _snapshots(catalog: Catalog, model: records.Model) -> tuple[str, ...]:
    """The points of a model's training in order, each once, its final one last.

    Raises:
        ValueError: they are too few to make a plane.
    """
    known = [point.point_id for point in catalog.points(model.id)]
    order = [p for p in dict.fromkeys(known) if p != model.point_id] + [model.point_id]
    if len(order) < FEWEST:
        raise ValueError(
            f"a run must have at least {FEWEST} different snapshots, {model.name} has "
            f"{len(order)}; import more of its checkpoints together"
        )
    return tuple(order)


def ask(
    catalog: Catalog,
    kind: Kind,
    model: records.Model,
    settings: Any,
    point: str = "",
    priority: int = ASKED,
    others: Sequence[Subject] = (),
) -> str:
    """The key of a question that is stored, being answered, or from now on queued.

    What other questions have found at the same points is taken over, not computed again.

    Raises:
        ValueError: the settings do not fit the problem.
        CatalogError: the catalog cannot be read or written.
    """
    asked = question(catalog, kind, model, settings, point, others)
    models = (model, *(other for other, _ in others))
    stored = catalog.ask(
        records.Question(
            key=asked.key,
            kind=kind.name,
            version=kind.version,
            title=title(catalog, kind, models, asked.points),
            settings=dataclasses.asdict(settings),
            problem_id=model.problem_id,
            model_ids=tuple(model.id for model in models),
            point_ids=asked.points,
            units=settings.units,
            family=asked.family,
            objective=asked.objective,
        )
    )
    done = stored.units_done
    if not done:
        with _ONE_AT_A_TIME:
            done = take_over(catalog, kind, settings, stored)
    if done < stored.units:
        resume(catalog, stored, priority)
    return asked.key


def title(
    catalog: Catalog, kind: Kind, models: Sequence[records.Model], points: Sequence[str]
) -> str:
    """The kind and the names of its subjects, with the step of what is no final point."""
    names = []
    for model, point in zip(models, points[-len(models) :], strict=True):
        final = point == model.point_id
        where = "" if final else f" at {snapshot(point_of(catalog, model.id, point))}"
        names.append(model.name + where)
    return f"{kind.title} of {f' {kind.joined} '.join(names)}"


def point_of(catalog: Catalog, model_id: str, point_id: str) -> records.Point:
    """A point as that model knows it: the same weights may be imported under several names."""
    own = (point for point in catalog.points(model_id) if point.point_id == point_id)
    return next(own, None) or catalog.point(point_id)


def snapshot(point: records.Point) -> str:
    """Which point of its model it is, in words: its training step, or else its file's name."""
    return point.label if point.step is None else f"step {point.step}"


def resume(catalog: Catalog, asked: records.Question, priority: int = ASKED) -> None:
    """Queue what a question lacks, unless that is under way."""
    with _ONE_AT_A_TIME:
        job = catalog.active_job_for(asked.key)
        if job is not None and Spool(catalog.jobs_folder).job(job.id) is not None:
            return
        job = job or catalog.add_job(
            uuid.uuid4().hex[:12],
            "answer",
            asked.title,
            {"priority": priority},
            question_key=asked.key,
            priority=priority,
            units=asked.units,
        )
        offer(catalog, job)


def order_import(
    catalog: Catalog,
    problem: Path,
    arguments: Mapping[str, Any],
    checkpoints: Sequence[Mapping[str, Any]],
    name: str,
    facts: Mapping[str, Any] | None = None,
    then: Sequence[Mapping[str, Any]] = (),
    priority: int = ASKED,
    run: Mapping[str, Any] | None = None,
) -> str:
    """The job that inspects and stores checkpoints of one model; the last is its final point.

    Args:
        catalog: where the model goes.
        problem: the problem file. It is code: order an import only after the user agreed to run it.
        arguments: of its function `problem`.
        checkpoints: `{"file": path, "step": number or None, "part": key within the file}` each, in
            order; the last two may be left out.
        name: of the model, as people see it.
        facts: what is known of the model beside what the worker finds: optimiser, seed, recipe.
        then: `{"kind": name, "settings": {...}}` each, asked about the model once it is there.
        priority: lower is more urgent.
        run: the recorded run that the checkpoints are of, as `runs.request_of` says it; the model
            stays the same while the run grows, and known snapshots are not inspected again.

    Raises:
        ValueError: the arguments are no JSON values; NaN and infinity are none.
    """
    try:
        sha256(dict(arguments))
    except (ValueError, TypeError) as error:
        raise ValueError(
            f"arguments must be JSON values, without NaN or infinity, got {dict(arguments)}"
        ) from error
    request = {
        "task": "import",
        "problem": str(problem.resolve()),
        "digest": hashlib.sha256(problem.read_bytes()).hexdigest() if problem.is_file() else "",
        "arguments": dict(arguments),
        "checkpoints": [
            {**c, "file": str(Path(c["file"]).resolve()), "step": c.get("step")}
            for c in checkpoints
        ],
        "name": name,
        "facts": dict(facts or {}),
        "then": list(then),
        "run": dict(run) if run else None,
    }
    job = catalog.add_job(
        uuid.uuid4().hex[:12],
        "import",
        f"Import of {name}",
        request,
        priority=priority,
        units=len(checkpoints),
    )
    offer(catalog, job)
    return job.id


def offer(catalog: Catalog, job: records.Job) -> None:
    """Put a job of the catalog into the spool, with what is already stored left out.

    Raises:
        UnknownEntry: something that it is about is gone; the job has failed then.
        ValueError: it was asked of another version of this program; the job has failed then.
    """
    try:
        request = request_of(catalog, job)
    except (UnknownEntry, ValueError) as error:
        catalog.update_job(job.id, status="failed", error=str(error))
        raise
    Spool(catalog.jobs_folder).new(job.id, job.priority, job.created).offer(request)


def request_of(catalog: Catalog, job: records.Job) -> dict[str, Any]:
    """What a worker needs to know to do a job."""
    if job.task == "import":
        run, arguments = job.request.get("run"), job.request["arguments"]
        known = runs.known(catalog, run["identity"], arguments) if run else []
        return {**job.request, "known": known}
    asked = catalog.question(job.question_key or "")
    if asked is None:
        raise UnknownEntry("question", job.question_key or "")
    problem = catalog.problem(asked.problem_id)
    kind = kind_named(asked.kind)
    if asked.version != kind.version:
        raise ValueError(
            f"{asked.title} was asked of another version of this program; compute it anew"
        )
    files = [catalog.point(point).file_hash or "" for point in asked.point_ids]
    return {
        "task": "answer",
        "kind": asked.kind,
        "settings": dict(asked.settings),
        "problem": problem.path,
        "arguments": dict(problem.arguments),
        "source_hash": problem.source_hash,
        "data": problem.facts["splits"][asked.settings["split"]]["fingerprint"],
        "points": list(asked.point_ids),
        "files": [str(catalog.file_path(file).resolve()) for file in files],
        "done": catalog.done_units(asked.key, kind.table).tolist(),
        "choices": _choices(catalog, asked),
    }


def _choices(catalog: Catalog, asked: records.Question) -> dict[str, Any]:
    """How the objective is evaluated, by device: as this answer began, or else as noted last.

    Another choice could change the last bits, and an answer is to be of one piece.
    """
    known = dict(catalog.choices(asked.objective)) if asked.objective else {}
    if "choice" in asked.facts:
        timing = asked.facts.get("timing", {})
        known[asked.facts["device"]] = {
            "choice": asked.facts["choice"],
            "timing": timing,
            "begun": True,
        }
    return known


def cancel(catalog: Catalog, job_id: str) -> None:
    """Stop a job after the piece in hand; what it has answered stays."""
    folder = Spool(catalog.jobs_folder).job(job_id)
    if folder is not None:
        with contextlib.suppress(FileNotFoundError):  # it ended this very moment
            folder.cancel()
    elif catalog.job(job_id).status in ("queued", "running"):
        catalog.update_job(job_id, status="cancelled")
