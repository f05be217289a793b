"""Callbacks drive the recorder through the hooks that Lightning and transformers document.

Neither package is installed: a stand-in module gives the base class, a short loop calls the hooks.
"""

import importlib
import math
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest
import safetensors.torch
import torch
from torch import nn

from explorer.recording import read_recording

StandIn = Callable[[str, str, str], ModuleType]
LIGHTNING, HUGGING_FACE = "explorer.callbacks.lightning", "explorer.callbacks.huggingface"


@pytest.fixture
def stand_in(monkeypatch: pytest.MonkeyPatch) -> StandIn:
    """A function that puts modules with an empty base class in place, and imports ours afresh."""

    def place(module: str, base: str, ours: str) -> ModuleType:
        names = module.split(".")
        for end in range(1, len(names) + 1):
            monkeypatch.setitem(sys.modules, ".".join(names[:end]), ModuleType(names[end - 1]))
        setattr(sys.modules[module], base, type(base, (), {}))
        monkeypatch.delitem(sys.modules, ours, raising=False)
        callbacks = importlib.import_module(ours)
        monkeypatch.delitem(sys.modules, ours)  # no later test finds the one of the stand-in
        return callbacks

    return place


class Lit(nn.Module):
    """What a LightningModule is here: the network is a part of it."""

    def __init__(self) -> None:
        super().__init__()
        self.model = nn.Linear(2, 1)


def lightning_run(callback: Any, module: Lit, batches: int, parts: int = 1) -> None:
    """The hooks in Lightning's order; `parts` batches make one optimiser step."""
    optimizer = torch.optim.SGD(module.parameters(), lr=0.25)
    trainer = SimpleNamespace(global_step=0, optimizers=[optimizer], accumulate_grad_batches=parts)
    callback.on_train_start(trainer, module)
    for number in range(batches):
        with torch.no_grad():
            module.model.weight.fill_(number + 1)
        trainer.global_step = (number + 1) // parts
        outputs = {"loss": torch.tensor((number + 1.0) / parts)}
        callback.on_train_batch_end(trainer, module, outputs, None, number)
    callback.on_train_end(trainer, module)


@pytest.mark.parametrize("package", ["lightning.pytorch", "pytorch_lightning"])
def test_lightning_snapshots(stand_in: StandIn, tmp_path: Path, package: str) -> None:
    """At the start, every third step with its loss and rate, and at the end; the run is closed."""
    ours = stand_in(f"{package}.callbacks", "Callback", LIGHTNING)
    callback = ours.RecorderCallback(tmp_path, every=3, submodule="model", seed=4)
    assert not list(tmp_path.iterdir())
    lightning_run(callback, Lit(), batches=7)
    recording = read_recording(tmp_path)
    assert [s.step for s in recording.snapshots] == [0, 3, 6, 7] and recording.ended
    assert recording.curves["loss"] == ((3, 3.0), (6, 6.0)) and recording.head["seed"] == 4
    kept = [safetensors.torch.load_file(s.file) for s in recording.snapshots]
    assert [float(k["weight"][0, 0]) for k in kept[1:]] == [3.0, 6.0, 7.0]
    assert set(kept[0]) == {"weight", "bias"}  # those of the network alone


def test_lightning_accumulated_gradients(stand_in: StandIn, tmp_path: Path) -> None:
    """Batches between two optimiser steps are no steps, and the loss is the undivided one."""
    ours = stand_in("lightning.pytorch.callbacks", "Callback", LIGHTNING)
    lightning_run(ours.RecorderCallback(tmp_path, every=1), Lit(), batches=6, parts=2)
    recording = read_recording(tmp_path)
    assert [s.step for s in recording.snapshots] == [0, 1, 2, 3]
    assert recording.curves["loss"] == ((1, 2.0), (2, 4.0), (3, 6.0))


def test_hugging_face_snapshots_and_logs(stand_in: StandIn, tmp_path: Path) -> None:
    """Every second step and the end are kept; logged numbers become curves, words do not."""
    ours = stand_in("transformers", "TrainerCallback", HUGGING_FACE)
    callback = ours.RecorderCallback(tmp_path, every=2, hyperparameters={"lr": 0.1})
    model = nn.Linear(2, 1)
    more = {"model": model, "optimizer": torch.optim.SGD(model.parameters(), lr=0.1)}
    state, nothing = SimpleNamespace(global_step=0), SimpleNamespace()
    callback.on_train_begin(nothing, state, nothing, **more)
    for step in range(1, 6):
        state.global_step = step
        callback.on_step_end(nothing, state, nothing, **more)
        logs = {"loss": math.inf if step == 5 else 1 / step, "note": "words", "step": step}
        callback.on_log(nothing, state, nothing, logs=logs, **more)
    callback.on_log(nothing, state, nothing, **more)
    callback.on_train_end(nothing, state, nothing, **more)
    recording = read_recording(tmp_path)
    assert [s.step for s in recording.snapshots] == [0, 2, 4, 5] and recording.ended
    assert dict(recording.curves["loss"]) == {1: 1.0, 2: 0.5, 3: 1 / 3, 4: 0.25, 5: math.inf}
    assert set(recording.curves) == {"loss", "learning_rate"}


@pytest.mark.parametrize(
    ("ours", "packages", "words"),
    [
        (LIGHTNING, ("lightning", "pytorch_lightning"), "pip install lightning"),
        (HUGGING_FACE, ("transformers",), "pip install transformers"),
    ],
)
def test_a_missing_package_is_a_sentence(
    monkeypatch: pytest.MonkeyPatch, ours: str, packages: tuple[str, ...], words: str
) -> None:
    """Without the package the import says what to install."""
    for package in packages:
        monkeypatch.setitem(sys.modules, package, None)
    monkeypatch.delitem(sys.modules, ours, raising=False)
    with pytest.raises(ImportError, match=words):
        importlib.import_module(ours)


def test_every_must_be_a_step(stand_in: StandIn, tmp_path: Path) -> None:
    """A snapshot every 0 steps is refused before training."""
    ours = stand_in("transformers", "TrainerCallback", HUGGING_FACE)
    with pytest.raises(ValueError, match="at least 1 step, got 0"):
        ours.RecorderCallback(tmp_path, every=0)
