"""Gradients of the mean loss over the data."""

from collections.abc import Iterator, Sequence

import torch
from torch import Tensor

from explorer.analysis.objective.losses import as_value
from explorer.analysis.objective.objective import Objective


class NoGradient(ValueError):
    """A loss that does not depend on the parameters in a way that can be differentiated."""


def gradient(objective: Objective) -> Tensor:
    """Gradient of the mean loss at the present parameters, (D,) float64 on the CPU.

    It is taken tensor by tensor: that of a slice would be as large as the whole vector.

    Raises:
        NoGradient: there is none.
    """
    flat = objective.flat
    total = torch.zeros(flat.theta.shape, dtype=torch.float64)
    counted = 0.0
    for parts, count in gradients(objective):
        for block, part in zip(flat.blocks, parts, strict=True):
            total[block.start : block.stop] += part.reshape(-1).cpu()
        counted += count
    return total.div_(counted)


def gradients(objective: Objective) -> Iterator[tuple[Sequence[Tensor], float]]:
    """Of each batch the gradient of its summed loss, tensor by tensor, and what it counts.

    Raises:
        NoGradient: there is none.
    """
    problem, flat = objective.problem, objective.flat
    objective.on_pass()
    with flat.at_theta(), flat.with_gradients() as parameters:
        for _, _, batch in objective.batches:
            outputs = problem.forward(flat.module, batch)
            loss = as_value("loss", problem.loss(outputs, batch))
            value, size = loss if isinstance(loss, tuple) else (loss.sum(), loss.numel())
            if not value.requires_grad:
                raise NoGradient(
                    "the loss has no gradient: argmax, detach(), no_grad() or a comparison lies "
                    "between the weights and it; choose a random direction, or make the loss "
                    "differentiable"
                )
            yield torch.autograd.grad(value, parameters, materialize_grads=True), float(size)
