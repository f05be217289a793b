"""Contrastive training: each step draws images and changes them anew."""

from collections.abc import Iterator

import torch

from explorer.problem import Problem
from sample_models import Sample
from sample_models.measurement import mean_per_example, problem_module
from sample_models.optimisers import make_optimiser
from sample_models.schedules import make_schedule
from sample_models.trainers.descent import row_numbers


def train(sample: Sample, problem: Problem) -> Iterator[int]:
    """Train on two fresh forms of a batch of training images at each step; yields the step after.

    The problem's own pairs are fixed, so that its loss is one function of the weights.
    """
    training, module = sample.training, problem_module(sample)
    optimiser = make_optimiser(training.optimiser, problem.model, training.options)
    schedule = make_schedule(
        training.schedule, optimiser, training.steps, training.schedule_options
    )
    images, draws = module.images("train"), torch.Generator().manual_seed(sample.seed)
    batches = row_numbers(training.batch_size or len(images), len(images), sample.seed)
    yield 0
    for step in range(1, training.steps + 1):
        chosen = images[next(batches)]
        pairs = (module.changed(chosen, draws), module.changed(chosen, draws))
        problem.model.train()
        optimiser.zero_grad()
        mean_per_example(problem.loss(problem.forward(problem.model, pairs), pairs)).backward()
        optimiser.step()
        schedule.step()
        yield step
