"""Recorded runs, patterns and parts as imports: one model that grows with its run."""

import json
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

from explorer import recorded_runs
from explorer.analysis.model.stored_tensors import count_not_finite
from explorer.contracts.checkpoint import Checkpoint
from explorer.importing import sources, storing
from explorer.importing.order import order_import
from explorer.recorder import Recorder
from explorer.recording import LOG, read_recording
from store import Catalog, records
from tests.tiny import (
    agreed,
    checkpoint,
    command_line,
    end_workers,
    ended,
    point_of_weights,
    problem_file,
    record,
    record_two,
    supervised,
    tensors,
)
from tests.tiny_problem import problem


@pytest.fixture(scope="module")
def catalog(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Catalog]:
    with supervised(tmp_path_factory.mktemp("runs") / "catalog") as (catalog, _):
        yield catalog


def brought(catalog: Catalog, file: Path, *names: object, **given: str) -> records.Model:
    """The model that an import of these names makes."""
    job_id = sources.order(catalog, sources.resolve(map(str, names)), file, {}, **given)
    job = ended(catalog, job_id)
    assert job.status == "done", job.error
    model = storing.imported_model(catalog, job)
    assert model
    return model


def test_a_growing_run_stays_one_model(catalog: Catalog, tmp_path: Path) -> None:
    """More snapshots: same model, further points, a new final one; nothing is inspected twice."""
    file, folder = problem_file(tmp_path / "p"), tmp_path / "first"
    record(folder, 0, 9, 10)
    before = brought(catalog, file, folder)
    points = catalog.points(before.id)
    assert (before.name, [p.step for p in points]) == ("first", [0, 9, 10])
    assert before.point_id == points[-1].point_id
    assert before.facts["run"]["ended"] is False
    record(folder, 100, end=True)
    after = brought(catalog, file, folder.rename(tmp_path / "moved"))
    assert (after.id, after.name) == (before.id, "first")
    grown = catalog.points(after.id)
    assert [p.step for p in grown] == [0, 9, 10, 100]
    assert after.point_id == grown[-1].point_id != before.point_id
    assert grown[:3] == points  # with the seconds that measuring them took
    assert after.facts["tensors"] == before.facts["tensors"]
    assert after.facts["run"]["ended"] is True
    again = brought(catalog, file, tmp_path / "moved")  # nothing new at all
    assert (again.id, again.point_id) == (after.id, after.point_id)
    assert again.facts["parameters"] == before.facts["parameters"]
    assert catalog.points(again.id) == grown


def test_two_networks_of_a_run_are_two_models(catalog: Catalog, tmp_path: Path) -> None:
    """Imported by either part, in any order, each model has its own weights and no other's."""
    file, folder = problem_file(tmp_path / "p"), tmp_path / "run"
    record_two(folder, 1, 2)
    seeds = {"student": (1, 2), "ema": (1001, 1002)}
    models = {part: brought(catalog, file, folder, part=part) for part in ("student", "ema")}
    record_two(folder, 3)
    for part in ("ema", "student"):
        again = brought(catalog, file, folder, part=part)
        assert again.id == models[part].id and again.facts["part"] == part
        own = [point.point_id for point in catalog.points(again.id)]
        assert own == [point_of_weights(seed) for seed in (*seeds[part], seeds[part][0] + 2)]
        assert again.point_id == own[-1]


def test_a_model_of_a_part_keeps_the_id_of_an_earlier_version(
    catalog: Catalog, tmp_path: Path
) -> None:
    """Once a run's model had one id whatever its part: it grows on, and the other part is apart."""
    file, folder = problem_file(tmp_path / "p"), tmp_path / "run"
    record_two(folder, 1)
    job = catalog.job(sources.order(catalog, sources.resolve([str(folder)]), file, {}, part="ema"))
    assert ended(catalog, job.id).status == "done"
    imported = storing.imported_model(catalog, job)
    identity = recorded_runs.identity(read_recording(folder))
    old_id = storing.run_model_id(imported.problem_id, identity)
    assert imported.id != old_id

    def give_old_id(cursor: Any) -> None:
        cursor.execute("UPDATE models SET id = ? WHERE id = ?", [old_id, imported.id])
        cursor.execute("UPDATE points SET model_id = ? WHERE model_id = ?", [old_id, imported.id])
        cursor.execute("DELETE FROM seals WHERE what = 'model'")

    catalog._write(give_old_id)
    record_two(folder, 2)
    grown = brought(catalog, file, folder, part="ema")
    other = brought(catalog, file, folder, part="student")
    assert grown.id == old_id != other.id
    for model, first in ((grown, 1001), (other, 1)):
        own = [point.point_id for point in catalog.points(model.id)]
        assert own == [point_of_weights(first), point_of_weights(first + 1)]


