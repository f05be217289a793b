"""A product of two numbers fitted to 1: every point of a hyperbola is a minimum."""

import math

import torch
from torch import Tensor, nn

from explorer.experiment import Experiment, Part, Points, Series
from explorer.problem import Problem

START = (2.8, 3.5)
RATES = (0.001, 0.01, 0.02, 0.05, 0.08, 0.1, 0.12)
PANEL = "a² + b² at the minimum"


class Factors(nn.Module):
    """The numbers a and b."""

    def __init__(self) -> None:
        super().__init__()
        self.factors = nn.Parameter(torch.tensor(START, dtype=torch.float64))

    def forward(self, inputs: Tensor) -> Tensor:
        """The product of both times the inputs (B,)."""
        return self.factors.prod() * inputs


def half_squared_error(outputs: Tensor, batch: tuple[Tensor, Tensor]) -> Tensor:
    """Half the squared distance of each output to its target, (B,)."""
    return (outputs - batch[1]).square() / 2


def slope(a: float, b: float, rate: float = 0.0) -> tuple[float, float]:
    """Gradient of L + rate/4 |grad L|^2 for L = (1 - a b)^2 / 2; of L itself for rate 0.

    Source: Barrett and Dherin 2021, arXiv:2009.11162, theorem 3.1.
    """
    error, size = a * b - 1, a * a + b * b
    common = error + rate / 2 * error * size
    return (
        common * b + rate / 2 * error * error * a,
        common * a + rate / 2 * error * error * b,
    )


def descended(rate: float) -> float:
    """a^2 + b^2 where gradient descent from the start ends."""
    a, b = START
    while abs(1 - a * b) > 1e-10:
        down_a, down_b = slope(a, b)
        a, b = a - rate * down_a, b - rate * down_b
    return a * a + b * b


def flowed(rate: float) -> float:
    """a^2 + b^2 where the flow down the loss with the implicit regulariser ends."""
    a, b = START
    step = 0.0005  # halving it moves the end by less than 1e-4
    while abs(1 - a * b) > 1e-6:
        near_a, near_b = slope(a, b, rate)
        down_a, down_b = slope(a - step / 2 * near_a, b - step / 2 * near_b, rate)
        a, b = a - step * down_a, b - step * down_b
    return a * a + b * b


def regularisation(_: Problem, part: Part) -> dict[str, Points]:
    """Where descent and flows end at one learning rate."""
    rate = RATES[part.number]
    a, b = START
    flow = math.hypot(b * b - a * a, 2)  # the flow keeps b^2 - a^2, and a b = 1 at the end
    return {
        "gradient descent": Points(x=[rate], y=[descended(rate)]),
        "flow with the implicit regulariser": Points(x=[rate], y=[flowed(rate)]),
        "gradient flow": Points(x=[rate], y=[flow]),
        "flattest minimum": Points(x=[rate], y=[2.0]),
    }


def problem() -> Problem:
    """One example: the product of both numbers is to be 1."""
    one = torch.ones(1, dtype=torch.float64)
    return Problem(
        model=Factors(),
        data={"train": (one, one)},
        loss=half_squared_error,
        experiments={
            "regularisation": Experiment(
                measure=regularisation,
                threads=1,
                parts=len(RATES),
                series=(
                    Series("gradient descent", "points", PANEL),
                    Series("flow with the implicit regulariser", "dashed", PANEL),
                    Series("gradient flow", "dashed", PANEL),
                    Series("flattest minimum", "dashed", PANEL),
                ),
                title="Where gradient descent on (1 - ab)²/2 from (2.8, 3.5) ends",
                x="learning rate",
            )
        },
    )
