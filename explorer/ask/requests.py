"""Jobs on their way to a worker: what it needs to know, offered in the spool, stopped."""

import contextlib
from typing import Any

from explorer import recorded_runs
from explorer.jobs.spool import Spool
from explorer.kinds import kind_named, settings_from_json, unreadable
from explorer.kinds.settings import Needs
from store import Catalog, UnknownEntry, records

FOREGROUND_PRIORITY = 20  # priority of what somebody is waiting for; lower is more urgent
BACKGROUND_PRIORITY = 50


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
    Spool(catalog.jobs_folder).new(job.id, job.priority, job.created).offer_once(request)


def request_of(catalog: Catalog, job: records.Job) -> dict[str, Any]:
    """What a worker needs to know to do a job."""
    if job.task == "import":
        run, arguments = job.request.get("run"), job.request["arguments"]
        inspected_snapshots = (
            recorded_runs.inspected_snapshots(catalog, run["identity"], arguments) if run else []
        )
        return {**job.request, "known": inspected_snapshots}
    question = catalog.question(job.question_key or "")
    if question is None:
        raise UnknownEntry("question", job.question_key or "")
    if why := unreadable(question.kind, question.settings):
        raise ValueError(f"{question.title} is {why}; go on with the program that asked it")
    problem = catalog.problem(question.problem_id)
    kind = kind_named(question.kind)
    if question.version != kind.version:
        raise ValueError(
            f"{question.title} was asked of another version of this program; compute it anew"
        )
    needs = settings_from_json(kind.settings, question.settings).needs
    files = _file_hashes(catalog, question, needs)
    return {
        "task": "answer",
        "key": question.key,
        "kind": question.kind,
        "settings": dict(question.settings),
        "problem": problem.path,
        "arguments": dict(problem.arguments),
        "source_hash": problem.source_hash,
        "data": problem.facts["splits"][question.settings["split"]]["fingerprint"],
        "points": list(question.point_ids),
        "files": [str(catalog.file_path(file).resolve()) for file in files],
        "done": catalog.done_units(question.key, kind.table).tolist(),
        "choices": _choices(catalog, question),
        "measured": _measured_losses(catalog, question),
    }


def _measured_losses(catalog: Catalog, question: records.Question) -> list[float | None]:
    """The loss of each of its points on its split as the import measured it; None where unknown."""
    losses: dict[str, float] = {}
    for model in question.model_ids:
        for point, splits in catalog.measurements_by_point(model).items():
            values = splits.get(question.settings["split"], {})
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


def _choices(catalog: Catalog, question: records.Question) -> dict[str, Any]:
    """How the objective is evaluated, by device: as this answer began, or else as noted last.

    Another choice could change the last bits, and an answer is to be of one piece.
    """
    choices = dict(catalog.choices(question.objective)) if question.objective else {}
    if "choice" in question.facts:
        timing = question.facts.get("timing", {})
        choices[question.facts["device"]] = {
            "choice": question.facts["choice"],
            "timing": timing,
            "begun": True,
        }
    return choices


def cancel(catalog: Catalog, job_id: str) -> None:
    """Stop a job after the piece in hand; what it has answered stays."""
    folder = Spool(catalog.jobs_folder).job(job_id)
    if folder is not None:
        with contextlib.suppress(FileNotFoundError):  # it ended this very moment
            folder.cancel()
    elif catalog.job(job_id).status in ("queued", "running"):
        catalog.update_job(job_id, status="cancelled")
