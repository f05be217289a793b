"""Buffers that follow the parameters from point to point."""

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass

from torch import Tensor

from explorer.analysis.objective import batchnorm
from explorer.analysis.objective.flat_model import FlatModel
from explorer.problem import Batch, Problem


@dataclass(frozen=True)
class MovingBuffers:
    """Buffers between those of two points, statistics recomputed, BatchNorm folded anew."""

    flat: FlatModel
    problem: Problem
    autocast: Callable[[], AbstractContextManager[object]]  # of the objective's precision
    between: batchnorm.Ends
    calibration: Sequence[Batch]  # over which statistics are recomputed; empty where they stay
    folded: batchnorm.FoldedNetwork | None

    def follow(self, step: Tensor | None) -> None:
        """Make them anew at the model's present parameters.

        `step` (1,) says where between the points of `between` these are; without one, or with an
        empty one, they are at the base.
        """
        if self.between and step is not None and len(step):
            batchnorm.interpolate(self.flat.module, self.between, step)
        if self.calibration:
            with self.autocast():
                batchnorm.recalibrate(self.flat.module, self.problem.forward, self.calibration)
        if self.folded is not None:
            self.folded.refresh()

    def copies(self) -> list[Tensor]:
        """Copies of those that `follow` makes anew at every point."""
        if not self.between and not self.calibration:
            return []
        return [buffer.clone() for buffer in self.flat.buffers.values()]

    def put_back(self, copies: list[Tensor]) -> None:
        """Take buffers over from `copies`, at the same parameters."""
        if copies:
            for buffer, value in zip(self.flat.buffers.values(), copies, strict=True):
                buffer.copy_(value)
        if self.folded is not None:
            self.folded.refresh()
