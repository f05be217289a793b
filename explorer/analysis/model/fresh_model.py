"""Whether the model that is evaluated has the values of one that `problem()` makes anew."""

from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor

from explorer.analysis.model.input_changes import copy_batch
from explorer.analysis.objective.batches import count_examples, slice_examples
from explorer.analysis.objective.evaluation_mode import evaluation_mode
from explorer.analysis.objective.flat_model import FlatModel, convert_tensor
from explorer.analysis.objective.losses import LossAndMetrics
from explorer.analysis.objective.model_copies import move_weights
from explorer.analysis.objective.named_tensors import Tensors
from explorer.analysis.objective.user_errors import ProblemError
from explorer.problem import Batch, Problem

LARGEST_MADE_ANEW = 20_000_000  # parameters of a model that is made again for a check alone
ROUNDING = 1e-4  # of the largest value; weights move by a quarter of their size


def one_example_less(batch: Batch, problem: Problem) -> Batch:
    """One example less than were evaluated before: what depends on the first batch shows."""
    return (
        batch if problem.batch_size else slice_examples(batch, 0, max(1, count_examples(batch) - 1))
    )


def check_as_made_anew(
    problem: Problem, flat: FlatModel, batch: Batch, path: Path, anew: Callable[[], Problem | None]
) -> None:
    """Refuse a model whose values at other weights are not those of plain torch.

    Plain torch: `problem()` in a module run anew, the weights loaded, `eval()`, forward, loss. Both
    a copy and the very objects may have kept what they made of older weights.

    Args:
        problem: whose model `flat` is; it has been evaluated at other weights.
        flat: the model as it is evaluated.
        batch: a few examples, where it lies.
        path: of the problem's file.
        anew: the problem once more, or None where that cannot be.

    Raises:
        ProblemError: they differ.
    """
    if sum(parameter.numel() for parameter in problem.model.parameters()) > LARGEST_MADE_ANEW:
        return
    other = anew()
    if other is None:
        return
    with move_weights(flat):
        with flat.at_theta():
            state = {name: _own(value) for name, value in flat.module.state_dict().items()}
            ours = _values(problem, flat.module, batch)
        try:
            theirs = _plain(other, state, flat.theta, batch)
        except Exception:  # whatever a user's code raises at a second time
            return
    for name, one, two in zip(["loss", *problem.metrics], ours, theirs, strict=True):
        if not _near(one, two):
            raise ProblemError(
                f"{path}: where weights have moved {name} is {float(one.mean()):.6g}, but "
                f"{float(two.mean()):.6g} by a model that problem() makes anew and that loads the "
                "same weights: something is kept from an earlier call (a cache such as "
                "lru_cache, a mask of the first batch, weights merged by eval()) or is drawn anew "
                "by each call of problem(); make it in each forward, turn merging off, or draw it "
                "from a fixed seed"
            )


def _plain(other: Problem, state: Tensors, like: Tensor, batch: Batch) -> list[Tensor]:
    """The values of a problem by plain torch, with weights loaded into its own model."""
    model = other.model
    model._apply(lambda value: convert_tensor(value, like.dtype, like.device))
    model.load_state_dict(state)
    return _values(other, model.eval(), batch)


def _values(problem: Problem, model: torch.nn.Module, batch: Batch) -> list[Tensor]:
    """Each term of a batch: a value per example, or the mean of a sum and a count."""
    batch = copy_batch(batch)
    with evaluation_mode():
        values = LossAndMetrics(problem).values(problem.forward(model, batch), batch)
        exact = [v[0] / v[1] if isinstance(v, tuple) else v for v in values]
        return [torch.as_tensor(value).double().cpu() for value in exact]


def _own(value: Tensor) -> Tensor:
    return value.detach().clone() if isinstance(value, Tensor) else value


def _near(one: Tensor, other: Tensor) -> bool:
    if one.shape != other.shape:
        return False
    finite = one[one.isfinite()].abs()
    scale = float(finite.max()) if finite.numel() else 0.0
    return torch.allclose(one, other, rtol=ROUNDING, atol=ROUNDING * scale, equal_nan=True)
