"""Stochastic weight averaging: descent whose last step puts the average into the model."""

from collections.abc import Iterator
from typing import cast

from torch.optim.swa_utils import AveragedModel, update_bn

from explorer.problem import Problem
from sample_models import Sample
from sample_models.trainers import descent


def train(sample: Sample, problem: Problem) -> Iterator[int]:
    """As `descent.train`, but the model after the last step is the average of the weights.

    It is over each step after `from_step`. BatchNorm's statistics are recomputed on one batch of
    all training rows if `recomputed` is not 0, else they are those of the last step.

    Source: Izmailov et al. 2018, arXiv:1803.05407, algorithm 1.
    """
    options = sample.training.trainer_options
    averaged = AveragedModel(problem.model)
    for step in descent.train(sample, problem):
        if step > options["from_step"]:
            averaged.update_parameters(problem.model)
        if step == sample.training.steps:
            for weight, mean in zip(
                problem.model.parameters(), averaged.module.parameters(), strict=True
            ):
                weight.data.copy_(mean.data)
            if options["recomputed"]:
                inputs, _ = cast("descent.Rows", problem.data["train"])
                update_bn([inputs], problem.model)
        yield step
