"""The covariance of the examples' own gradients: its trace, and the gradient-noise scale."""

from collections.abc import Iterator
from operator import itemgetter

import torch
from torch import Tensor
from torch.func import functional_call, grad, vmap

from explorer.analysis.batches import mapped
from explorer.analysis.objective import Objective
from explorer.analysis.standing import Found, NotApplicable, Standing
from explorer.analysis.terms import as_value
from explorer.analysis.whole import named
from explorer.problem import Batch

CHUNK_BYTES, MOST = 64 << 20, 256  # of gradients that are held at once, and their number


def noise_scale(standing: Standing) -> Found:
    """tr(Sigma) / norm(g)^2: the batch size below which gradients are mostly noise.

    Source: McCandlish et al. 2018, arXiv:1812.06162, equation 2.9. Sigma is the covariance with
    N - 1, over all the examples; no sampling, hence no interval.
    """
    squared = float(standing.gradient.square().sum())
    if not squared:
        raise NotApplicable("The gradient is zero")
    return Found.exact(covariance_trace(standing.objective, squared) / squared)


def covariance_trace(objective: Objective, squared: float) -> float:
    """Trace of the covariance of per-example gradients, from the squared norm of their mean.

    Raises:
        NotApplicable: the loss is a sum and a count.
    """
    count = objective.examples
    if count < 2:
        return float("nan")
    total = sum(float(norms.sum()) for norms in _batches(objective))
    return (total - count * squared) / (count - 1)


def _batches(objective: Objective) -> Iterator[Tensor]:
    """Squared norms of the examples' gradients, float64, a chunk of examples at a time."""
    theta = objective.flat.theta
    chunk = min(MOST, max(1, CHUNK_BYTES // (theta.numel() * theta.element_size())))

    def loss(parameters: Tensor, example: Batch) -> Tensor:
        batch = mapped(example, lambda tensor: tensor.unsqueeze(0))
        outputs = functional_call(objective.whole, named(objective.flat, parameters), (batch,))
        value = as_value("loss", objective.problem.loss(outputs, batch))
        if isinstance(value, tuple):
            raise NotApplicable("It needs one loss per example")
        return value.sum()

    def norm(parameters: Tensor, example: Batch) -> Tensor:
        return grad(loss)(parameters, example).double().square().sum()

    many = vmap(norm, in_dims=(None, 0), chunk_size=chunk)
    point = theta.detach().clone()
    for start, stop, batch in objective.batches:
        try:
            norms = many(point, batch)
        except RuntimeError:  # an operation without a batching rule
            alone = (mapped(batch, itemgetter(place)) for place in range(stop - start))
            norms = torch.stack([norm(point, example) for example in alone])
        yield norms
