"""Recorded runs as the catalog knows them: which run it is, its facts, its known snapshots."""

import math
from collections.abc import Mapping
from pathlib import Path

from explorer import trainer_folder
from explorer.codec import Json, JsonValue, from_json
from explorer.contracts.checkpoint import (
    InspectedFile,
    InspectedSnapshots,
    RunFolder,
    RunIdentity,
)
from explorer.contracts.facts import ModelFacts, PointFacts, ProblemFacts, RunFacts
from explorer.recording import HEAD, LOG, Recording, RecordingError, read_recording
from store import Catalog, records

Curve = list[tuple[int, float]]  # (step, value), by step
CURVE_POINTS = 500  # kept per curve; the whole ones stay in the log


def is_run(folder: Path) -> bool:
    """Whether a folder holds a run: a Recorder's, or the snapshots of a Trainer."""
    return (folder / HEAD).is_file() or bool(trainer_folder.checkpoints(folder))


def recording_of(folder: Path) -> Recording:
    """The run in a folder.

    Raises:
        RecordingError: it holds none that can be read.
    """
    if (folder / HEAD).exists() or not trainer_folder.checkpoints(folder):
        return read_recording(folder)
    return trainer_folder.read_trainer_folder(folder)


def watched_files(folder: Path) -> list[Path]:
    """The files that change when the run in a folder grows."""
    states = [path / trainer_folder.STATE for path in trainer_folder.checkpoints(folder).values()]
    return [folder / HEAD, folder / LOG, *states[-1:]]


def identity(recording: Recording) -> RunIdentity:
    """What tells this run from all others, wherever its folder lies, and stays while it grows."""
    started, machine, seed = map(
        plain_json, map(recording.head.get, ("started", "machine", "seed"))
    )
    return RunIdentity(started=started, machine=machine, seed=seed)


def run_folder_of(recording: Recording) -> RunFolder:
    """What an import's request says of the run that its checkpoints are of."""
    return RunFolder(folder=recording.folder.resolve(), identity=identity(recording))


def run_facts(recording: Recording) -> RunFacts:
    """The head, whether the run has ended, and its curves, as JSON values.

    NaN and infinity are "NaN", "Infinity" and "-Infinity", which `float` reads. Of a curve longer
    than CURVE_POINTS the first, the last and evenly chosen points between are kept.

    Raises:
        RecordingError: its head says what no Recorder writes.
    """
    curves = {name: _thin_curve(curve) for name, curve in recording.curves.items()}
    own: dict[str, object] = {
        "folder": str(recording.folder.resolve()),
        "ended": recording.ended,
        "curves": curves,
    }
    if trained_by := next((s.trained_by for s in recording.snapshots[::-1] if s.trained_by), None):
        own["trained_by"] = trained_by  # the optimiser's class and numbers
    try:
        return from_json(RunFacts, plain_json({**recording.head, **own}))
    except (ValueError, TypeError) as error:
        raise RecordingError(f"{recording.folder / HEAD}: {error}; copy it again") from error


def _thin_curve(curve: tuple[tuple[int, float], ...]) -> list[tuple[int, float]]:
    if len(curve) <= CURVE_POINTS:
        return list(curve)
    last = len(curve) - 1
    return [curve[round(n * last / (CURVE_POINTS - 1))] for n in range(CURVE_POINTS)]


def plain_json(value: object) -> JsonValue:
    """The value with what JSON lacks as text."""
    if isinstance(value, Mapping):
        return {str(name): plain_json(inner) for name, inner in value.items()}
    if isinstance(value, list | tuple):
        return [plain_json(inner) for inner in value]
    if isinstance(value, float) and not math.isfinite(value):
        return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"
    if value is None or isinstance(value, bool | int | float | str):
        return value
    raise TypeError(f"{value!r} is no JSON value")


def facts_now(run: RunFolder, earlier: RunFacts | None) -> RunFacts:
    """The facts of the run of a request as its folder holds them now, else the earlier ones."""
    try:
        recording = recording_of(run.folder)
        if identity(recording) == run.identity:
            return run_facts(recording)
    except (RecordingError, OSError):
        pass  # it was moved, or is being copied
    same = run.identity
    return earlier or RunFacts(
        folder=str(run.folder), started=same.started, machine=same.machine, seed=same.seed
    )


def training_curves(catalog: Catalog, model: records.Model) -> dict[str, dict[str, Curve]]:
    """What is known of a training run over its steps: value -> "logged" or a split -> its curve.

    What the script logged comes from the recording, what was measured from the import of each
    snapshot that has a step.
    """
    curves_by_name: dict[str, dict[str, Curve]] = {}
    run = ModelFacts.of(model.facts).run
    for name, curve in (run.logged if run else {}).items():
        curves_by_name.setdefault(name, {})["logged"] = curve
    values = catalog.measurements_by_point(model.id)
    for point in catalog.points(model.id):
        if point.step is None:
            continue
        for split, measured in values.get(point.point_id, {}).items():
            for name, value in measured.items():
                lines = curves_by_name.setdefault(name, {})
                lines.setdefault(split, []).append((point.step, value))
    return curves_by_name


def models_of_run(
    catalog: Catalog,
    identity: RunIdentity,
    part: str | None = None,
    include_deleted: bool = False,
) -> list[records.Model]:
    """The models imported from the run, one for each problem, arguments and part, newest first.

    Args:
        catalog: where they are.
        identity: of the run.
        part: only those of these weights in its files; "" for the usual ones.
        include_deleted: whether also those in the trash.
    """
    models = catalog.models(include_deleted=include_deleted)
    all_facts = ((model, ModelFacts.of(model.facts)) for model in models)
    return [
        model
        for model, facts in all_facts
        if (run := facts.run) is not None
        and RunIdentity(started=run.started, machine=run.machine, seed=run.seed) == identity
        and part in (None, facts.part)
    ]


def inspected_snapshots(
    catalog: Catalog, identity: RunIdentity, arguments: Json
) -> list[InspectedSnapshots]:
    """What needs no second inspection: for each problem and part the snapshots by file name.

    Only the worker can say which of the problems is still the one in the file.
    """
    entries = []
    for model in models_of_run(catalog, identity):
        problem = catalog.problem(model.problem_id)
        if problem.arguments == arguments:
            entries.append(
                InspectedSnapshots(
                    source_hash=problem.source_hash,
                    problem=ProblemFacts.of(problem.facts),
                    part=ModelFacts.of(model.facts).part,
                    files={
                        point.label: _inspected_file(point)
                        for point in catalog.points(model.id)  # of one label the later comes last
                    },
                )
            )
    return entries


def _inspected_file(point: records.Point) -> InspectedFile:
    """What the import of a snapshot saw of its file."""
    facts = PointFacts.of(point.facts)
    return InspectedFile(
        changed=facts.changed, point_id=point.point_id, state_seen=facts.moments is not None
    )
