"""No training: the weights of another sample, moved from one layer to the next."""

from collections.abc import Iterator

import torch
from torch import nn

from explorer.problem import Problem
from sample_models import Sample


@torch.no_grad()
def train(sample: Sample, problem: Problem) -> Iterator[int]:
    """Multiply the first linear layer by `factor` and divide the next one's weights by it.

    A ReLU network computes the same afterwards.

    Source: Dinh et al. 2017, arXiv:1703.04933, section 3.
    """
    factor = sample.training.trainer_options["factor"]
    first, second, *_ = (m for m in problem.model.modules() if isinstance(m, nn.Linear))
    for parameter in (first.weight, first.bias):
        parameter.mul_(factor)
    second.weight.div_(factor)
    yield sample.training.steps
