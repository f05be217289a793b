"""The examples of an objective where they are evaluated: kept on the device, or streamed to it."""

import copy
from collections.abc import Callable, Iterable, Sequence
from typing import cast

import numpy as np
import torch

from explorer.analysis.objective.batches import (
    count_examples,
    slice_examples,
    tensors_of,
    to_device,
)
from explorer.analysis.objective.dataset import Examples, Span
from explorer.analysis.objective.device import free_bytes
from explorer.analysis.objective.examples import (
    Source,
    examples_at,
    examples_of_settings,
    head_of,
    size_of,
    split_of,
)
from explorer.analysis.objective.reading import read_examples
from explorer.analysis.objective.streaming import Stream
from explorer.kinds.objective_settings import ObjectiveSettings
from explorer.problem import Batch, Problem

RESIDENT_SHARE = 0.25  # of the free memory that a split may take to be kept there


class DeviceExamples:
    """The examples that settings choose, on the device where they fit, else streamed to it."""

    def __init__(
        self,
        problem: Problem,
        settings: ObjectiveSettings,
        dtype: torch.dtype,
        device: torch.device,
    ) -> None:
        """Bring all examples to the device, or the first few of those that do not fit.

        Raises:
            ValueError: there is no such split, it is empty or ragged, or smaller than the subset.
        """
        self._dtype, self._device = dtype, device
        source = examples_of_settings(problem, settings)
        self.count = size_of(source)
        self.available = size_of(split_of(problem, settings.split))
        self._streamed = None if fits_on_device(source, dtype, device) else source
        if self._streamed is None:
            self.data = resident_examples(source, dtype, device)
        else:
            self.data = to_device(head_of(source, problem.batch_size), dtype, device)

    @property
    def source(self) -> Source:
        """All examples, where they lie: `data`, or else what is streamed."""
        return self.data if self._streamed is None else self._streamed

    @property
    def streams(self) -> bool:
        """Whether the examples are brought to the device anew at every pass."""
        return self._streamed is not None

    def first(self, count: int) -> "DeviceExamples":
        """The first so many; where examples are streamed, no more than those at hand."""
        if count >= self.count:
            return self
        first = copy.copy(self)
        first._streamed, first.data = None, slice_examples(self.data, 0, count)
        first.count = count_examples(first.data)
        return first

    def batches(
        self, spans: Sequence[Span], lay_out: Callable[[Batch], Batch]
    ) -> Iterable[tuple[int, int, Batch]]:
        """The batches, laid out, with their first example and that after the last."""
        if self._streamed is None:
            return [(a, b, lay_out(slice_examples(self.data, a, b))) for a, b in spans]

        def ready(batch: Batch) -> Batch:
            return lay_out(to_device(batch, self._dtype, self._device))

        return Stream(self._streamed, spans, ready, self._device.type == "cuda")


def fits_on_device(source: Source, dtype: torch.dtype, device: torch.device) -> bool:
    """Whether the examples may be kept on the device; tensors on the CPU's side are there."""
    streams = isinstance(source, Examples)
    if device.type == "cpu" and not streams:
        return True
    first = source.head if isinstance(source, Examples) else slice_examples(source, 0, 1)
    one = sum(
        tensor[0].numel() * (dtype.itemsize if tensor.is_floating_point() else tensor.itemsize)
        for tensor in tensors_of(first)
    )
    return one * size_of(source) <= RESIDENT_SHARE * free_bytes(device)


def resident_examples(source: Source, dtype: torch.dtype, device: torch.device) -> Batch:
    """The examples as tensors on the device."""
    if isinstance(source, Examples):
        source = cast(Batch, read_examples(source, keep=True)[0])
    return to_device(source, dtype, device)


def calibration_batches(
    problem: Problem, settings: ObjectiveSettings, dtype: torch.dtype, device: torch.device
) -> list[Batch]:
    """What statistics are recomputed on: the split's first examples, also beside a subset."""
    if settings.batchnorm != "recalibrated":
        return []
    source = split_of(problem, settings.split)
    seen = min(settings.batchnorm_examples, size_of(source))
    data = resident_examples(examples_at(source, np.arange(seen)), dtype, device)
    size = settings.batchnorm_batch
    # a last batch of one example has no variance
    return [slice_examples(data, a, min(a + size, seen)) for a in range(0, seen - 1, size)]
