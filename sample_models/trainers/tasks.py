"""Training on one task after another, each with the weights of the one before."""

from collections.abc import Iterator
from dataclasses import replace

from explorer.problem import Problem
from sample_models import Sample
from sample_models.measurement import problem_module
from sample_models.trainers import descent


def train(sample: Sample, problem: Problem) -> Iterator[int]:
    """Train on all tasks before the sample's, then on its own; yields the steps of that one."""
    module = problem_module(sample)
    for task in range(sample.arguments["task"]):
        earlier = replace(problem, data={"train": module.task_data(task)})
        for _ in descent.train(sample, earlier):
            pass
    yield from descent.train(sample, problem)
