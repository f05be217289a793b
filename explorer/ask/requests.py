"""Jobs on their way to a worker: what it needs to know, offered in the spool, stopped."""

import contextlib
from typing import Any

from explorer import recorded_runs
from explorer.jobs.spool import Spool
from explorer.kinds import kind_named, unreadable
from store import Catalog, UnknownEntry, records

ASKED = 20  # priority of what somebody is waiting for; lower is more urgent
BACKGROUND = 50


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
        known = recorded_runs.known(catalog, run["identity"], arguments) if run else []
        return {**job.request, "known": known}
    asked = catalog.question(job.question_key or "")
    if asked is None:
        raise UnknownEntry("question", job.question_key or "")
    if why := unreadable(asked.kind, asked.settings):
        raise ValueError(f"{asked.title} is {why}; go on with the program that asked it")
    problem = catalog.problem(asked.problem_id)
    kind = kind_named(asked.kind)
    if asked.version != kind.version:
        raise ValueError(
            f"{asked.title} was asked of another version of this program; compute it anew"
        )
    files = _files(catalog, asked)
    return {
        "task": "answer",
        "key": asked.key,
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
        "measured": _measured(catalog, asked),
    }


def _measured(catalog: Catalog, asked: records.Question) -> list[float | None]:
    """The loss of each of its points on its split as the import measured it; None where unknown."""
    known: dict[str, float] = {}
    for model in asked.model_ids:
        for point, splits in catalog.measured(model).items():
            values = splits.get(asked.settings["split"], {})
            known |= {point: values["loss"]} if "loss" in values else {}
    return [known.get(point) for point in asked.point_ids]


def _files(catalog: Catalog, asked: records.Question) -> list[str]:
    """Hash of the file of each of its points; of those with an optimiser's state where it counts.

    The same weights may have been imported elsewhere without it.
    """
    own: dict[str, str | None] = {}
    if asked.settings.get("moments"):
        held = (point for id in asked.model_ids for point in catalog.points(id))
        own = {point.point_id: point.file_hash for point in held if point.facts.get("moments")}
    return [own.get(id) or catalog.point(id).file_hash or "" for id in asked.point_ids]


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
