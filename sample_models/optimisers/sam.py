"""Sharpness-aware minimisation, plain and adaptive."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import SGD


class SAM(SGD):
    """SGD whose gradient is taken at distance `rho` along the gradient at the present weights.

    Adaptive, the distance is measured in weights: step e = rho T^2 g / |T g| with T = |w| + `eta`.

    Source: Foret et al. 2021, arXiv:2010.01412, algorithm 1; Kwon et al. 2021, arXiv:2102.11600,
    algorithm 1 (there `eta` is .01; biases are scaled like weights here).
    """

    def __init__(
        self,
        model: nn.Module,
        rho: float,
        adaptive: bool = False,
        eta: float = 0.01,
        **options: Any,
    ) -> None:
        super().__init__(model.parameters(), **options)
        self._model = model
        self._weights = list(model.parameters())
        self.rho, self.adaptive, self.eta = rho, adaptive, eta

    def step(self, closure: Callable[[], Tensor]) -> Tensor:  # type: ignore[override]
        """One step; returns the loss at the weights before it.

        Args:
            closure: zeroes the gradients, takes those of the batch's loss and returns the loss.
        """
        with torch.enable_grad():
            loss = closure()
        before = [weight.detach().clone() for weight in self._weights]
        with torch.no_grad():
            for weight, move in zip(self._weights, self._ascent(), strict=True):
                weight.add_(move)
        with buffers_kept(self._model), torch.enable_grad():
            closure()
        with torch.no_grad():
            for weight, old in zip(self._weights, before, strict=True):
                weight.copy_(old)
        super().step()
        return loss

    def _ascent(self) -> list[Tensor]:
        """The way to the point whose gradient is used."""
        gradients = [w.grad if w.grad is not None else torch.zeros_like(w) for w in self._weights]
        scales = [
            w.abs() + self.eta if self.adaptive else torch.ones_like(w) for w in self._weights
        ]
        scaled = [s * g for s, g in zip(scales, gradients, strict=True)]
        norm = torch.cat([part.flatten() for part in scaled]).norm().clamp_min(1e-12)
        return [self.rho * s * part / norm for s, part in zip(scales, scaled, strict=True)]


@contextmanager
def buffers_kept(model: nn.Module) -> Iterator[None]:
    """A stretch after which buffers, as BatchNorm's statistics, are what they were before it."""
    before = [(buffer, buffer.clone()) for buffer in model.buffers()]
    try:
        yield
    finally:
        with torch.no_grad():
            for buffer, old in before:
                buffer.copy_(old)
