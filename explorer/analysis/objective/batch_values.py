"""Loss and metrics of one batch by one model, the operations ordered in a chosen way."""

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.func import functional_call

from explorer.analysis.objective.example_values import Value
from explorer.analysis.objective.flat_model import FlatModel
from explorer.analysis.objective.functional_model import (
    FunctionalModel,
    named_views,
    widen_reduced_floats,
)
from explorer.analysis.objective.losses import LossAndMetrics
from explorer.analysis.objective.superposition import BatchOutputs, Superposition
from explorer.kinds.execution import Choice
from explorer.problem import Batch, Outputs, Problem


@dataclass
class BatchValues:
    """The values of each term on a batch, at the model's parameters or at several points."""

    problem: Problem
    precision: str
    flat: FlatModel
    choice: Choice
    network: nn.Module  # evaluated in the model's place

    def __post_init__(self) -> None:
        """Prepare the functions that the choice asks for; a compiler works at their first call."""
        self._terms = LossAndMetrics(self.problem)
        self.functional = FunctionalModel(self.problem, self.flat.module)
        self._stacked = torch.vmap(self._at_theta, in_dims=(0, None, None, 0))
        self._layers: Superposition | None = None
        self.compiled: Callable[[Batch], list[Value]] | None = None
        if self.choice.compiled and self.choice.stacked > 1:
            self._stacked = torch.compile(self._stacked, dynamic=False)
        elif self.choice.compiled:
            self.compiled = torch.compile(self._at_present, dynamic=False)

    def outputs(self, batch: Batch) -> Outputs:
        """The network's outputs on a batch, in float32 at least."""
        with self.flat.at_theta(), self.autocast():
            outputs = self.problem.forward(self.network, batch)
        return widen_reduced_floats(outputs) if self.precision == "bf16" else outputs

    def superposed_outputs(self, batch: Batch, kept: BatchOutputs, step: Tensor) -> Outputs:
        """The same at a step (m,) from where `kept` was computed, that of some layers given."""
        superposition = self._superposition(kept)
        with superposition.installed():
            superposition.give(kept, step)
            return self.outputs(batch)

    def stacked(
        self, thetas: Tensor, batch: Batch, kept: BatchOutputs, steps: Tensor
    ) -> list[Value]:
        """The value of each term at several points, parameters (K, D), steps (K, m)."""
        with torch.no_grad(), self.autocast(), self._superposition(kept).installed():
            return self._stacked(thetas, batch, kept, steps)

    def _superposition(self, kept: BatchOutputs) -> Superposition:
        """One and the same object, for a compiler takes another for another function."""
        if self._layers is None:
            self._layers = Superposition(self.flat.module, kept)
        return self._layers

    def autocast(self) -> AbstractContextManager[object]:
        """bfloat16 where the precision asks for it; parameters stay float32."""
        if self.precision != "bf16":
            return nullcontext()
        return torch.autocast(self.flat.theta.device.type, torch.bfloat16, cache_enabled=False)

    def _at_theta(
        self, theta: Tensor, batch: Batch, kept: BatchOutputs, step: Tensor
    ) -> list[Value]:
        """The value of each term at parameters (D,)."""
        self._superposition(kept).give(kept, step)
        outputs = functional_call(self.functional, named_views(self.flat, theta), (batch,))
        return self._terms.fused_values(outputs, batch)

    def _at_present(self, batch: Batch) -> list[Value]:
        """The value of each term at the present parameters."""
        return self._terms.fused_values(self.outputs(batch), batch)
