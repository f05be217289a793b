"""The objective: one model's loss and metrics over a fixed split, resident on a device."""

import copy
from collections.abc import Callable, Mapping
from operator import itemgetter

import psutil
import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from explorer.analysis.parameters import FlatModel, Tensors
from explorer.analysis.terms import Sum, Terms
from explorer.problem import Batch, Problem

DTYPES = {"float32": torch.float32, "float64": torch.float64}
# Activations of one batch fit the CPU's cache, or keep the GPU busy. The size follows from shapes
# alone, never from a clock, so that a resumed run computes the same bits.
BATCH_BYTES = {"cpu": 24 << 20, "cuda": 4 << 30, "mps": 1 << 30}
LANE_BYTES = 1 << 20  # a mean operation's output; below this cores do better with a point each


class Objective:
    """Sums of loss and metrics over all examples of a split, at the parameters in `flat.theta`.

    Sums are taken in float64 on the device; `sums()` does not wait for the device.
    """

    def __init__(self, problem: Problem, split: str, precision: str, device: torch.device) -> None:
        """Copy model and data to the device.

        Raises:
            ValueError: the problem has no such split, or the split is empty or ragged.
        """
        if split not in problem.data:
            raise ValueError(f"split must be one of {', '.join(problem.data)}, got {split!r}")
        self.problem = problem
        self.device = device
        dtype = DTYPES[precision]
        self.flat = FlatModel(problem.model, dtype, device)
        data = _mapped(problem.data[split], lambda t: _placed(t, dtype, device))
        self.examples = count_examples(data)
        example_bytes, operations = forward_cost(self.flat, problem, data)
        size = max(1, BATCH_BYTES[device.type] // example_bytes)
        self._terms = [
            Terms(problem, _mapped(data, itemgetter(slice(start, start + size))))
            for start in range(0, self.examples, size)
        ]
        self.batch_size = min(size, self.examples)
        self._operation_bytes = example_bytes * self.batch_size / operations

    @property
    def names(self) -> list[str]:
        """What is measured: "loss" first, then the metrics."""
        return ["loss", *self.problem.metrics]

    @property
    def lanes(self) -> int:
        """Points worth evaluating at once: one a core where operations are too small to share."""
        small = self.device.type == "cpu" and self._operation_bytes < LANE_BYTES
        return psutil.cpu_count(logical=False) or 1 if small else 1

    def twin(self) -> "Objective":
        """The same objective with parameters of its own, sharing the data."""
        made = copy.copy(self)
        made.flat = self.flat.twin()
        return made

    def load(self, point: Tensors) -> None:
        """Stand on a point: its parameters and its buffers."""
        self.flat.load(point)

    @torch.inference_mode()
    def sums(self) -> list[Sum]:
        """Sum (float64, on the device) and count over the split, for each of `names`."""
        totals: list[Sum] = []
        for terms in self._terms:
            added = terms.sums(self.problem.forward(self.flat.module, terms.batch))
            if totals:
                pairs = zip(totals, added, strict=True)
                added = [(a + b, m + n) for (a, m), (b, n) in pairs]
            totals = added
        return totals

    def means(self) -> dict[str, float]:
        """Mean of each term per example at the parameters as they stand."""
        values = [float(total) / float(count) for total, count in self.sums()]
        return dict(zip(self.names, values, strict=True))


def _placed(tensor: Tensor, dtype: torch.dtype, device: torch.device) -> Tensor:
    return tensor.to(device=device, dtype=dtype if tensor.is_floating_point() else None)


def _mapped(batch: Batch, function: Callable[[Tensor], Tensor]) -> Batch:
    """The batch with the function applied to each of its tensors."""
    if isinstance(batch, Tensor):
        return function(batch)
    if isinstance(batch, Mapping):
        return {name: _mapped(value, function) for name, value in batch.items()}
    return tuple(_mapped(value, function) for value in batch)


def tensors_of(batch: Batch) -> list[Tensor]:
    """The tensors of a batch in a fixed order."""
    found: list[Tensor] = []
    _mapped(batch, lambda t: found.append(t) or t)  # type: ignore[func-returns-value]
    return found


def count_examples(data: Batch) -> int:
    """The common first dimension of the tensors of a split.

    Raises:
        ValueError: there is no example, or the tensors disagree.
    """
    sizes = {len(tensor) for tensor in tensors_of(data)}
    if len(sizes) != 1 or 0 in sizes:
        raise ValueError(
            f"the tensors of a split must share a first dimension above 0, got {sizes}"
        )
    return sizes.pop()


class _OutputBytes(TorchDispatchMode):
    """Counts the bytes that all operations within it put out."""

    total = 0
    operations = 0

    @classmethod
    def _should_skip_dynamo(cls) -> bool:
        return False  # else torch loads its compiler, 1.2 s of a worker's start, to skip it here

    @classmethod
    def ignore_compile_internals(cls) -> bool:
        """No compiler is involved."""
        return False

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):  # type: ignore[no-untyped-def]
        out = func(*args, **(kwargs or {}))
        if isinstance(out, Tensor):
            self.total += out.numel() * out.element_size()
            self.operations += 1
        return out


@torch.no_grad()
def forward_cost(flat: FlatModel, problem: Problem, data: Batch) -> tuple[int, int]:
    """Bytes that the operations of a forward pass put out per example, and their number."""
    counts = []
    for examples in (1, 2):
        with _OutputBytes() as counted:
            problem.forward(flat.module, _mapped(data, itemgetter(slice(0, examples))))
        counts.append(counted.total)
    # the difference leaves out what does not grow with the batch, such as views of weights
    return max(1, counts[1] - counts[0]), max(1, counted.operations)
