"""Whether code computes in half precision by itself, whatever precision is asked for."""

import torch
from torch import Tensor

from explorer.analysis.objective.evaluation_mode import evaluation_mode
from explorer.analysis.objective.flat_model import FlatModel
from explorer.analysis.objective.losses import LossAndMetrics
from explorer.analysis.objective.torch_operations import TorchOperations
from explorer.problem import Batch, Problem

HALVES = (torch.bfloat16, torch.float16)
MOVES = ("_to_copy", "clone", "copy_", "cat", "stack", "index", "index_select", "embedding")


class HalfOperations(TorchOperations):
    """Takes down the half precision in which something is computed, not merely kept."""

    def __init__(self) -> None:
        super().__init__()
        self.name = ""  # as "bfloat16"; "" for none

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):  # type: ignore[no-untyped-def]
        result = func(*args, **(kwargs or {}))
        if not (self.name or func.is_view or func.overloadpacket.__name__ in MOVES):
            self.name = next((n for n in _halves(result) if n in _halves((args, kwargs))), "")
        return result


def half_precision(problem: Problem, flat: FlatModel, batch: Batch) -> str:
    """The half precision that forward, loss or a metric computes in, as "bfloat16"; else ""."""
    with flat.at_theta(), evaluation_mode(), HalfOperations() as seen:
        outputs = problem.forward(flat.module, batch)
        LossAndMetrics(problem).values(outputs, batch)
    return seen.name


def _halves(given: object) -> list[str]:
    """The half precisions among the tensors of a value."""
    leaves = torch.utils._pytree.tree_leaves(given)
    return [str(t.dtype)[6:] for t in leaves if isinstance(t, Tensor) and t.dtype in HALVES]
