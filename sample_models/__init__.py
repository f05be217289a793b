"""Trained sample models: problem files in the users' own form, weights, recipes.

Importing this package and listing the samples needs no torch.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).resolve().parent

# split -> "loss" and "accuracy" -> mean per example
Measurements = Mapping[str, Mapping[str, float]]


@dataclass(frozen=True)
class ShippedCheckpoint:
    """Weights after a number of training steps."""

    path: Path
    step: int
    measured: Measurements


@dataclass(frozen=True)
class Sample:
    """A sample model: its files, how it was trained, and what was measured on it."""

    name: str
    title: str
    about: str
    problem: Path
    arguments: Mapping[str, Any]
    seed: int  # of the initial weights and of the order of the batches
    optimiser: str
    learning_rate: float
    momentum: float
    weight_decay: float
    batch_size: int
    schedule: str
    steps: int
    torch: str  # the version that trained it
    weights: Path  # the final weights
    measured: Measurements  # at the final weights
    checkpoints: tuple[ShippedCheckpoint, ...]  # by step; the last one equals the final weights
    first_start: bool = False  # whether a new catalog gets it by itself


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
        ShippedCheckpoint(folder / entry["file"], entry["step"], entry["measured"])
        for entry in fields.pop("checkpoints")
    )
    fields["problem"] = FOLDER / fields["problem"]
    weights = folder / "weights" / f"{fields['name']}.safetensors"
    return Sample(**fields, weights=weights, checkpoints=checkpoints)
