"""The public tools that draw loss surfaces of PyTorch models, at the work that we do.

Install them beside the project, not into its environment:
`python -m pip install --no-deps --target .peers -r tests/benchmarks/requirements.txt`.
"""

import importlib.util
import sys
from collections.abc import Iterable, Sequence

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.utils.data import DataLoader, TensorDataset

from explorer.analysis.directions.directions import direction_rows
from explorer.analysis.objective.flat_model import FlatModel
from explorer.kinds.direction_settings import DirectionSettings
from tests.benchmarks.data import ROOT
from tests.benchmarks.models import Case

PACKAGES = ("loss_landscapes", "pyhessian", "curvlinops", "hessian_eigenthings")
INSTALL = "python -m pip install --no-deps --target .peers -r tests/benchmarks/requirements.txt"
CPU = torch.device("cpu")
Steps = Iterable[Sequence[float]]


def are_installed(packages: Sequence[str] = PACKAGES) -> bool:
    """Whether packages can be imported; the folder of peers is searched from now on."""
    if str(ROOT / ".peers") not in sys.path:
        sys.path.append(str(ROOT / ".peers"))  # last: the environment's own packages come first
    return all(importlib.util.find_spec(name) is not None for name in packages)


def arrays(case: Case, settings: DirectionSettings) -> list[list[np.ndarray]]:
    """Our two directions, each as one array per tensor, as the reference tool keeps them."""
    flat = FlatModel(case.module(CPU), torch.float32, CPU)
    vectors = direction_rows(flat, settings, 2).to(torch.float32)
    return [
        [vector[b.start : b.stop].view(b.shape).numpy() for b in flat.blocks] for vector in vectors
    ]


class ReferenceLoop:
    """A surface in the way of the reference tool: its arithmetic, its loader, its evaluation.

    Source: github.com/tomgoldstein/loss-landscape, `set_weights` of net_plotter.py, `eval_loss` of
    evaluation.py and the loader of cifar10/dataloader.py, here over tensors in memory.
    """

    def __init__(self, case: Case, settings: DirectionSettings, workers: int) -> None:
        self.model = case.module(CPU)
        self.weights = [parameter.data for parameter in self.model.parameters()]
        self.directions = arrays(case, settings)
        self.loader = DataLoader(
            TensorDataset(*case.batch), batch_size=128, shuffle=False, num_workers=workers
        )

    def run(self, steps: Steps) -> list[tuple[float, float]]:
        """Loss and accuracy at each step (x, y)."""
        means = []
        for step in steps:
            set_weights(self.model, self.weights, self.directions, step)
            means.append(eval_loss(self.model, self.loader))
        return means


def set_weights(
    model: nn.Module, weights: list[Tensor], axes: list[list[np.ndarray]], step: Sequence[float]
) -> None:
    """Move each tensor of the model away from its weights."""
    changes = [first * step[0] + second * step[1] for first, second in zip(*axes, strict=True)]
    for parameter, weight, change in zip(model.parameters(), weights, changes, strict=True):
        parameter.data = weight + torch.Tensor(change).type(weight.type())


def eval_loss(model: nn.Module, loader: DataLoader) -> tuple[float, float]:
    """Mean loss and accuracy over the loader."""
    criterion = nn.CrossEntropyLoss()
    correct, total_loss, total = 0.0, 0.0, 0
    model.eval()
    with torch.no_grad():
        for inputs, targets in loader:
            total += inputs.size(0)
            outputs = model(inputs)
            total_loss += criterion(outputs, targets).item() * inputs.size(0)
            _, predicted = torch.max(outputs.data, 1)
            correct += predicted.eq(targets).sum().item()
    return total_loss / total, correct / total


def package_plane(case: Case, side: int) -> np.ndarray:
    """A surface by the package loss-landscapes: its directions, one batch of all data.

    Its directions are its own, so that its values cannot be compared with ours.
    """
    from loss_landscapes import random_plane
    from loss_landscapes.metrics import Loss

    metric = Loss(functional.cross_entropy, *case.batch)
    model = case.module(CPU)  # it moves the model
    return random_plane(model, metric, distance=1, steps=side, normalization="filter")
