"""Loss and accuracy of a sample's checkpoints, and how far they are from what its recipe says."""

import importlib.util
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
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
    spec = importlib.util.spec_from_file_location(sample.problem.stem, sample.problem)
    if spec is None or spec.loader is None:
        raise ImportError(f"problem must be a Python file, got {sample.problem}")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    # Layers draw from the global generator; forking leaves it as it was found.
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(sample.seed)
        return module.problem(**sample.arguments)


def mean_per_example(values: Tensor | tuple[Tensor, float | Tensor]) -> Tensor:
    """Mean per example of what a loss or metric returns: a value for each or (sum, count)."""
    if isinstance(values, tuple):
        return values[0] / values[1]
    return values.mean()


def inputs_and_labels(problem: Problem, split: str) -> tuple[Tensor, Tensor]:
    """The two tensors that every sample's split is."""
    return cast("tuple[Tensor, Tensor]", problem.data[split])


@torch.no_grad()
def measure(problem: Problem) -> dict[str, dict[str, float]]:
    """Loss and accuracy of the model on each split, in evaluation mode, which is left on.

    The network is evaluated in its own precision, as in the app; loss and mean in float64.
    """
    problem.model.eval()
    measured = {}
    for split in problem.data:
        batch = inputs_and_labels(problem, split)
        outputs = torch.as_tensor(problem.forward(problem.model, batch)).double()
        measured[split] = {"loss": float(mean_per_example(problem.loss(outputs, batch)))}
        for name, metric in problem.metrics.items():
            values = metric(outputs, batch)
            measured[split][name] = float(
                mean_per_example(values if isinstance(values, tuple) else values.double())
            )
    return measured


def deviation(measured: Measurements, expected: Measurements) -> float:
    """Largest relative difference between the numbers of two measurements; NaN where one is NaN."""
    differences = [
        abs(measured[split][name] - value) / max(abs(value), 1e-12)
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
