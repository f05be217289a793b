"""What a worker found out beside the values: models with their points, directions, choices."""

import contextlib
import math
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from explorer import recorded_runs
from explorer.ask import questions, requests
from explorer.ask.question import ProblemIdentity, sha256
from explorer.kinds import kind_named, settings_from_json
from store import Catalog, UnknownEntry, records

_HASH = re.compile(r"[0-9a-f]{64}")


def store_import(
    catalog: Catalog, job: records.Job, result: Mapping[str, Any], folder: Path
) -> None:
    """Store the problem, the model, its points and what was measured; then ask what was wished.

    What is stored is one transaction.
    """
    request = job.request
    identity = ProblemIdentity.of(result["source_hash"], request["arguments"], result["problem"])
    path = Path(request["problem"])
    problem = records.Problem(
        id=identity.id,
        name=path.stem,
        path=str(path),
        source_hash=result["source_hash"],
        arguments=request["arguments"],
        facts=result["problem"],
    )
    run = request.get("run")
    what = {"run": run["identity"]} if run else {"point": result["final"]}
    model_id = sha256({"problem": identity.id, **what})
    points, measurements = [], []
    for point in result["points"]:
        points.append(_stored_point(catalog, model_id, point, folder))
        measurements += _measurements(point, identity.id, result["problem"]["splits"])
    model = records.Model(
        id=model_id,
        name=_model_name(catalog, model_id, request),
        problem_id=identity.id,
        point_id=result["final"],
        facts=_model_facts(catalog, model_id, request, result) | {"import": job.id},
    )
    catalog.add_import(problem, [model], points, measurements)
    for wish in request["then"]:
        kind = kind_named(wish["kind"])
        settings = settings_from_json(kind.settings, wish["settings"])
        questions.ask(
            catalog,
            kind,
            model,
            settings,
            priority=wish.get("priority", requests.BACKGROUND_PRIORITY),
        )


def _model_name(catalog: Catalog, model_id: str, request: Mapping[str, Any]) -> str:
    """The name of an import's model; a shipped sample takes none from a model that has one."""
    if request["facts"].get("sample"):
        return next((m.name for m in catalog.models() if m.id == model_id), request["name"])
    return str(request["name"])


def imported_model(catalog: Catalog, job: records.Job) -> records.Model | None:
    """The model that an import stored: that of its run, or one that no later import has renewed."""
    run = job.request.get("run")
    own = next((m for m in catalog.models() if m.facts.get("import") == job.id), None)
    if own is not None or not run:
        return own
    problem_arguments = (job.request["problem"], job.request["arguments"])
    for model in recorded_runs.models_of(catalog, run["identity"]):
        problem = catalog.problem(model.problem_id)
        if (problem.path, problem.arguments) == problem_arguments:
            return model
    return None


def warnings(catalog: Catalog, model: records.Model) -> list[str]:
    """What is unusual about a model's weights and losses, a sentence each."""
    sentences = []
    points = catalog.points(model.id)
    bad = [p for p in points if p.facts.get("not_finite")]
    if bad:
        names = ", ".join(f"{p.label} ({p.facts['not_finite']:,})" for p in bad[:3])
        more = f" and {len(bad) - 3:,} more" if len(bad) > 3 else ""
        sentences.append(
            f"NaN or infinite weights in {names}{more}: their losses are shown as they are; import "
            "an earlier checkpoint for finite ones"
        )
    elif odd := [s for s, m in model.measurements.items() if not math.isfinite(m.get("loss", 0.0))]:
        loss = model.measurements[odd[0]]["loss"]
        sentences.append(
            f"the loss of {model.name} is {loss} on {', '.join(odd)}, though its weights are "
            "finite: look for such values in the data, or a weight too large for float32"
        )
    if reason := model.facts.get("no_gradient"):
        sentences.append(f"{catalog.problem(model.problem_id).path}: {reason}")
    remarks = model.facts.get("remarks", [])
    sentences += [
        *remarks[:1],
        *([f"and {len(remarks) - 1:,} more such files"] if remarks[1:] else []),
    ]
    types = {t["dtype"]: t["name"] for t in reversed(model.facts["tensors"])}
    sentences += [
        f"{types[half]} and others are {half}: they are kept so and converted to the precision "
        "of each analysis"
        for half in ("float16", "bfloat16")
        if half in types
    ]
    return sentences


def _model_facts(
    catalog: Catalog,
    model_id: str,
    request: Mapping[str, Any],
    result: Mapping[str, Any],
) -> dict[str, Any]:
    """What is known of the model: of a run that has grown also what was known before."""
    run, facts = request.get("run"), {}
    if run:
        with contextlib.suppress(UnknownEntry):
            facts = dict(catalog.model(model_id).facts)
        facts["run"] = recorded_runs.facts_now(run, facts.get("run", {}))
    if tensors := result["tensors"]:  # none where all snapshots were known
        parameters = sum(_parameter_count(t) for t in tensors if t["role"] == "parameter")
        facts |= {"parameters": parameters, "tensors": list(tensors)}
        facts["no_gradient"] = result.get("no_gradient", "")
        facts["remarks"] = list(result.get("remarks", ()))
    return facts | request["facts"]


def _stored_point(
    catalog: Catalog, model_id: str, point: Mapping[str, Any], folder: Path
) -> records.Point:
    """The point, its tensors now a file of the catalog.

    Raises:
        ValueError: it names no file that lies in the job's folder.
    """
    left_file = folder / f"{point['point']}.safetensors"
    if (
        not _HASH.fullmatch(str(point["point"]))
        or left_file.is_symlink()
        or not left_file.is_file()
    ):
        raise ValueError(f"the import names a point that it has not left in {folder}; import anew")
    file = catalog.put_file(left_file, ".safetensors")
    return records.Point(
        model_id=model_id,
        point_id=point["point"],
        label=point["label"],
        step=point["step"],
        file_hash=file,
        facts={name: point[name] for name in ("seconds", "not_finite", "changed")}
        | {"moments": point.get("moments", "")},  # hash of Adam's preconditioner, in the same file
    )


def _measurements(
    point: Mapping[str, Any], problem_id: str, splits: Mapping[str, Any]
) -> list[records.Measurement]:
    return [
        records.Measurement(
            point_id=point["point"],
            problem_id=problem_id,
            split=split,
            name=name,
            value=value,
            count=splits[split]["count"],
        )
        for split, values in point["measured"].items()
        for name, value in values.items()
    ]


def _parameter_count(tensor: Mapping[str, Any]) -> int:
    size = 1
    for length in tensor["shape"]:
        size *= length
    return size


def store_directions(catalog: Catalog, key: str, facts: Mapping[str, Any]) -> None:
    """Store the recipe of each direction that an answer was computed along."""
    rows = [
        records.Direction(
            id=sha256(direction["recipe"]),
            axis=axis,
            recipe=direction["recipe"],
            facts={name: value for name, value in direction.items() if name != "recipe"},
        )
        for axis, direction in enumerate(facts.get("directions", []))
    ]
    if rows:
        catalog.add_directions(key, rows)


def note_choice(catalog: Catalog, key: str, facts: Mapping[str, Any]) -> None:
    """Remember how the worker evaluated the objective, for other questions about it."""
    question = catalog.question(key) if "choice" in facts else None
    if question is not None and question.objective is not None:
        choice = {"choice": facts["choice"], "timing": facts.get("timing", {})}
        catalog.note_choice(question.objective, facts["device"], choice)
