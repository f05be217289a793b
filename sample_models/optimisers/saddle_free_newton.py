"""The saddle-free Newton method, exact, for networks of a few thousand parameters."""

from collections.abc import Callable, Iterable

import torch
from torch import Tensor, nn
from torch.nn.utils import parameters_to_vector, vector_to_parameters
from torch.optim import Optimizer


class SaddleFreeNewton(Optimizer):
    """Each step is -lr |H|^-1 g: Newton's, with the absolute values of the eigenvalues.

    The whole Hessian is made and diagonalised, which takes n^2 memory and n^3 time.

    Source: Dauphin et al. 2014, arXiv:1406.2572, algorithm 1, without its Krylov subspace.
    """

    def __init__(
        self, parameters: Iterable[nn.Parameter], lr: float = 1.0, damping: float = 1e-3
    ) -> None:
        super().__init__(list(parameters), {"lr": lr})
        self.damping = damping

    def step(self, closure: Callable[[], Tensor]) -> Tensor:  # type: ignore[override]
        """One step; returns the loss at the weights before it.

        Args:
            closure: returns the batch's loss; that it also takes its gradients does no harm, if it
                keeps the graph: `loss.backward(retain_graph=True)`.
        """
        (group,) = self.param_groups
        weights: list[Tensor] = group["params"]
        with torch.enable_grad():
            loss = closure()
            slopes = parameters_to_vector(torch.autograd.grad(loss, weights, create_graph=True))
            rows = [torch.autograd.grad(slope, weights, retain_graph=True) for slope in slopes]
        hessian = torch.stack([parameters_to_vector(row) for row in rows]).double()
        values, vectors = torch.linalg.eigh((hessian + hessian.T) / 2)
        along = vectors.T @ slopes.detach().double()
        move = vectors @ (along / (values.abs() + self.damping))
        with torch.no_grad():
            position = parameters_to_vector(weights)
            vector_to_parameters(position - group["lr"] * move.to(position.dtype), weights)
        return loss.detach()
