"""Training of two players by Adam, in turn or at once."""

from collections.abc import Iterator

import torch
from torch import nn

from explorer.problem import Problem
from sample_models import Sample
from sample_models.measurement import problem_module
from sample_models.optimisers import make_optimiser


def train(sample: Sample, problem: Problem) -> Iterator[int]:
    """Train the players named discriminator and generator; yields each step's number after it.

    Each step draws new real numbers and codes. If `at_once` is 0 the generator answers the
    discriminator's step, else both take the gradients before it.
    """
    training, module = sample.training, problem_module(sample)
    losses = {"discriminator": module.discriminator_loss, "generator": module.generator_loss}
    players = {name: getattr(problem.model, name) for name in losses}
    optimisers = {
        name: make_optimiser(training.optimiser, player, training.options)
        for name, player in players.items()
    }
    draws = torch.Generator().manual_seed(sample.seed)
    yield 0
    for step in range(1, training.steps + 1):
        batch = module.examples(training.batch_size, draws)
        problem.model.train()
        for name, player in players.items():
            weights = list(player.parameters())
            outputs = problem.forward(problem.model, batch)
            put_gradients(weights, losses[name](outputs, batch).mean())
            if not training.trainer_options["at_once"]:
                optimisers[name].step()
        if training.trainer_options["at_once"]:
            for optimiser in optimisers.values():
                optimiser.step()
        yield step


def put_gradients(weights: list[nn.Parameter], loss: torch.Tensor) -> None:
    """Give the weights their gradients of a loss, and no others theirs."""
    for weight, slope in zip(weights, torch.autograd.grad(loss, weights), strict=True):
        weight.grad = slope
