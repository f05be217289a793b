"""What a problem file declares: a model, its data, its loss; and ready losses.

A problem file is a Python file with one function, `problem(**arguments) -> Problem`. It is run only
in a worker.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

Batch = Any  # tuple, list or dict of tensors that share their first dimension
PerBatch = Callable[[Any, Batch], Tensor | tuple[Tensor, int | Tensor]]


def first_input(model: nn.Module, batch: Batch) -> Any:
    """Outputs of the model on the first tensor of the batch."""
    return model(batch[0])


@dataclass(frozen=True)
class Problem:
    """A model with the data and the loss that make its loss surface.

    `loss` and each of `metrics` are called as `f(outputs, batch)` and return either one value per
    example, shape (B,), or the pair (sum over the batch, count), so that any batch weighs right.
    """

    model: nn.Module  # holds the architecture; its weights come from a checkpoint
    data: Mapping[str, Batch]  # split name -> tensors with a common first dimension
    loss: PerBatch
    metrics: Mapping[str, PerBatch] = field(default_factory=dict)
    forward: Callable[[nn.Module, Batch], Any] = first_input


def cross_entropy(outputs: Tensor, batch: Batch) -> Tensor:
    """Cross-entropy of each example in nats, (B,): logits (B, C) against labels `batch[1]` (B,)."""
    return functional.cross_entropy(outputs, batch[1], reduction="none")


def accuracy(outputs: Tensor, batch: Batch) -> Tensor:
    """1 where the largest logit is the label, else 0, shape (B,)."""
    return (outputs.argmax(dim=1) == batch[1]).to(torch.float32)


def squared_error(outputs: Tensor, batch: Batch) -> Tensor:
    """Squared error of each example, averaged over its outputs, shape (B,)."""
    return (outputs - batch[1]).square().flatten(1).mean(dim=1)
