"""Losses and metrics that return (sum, count): is the first the sum, and is anything counted?"""

import torch
from torch import Tensor

from explorer.analysis.model.input_changes import copy_batch
from explorer.analysis.objective.batches import count_examples, map_tensors, slice_examples
from explorer.analysis.objective.evaluation_mode import evaluation_mode
from explorer.analysis.objective.flat_model import FlatModel
from explorer.analysis.objective.losses import LossAndMetrics
from explorer.analysis.objective.memory import is_out_of_memory
from explorer.analysis.objective.objective import Objective
from explorer.problem import Batch, Problem

ROUNDING = 2e-2  # relative; a sum over twice the examples is twice as large


def why_mean_in_pair(problem: Problem, flat: FlatModel, batch: Batch) -> str:
    """Which term returns (mean, count), and what to return; "" where none does.

    Examples that a batch holds twice double a sum and its count; a mean stays.

    Args:
        problem: loss, metrics and forward.
        flat: the model at a point.
        batch: a few examples, where they lie; they are not changed.
    """
    half = slice_examples(batch, 0, count_examples(batch) // 2)
    if count_examples(batch) < 2:
        return ""
    doubled = map_tensors(half, lambda tensor: torch.cat([tensor, tensor]))
    try:
        once, twice = (_pairs(problem, flat, each) for each in (half, doubled))
    except Exception as error:  # whatever the user's code raises on a smaller batch
        if is_out_of_memory(error):
            raise
        return ""
    for name in once.keys() & twice.keys():
        (first, count), (second, double) = once[name], twice[name]
        if first and count and _near(first, second) and _near(2 * count, double):
            return (
                f"{name} returns (mean, count), as the first is {first:.6g} of {count:g} and "
                f"{second:.6g} of {double:g} where each example is there twice; the first must be "
                "the sum over the batch: return (mean * count, count), or take reduction='sum'"
            )
    return ""


def counts_nothing(objective: Objective) -> bool:
    """Whether the loss returns (sum, count) with a count of 0 in every batch."""
    problem, flat = objective.problem, objective.flat
    objective.on_pass()
    with flat.at_theta(), evaluation_mode():
        for _, _, batch in objective.batches:
            loss = problem.loss(objective.outputs(batch), batch)
            if not isinstance(loss, tuple) or float(loss[1]):
                return False
    return True


def _pairs(problem: Problem, flat: FlatModel, batch: Batch) -> dict[str, tuple[float, float]]:
    """Sum and count of each term that returns them."""
    batch = copy_batch(batch)
    terms = LossAndMetrics(problem)
    with flat.at_theta(), evaluation_mode():
        values = terms.values(problem.forward(flat.module, batch), batch)
    named = zip(terms.names, values, strict=True)
    return {n: (float(v[0]), float(v[1])) for n, v in named if not isinstance(v, Tensor)}


def _near(one: float, other: float) -> bool:
    """Whether two numbers are equal but for rounding; NaN is near nothing."""
    return abs(one - other) <= ROUNDING * abs(one)
