"""Batches in a random order that a seed decides, the same whenever a step is taken again."""

import numpy as np
import torch

from explorer.analysis.objective.batches import slice_examples, to_device
from explorer.analysis.objective.dataset import Examples
from explorer.analysis.objective.device_examples import DeviceExamples
from explorer.analysis.objective.examples import rows_at
from explorer.analysis.objective.objective import DTYPES
from explorer.kinds.objective_settings import ObjectiveSettings
from explorer.problem import Batch, Problem

STREAM, INDEPENDENT_STREAM = 0, 1  # of random numbers, beside the seed


class Minibatches:
    """The batch of each step: all examples once in each epoch, but for those left over."""

    def __init__(
        self,
        problem: Problem,
        settings: ObjectiveSettings,
        device: torch.device,
        size: int,
        seed: int,
    ) -> None:
        """Of the examples that the settings choose.

        Batches that the problem declares stay whole, whatever size is wanted.
        """
        self._dtype, self._device = DTYPES.get(settings.precision, torch.float32), device
        self._examples = DeviceExamples(problem, settings, self._dtype, device)
        count, self._declared = self._examples.count, problem.batch_size
        self.size = self._declared or min(size, count)
        self._batches = max(1, count // self.size)
        self._count, self._seed = count, seed
        self._epoch, self._order = -1, np.empty(0, dtype=np.int64)

    def at(self, step: int) -> Batch:
        """The batch of a step, on the device."""
        epoch, number = divmod(step, self._batches)
        if epoch != self._epoch:
            generator = np.random.RandomState([self._seed, STREAM, epoch])
            self._order = generator.permutation(self._batches if self._declared else self._count)
            self._epoch = epoch
        if self._declared:
            start = int(self._order[number]) * self.size
            return self._span(start, min(start + self.size, self._count))
        return self._rows(self._order[number * self.size : (number + 1) * self.size])

    def independent(self, step: int) -> Batch:
        """A batch of which those of other steps say nothing; an example may come twice in it.

        Within an epoch batches tell of each other: what was in one is in no later one, so that the
        loss of a batch is not in the mean that of all where earlier ones have led. A declared batch
        comes as often as it has examples, the shorter last one too: so the mean over steps of a
        batch's mean loss is that of all examples.
        """
        generator = np.random.RandomState([self._seed, INDEPENDENT_STREAM, step])
        if self._declared:
            start = int(generator.randint(self._count)) // self.size * self.size
            return self._span(start, min(start + self.size, self._count))
        if self.size == self._count:
            return self._rows(np.arange(self._count))
        return self._rows(np.sort(generator.randint(0, self._count, self.size)))

    def _span(self, start: int, stop: int) -> Batch:
        if self._examples.streams:
            return self._rows(np.arange(start, stop))
        return slice_examples(self._examples.data, start, stop)

    def _rows(self, chosen: np.ndarray) -> Batch:
        source = self._examples.source
        if isinstance(source, Examples):
            return to_device(source.batch(chosen.tolist()), self._dtype, self._device)
        batch = rows_at(source, chosen)
        return to_device(batch, self._dtype, self._device) if self._examples.streams else batch
