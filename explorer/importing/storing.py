"""What a worker found out beside the values: models with their points, directions, choices."""

import contextlib
import math
from dataclasses import replace
from pathlib import Path

from explorer import recorded_runs
from explorer.ask import questions, requests
from explorer.ask.question import ProblemIdentity, sha256
from explorer.codec import Json, JsonValue, to_json
from explorer.contracts.checkpoint import RunIdentity
from explorer.contracts.facts import ModelFacts, PointFacts, ProblemFacts
from explorer.contracts.inspection import ImportResult, InspectedPoint
from explorer.contracts.request import ImportRequest, stored_import
from explorer.importing.unused_direction import unused_warnings
from explorer.kinds import kind_named, settings_from_json
from explorer.kinds.facts import AnswerFacts
from store import CONTENT_HASH, Catalog, UnknownEntry, records


def store_import(catalog: Catalog, job: records.Job, result: ImportResult, folder: Path) -> None:
    """Store the problem, the model, its points and what was measured; then ask what is to follow.

    What is stored is one transaction.
    """
    request = stored_import(job.request)
    identity = ProblemIdentity.of(result.source_hash, request.arguments, result.problem)
    problem = records.Problem(
        id=identity.id,
        name=request.problem.stem,
        path=str(request.problem),
        source_hash=result.source_hash,
        arguments=request.arguments,
        facts=to_json(result.problem),
    )
    model_id = _model_id(catalog, identity.id, request, result)
    points, measurements = [], []
    for point in result.points:
        points.append(_stored_point(catalog, model_id, point, folder))
        measurements += _measurements(point, identity.id, result.problem)
    facts = replace(_model_facts(catalog, model_id, request, result), import_job=job.id)
    model = records.Model(
        id=model_id,
        name=_model_name(catalog, model_id, request),
        problem_id=identity.id,
        point_id=result.final_point,
        facts=to_json(facts),
    )
    catalog.add_import(problem, [model], points, measurements)
    for following in request.then:
        kind = kind_named(following.kind)
        settings = settings_from_json(kind.settings, following.settings)
        priority = following.priority
        if priority is None:
            priority = requests.BACKGROUND_PRIORITY
        questions.ask(catalog, kind, model, settings, priority=priority)


def _model_id(
    catalog: Catalog, problem_id: str, request: ImportRequest, result: ImportResult
) -> str:
    """The id of an import's model; of a run one for each part of its files.

    Earlier versions gave a run's model one id whatever its part, which it keeps.
    """
    if request.direction:
        return sha256({"problem": problem_id, "direction": result.final_point})
    if request.run is None:
        return sha256({"problem": problem_id, "point": result.final_point})
    partless_id = run_model_id(problem_id, request.run.identity)
    usual_part = ""
    with contextlib.suppress(UnknownEntry):
        usual_part = ModelFacts.of(catalog.model(partless_id).facts).part
    if request.part == usual_part:
        return partless_id
    return run_model_id(problem_id, request.run.identity, request.part)


def run_model_id(problem_id: str, identity: RunIdentity, part: str | None = None) -> str:
    """The id of a run's model, after the run's fields, those that are None too; and its part."""
    run: dict[str, JsonValue] = {
        "started": identity.started,
        "machine": identity.machine,
        "seed": identity.seed,
    }
    return sha256({"problem": problem_id, "run": run} | ({} if part is None else {"part": part}))


def _model_name(catalog: Catalog, model_id: str, request: ImportRequest) -> str:
    """The name of an import's model; one that is there keeps its own, by which it is known."""
    models = catalog.models(directions=request.direction)
    return next((m.name for m in models if m.id == model_id), request.name)


def kept_name(job: records.Job, model: records.Model) -> str:
    """That the model of an import has another name than was asked for, in a sentence; else ""."""
    wanted = stored_import(job.request).name
    if wanted == model.name:
        return ""
    return (
        f"these weights are stored already as {model.name!r}, and keep that name, not {wanted!r}; "
        "rename the model to call it otherwise"
    )


def imported_model(catalog: Catalog, job: records.Job) -> records.Model | None:
    """The model that an import stored: that of its run, or one that no later import has renewed."""
    request = stored_import(job.request)
    models = catalog.models(directions=request.direction)
    own = (m for m in models if ModelFacts.of(m.facts).import_job == job.id)
    if (model := next(own, None)) is not None or request.run is None:
        return model
    for model in recorded_runs.models_of_run(catalog, request.run.identity, request.part):
        problem = catalog.problem(model.problem_id)
        if (problem.path, problem.arguments) == (str(request.problem), request.arguments):
            return model
    return None


