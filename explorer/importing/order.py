"""Ordering an import: the job that inspects and stores checkpoints of one model."""

import uuid
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from explorer.ask import requests
from explorer.ask.question import sha256
from explorer.wording import MESSAGE_LENGTH, is_utf8, printable
from store import Catalog


def order_import(
    catalog: Catalog,
    problem: Path,
    arguments: Mapping[str, Any],
    checkpoints: Sequence[Mapping[str, Any]],
    name: str,
    facts: Mapping[str, Any] | None = None,
    then: Sequence[Mapping[str, Any]] = (),
    priority: int = requests.FOREGROUND_PRIORITY,
    run: Mapping[str, Any] | None = None,
) -> str:
    """The job that inspects and stores checkpoints of one model; the last is its final point.

    Args:
        catalog: where the model goes.
        problem: the problem file. It is code: the worker runs it once the user has agreed to.
        arguments: of its function `problem`.
        checkpoints: `{"file": path, "step": number or None, "part": key within the file,
            "optimizer": file of its optimiser's state}` each, in order; all but the first may be
            left out.
        name: of the model, as people see it.
        facts: what is known of the model beside what the worker finds: optimiser, seed, recipe.
        then: `{"kind": name, "settings": {...}}` each, asked about the model once it is there.
        priority: lower is more urgent.
        run: the recorded run that the checkpoints are of, as `runs.request_of` says it; the model
            stays the same while the run grows, and known snapshots are not inspected again.

    Raises:
        ValueError: the arguments are no JSON values, as NaN and infinity; or a name or path is no
            UTF-8, which no database keeps.
    """
    for words in (name, str(problem), *(str(c["file"]) for c in checkpoints)):
        if not is_utf8(words):
            raise ValueError(
                f"{printable(words, MESSAGE_LENGTH)} is no UTF-8, so that the catalog cannot keep "
                "it; rename the file, or give the model another name"
            )
    try:
        sha256(dict(arguments))
    except (ValueError, TypeError) as error:
        raise ValueError(
            f"arguments must be JSON values, without NaN or infinity, got {dict(arguments)}"
        ) from error
    request = {
        "task": "import",
        "problem": str(problem.resolve()),
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
    requests.offer(catalog, job)
    return job.id
