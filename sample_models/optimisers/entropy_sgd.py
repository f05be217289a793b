"""Entropy-SGD: descent on a local free energy."""

import math
from collections.abc import Callable, Iterable

import torch
from torch import Tensor, nn
from torch.optim import Optimizer


class EntropySGD(Optimizer):
    """Each step draws the weights to the mean of Langevin dynamics that starts from them.

    The inner dynamics is x' <- x' - inner_lr (g(x') - gamma (x - x')) + sqrt(inner_lr) noise N,
    its running mean mu <- averaging mu + (1 - averaging) x'; then x <- x - lr gamma (x - mu).

    Source: Chaudhari et al. 2017, arXiv:1611.01838, algorithm 1.
    """

    def __init__(
        self,
        parameters: Iterable[nn.Parameter],
        lr: float,
        gamma: float,
        inner_steps: int = 20,
        inner_lr: float = 0.1,
        noise: float = 1e-4,
        averaging: float = 0.75,
        seed: int = 0,
    ) -> None:
        super().__init__(list(parameters), {"lr": lr})
        self.gamma, self.inner_steps, self.inner_lr = gamma, inner_steps, inner_lr
        self.noise, self.averaging = noise, averaging
        self._generator = torch.Generator().manual_seed(seed)

    def step(self, closure: Callable[[], Tensor]) -> Tensor:  # type: ignore[override]
        """One step; returns the loss at the weights before it.

        Args:
            closure: zeroes the gradients, takes those of the batch's loss and returns the loss.
        """
        (group,) = self.param_groups
        weights: list[Tensor] = group["params"]
        starts = [weight.detach().clone() for weight in weights]
        means = [start.clone() for start in starts]
        with torch.enable_grad():
            first = closure()
        for turn in range(self.inner_steps):
            if turn:
                with torch.enable_grad():
                    closure()
            self._langevin_step(weights, starts, means)
        with torch.no_grad():
            for weight, start, mean in zip(weights, starts, means, strict=True):
                weight.copy_(start - group["lr"] * self.gamma * (start - mean))
        return first

    @torch.no_grad()
    def _langevin_step(
        self, weights: list[Tensor], starts: list[Tensor], means: list[Tensor]
    ) -> None:
        """Move the weights by one inner step and the means towards them."""
        for weight, start, mean in zip(weights, starts, means, strict=True):
            gradient = torch.zeros_like(weight) if weight.grad is None else weight.grad
            weight -= self.inner_lr * (gradient - self.gamma * (start - weight))
            draw = torch.randn(weight.shape, generator=self._generator, dtype=weight.dtype)
            weight += math.sqrt(self.inner_lr) * self.noise * draw
            mean.mul_(self.averaging).add_(weight, alpha=1 - self.averaging)
