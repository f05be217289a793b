"""Loss and accuracy of a sample's checkpoints, and how far they are from what its recipe says."""

import importlib.util
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import cast

import torch
from safetensors.torch import load_file
from torch import Tensor

from explorer.problem import Problem
from sample_models import Measurements, Sample


@contextmanager
def one_thread() -> Iterator[None]:
    """Run torch on one thread, the only count whose sums are reproducible; then as before."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def load_problem(sample: Sample) -> Problem:
    """The problem of a sample; its model has fresh weights, drawn from the sample's seed.

    Raises:
        ImportError: The problem file cannot be read as Python.
    """
    module = problem_module(sample)
    # Layers draw from the global generator; forking leaves it as it was found.
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(sample.seed)
        made: Problem = module.problem(**sample.arguments)
        return made


def problem_module(sample: Sample) -> ModuleType:
    """The module that the problem file of a sample is, loaded anew.

    Raises:
        ImportError: It cannot be read as Python.
    """
    spec = importlib.util.spec_from_file_location(sample.problem.stem, sample.problem)
    if spec is None or spec.loader is None:
        raise ImportError(f"problem must be a Python file, got {sample.problem}")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def mean_per_example(values: Tensor | tuple[Tensor, float | Tensor]) -> Tensor:
    """Mean per example of what a loss or metric returns: a value for each or (sum, count)."""
    if isinstance(values, tuple):
        return values[0] / values[1]
    return values.mean()


def measure(problem: Problem) -> dict[str, dict[str, float]]:
    """Loss and metrics of the model on each split, in evaluation mode, which is left on."""
    return {split: measure_split(problem, split) for split in problem.data}


@torch.no_grad()
def measure_split(problem: Problem, split: str) -> dict[str, float]:
    """Mean loss and metrics of the model on a split, in evaluation mode, which is left on.

    The network is evaluated in its own precision, as in the app; loss and mean in float64.
    """
    problem.model.eval()
    sums: dict[str, Tensor] = {}
    counts: dict[str, float | Tensor] = {}
    for batch in fixed_batches(problem, split):
        outputs = torch.as_tensor(problem.forward(problem.model, batch)).double()
        for name, measured in {"loss": problem.loss, **problem.metrics}.items():
            total, count = sum_and_count(measured(outputs, batch))
            sums[name] = sums.get(name, 0) + total
            counts[name] = counts.get(name, 0) + count
    return {name: float(sums[name] / counts[name]) for name in sums}


def fixed_batches(problem: Problem, split: str) -> Iterator[Tensor | tuple[Tensor, ...]]:
    """The split's batches: one of all its rows, or of the size that the loss is defined on."""
    rows = cast("Tensor | tuple[Tensor, ...]", problem.data[split])
    if problem.batch_size is None:
        yield rows
    elif isinstance(rows, Tensor):
        yield from rows.split(problem.batch_size)
    else:
        parts = [tensor.split(problem.batch_size) for tensor in rows]
        yield from zip(*parts, strict=True)


def sum_and_count(values: Tensor | tuple[Tensor, float | Tensor]) -> tuple[Tensor, float | Tensor]:
    """Sum and count of what a loss or metric returns: a value for each example, or these two."""
    if isinstance(values, tuple):
        return values
    return values.double().sum(), values.numel()


def deviation(measured: Measurements, expected: Measurements) -> float:
    """Largest relative difference between the numbers of two measurements; NaN where one is NaN.

    Of numbers below .001 it is that share of .001: float32 leaves a loss of 1e-6 fewer digits.
    """
    differences = [
        abs(measured[split][name] - value) / max(abs(value), 1e-3)
        for split, values in expected.items()
        for name, value in values.items()
    ]
    return float(torch.tensor(differences, dtype=torch.float64).max())  # keeps NaN, unlike max()


def check(sample: Sample) -> float:
    """Largest relative deviation of the sample's weights and checkpoints from its recipe."""
    problem = load_problem(sample)
    files = [(point.path, point.measured) for point in sample.checkpoints]
    files.append((sample.weights, sample.measured))
    return float(torch.tensor([_file_deviation(problem, *file) for file in files]).max())


def _file_deviation(problem: Problem, weights: Path, expected: Measurements) -> float:
    problem.model.load_state_dict(load_file(weights))
    return deviation(measure(problem), expected)
