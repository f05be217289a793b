"""A physics-informed network for convection at a speed: u_t + speed u_x = 0 on a circle."""

import math
from collections.abc import Callable
from typing import cast

import torch
from torch import Tensor, nn

from explorer.problem import Batch, Problem, derivatives

Points = tuple[Tensor, Tensor]  # points (B, 2) of x in [0, 2 pi) and t in [0, 1); what each is for
RESIDUAL, INITIAL, BOUNDARY = 0, 1, 2  # what a point is for
COUNTS = (400, 64, 32)  # points of each of these


class Network(nn.Module):
    """Three hidden layers of 32 tanh units from (x, t) to u, 2-32-32-32-1."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            *(nn.Linear(2, 32), nn.Tanh(), nn.Linear(32, 32), nn.Tanh()),
            *(nn.Linear(32, 32), nn.Tanh(), nn.Linear(32, 1)),
        )

    def forward(self, points: Tensor) -> Tensor:
        """Values of u, (B,)."""
        return self.layers(points)[:, 0]


def points(seed: int) -> Points:
    """Random points in the square, on its first line and on its left edge, in turn; float32."""
    generator = torch.Generator().manual_seed(seed)
    places = torch.rand(sum(COUNTS), 2, generator=generator)
    uses = torch.repeat_interleave(torch.arange(3), torch.tensor(COUNTS))
    places[:, 0] *= 2 * math.pi * (uses != BOUNDARY)
    places[:, 1] *= uses != INITIAL
    return places, uses


def terms(speed: float) -> Callable[[nn.Module, Batch], Tensor]:
    """A forward whose outputs are (B, 2): what ought to be 0 at each point, and u there."""

    def forward(model: nn.Module, batch: Batch) -> Tensor:
        places, uses = cast("Points", batch)
        with derivatives():
            inputs = places.detach().clone().requires_grad_()
            values = model(inputs)
            (slopes,) = torch.autograd.grad(values.sum(), inputs, create_graph=True)
        residuals = speed * slopes[:, 0] + slopes[:, 1]
        around = torch.tensor([2 * math.pi, 0.0], dtype=places.dtype, device=places.device)
        jumps = values - model(places + around)
        errors = torch.where(uses == INITIAL, values - places[:, 0].sin(), jumps)
        return torch.stack([torch.where(uses == RESIDUAL, residuals, errors), values], dim=1)

    return forward


def loss(outputs: Tensor, batch: Points) -> Tensor:
    """Squares of what ought to be 0, (B,), so weighted that their mean is the sum of three means.

    Source: Krishnapriyan et al. 2021, arXiv:2109.01050, equation 3 with all weights 1.
    """
    counts = torch.tensor(COUNTS, dtype=outputs.dtype, device=outputs.device)
    return outputs[:, 0].square() * (counts.sum() / counts)[batch[1]]


def mean_square(use: int) -> Callable[[Tensor, Points], tuple[Tensor, Tensor]]:
    """The term of the loss that is for this use, as (sum, count)."""

    def term(outputs: Tensor, batch: Points) -> tuple[Tensor, Tensor]:
        chosen = (batch[1] == use).to(outputs.dtype)
        return (outputs[:, 0].square() * chosen).sum(), chosen.sum()

    return term


def problem(speed: float = 1.0) -> Problem:
    """A network that is to solve the convection equation from sin(x) at t = 0.

    The metric `error` is the mean square of u - sin(x - speed t) over that of the solution: the
    square of the relative error.
    """

    def error(outputs: Tensor, batch: Points) -> tuple[Tensor, Tensor]:
        solution = (batch[0][:, 0] - speed * batch[0][:, 1]).sin().to(outputs.dtype)
        return (outputs[:, 1] - solution).square().sum(), solution.square().sum()

    return Problem(
        model=Network(),
        data={"train": points(0), "test": points(1)},
        loss=loss,
        metrics={
            "residual": mean_square(RESIDUAL),
            "initial": mean_square(INITIAL),
            "boundary": mean_square(BOUNDARY),
            "error": error,
        },
        forward=terms(speed),
    )
