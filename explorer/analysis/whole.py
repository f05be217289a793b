"""A problem's forward pass as one function of named parameters, and the loss's gradient by them."""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn
from torch.func import functional_call

from explorer.analysis.parameters import FlatModel
from explorer.analysis.terms import as_value
from explorer.problem import Batch, Problem

if TYPE_CHECKING:
    from explorer.analysis.objective import Objective


class NoGradient(ValueError):
    """A loss that does not depend on the parameters in a way that can be differentiated."""


class Whole(nn.Module):
    """A problem's forward pass as a module, so that its parameters can be replaced by name."""

    def __init__(self, problem: Problem, model: nn.Module) -> None:
        super().__init__()
        self.model = model
        self._forward = problem.forward

    def forward(self, batch: Batch) -> Any:
        """Outputs of the model on a batch."""
        return self._forward(self.model, batch)


def named(flat: FlatModel, theta: Tensor) -> dict[str, Tensor]:
    """Views of a flat vector (D,) by the names that `Whole` gives parameters."""
    return {
        f"model.{block.name}": theta[block.start : block.stop].view(block.shape)
        for block in flat.blocks
    }


def gradient(objective: "Objective") -> Tensor:
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


def gradients(objective: "Objective") -> Iterator[tuple[Sequence[Tensor], float]]:
    """Of each batch the gradient of its summed loss, tensor by tensor, and what it counts.

    Raises:
        NoGradient: there is none.
    """
    flat = objective.flat
    views = {name: view.detach() for name, view in named(flat, flat.theta).items()}
    for view in views.values():
        view.requires_grad_()
    for _, _, batch in objective.batches:
        outputs = functional_call(objective.whole, views, (batch,))
        loss = as_value("loss", objective.problem.loss(outputs, batch))
        value, size = loss if isinstance(loss, tuple) else (loss.sum(), loss.numel())
        if not value.requires_grad:
            raise NoGradient(
                "the loss has no gradient: argmax, detach(), no_grad() or a comparison lies "
                "between the weights and it; choose a random direction, or make the loss "
                "differentiable"
            )
        yield torch.autograd.grad(value, list(views.values()), materialize_grads=True), float(size)


def widened(outputs: Any) -> Any:
    """Outputs with reduced floats as float32, whatever they are held in."""
    if isinstance(outputs, Tensor):
        return outputs.float() if outputs.dtype in (torch.bfloat16, torch.float16) else outputs
    return torch.utils._pytree.tree_map_only(Tensor, widened, outputs)
