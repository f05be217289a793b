"""How much the gradients of single examples differ from their mean."""

from collections.abc import Iterator, Mapping

import torch
from torch import Tensor
from torch.func import functional_call, grad, vmap
from torch.nn.attention import SDPBackend, sdpa_kernel

from explorer.analysis.batches import count_examples, mapped, part
from explorer.analysis.objective import Objective
from explorer.analysis.terms import as_value
from explorer.analysis.whole import named
from explorer.problem import Batch

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
    flat = objective.flat
    views = {name: view.detach() for name, view in named(flat, flat.theta).items()}
    most = max(1, TOGETHER_BYTES // (flat.theta.numel() * flat.theta.element_size()))
    found = _together
    for start, stop, batch in objective.batches:
        for first in range(0, stop - start, most):
            few = part(batch, first, min(first + most, stop - start))
            try:
                squares = found(objective, views, few)
            except (RuntimeError, TypeError):  # a model that cannot be vectorised over examples
                if found is _one_by_one:
                    raise
                found = _one_by_one
                squares = found(objective, views, few)
            yield squares


def _loss(objective: Objective, views: Mapping[str, Tensor], batch: Batch) -> Tensor:
    with sdpa_kernel(SDPBackend.MATH):
        outputs = functional_call(objective.whole, dict(views), (batch,))
    value = as_value("loss", objective.problem.loss(outputs, batch))
    if isinstance(value, tuple):
        raise NoNoise("the loss must give one value per example, got a sum and a count")
    return value.sum()


def _together(objective: Objective, views: Mapping[str, Tensor], batch: Batch) -> Tensor:
    """Squared norms (n,) of the gradients of all examples of a batch at once."""

    def alone(parameters: Mapping[str, Tensor], example: Batch) -> Tensor:
        return _loss(objective, parameters, mapped(example, lambda tensor: tensor.unsqueeze(0)))

    return _summed(vmap(grad(alone), in_dims=(None, 0))(dict(views), batch))


def _one_by_one(objective: Objective, views: Mapping[str, Tensor], batch: Batch) -> Tensor:
    """The same, a backward pass for each example."""
    own = {name: view.clone().requires_grad_() for name, view in views.items()}
    found = []
    for place in range(count_examples(batch)):
        loss = _loss(objective, own, part(batch, place, place + 1))
        parts = torch.autograd.grad(loss, list(own.values()), materialize_grads=True)
        found.append(_summed({str(n): p.unsqueeze(0) for n, p in enumerate(parts)}))
    return torch.cat(found)


def _summed(gradients: Mapping[str, Tensor]) -> Tensor:
    norms = [
        torch.linalg.vector_norm(own.flatten(1), dim=1, dtype=torch.float64) ** 2
        for own in gradients.values()
    ]
    return torch.stack(norms).sum(dim=0)
