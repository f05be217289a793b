"""Whether a private copy of the model stands for it, and whether several disturb each other.

A copy is used only once it is shown to give the model's own values where weights have moved: a
closure over the model, a loss that reads it, or a class that copies itself in a way of its own
would go on with other weights, without a word.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TypeVar

import torch
from torch import Tensor

from explorer.analysis.objective.evaluation_mode import evaluation_mode
from explorer.analysis.objective.flat_model import FlatModel, NoCopy
from explorer.analysis.objective.in_place import InPlaceModel
from explorer.analysis.objective.interleaving import enters_forward_mode, run_interrupted
from explorer.analysis.objective.losses import LossAndMetrics
from explorer.analysis.objective.memory import is_out_of_memory
from explorer.analysis.objective.moved_parameters import moved_names
from explorer.analysis.objective.random_draws import watch_random_draws
from explorer.problem import Batch, Problem

FEW = 2  # examples that show it: a batch for what couples examples
SAMPLED = 64  # weights of a tensor that are moved, one at least
MOVE = 0.25  # of their root mean square
ROUNDINGS = 16  # in units of the last place: both do the same operations in the same order
Values = list[Tensor]
Copied = TypeVar("Copied")


def flat_model(
    problem: Problem, dtype: torch.dtype, device: torch.device, batch: Batch
) -> FlatModel:
    """The model as it is evaluated: a copy that is shown to stand for it, else the model itself.

    Args:
        problem: has the model.
        dtype: of its parameters.
        device: where it is evaluated.
        batch: a few examples, there.

    Raises:
        ValueError: the model has no parameter that moves.
    """
    return checked_model(first_model(problem, dtype, device), problem, batch)


def first_model(problem: Problem, dtype: torch.dtype, device: torch.device) -> FlatModel:
    """A copy of the model, which is yet to be checked; the model itself where there is none.

    Raises:
        ValueError: the model has no parameter that moves.
    """
    moved = moved_names(problem)
    try:
        return FlatModel(problem.model, dtype, device, moved)
    except NoCopy:
        return InPlaceModel(problem.model, dtype, device, moved)


def checked_model(flat: FlatModel, problem: Problem, batch: Batch) -> FlatModel:
    """A model that stands for the problem's own, on the same point: the given one if it does."""
    if not flat.is_copy or stands_for(flat, problem, batch):
        return flat
    theta = flat.theta
    made = InPlaceModel(problem.model, theta.dtype, theta.device, flat.moved)
    made.load({**flat.module.state_dict(), **flat.extra_states})
    return made


def stands_for(flat: FlatModel, problem: Problem, batch: Batch) -> bool:
    """Whether a copy and the model itself have the same values, also where weights have moved.

    The model itself is asked with the copy's own tensors, so that no memory is needed for it; while
    the copy is asked, the model keeps the weights it was built with.
    """
    there = InPlaceModel.on_tensors_of(flat, problem.model)
    if not _agree(flat, there, problem, batch):
        return False
    with move_weights(flat):
        return _agree(flat, there, problem, batch)


def _agree(flat: FlatModel, there: FlatModel, problem: Problem, batch: Batch) -> bool:
    """Whether two have the same values; what fails in the copy alone is no error."""
    try:
        here = _values_of(problem, flat, batch)
    except Exception as error:  # whatever a user's code raises
        if is_out_of_memory(error):
            raise
        return False
    return _same(here, _values_of(problem, there, batch))


def draws_random_numbers(flat: FlatModel, problem: Problem, batch: Batch) -> bool:
    """Whether random numbers are drawn, or generators seeded, in forward, loss or metrics."""
    with watch_random_draws(flat.theta.device) as seen:
        _values_of(problem, flat, batch)
    return seen.drew


def copies_are_independent(flat: FlatModel, problem: Problem, batch: Batch) -> bool:
    """Whether a copy gives the same values where another, at another point, interrupts it.

    It does not where they share something that changes: a dictionary of the module that a hook
    fills, a cache, the state of a random generator, the level of forward-mode derivatives.
    """
    if enters_forward_mode(lambda: _values_of(problem, flat, batch)):
        return False
    other = flat.twin()
    with move_weights(other):
        one, two = (_values_of(problem, each, batch) for each in (flat, other))
        try:
            values, *others = run_interrupted(
                lambda: _values_of(problem, flat, batch), lambda: _values_of(problem, other, batch)
            )
        except Exception as error:  # whatever a user's code raises where another is at work too
            if is_out_of_memory(error):
                raise
            return False
        return _same(one, values) and all(_same(two, each) for each in others)


@contextmanager
def move_weights(flat: FlatModel) -> Iterator[None]:
    """A stretch in which some weights of each tensor are elsewhere; then all are put back."""
    kept_parts: list[tuple[Tensor, Tensor]] = []
    with torch.no_grad():
        for view in flat.views:
            row = view.view(-1)
            part = row[:: max(1, len(row) // SAMPLED)]
            kept = part.clone()
            size = float(kept.double().square().mean().sqrt())
            moves = torch.ones_like(part)
            moves[1::2] = -0.5  # not -1: a sum or mean of the weights must change too
            part.add_(moves, alpha=MOVE * (size or 1.0))
            kept_parts.append((part, kept))
    try:
        yield
    finally:
        with torch.no_grad():
            for part, kept in kept_parts:
                part.copy_(kept)


def _values_of(problem: Problem, flat: FlatModel, batch: Batch) -> Values:
    """Each term's values on the batch, and the outputs, as the model stands."""
    batch = copied_batch(batch)
    with flat.at_theta(), evaluation_mode():
        outputs = problem.forward(flat.module, batch)
        values = LossAndMetrics(problem).values(outputs, batch)
        leaves = torch.utils._pytree.tree_leaves((outputs, values))
        return [leaf.clone() for leaf in leaves if isinstance(leaf, Tensor)]


def copied_batch(batch: Copied) -> Copied:
    """A batch, or a split, whose tensors are copies; what is none stays."""
    return torch.utils._pytree.tree_map_only(Tensor, Tensor.clone, batch)


def _same(one: Values, other: Values) -> bool:
    """Whether values are equal but for a few roundings; NaN where NaN is."""
    return len(one) == len(other) and all(map(_close, one, other))


def _close(one: Tensor, other: Tensor) -> bool:
    if one.shape != other.shape or one.dtype != other.dtype:
        return False
    if not (one.is_floating_point() or one.is_complex()):
        return torch.equal(one, other)
    if not one.numel():
        return True
    finite = one[one.isfinite()]
    scale = float(finite.abs().max()) if finite.numel() else 0.0
    within = ROUNDINGS * torch.finfo(one.dtype).eps
    return torch.allclose(one, other, rtol=within, atol=within * scale, equal_nan=True)
