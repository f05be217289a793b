"""Commands that compute nothing: what a question would take, what there is, following, merging."""

import argparse
import json
import math
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from explorer.jobs import desk, following, runs
from explorer.jobs.estimate import estimate
from explorer.jobs.sources import Sources
from explorer.jobs.supervisor import Supervisor
from explorer.kinds import Kind, kind_named
from explorer.printable import message
from store import Catalog, records

ALL = 1_000_000  # questions that one listing holds
POLL_SECONDS = 0.5


def foretell(
    catalog: Catalog, kind: Kind, settings: Any, asks: Sequence[Sequence[desk.Subject]]
) -> None:
    """Print what each question has and how long the rest will take; ask nothing.

    Points that it would take over from other questions are counted as missing.

    Args:
        catalog: it is only read.
        kind: of the questions.
        settings: of all of them.
        asks: the subjects of each.
    """
    warm = False
    for (model, point), *others in asks:
        asked = desk.question(catalog, kind, model, settings, point, others)
        stored = catalog.question(asked.key)
        done = stored.units_done if stored else 0
        units = asked.settings.units
        rest = "complete, 0 s"
        if done < units:
            told = estimate(catalog, asked, model, warm)
            seconds = told.start + told.setup + (units - done) * told.per_unit
            rest = f"about {seconds:.1f} s" if math.isfinite(seconds) else "never timed here"
            warm = True  # one worker answers all
        title = desk.title(catalog, asked, desk.models_of(kind, [(model, point), *others]))
        print(f"{asked.key[:12]} {message(title)}: {done:,} of {units:,} {kind.unit}, {rest}")


def follow(
    catalog: Catalog, found: Sources, problem: Path, arguments: Mapping[str, Any], name: str
) -> int:
    """Import what a recorded run has and brings, until it has ended; Ctrl-C leaves it alone.

    Raises:
        ValueError: the sources are no recorded run, or it can be followed no longer.
    """
    if found.recording is None:
        raise ValueError("only a recorded run can be followed; name the Recorder's folder")
    folder, identity = found.recording.folder.resolve(), runs.identity(found.recording)
    digest = following.digest(problem)
    following.follow(catalog, folder, problem, digest, arguments, name)
    supervisor, told = Supervisor(catalog, "auto"), -1
    supervisor.start()
    try:
        while True:
            entry = following.followed(catalog).get(str(folder))
            count = max((m.points for m in runs.models_of(catalog, identity)), default=0)
            if count != told:
                print(f"{message(folder)}: {count:,} snapshots", flush=True)
                told = count
            if entry is None:
                return 0
            if entry["stopped"]:
                raise ValueError(f"{folder} is followed no longer: {entry['stopped']}")
            time.sleep(POLL_SECONDS)
    except KeyboardInterrupt:
        following.unfollow(catalog, folder)
        print(f"\nfollowed no longer; {told:,} snapshots are stored", file=sys.stderr)
        return 130
    finally:
        supervisor.stop()


def listing(catalog: Catalog, given: argparse.Namespace) -> int:
    """Models with their losses, then analyses with their keys and how far they are."""
    models = catalog.models()
    found, _ = catalog.questions(limit=ALL)
    if given.json:
        content = {"models": [_model(m) for m in models], "analyses": [_analysis(q) for q in found]}
        print(json.dumps(_finite(content), allow_nan=False, indent=1))
        return 0
    for model in models:
        measured = ", ".join(
            f"{message(split)} {message(name)} {value:.4g}"
            for split, values in model.measurements.items()
            for name, value in values.items()
        )
        size = f"{model.facts.get('parameters', 0):,} parameters"
        print(f"model {message(model.name)}: {size}, {measured}")
    for asked in found:
        complete = ", complete" if asked.status == "complete" else ""
        unit = kind_named(asked.kind).unit
        done = f"{asked.units_done:,} of {asked.units:,} {unit}{complete}"
        print(f"{asked.key[:12]} {message(asked.title)}: {done}")
    return 0


def merge(catalog: Catalog, given: argparse.Namespace) -> int:
    """Bring another catalog's models and answers into this one."""
    new = catalog.merge(given.other)
    print(
        f"brought {new.models:,} models, {new.points:,} checkpoints, {new.questions:,} analyses, "
        f"{new.units:,} points of analyses, {new.files:,} files"
    )
    return 0


def _model(model: records.Model) -> dict[str, Any]:
    return {
        "id": model.id,
        "name": model.name,
        "parameters": model.facts.get("parameters"),
        "points": model.points,
        "measurements": model.measurements,
        "created": str(model.created),
    }


def _analysis(asked: records.Question) -> dict[str, Any]:
    return {
        "key": asked.key,
        "kind": asked.kind,
        "title": asked.title,
        "models": asked.model_names,
        "status": asked.status,
        "units_done": asked.units_done,
        "units": asked.units,
        "seconds": asked.seconds,
        "settings": asked.settings,
        "created": str(asked.created),
    }


def _finite(value: Any) -> Any:
    """JSON values; NaN and the infinities, which JSON lacks, as the words NaN, inf and -inf."""
    if isinstance(value, dict):
        return {name: _finite(entry) for name, entry in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(entry) for entry in value]
    if isinstance(value, float) and not math.isfinite(value):
        return "NaN" if math.isnan(value) else str(value)
    return value