def test_facts_of_the_run(catalog: Catalog, tmp_path: Path) -> None:
    """Hyper-parameters, seed and curves are the model's; NaN and infinity as text for `float`."""
    record(tmp_path / "run", 0, 10)
    run = brought(catalog, problem_file(tmp_path / "p"), tmp_path / "run").facts["run"]
    assert run["hyperparameters"] == {"lr": 0.1, "clip": "Infinity"} and run["seed"] == 3
    assert run["curves"] == {"loss": [[0, 0.0], [10, "NaN"]]}
    assert run["machine"] and "commit" in run
    assert recorded_runs.models_of_run(
        catalog, recorded_runs.identity(read_recording(tmp_path / "run"))
    )


def test_a_changed_problem_is_another_model(catalog: Catalog, tmp_path: Path) -> None:
    """After an edit of the problem file all snapshots are inspected anew, through the new one."""
    file, folder = problem_file(tmp_path / "p"), tmp_path / "run"
    record(folder, 1)
    first = brought(catalog, file, folder)
    file.write_text(file.read_text().replace("split(13, 2)", "split(14, 2)"))
    agreed(file)
    record(folder, 2)
    second = brought(catalog, file, folder)
    assert second.id != first.id
    assert [p.step for p in catalog.points(second.id)] == [1, 2]
    assert [p.step for p in catalog.points(first.id)] == [1]


def test_a_snapshot_recorded_again_is_inspected_again(catalog: Catalog, tmp_path: Path) -> None:
    """A run that went back to a step: the later weights of that step become the model's."""
    file, folder = problem_file(tmp_path / "p"), tmp_path / "run"
    record(folder, 1, 2)
    before = brought(catalog, file, folder)
    run = Recorder(folder)
    run.snapshot(problem().model, 2)
    after = brought(catalog, file, folder)
    assert after.id == before.id and after.point_id != before.point_id
    assert len(catalog.points(after.id)) == 3


def test_long_curves_are_thinned(tmp_path: Path) -> None:
    """Of a long curve the first and the last value stay, and no more than the bound."""
    run = Recorder(tmp_path)
    run.snapshot(torch.nn.Linear(1, 1), 0)
    line = '{"step": %d, "values": {"loss": %d}}\n'
    (tmp_path / LOG).write_text("".join(line % (n, n) for n in range(12_345)))
    curve = recorded_runs.run_facts(read_recording(tmp_path)).curves["loss"]
    assert len(curve) == recorded_runs.CURVE_POINTS
    assert (curve[0], curve[-1]) == ([0, 0.0], [12_344, 12_344.0])
    assert json.dumps(curve, allow_nan=False)


def test_patterns_in_natural_order(tmp_path: Path) -> None:
    """Numbers in names count as numbers; what is named again later comes later."""
    for name in ("step_9.pt", "step_10.pt", "step_100.pt", ".step_3.pt"):
        (tmp_path / name).touch()
    resolved_sources = sources.resolve([str(tmp_path / "*.pt"), str(tmp_path / "step_9.pt")])
    names = [c.file.name for c in resolved_sources.checkpoints]
    assert names == ["step_10.pt", "step_100.pt", "step_9.pt"] and not resolved_sources.errors
    assert (resolved_sources.name, resolved_sources.recording) == ("step_9", None)


@pytest.mark.parametrize(
    ("names", "words"),
    [
        (["none.pt"], "there is no file {}/none.pt; check the path"),
        (["ckpt/*.pt"], "nothing matches {}/ckpt/*.pt; check the pattern"),
        (["empty"], "{}/empty holds neither a recorded run (run.json) nor model.safetensors"),
        (["run", "a.pt"], "a recorded run is a model of its own; import {}/run by itself"),
        (["lost"], "the run in {}/lost lacks its file step_000000001.safetensors"),
    ],
)
def test_what_names_no_checkpoint(tmp_path: Path, names: list[str], words: str) -> None:
    """Each name that gives nothing is one sentence with the name and what to do."""
    (tmp_path / "empty").mkdir()
    (tmp_path / "a.pt").touch()
    record(tmp_path / "run", 1)
    record(tmp_path / "lost", 1)
    (tmp_path / "lost" / "step_000000001.safetensors").unlink()
    (said,) = sources.resolve([str(tmp_path / name) for name in names]).errors
    assert said.startswith(words.format(tmp_path))