def warnings(catalog: Catalog, model: records.Model) -> list[str]:
    """What is unusual about a model's weights and losses, a sentence each."""
    sentences = []
    counts = [(p.label, PointFacts.of(p.facts).not_finite) for p in catalog.points(model.id)]
    bad = [(label, count) for label, count in counts if count]
    if bad:
        names = ", ".join(f"{label} ({count:,})" for label, count in bad[:3])
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
    sentences += unused_warnings(catalog, model)
    facts = ModelFacts.of(model.facts)
    if facts.no_gradient:
        sentences.append(f"{catalog.problem(model.problem_id).path}: {facts.no_gradient}")
    sentences += facts.advice
    sentences += facts.remarks[:1]
    if more_remarks := facts.remarks[1:]:
        sentences.append(f"and {len(more_remarks):,} more such files")
    types = {tensor.dtype: tensor.name for tensor in reversed(facts.tensors)}
    sentences += [
        f"{types[half]} and others are {half}: they are kept so and converted to the precision "
        "of each analysis"
        for half in ("float16", "bfloat16")
        if half in types
    ]
    return sentences


def _model_facts(
    catalog: Catalog, model_id: str, request: ImportRequest, result: ImportResult
) -> ModelFacts:
    """What is known of the model: of a run that has grown also what was known before."""
    facts = ModelFacts()
    if request.run:
        with contextlib.suppress(UnknownEntry):
            facts = ModelFacts.of(catalog.model(model_id).facts)
        facts = replace(facts, run=recorded_runs.facts_now(request.run, facts.run))
    if result.tensors:  # none where all snapshots were known
        facts = replace(
            facts,
            parameters=sum(t.size for t in result.tensors if t.role == "parameter"),
            tensor_rows=tuple(map(to_json, result.tensors)),
            no_gradient=result.no_gradient,
            advice=result.advice,
            remarks=result.remarks,
        )
    direction = {"direction": True} if request.direction else {}
    return ModelFacts.of({**to_json(facts), **request.facts, **direction})


def _stored_point(
    catalog: Catalog, model_id: str, point: InspectedPoint, folder: Path
) -> records.Point:
    """The point, its tensors now a file of the catalog.

    Raises:
        ValueError: it names no file that lies in the job's folder.
    """
    left_file = folder / f"{point.point_id}.safetensors"
    if (
        not CONTENT_HASH.fullmatch(point.point_id)
        or left_file.is_symlink()
        or not left_file.is_file()
    ):
        raise ValueError(f"the import names a point that it has not left in {folder}; import anew")
    file = catalog.put_file(left_file, ".safetensors")
    return records.Point(
        model_id=model_id,
        point_id=point.point_id,
        label=point.label,
        step=point.step,
        file_hash=file,
        facts=to_json(
            PointFacts(
                seconds=point.seconds,
                not_finite=point.not_finite,
                changed=point.changed,
                moments=point.moments,
            )
        ),
    )


def _measurements(
    point: InspectedPoint, problem_id: str, problem: ProblemFacts
) -> list[records.Measurement]:
    return [
        records.Measurement(
            point_id=point.point_id,
            problem_id=problem_id,
            split=split,
            name=name,
            value=value,
            count=problem.splits[split].count,
        )
        for split, values in point.losses.items()
        for name, value in values.items()
    ]


def directions_of(facts: Json) -> list[records.Direction]:
    """Each direction that an answer was computed along, with its recipe.

    Raises:
        ValueError: facts that are none.
    """
    return [
        records.Direction(
            id=sha256(direction.recipe), axis=axis, recipe=direction.recipe, facts=direction.others
        )
        for axis, direction in enumerate(AnswerFacts.of(facts).directions)
    ]


def note_choice(catalog: Catalog, key: str, facts: Json) -> None:
    """Remember how the worker evaluated the objective, for other questions about it."""
    question = catalog.question(key) if "choice" in facts else None
    if question is not None and question.objective is not None:
        noted = {"choice": facts["choice"], "timing": facts.get("timing", {})}
        catalog.note_choice(question.objective, AnswerFacts.of(facts).device, noted)
