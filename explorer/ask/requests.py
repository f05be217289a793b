"""Jobs on their way to a worker: what it needs to know, offered in the spool, stopped."""

import contextlib
from dataclasses import replace
from pathlib import Path

from explorer import recorded_runs
from explorer.codec import from_json
from explorer.contracts.facts import ProblemFacts
from explorer.contracts.request import AnswerRequest, ImportRequest, Request, stored_import
from explorer.jobs.spool import Spool
from explorer.kinds import Kind, kind_named, settings_from_json, unreadable
from explorer.kinds.execution import EarlierChoice
from explorer.kinds.facts import AnswerFacts
from explorer.kinds.objective_settings import Needs
from store import Catalog, UnknownEntry, records
from store.errors import from_os

FOREGROUND_PRIORITY = 20  # priority of what somebody is waiting for; lower is more urgent
BACKGROUND_PRIORITY = 50


def offer(catalog: Catalog, job: records.Job) -> None:
    """Put a job of the catalog into the spool, with what is already stored left out.

    Raises:
        UnknownEntry: something that it is about is gone; the job has failed then.
        ValueError: it was asked of another version of this program, or cannot be signed; the job
            has failed then.
        CatalogError: the spool cannot be written; the job waits to be offered again.
    """
    try:
        request = request_of(catalog, job)
        Spool(catalog.jobs_folder).new(job.id, job.priority, job.created).offer_once(request)
    except (UnknownEntry, ValueError) as error:
        catalog.update_job(job.id, status="failed", error=str(error))
        raise
    except OSError as error:
        raise from_os(error, catalog.jobs_folder) from error


def request_of(catalog: Catalog, job: records.Job) -> Request:
    """What a worker needs to know to do a job.

    Raises:
        UnknownEntry: something that it is about is gone.
        ValueError: it was asked of another version of this program.
    """
    return _import_of(catalog, job) if job.task == "import" else _answer_of(catalog, job)


def _import_of(catalog: Catalog, job: records.Job) -> ImportRequest:
    """An import; of a recorded run with what earlier imports saw of its snapshots."""
    request = stored_import(job.request)
    if request.run is None:
        return request
    snapshots = recorded_runs.inspected_snapshots(catalog, request.run.identity, request.arguments)
    return replace(request, inspected=tuple(snapshots))


def _answer_of(catalog: Catalog, job: records.Job) -> AnswerRequest:
    """What is missing of a question's answer."""
    question = catalog.question(job.question_key or "")
    if question is None:
        raise UnknownEntry("question", job.question_key or "")
    kind = _answerable_kind(question)
    problem = catalog.problem(question.problem_id)
    settings = settings_from_json(kind.settings, question.settings)
    hashes = _file_hashes(catalog, question, settings.needs)
    splits = ProblemFacts.of(problem.facts).splits
    return AnswerRequest(
        key=question.key,
        kind=question.kind,
        settings=question.settings,
        problem=Path(problem.path),
        arguments=problem.arguments,
        source_hash=problem.source_hash,
        fingerprint=splits[question.split].fingerprint,
        further_fingerprints={
            name: splits[name].fingerprint for name in settings.further_splits if name in splits
        },
        points=question.point_ids,
        files=tuple(catalog.file_path(hash).resolve() for hash in hashes),
        done=tuple(catalog.done_units(question.key, kind.table).tolist()),
        choices=_choices(catalog, question),
        states=_state_files(catalog, question.key),
        losses=tuple(_measured_losses(catalog, question)),
    )


def _answerable_kind(question: records.Question) -> Kind:
    """The kind of a question that this version answers.

    Raises:
        ValueError: another version asked it.
    """
    if why := unreadable(question.kind, question.settings):
        raise ValueError(f"{question.title} is {why}; go on with the program that asked it")
    kind = kind_named(question.kind)
    if question.version != kind.version_of(settings_from_json(kind.settings, question.settings)):
        raise ValueError(
            f"{question.title} was asked of another version of this program; compute it anew"
        )
    return kind


def _state_files(catalog: Catalog, key: str) -> dict[str, tuple[Path, ...]]:
    """What units half done go on from: unit -> files of its parts, up to one that is lost."""
    files: dict[str, tuple[Path, ...]] = {}
    for unit, parts in catalog.answer_states(key).items():
        paths: list[Path] = []
        with contextlib.suppress(UnknownEntry):
            for part in parts:
                paths.append(catalog.file_path(part.file_hash).resolve())
        files[str(unit)] = tuple(paths)
    return files


def _measured_losses(catalog: Catalog, question: records.Question) -> list[float | None]:
    """The loss of each of its points on its split as the import measured it; None where unknown."""
    losses: dict[str, float] = {}
    for model in question.model_ids:
        for point, splits in catalog.measurements_by_point(model).items():
            values = splits.get(question.split, {})
            losses |= {point: values["loss"]} if "loss" in values else {}
    return [losses.get(point) for point in question.point_ids]


def _file_hashes(catalog: Catalog, question: records.Question, needs: Needs) -> list[str]:
    """Hash of the file of each of its points; of those with an optimiser's state where it counts.

    The same weights may have been imported elsewhere without it.
    """
    own: dict[str, str | None] = {}
    if needs.optimiser_states:
        points = (point for id in question.model_ids for point in catalog.points(id))
        own = {point.point_id: point.file_hash for point in points if point.optimiser_state}
    return [own.get(id) or catalog.point(id).file_hash or "" for id in question.point_ids]


def _choices(catalog: Catalog, question: records.Question) -> dict[str, EarlierChoice]:
    """How the objective is evaluated, by device: as this answer began, or else as noted last.

    Another choice could change the last bits, and an answer is to be of one piece.
    """
    stored = catalog.choices(question.objective) if question.objective else {}
    choices = {device: _earlier_choice(noted) for device, noted in stored.items()}
    facts = AnswerFacts.of(question.facts)
    if facts.choice:
        begun = EarlierChoice(choice=facts.choice, timing=facts.timing, begun=True)
        choices[facts.device] = begun
    return choices


def _earlier_choice(noted: records.Json) -> EarlierChoice:
    """A choice as it was noted; what this version does not know of it is left out."""
    return from_json(EarlierChoice, noted, ignore_unknown=True)


def is_stopping(catalog: Catalog, job_id: str) -> bool:
    """Whether somebody has asked to stop a job that has not ended yet."""
    folder = Spool(catalog.jobs_folder).job(job_id)
    return folder is not None and folder.is_cancelled


def cancel(catalog: Catalog, job_id: str) -> None:
    """Stop a job after the piece in hand; what it has answered stays."""
    folder = Spool(catalog.jobs_folder).job(job_id)
    if folder is not None:
        with contextlib.suppress(FileNotFoundError):  # it ended this very moment
            folder.cancel()
    elif catalog.job(job_id).is_active:
        catalog.update_job(job_id, status="cancelled")
