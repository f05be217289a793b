"""Batches that a problem's code changes in place: it gets copies, or is refused."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import cast

import torch
from torch import Tensor, nn

from explorer.analysis.objective.batches import map_tensors, tensors_of
from explorer.analysis.objective.evaluation_mode import evaluation_mode
from explorer.analysis.objective.flat_model import FlatModel
from explorer.analysis.objective.user_errors import ProblemError
from explorer.problem import Batch, Outputs, Problem


@dataclass(frozen=True)
class OnCopies:
    """A forward that changes its batch in place, given copies."""

    forward: Callable[[nn.Module, Batch], Outputs]

    def __call__(self, model: nn.Module, batch: Batch) -> Outputs:
        """Outputs of the model on a copy of the batch."""
        return self.forward(model, copy_batch(batch))


def copy_batch(batch: Batch) -> Batch:
    """The batch with tensors of its own."""
    return map_tensors(batch, torch.clone)


def protect_inputs(problem: Problem, flat: FlatModel, batch: Batch, path: Path) -> Problem:
    """The problem, whose forward gets copies where it changes what it gets.

    Args:
        problem: has forward, loss and metrics.
        flat: the model at a point.
        batch: a few examples; they are not changed.
        path: of the problem's file.

    Raises:
        ProblemError: loss or metrics change the batch, or read what forward has changed.
    """
    if isinstance(problem.forward, OnCopies):
        return problem
    passed_batch = copy_batch(batch)
    with flat.at_theta(), evaluation_mode():
        outputs = problem.forward(flat.module, passed_batch)
        changed = not _equal(passed_batch, batch)
        for name, term in {"loss": problem.loss, **problem.metrics}.items():
            before = copy_batch(passed_batch)
            value = term(outputs, passed_batch)
            if not _equal(passed_batch, before):
                raise ProblemError(
                    f"{path}: {name} changes its batch in place, so that it has another value when "
                    "it is called again; let it work on a copy: a tensor's clone(), dict(batch)"
                )
            if changed and not _equal(value, term(outputs, copy_batch(batch))):
                raise ProblemError(
                    f"{path}: forward changes its input in place, and {name} reads the changed "
                    "one; write x = (x - mean) / std in place of x.sub_(mean).div_(std) in "
                    "forward, and the same in loss if it is meant to see it"
                )
    return replace(problem, forward=OnCopies(problem.forward)) if changed else problem


def _equal(one: object, other: object) -> bool:
    """Whether two batches or values hold the same numbers, by the same names; NaN where NaN is."""
    if _names(one) != _names(other):
        return False  # an entry was taken out, as by pop(), or put in
    pairs = zip(_tensors(one), _tensors(other), strict=True)
    return all(
        a.shape == b.shape and torch.allclose(a, b, rtol=0, atol=0, equal_nan=True)
        for a, b in pairs
    )


def _names(given: object) -> object:
    """The names of a batch's entries, and of what they hold; None of what has none."""
    if isinstance(given, Mapping):
        return {name: _names(value) for name, value in given.items()}
    return [_names(value) for value in given] if isinstance(given, tuple | list) else None


def _tensors(given: object) -> list[Tensor]:
    """The tensors of a batch, or of a value, whose count may be a plain number."""
    if isinstance(given, tuple):
        return [t for part in given for t in _tensors(part)]
    if isinstance(given, int | float):
        return [torch.as_tensor(given)]
    return tensors_of(cast(Batch, given))
