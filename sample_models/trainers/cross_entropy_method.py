"""Training without gradients: the cross-entropy method."""

from collections.abc import Iterator

import torch
from torch.nn.utils import parameters_to_vector, vector_to_parameters

from explorer.problem import Problem
from sample_models import Sample
from sample_models.measurement import measure_split


@torch.no_grad()
def train(sample: Sample, problem: Problem) -> Iterator[int]:
    """Draw weights from a normal distribution, and fit it to the best of them, again and again.

    Each step draws `population` weights, of which the `elite` ones with the lowest loss give the
    next mean and standard deviations; these are `widening` larger. The model has the mean.

    Source: Mannor, Rubinstein and Gat 2003, ICML, section 3.
    """
    options = sample.training.trainer_options
    weights = list(problem.model.parameters())
    mean = torch.zeros_like(parameters_to_vector(weights))
    spread = torch.full_like(mean, options["spread"])
    draws = torch.Generator().manual_seed(sample.seed)
    vector_to_parameters(mean, weights)
    yield 0
    for step in range(1, sample.training.steps + 1):
        population = mean + spread * torch.randn(
            int(options["population"]), len(mean), generator=draws
        )
        losses = []
        for member in population:
            vector_to_parameters(member, weights)
            losses.append(measure_split(problem, "train")["loss"])
        elite = population[torch.tensor(losses).argsort(stable=True)[: int(options["elite"])]]
        mean, spread = elite.mean(dim=0), elite.std(dim=0) + options["widening"]
        vector_to_parameters(mean, weights)
        yield step
