"""A linear network of two layers, all of whose critical points are known in closed form."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from explorer.problem import Problem

SIZE, WIDTH, ROWS = 6, 3, 60  # inputs and outputs, hidden units, examples


class DeepLinear(nn.Module):
    """The product of two matrices without biases, 6-3-6, float64."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Linear(SIZE, WIDTH, bias=False, dtype=torch.float64)
        self.second = nn.Linear(WIDTH, SIZE, bias=False, dtype=torch.float64)

    def forward(self, inputs: Tensor) -> Tensor:
        """Outputs (B, 6) of inputs (B, 6)."""
        return self.second(self.first(inputs))


def data() -> tuple[Tensor, Tensor]:
    """Inputs (60, 6) whose second moments are the unit matrix, and targets (60, 6); float64.

    Targets are a linear map of the inputs, with singular values 2, 1.6, 1.2, .9, .6, .3, and noise.
    """
    generator = torch.Generator().manual_seed(0)
    raw = torch.randn(ROWS, SIZE, dtype=torch.float64, generator=generator)
    inputs = torch.linalg.qr(raw).Q * ROWS**0.5
    left, right = (
        torch.linalg.qr(torch.randn(SIZE, SIZE, dtype=torch.float64, generator=generator)).Q
        for _ in range(2)
    )
    strengths = torch.tensor([2.0, 1.6, 1.2, 0.9, 0.6, 0.3], dtype=torch.float64)
    noise = torch.randn(ROWS, SIZE, dtype=torch.float64, generator=generator)
    return inputs, inputs @ (left * strengths @ right.T).T + 0.1 * noise


def half_squared_error(outputs: Tensor, batch: tuple[Tensor, Tensor]) -> Tensor:
    """Half the squared distance of each example's outputs to its targets, (B,)."""
    return (outputs - batch[1]).square().sum(dim=1) / 2


def critical_weights(directions: Sequence[int]) -> dict[str, Tensor]:
    """A critical point: the map of least squares along these of its singular directions, from 0.

    At most three. Every critical point has the loss of one of these; all minima are global.

    Source: Baldi and Hornik 1989, Neural Networks 2, p. 53, fact 4; Kawaguchi 2016,
    arXiv:1605.07110, theorem 2.3.
    """
    inputs, targets = data()
    left, strengths, right = torch.linalg.svd(targets.T @ inputs / ROWS)
    chosen = list(directions)
    roots = strengths[chosen].sqrt()
    first = torch.zeros(WIDTH, SIZE, dtype=torch.float64)
    second = torch.zeros(SIZE, WIDTH, dtype=torch.float64)
    first[: len(chosen)] = roots[:, None] * right[chosen]
    second[:, : len(chosen)] = left[:, chosen] * roots
    return {"first.weight": first, "second.weight": second}


def problem() -> Problem:
    """Linear regression by a network of two linear layers with a hidden layer of 3 units."""
    return Problem(
        model=DeepLinear(),
        data={"train": data()},
        loss=half_squared_error,
    )
