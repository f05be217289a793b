"""How much the gradients of single examples differ from their mean."""

from collections.abc import Callable, Iterable, Iterator, Mapping

import torch
from torch import Tensor
from torch.func import functional_call, grad, vmap
from torch.nn.attention import SDPBackend, sdpa_kernel

from explorer.analysis.objective.batches import count_examples, map_tensors, slice_examples
from explorer.analysis.objective.functional_model import named_views
from explorer.analysis.objective.losses import as_value
from explorer.analysis.objective.objective import Objective
from explorer.problem import Batch

FEW = 2  # examples that show whether all at once is the same as one by one
SAME_NORMS = 1e-3  # relative, of squared norms in float32
TOGETHER_BYTES = 128 << 20  # of gradients of single examples at once


class NoNoise(ValueError):
    """A loss that is not one value per example."""


def covariance_trace(objective: Objective, gradient: Tensor) -> float:
    """Trace of the covariance (over N, not N - 1) of the examples' gradients.

    It is the mean of norm(g_i)^2 less norm(g)^2.

    Args:
        objective: at the point.
        gradient: of the mean loss there, (D,) float64.

    Raises:
        NoNoise: the loss is a sum and a count for each batch.
    """
    total = torch.zeros((), dtype=torch.float64)
    for squares in squared_norms(objective):
        total += squares.sum().cpu()
    return float(total) / objective.examples - float(gradient @ gradient)


def squared_norms(objective: Objective) -> Iterator[Tensor]:
    """Squared norm of each example's gradient, (n,) float64 at a time.

    Raises:
        NoNoise: the loss is a sum and a count for each batch.
    """
    if objective.problem.batch_size:
        raise NoNoise("the problem declares batches, so that no example has a gradient by itself")
    if objective.traits.draws:
        raise NoNoise("random numbers are drawn, so that an example by itself has other gradients")
    theta = objective.flat.theta
    most = max(1, TOGETHER_BYTES // (theta.numel() * theta.element_size()))
    norms_of = None
    for start, stop, batch in objective.batches:
        norms_of = norms_of or _norms_function(objective, slice_examples(batch, 0, FEW))
        for first in range(0, stop - start, most):
            yield norms_of(objective, slice_examples(batch, first, min(first + most, stop - start)))


def _norms_function(objective: Objective, few: Batch) -> Callable[[Objective, Batch], Tensor]:
    """All at once, where a few examples show that it gives the same; else one by one.

    A model cannot always be vectorised over examples, and one that holds its parameters in a list
    of its own is not seen to use others.
    """
    if not objective.flat.is_copy:
        return _norms_one_by_one
    try:
        squares = _norms_vectorised(objective, few)
    except (RuntimeError, TypeError):
        return _norms_one_by_one
    wanted = _norms_one_by_one(objective, few)
    agree = torch.allclose(squares, wanted, rtol=SAME_NORMS, atol=0, equal_nan=True)
    return _norms_vectorised if agree else _norms_one_by_one


def _summed_loss(objective: Objective, outputs: object, batch: Batch) -> Tensor:
    value = as_value("loss", objective.problem.loss(outputs, batch))
    if isinstance(value, tuple):
        raise NoNoise("the loss must give one value per example, got a sum and a count")
    return value.sum()


def _norms_vectorised(objective: Objective, batch: Batch) -> Tensor:
    """Squared norms (n,) of the gradients of all examples of a batch at once."""
    flat = objective.flat

    def alone(parameters: Mapping[str, Tensor], example: Batch) -> Tensor:
        one = map_tensors(example, lambda tensor: tensor.unsqueeze(0))
        with sdpa_kernel(SDPBackend.MATH):
            outputs = functional_call(objective.functional, dict(parameters), (one,))
        return _summed_loss(objective, outputs, one)

    views = {name: view.detach() for name, view in named_views(flat, flat.theta).items()}
    return _sums_of_squares(vmap(grad(alone), in_dims=(None, 0))(views, batch).values())


def _norms_one_by_one(objective: Objective, batch: Batch) -> Tensor:
    """The same, a backward pass for each example."""
    example_norms, flat = [], objective.flat
    with flat.at_theta(), flat.with_gradients() as parameters:
        for place in range(count_examples(batch)):
            example = slice_examples(batch, place, place + 1)
            with sdpa_kernel(SDPBackend.MATH):
                outputs = objective.problem.forward(flat.module, example)
            loss = _summed_loss(objective, outputs, example)
            slopes = torch.autograd.grad(loss, parameters, materialize_grads=True)
            example_norms.append(_sums_of_squares([slope.unsqueeze(0) for slope in slopes]))
    return torch.cat(example_norms)


def _sums_of_squares(gradients: Iterable[Tensor]) -> Tensor:
    norms = [
        torch.linalg.vector_norm(own.reshape(len(own), -1), dim=1, dtype=torch.float64) ** 2
        for own in gradients
    ]
    return torch.stack(norms).sum(dim=0)
