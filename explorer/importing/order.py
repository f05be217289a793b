"""Ordering an import: the job that inspects and stores checkpoints of one model."""

import uuid
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from explorer.ask import requests
from explorer.ask.question import sha256
from explorer.codec import Json, to_json
from explorer.contracts.checkpoint import Checkpoint, RunFolder
from explorer.contracts.request import ImportRequest, NextQuestion
from explorer.wording import MESSAGE_LENGTH, is_utf8, printable
from store import Catalog


def order_import(
    catalog: Catalog,
    problem: Path,
    arguments: Json,
    checkpoints: Sequence[Checkpoint],
    name: str,
    *,
    facts: Json | None = None,
    then: Sequence[NextQuestion] = (),
    priority: int = requests.FOREGROUND_PRIORITY,
    run: RunFolder | None = None,
    direction: bool = False,
) -> str:
    """The job that inspects and stores checkpoints of one model; the last is its final point.

    Args:
        catalog: where the model goes.
        problem: the problem file. It is code: the worker runs it once the user has agreed to.
        arguments: of its function `problem`.
        checkpoints: in order.
        name: of the model, as people see it.
        facts: what is known of the model beside what the worker finds: optimiser, seed, recipe.
        then: asked about the model once it is there.
        priority: lower is more urgent.
        run: the recorded run that the checkpoints are of; the model stays the same while the run
            grows, and known snapshots are not inspected again.
        direction: whether the file holds no weights but a direction.

    Raises:
        ValueError: the arguments are no JSON values, as NaN and infinity; or a name or path is no
            UTF-8, which no database keeps.
    """
    _check_words(name, problem, checkpoints)
    _check_arguments(arguments)
    request = ImportRequest(
        problem=problem.resolve(),
        arguments=dict(arguments),
        checkpoints=tuple(replace(c, file=c.file.resolve()) for c in checkpoints),
        name=name,
        facts=dict(facts or {}),
        then=tuple(then),
        run=run,
        direction=direction,
    )
    job = catalog.add_job(
        uuid.uuid4().hex[:12],
        "import",
        f"Import of {name}",
        to_json(request),
        priority=priority,
        units=len(checkpoints),
    )
    requests.offer(catalog, job)
    return job.id


def _check_words(name: str, problem: Path, checkpoints: Sequence[Checkpoint]) -> None:
    """Refuse names and paths that no database keeps.

    Raises:
        ValueError: one is no UTF-8.
    """
    for words in (name, str(problem), *(str(c.file) for c in checkpoints)):
        if not is_utf8(words):
            raise ValueError(
                f"{printable(words, MESSAGE_LENGTH)} is no UTF-8, so that the catalog cannot keep "
                "it; rename the file, or give the model another name"
            )


def _check_arguments(arguments: Json) -> None:
    """Refuse what is no JSON, as NaN and infinity.

    Raises:
        ValueError: the arguments are not JSON values.
    """
    try:
        sha256(dict(arguments))
    except (ValueError, TypeError) as error:
        raise ValueError(
            f"arguments must be JSON values, without NaN or infinity, got {dict(arguments)}"
        ) from error
