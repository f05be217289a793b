"""What a forward pass costs, by the shapes of its operations' outputs."""

import torch
from torch import Tensor

from explorer.analysis.objective.batches import count_examples, slice_examples
from explorer.analysis.objective.flat_model import FlatModel
from explorer.analysis.objective.torch_operations import TorchOperations
from explorer.problem import Batch, Problem


class _OutputBytes(TorchOperations):
    """Counts the bytes that all operations within it put out."""

    total = 0
    operations = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):  # type: ignore[no-untyped-def]
        out = func(*args, **(kwargs or {}))
        if isinstance(out, Tensor):
            self.total += out.numel() * out.element_size()
            self.operations += 1
        return out


@torch.no_grad()
def forward_cost(flat: FlatModel, problem: Problem, data: Batch) -> tuple[int, int]:
    """Bytes that the operations of a forward pass put out per example, and their number."""
    if problem.batch_size:  # an example by itself is another thing, or none
        examples = min(problem.batch_size, count_examples(data))
        with flat.at_theta(), _OutputBytes() as counted:
            problem.forward(flat.module, slice_examples(data, 0, examples))
        return max(1, counted.total // examples), max(1, counted.operations)
    counts = []
    for examples in (2, 3):
        with flat.at_theta(), _OutputBytes() as counted:
            problem.forward(flat.module, slice_examples(data, 0, examples))
        counts.append(counted.total)
    # the difference leaves out what does not grow with the batch, such as views of weights
    return max(1, counts[1] - counts[0]), max(1, counted.operations)
