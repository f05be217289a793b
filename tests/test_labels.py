"""Snapshots are called by what tells them apart, in the order that their numbers say."""

import json
from pathlib import Path

import pytest

from explorer import recorded_runs, trainer_folder
from explorer.importing import sources
from explorer.importing.checkpoint_names import checkpoint_labels, label_steps
from explorer.recording import RecordingError


@pytest.mark.parametrize(
    ("paths", "wanted"),
    [
        (["a/step_1.pt", "a/step_2.pt"], ["step_1", "step_2"]),
        (["a/epoch_1/model.pt", "a/epoch_2/model.pt"], ["epoch_1", "epoch_2"]),
        (["a/1/ckpt/model.pt", "a/2/ckpt/model.pt"], ["1", "2"]),
        (["r/a/1/m.pt", "r/b/1/m.pt", "r/b/2/m.pt"], ["a/1", "b/1", "b/2"]),
        (["a/m.pt", "a/m.safetensors"], ["m.pt", "m.safetensors"]),
        (["x/last.pt", "y/last.pt", "best.pt"], ["x", "y", "best"]),
        (["x/m.pt", "y/m.pt", "z/x.pt"], ["x/m", "y/m", "z/x"]),
        (["only.pt"], ["only"]),
    ],
)
def test_labels(paths: list[str], wanted: list[str]) -> None:
    """The file's own name, or the shortest part of the paths that differs."""
    assert checkpoint_labels([Path(path) for path in paths]) == wanted


@pytest.mark.parametrize(
    ("names", "wanted"),
    [
        (["epoch_1", "epoch_2", "epoch_10"], [1, 2, 10]),
        (["step_100.loss", "step_200.loss"], [100, 200]),
        (["1", "2"], [1, 2]),
        (["checkpoint-500", "checkpoint-1000"], [500, 1000]),
        (["resnet18_epoch_01", "resnet18_epoch_02"], [1, 2]),
        (["seed_1", "seed_2"], [None, None]),
        (["fold1", "fold2"], [None, None]),
        (["epoch_1_loss_3", "epoch_2_loss_2"], [None, None]),
        (["epoch_1"], [None]),
        (["epoch_1", "last"], [None, None]),
        (["step_01", "step_1"], [None, None]),
    ],
)
def test_steps(names: list[str], wanted: list) -> None:
    """A number counts as a step where names differ by it alone and its word says so."""
    assert label_steps(names) == wanted


def files(folder: Path, *names: str) -> list[str]:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).touch()
    return [str(folder / name) for name in names]


def test_as_the_shell_lists_them(tmp_path: Path) -> None:
    """An unquoted pattern of the shell's and a quoted one of ours give the same order and names."""
    run = tmp_path / "run"
    shell = files(run, "epoch_1/model.pt", "epoch_10/model.pt", "epoch_2/model.pt")
    for named in (shell, [str(run / "*" / "model.pt")]):
        resolved_sources = sources.resolve(named)
        labels_and_steps = [(c.label, c.step) for c in resolved_sources.checkpoints]
        assert labels_and_steps == [("epoch_1", 1), ("epoch_2", 2), ("epoch_10", 10)]
        assert resolved_sources.name == "run"
    other = [shell[1], shell[0], shell[2]]  # somebody's own order
    assert [c.step for c in sources.resolve(other).checkpoints] == [10, 1, 2]


def trainer(folder: Path, *at: int, most: int = 20) -> None:
    """The folder of a Trainer with checkpoints at these steps."""
    for step in at:
        own = folder / f"checkpoint-{step}"
        files(own, "model.safetensors")
        log = [{"loss": 2.0 / s, "learning_rate": 0.1 / s, "epoch": 1, "step": s} for s in (5, 9)]
        log += [{"eval_loss": 1.5, "eval_runtime": 3.0, "step": 9}, "odd", {"loss": 1}]
        state = {"log_history": log, "global_step": step, "max_steps": most, "train_batch_size": 8}
        (own / trainer_folder.STATE).write_text(json.dumps(state))


def test_a_folder_of_a_trainer_is_a_run(tmp_path: Path) -> None:
    """Snapshots by step in natural order, curves of its log; it grows, and ends."""
    trainer(tmp_path, 9, 10)
    files(tmp_path, "model.safetensors", "checkpoint-11/model.safetensors", "checkpoint-x/a")
    resolved_sources = sources.resolve([str(tmp_path)])
    assert not resolved_sources.errors and resolved_sources.recording is not None
    assert [(c.file.name, c.step) for c in resolved_sources.checkpoints] == [
        ("checkpoint-9", 9),
        ("checkpoint-10", 10),
    ]  # checkpoint-11 is not finished: it has no state yet
    facts = recorded_runs.run_facts(resolved_sources.recording)
    assert facts.curves == {
        "loss": [[5, 0.4], [9, 2 / 9]],
        "learning_rate": [[5, 0.02], [9, 0.1 / 9]],
        "eval_loss": [[9, 1.5]],
    }
    assert facts.hyperparameters == {"batch_size": 8, "max_steps": 20}
    assert facts.ended is False
    before = (
        recorded_runs.identity(resolved_sources.recording),
        recorded_runs.watched_files(tmp_path),
    )
    trainer(tmp_path, 20)
    grown = recorded_runs.recording_of(tmp_path)
    assert (
        recorded_runs.identity(grown) == before[0]
        and recorded_runs.watched_files(tmp_path) != before[1]
    )
    assert grown.ended and [s.step for s in grown.snapshots] == [9, 10, 20]


@pytest.mark.parametrize("content", ["", "[]", "{" * 100_000, '{"log_history": 3}'])
def test_a_damaged_state_of_a_trainer(tmp_path: Path, content: str) -> None:
    """One sentence that names the file."""
    trainer(tmp_path, 9)
    (tmp_path / "checkpoint-9" / trainer_folder.STATE).write_text(content)
    with pytest.raises(RecordingError, match=r"trainer_state.json is no state of a Trainer"):
        recorded_runs.recording_of(tmp_path)
