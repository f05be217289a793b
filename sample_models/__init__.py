"""Trained sample models: problem files in the users' own form, weights, recipes.

Importing this package and listing the samples needs no torch.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).resolve().parent

# split -> "loss" and the names of the metrics -> mean
Measurements = Mapping[str, Mapping[str, float]]


@dataclass(frozen=True)
class ShippedCheckpoint:
    """Weights after a number of training steps."""

    path: Path
    step: int
    measured: Measurements


@dataclass(frozen=True)
class Start:
    """A checkpoint of another sample, earlier by name, whose weights a training sets out from."""

    sample: str
    step: int
    continued: bool = False  # whether steps and schedule go on from there, by a new optimiser


@dataclass(frozen=True)
class Training:
    """How a sample comes by its weights."""

    steps: int  # the most, where a loss ends it
    optimiser: str = "SGD"  # of torch.optim or of `sample_models.optimisers`; "" for none
    options: Mapping[str, Any] = field(default_factory=dict)  # of the optimiser, as it names them
    batch_size: int | None = None  # None: all rows at each step
    schedule: str = "constant"  # of `sample_models.schedules`
    schedule_options: Mapping[str, float] = field(default_factory=dict)
    order_seed: int | None = None  # of the order of the batches; the sample's seed unless given
    until_loss: float | None = None  # a training loss at which it ends
    start: Start | None = None  # fresh weights unless given
    trainer: str = "descent"  # a module of `sample_models.trainers`
    trainer_options: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Sample:
    """A sample model: its files, how it was trained, and what was measured on it."""

    name: str
    title: str
    about: str
    problem: Path
    arguments: Mapping[str, Any]
    seed: int  # of the initial weights
    training: Training
    torch: str  # the version that trained it; "" before it has been
    weights: Path  # the final weights
    measured: Measurements  # at the final weights
    checkpoints: tuple[ShippedCheckpoint, ...]  # by step; the last one equals the final weights
    first_start: bool = False  # whether a new catalog gets it by itself

    @property
    def steps(self) -> int:
        """The step of the final weights."""
        return self.checkpoints[-1].step


def samples(folder: Path = FOLDER) -> list[Sample]:
    """The samples with a recipe in `folder`, by name; problem files are the package's."""
    return [read_sample(path) for path in sorted((folder / "recipes").glob("*.json"))]


def sample_named(name: str) -> Sample:
    """The shipped sample of that name.

    Raises:
        KeyError: There is none.
    """
    recipe = FOLDER / "recipes" / f"{name}.json"
    if not recipe.is_file():
        raise KeyError(f"no sample model is named {name}")
    return read_sample(recipe)


def read_sample(recipe: Path) -> Sample:
    """The sample of one recipe file, with absolute paths."""
    folder = recipe.resolve().parent.parent
    fields = json.loads(recipe.read_text(encoding="utf-8"))
    checkpoints = tuple(
        ShippedCheckpoint(folder / entry["file"], entry["step"], entry.get("measured", {}))
        for entry in fields.pop("checkpoints")
    )
    training = fields.pop("training")
    start = training.pop("start", None)
    return Sample(
        name=fields.pop("name"),
        problem=FOLDER / fields.pop("problem"),
        training=Training(**training, start=Start(**start) if start else None),
        weights=folder / "weights" / f"{recipe.stem}.safetensors",
        checkpoints=checkpoints,
        measured=fields.pop("measured", {}),
        torch=fields.pop("torch", ""),
        **fields,
    )