def test_the_command_line(tmp_path: Path) -> None:
    """A recording, then a quoted pattern with `--part`; NaN weights come with a warning."""
    file, place = problem_file(tmp_path / "p"), tmp_path / "catalog"
    record(tmp_path / "run", 5)
    state = tensors(seed=1)
    for step, bad in ((9, 0.0), (10, math.nan)):
        averaged = {n: t + bad if n == "3.bias" else t for n, t in state.items()}
        torch.save({"model": tensors(), "ema": averaged}, tmp_path / f"step_{step}.pt")
    try:
        done = command_line("import", "--yes", file, tmp_path / "run", catalog=place)
        assert (done.returncode, done.stderr) == (0, "")
        pattern = ("import", "--yes", file, tmp_path / "*.pt", "--part")
        done = command_line(*pattern, "ema", "--name", "averaged", catalog=place)
        assert done.returncode == 0
        assert done.stderr.startswith("warning: NaN or infinite weights in step_10 (3): ")
        done = command_line(*pattern, "swa", catalog=place)
        assert "step_9.pt has no part 'swa'; it holds 'model', 'ema'" in done.stderr
    finally:
        end_workers(Catalog(place))
    models = {model.name: model for model in Catalog(place).models()}
    assert models.keys() == {"run", "averaged"}
    assert models["averaged"].facts["part"] == "ema"
    points = Catalog(place).points(models["averaged"].id)
    assert [p.label for p in points] == ["step_9", "step_10"]


@pytest.mark.parametrize("kind", ["float16", "bfloat16"])
def test_half_precision_is_said(catalog: Catalog, tmp_path: Path, kind: str) -> None:
    """Half weights are measured, kept as they are, and said to be converted."""
    state = {
        name: value.to(getattr(torch, kind)) if value.is_floating_point() else value
        for name, value in tensors(seed=2).items()
    }
    torch.save(state, tmp_path / "half.pt")
    model = brought(catalog, problem_file(tmp_path / "p"), tmp_path / "half.pt")
    assert math.isfinite(model.measurements["test"]["loss"])
    (said,) = storing.warnings(catalog, model)
    assert said.startswith(f"0.weight and others are {kind}: they are kept so and converted")


def test_only_the_file_that_was_agreed_to_is_run(tmp_path: Path) -> None:
    """A problem file that changes between the agreement and the worker's turn is not run."""
    file, folder = problem_file(tmp_path / "p"), tmp_path / "catalog"
    weights = checkpoint(tmp_path / "w.safetensors")
    job_id = order_import(Catalog(folder), file, {}, [Checkpoint(file=weights)], "changed")
    trace = tmp_path / "was-run"
    file.write_text(file.read_text() + f"\nopen({str(trace)!r}, 'w')\n")
    with supervised(folder) as (catalog, _):
        job = ended(catalog, job_id)
        assert job.status == "failed"
        assert job.error.startswith(f"{file} has changed since you agreed to run tiny_problem.py; ")
        assert catalog.models() == [] and not trace.exists()


def test_a_mask_of_infinities_is_no_warning(tmp_path: Path) -> None:
    """What is infinite in the model as built is meant; what only a checkpoint has is counted."""
    mask = torch.full((3, 3), -math.inf).triu(1)
    assert count_not_finite(mask, mask.clone()) == 0
    worse = mask.clone()
    worse[2, 0] = math.nan
    assert count_not_finite(worse, mask) == 1
    assert count_not_finite(mask, None) == count_not_finite(mask, mask[0]) == 3


def test_a_shipped_sample_leaves_a_model_its_name(catalog: Catalog, tmp_path: Path) -> None:
    """The app imports its samples unasked; the user may have imported the same weights before."""
    file, weights = problem_file(tmp_path / "p"), checkpoint(tmp_path / "mine.safetensors")
    mine = brought(catalog, file, weights, name="mine")
    sample = {"sample": True, "seed": 3}
    job = order_import(catalog, file, {}, [Checkpoint(file=weights)], "a sample", facts=sample)
    assert ended(catalog, job).status == "done"
    after = catalog.model(mine.id)
    assert (after.name, after.facts["seed"]) == ("mine", 3)
