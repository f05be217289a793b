"""Training by an optimiser on batches of the training split."""

from collections.abc import Iterator
from functools import partial
from typing import Any, cast

import torch
from torch import Tensor
from torch.optim import Optimizer

from explorer.problem import Problem
from sample_models import Sample
from sample_models.measurement import mean_per_example, measure_split
from sample_models.optimisers import make_optimiser
from sample_models.schedules import make_schedule

Rows = tuple[Tensor, ...]  # tensors that share a first dimension
SEED_STRIDE = 1_000_003  # more than any training has steps


def train(sample: Sample, problem: Problem) -> Iterator[int]:
    """Train the problem's model by the sample's recipe; yields each step's number after it.

    They count from 0, or from the start that is continued. Between two steps the model is the
    caller's to read, and to put into evaluation mode.
    """
    training = sample.training
    optimiser = make_optimiser(training.optimiser, problem.model, training.options)
    done = training.start.step if training.start and training.start.continued else 0
    schedule = make_schedule(
        training.schedule, optimiser, training.steps, training.schedule_options, done
    )
    batches = batches_of(sample, cast("Rows", problem.data["train"]))
    yield done
    for step in range(done + 1, training.steps + 1):
        batch = next(batches)
        problem.model.train()
        # torch declares a closure of a float, and takes one of a tensor
        closure: Any = partial(loss_with_gradient, problem, optimiser, batch)
        with torch.random.fork_rng(devices=[]):  # dropout draws from the global generator
            torch.manual_seed(sample.seed * SEED_STRIDE + step)
            optimiser.step(closure)
        schedule.step()
        yield step
        if training.until_loss is not None and (
            measure_split(problem, "train")["loss"] <= training.until_loss
        ):
            return


def batches_of(sample: Sample, rows: Rows) -> Iterator[Rows]:
    """Endless batches of the sample's size, in the order of a seed; all rows if it has no size."""
    training = sample.training
    seed = sample.seed if training.order_seed is None else training.order_seed
    if training.batch_size is None:
        while True:
            yield rows
    for numbers in row_numbers(training.batch_size, len(rows[0]), seed):
        yield tuple(tensor[numbers] for tensor in rows)


def row_numbers(size: int, examples: int, seed: int) -> Iterator[Tensor]:
    """Endless row numbers (size,): each epoch a permutation without its last, ragged batch."""
    generator = torch.Generator().manual_seed(seed)
    while True:
        order = torch.randperm(examples, generator=generator)
        yield from order[: examples - examples % size].split(size)


def loss_with_gradient(problem: Problem, optimiser: Optimizer, batch: Rows) -> Tensor:
    """The mean loss of a batch, whose gradient is in the parameters; its graph is kept."""
    optimiser.zero_grad()
    loss = mean_per_example(problem.loss(problem.forward(problem.model, batch), batch))
    loss.backward(retain_graph=True)
    return loss
