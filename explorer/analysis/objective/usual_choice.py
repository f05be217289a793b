"""The way of evaluating that shapes alone suggest."""

from dataclasses import dataclass

from explorer.analysis.objective.device import core_count
from explorer.kinds.execution import Choice

# Outputs of all operations on one batch: with fewer an operation is too short, with more its
# inputs have left the CPU's cache (measured: 24 to 32 images for a ResNet-20, twice as many in
# bfloat16; 8 to 17 sequences for a small GPT). The size follows from shapes alone, so that short
# work computes the same bits on every run.
BATCH_BYTES = {"cpu": 64 << 20, "cuda": 16 << 30, "mps": 1 << 30}
COPIES_BYTES = 512 << 20  # of parameters at several points at once
LANE_BYTES = 1 << 20  # a mean operation's output; below this cores do better with a point each
MOST_STACKED = 1024  # points a launch


@dataclass(frozen=True)
class Workload:
    """What the evaluation of one point takes, by the shapes of what takes part."""

    device: str  # its type
    examples: int
    declared_batch: int | None  # that the problem's loss is defined on
    example_bytes: int  # that the operations of a forward pass put out per example
    operations: int  # of a forward pass
    parameter_bytes: int
    streams: bool  # whether examples are brought to the device at every pass
    frozen: bool  # whether statistics of BatchNorm stay as they are

    @property
    def most_lanes(self) -> int:
        """How many copies of the model may be evaluated at once: one a core, where they are small.

        Each has its parameters, and more of them would not be read faster from memory.
        """
        return max(1, min(core_count(), COPIES_BYTES // self.parameter_bytes))

    @property
    def _most_examples(self) -> int:
        """How many there may be in a batch."""
        return BATCH_BYTES[self.device] // self.example_bytes

    @property
    def _batch(self) -> int:
        return min(self.examples, self.declared_batch or max(1, self._most_examples))

    @property
    def operation_bytes(self) -> float:
        """What an operation on a batch puts out in the mean."""
        return self.example_bytes * self._batch / self.operations

    @property
    def usual_choice(self) -> Choice:
        """The batch, and how many points at once, of a model that can be copied."""
        most_examples, batch = self._most_examples, self._batch
        small = self.operation_bytes < LANE_BYTES
        if self.device == "cuda":  # a small operation takes less than its launch
            fits = most_examples > self.examples and not self.streams and self.frozen
            copies = min(most_examples // batch, max(1, COPIES_BYTES // self.parameter_bytes))
            return Choice(batch=batch, stacked=min(MOST_STACKED, copies) if small and fits else 1)
        lanes = self.most_lanes if self.device == "cpu" and small and not self.streams else 1
        return Choice(batch=batch, lanes=lanes)
