"""What a worker found out beside the values: models with their points, directions, choices."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from explorer.jobs import desk
from explorer.jobs.question import ProblemIdentity, sha256
from explorer.kinds import kind_named, settings_from_json
from store import Catalog, records


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
    final = result["points"][-1]
    model_id = sha256({"problem": identity.id, "point": final["point"]})
    points, measurements = [], []
    for point in result["points"]:
        points.append(_stored_point(catalog, model_id, point, folder))
        measurements += _measurements(point, identity.id, result["problem"]["splits"])
    parameters = sum(_size(t) for t in result["tensors"] if t["role"] == "parameter")
    facts = {"parameters": parameters, "tensors": result["tensors"], **request["facts"]}
    model = records.Model(
        id=model_id,
        name=request["name"],
        problem_id=identity.id,
        point_id=final["point"],
        facts=facts,
    )
    catalog.add_import(problem, [model], points, measurements)
    for wish in request["then"]:
        kind = kind_named(wish["kind"])
        settings = settings_from_json(kind.settings, wish["settings"])
        desk.ask(catalog, kind, model, settings, priority=wish.get("priority", desk.BACKGROUND))


def _stored_point(
    catalog: Catalog, model_id: str, point: Mapping[str, Any], folder: Path
) -> records.Point:
    """The point, its tensors now a file of the catalog."""
    file = catalog.put_file(folder / f"{point['point']}.safetensors", ".safetensors")
    return records.Point(
        model_id=model_id,
        point_id=point["point"],
        label=point["label"],
        step=point["step"],
        file_hash=file,
        facts={"seconds": point["seconds"], "not_finite": point["not_finite"]},
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


def _size(tensor: Mapping[str, Any]) -> int:
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
    asked = catalog.question(key) if "choice" in facts else None
    if asked is not None and asked.objective is not None:
        noted = {"choice": facts["choice"], "timing": facts.get("timing", {})}
        catalog.note_choice(asked.objective, facts["device"], noted)
