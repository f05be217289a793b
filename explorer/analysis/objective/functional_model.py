"""A problem's forward pass as one function of named parameters."""

import torch
from torch import Tensor, nn

from explorer.analysis.objective.flat_model import FlatModel
from explorer.problem import Batch, Outputs, Problem


class FunctionalModel(nn.Module):
    """A problem's forward pass as a module, so that its parameters can be replaced by name."""

    def __init__(self, problem: Problem, model: nn.Module) -> None:
        super().__init__()
        self.model = model
        self._forward = problem.forward

    def forward(self, batch: Batch) -> Outputs:
        """Outputs of the model on a batch."""
        return self._forward(self.model, batch)


def named_views(flat: FlatModel, theta: Tensor) -> dict[str, Tensor]:
    """Views of a flat vector (D,) by the names that `FunctionalModel` gives parameters."""
    return {
        f"model.{block.name}": theta[block.start : block.stop].view(block.shape)
        for block in flat.blocks
    }


def widen_reduced_floats(outputs: Outputs) -> Outputs:
    """Outputs with reduced floats as float32, whatever they are held in."""
    if isinstance(outputs, Tensor):
        return outputs.float() if outputs.dtype in (torch.bfloat16, torch.float16) else outputs
    return torch.utils._pytree.tree_map_only(Tensor, widen_reduced_floats, outputs)
