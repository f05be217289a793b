"""A network that learns one task after another: the same digits, with labels drawn anew."""

from collections.abc import Sequence
from itertools import pairwise

import torch
from sklearn.datasets import load_digits
from torch import Tensor, nn

from explorer.problem import Problem, accuracy, cross_entropy

ROWS, CLASSES = 400, 10


def network(hidden: Sequence[int]) -> nn.Sequential:
    """Linear layers with ReLU between them, in PyTorch's default initialisation."""
    layers: list[nn.Module] = []
    for inputs, outputs in pairwise((64, *hidden, CLASSES)):
        layers += [nn.Linear(inputs, outputs), nn.ReLU()]
    return nn.Sequential(*layers[:-1])


def task_data(task: int) -> tuple[Tensor, Tensor]:
    """Pixels (400, 64) float32 of the first shuffled rows, and random labels of that task, (400,).

    Pixels are (x/16 - mean)/0.3 with the mean of each pixel over these rows.
    """
    pixels = torch.from_numpy(load_digits(return_X_y=True)[0]) / 16
    order = torch.randperm(len(pixels), generator=torch.Generator().manual_seed(0))
    chosen = pixels[order[:ROWS]]
    labels = torch.randint(CLASSES, (ROWS,), generator=torch.Generator().manual_seed(1000 + task))
    return ((chosen - chosen.mean(dim=0)) / 0.3).to(torch.float32), labels


def problem(task: int = 0, hidden: Sequence[int] = (24, 24)) -> Problem:
    """The digits with the labels of one task, after those of all tasks before it."""
    return Problem(
        model=network(hidden),
        data={"train": task_data(task)},
        loss=cross_entropy,
        metrics={"accuracy": accuracy},
    )
