"""Optimisers by name: those of torch, and those that it lacks, each a small file."""

from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from sample_models.optimisers.entropy_sgd import EntropySGD
from sample_models.optimisers.saddle_free_newton import SaddleFreeNewton
from sample_models.optimisers.sam import SAM

Closure = Callable[[], Tensor]  # the loss of the batch, after its gradient has been taken

OF_TORCH = ("SGD", "Adam", "AdamW", "LBFGS")


def make_optimiser(name: str, model: nn.Module, options: Mapping[str, Any]) -> Optimizer:
    """The optimiser of that name over all parameters of the model.

    Raises:
        ValueError: There is none of that name.
    """
    parameters = list(model.parameters())
    if name in OF_TORCH:
        made: Optimizer = getattr(torch.optim, name)(parameters, **options)
        return made
    if name in ("SAM", "ASAM"):
        return SAM(model, adaptive=name == "ASAM", **options)
    if name == "EntropySGD":
        return EntropySGD(parameters, **options)
    if name == "SaddleFreeNewton":
        return SaddleFreeNewton(parameters, **options)
    raise ValueError(f"optimiser must be one that sample_models.optimisers knows, got {name}")
