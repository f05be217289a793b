"""Training of a sample model from its recipe, and the files that come of it."""

import importlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file

from explorer.problem import Problem
from sample_models import FOLDER, Sample, read_sample, sample_named
from sample_models.measurement import load_problem, measure


def train(sample: Sample, problem: Problem) -> Iterator[int]:
    """Train the problem's model by the sample's recipe; yields each step's number after it, from 0.

    Between two steps the model is the caller's to read, and to put into evaluation mode.
    """
    start = sample.training.start
    if start is not None:
        checkpoints = {c.step: c.path for c in sample_named(start.sample).checkpoints}
        problem.model.load_state_dict(load_file(checkpoints[start.step]))
    trainer = importlib.import_module(f"sample_models.trainers.{sample.training.trainer}")
    yield from trainer.train(sample, problem)


def write_sample(name: str, folder: Path) -> Sample:
    """The sample, trained anew by the package's recipe; weights and recipe are in `folder`.

    The last checkpoint is at the step at which the training ended.
    The package's own files are replaced; in another folder nothing is.

    Raises:
        FileExistsError: Another folder already has a file of that sample.
    """
    recipe = FOLDER / "recipes" / f"{name}.json"
    sample, fields = read_sample(recipe), json.loads(recipe.read_text(encoding="utf-8"))
    target, weights = folder / "recipes" / recipe.name, f"weights/{name}.safetensors"
    files = [target, folder / weights, *(folder / entry["file"] for entry in fields["checkpoints"])]
    if folder.resolve() != FOLDER:
        refuse_existing(files)
    for file in files:
        file.parent.mkdir(parents=True, exist_ok=True)

    problem = load_problem(sample)
    *earlier, last = fields["checkpoints"]
    entries = {entry["step"]: entry for entry in earlier}
    for step in train(sample, problem):
        if step in entries:
            entries[step]["measured"] = write_weights(problem, folder / entries[step]["file"])
        last["step"] = step
    last["measured"] = write_weights(problem, folder / last["file"])
    fields["measured"] = write_weights(problem, folder / weights)
    fields["torch"] = torch.__version__
    write_recipe(fields, target)
    return read_sample(target)


def refuse_existing(files: list[Path]) -> None:
    """Raise where one of the files exists.

    Raises:
        FileExistsError: One of them does.
    """
    for file in files:
        if file.exists():
            raise FileExistsError(f"files must be new, got {file}; choose another folder")


def write_weights(problem: Problem, file: Path) -> dict[str, dict[str, float]]:
    """Loss and accuracy of the model, whose parameters and buffers are written to `file`."""
    save_file(problem.model.state_dict(), file)
    return measure(problem)


def write_recipe(fields: dict[str, Any], file: Path) -> None:
    """Write a recipe as JSON, with each checkpoint on a line of its own."""
    lines = ",\n".join(f"    {json.dumps(entry)}" for entry in fields["checkpoints"])
    rest = {key: value for key, value in fields.items() if key != "checkpoints"}
    head = json.dumps(rest, indent=2).removesuffix("\n}")
    file.write_text(f'{head},\n  "checkpoints": [\n{lines}\n  ]\n}}\n', encoding="utf-8")
