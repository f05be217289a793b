"""Functions of two numbers with known minima and saddles as problems, in torch and float64.

Each has the two numbers as its parameters, and begins where optimisers usually do.
"""

from collections.abc import Callable, Mapping

import torch
from torch import Tensor

from explorer.function_problem import function_problem
from explorer.problem import Problem

# Source: Müller and Brown 1979, Theoretica Chimica Acta 53, 75-93: A, a, b, c, x0, y0 of each term.
MULLER_BROWN = (
    (-200.0, -1.0, 0.0, -10.0, 1.0, 0.0),
    (-100.0, -1.0, 0.0, -10.0, 0.0, 0.5),
    (-170.0, -6.5, 11.0, -6.5, -0.5, 1.5),
    (15.0, 0.7, 0.6, 0.7, -1.0, 1.0),
)


def quadratic(point: Tensor) -> Tensor:
    """A bowl that is ten times as steep along y."""
    x, y = point
    return (x**2 + 10 * y**2) / 2


def multimodal(point: Tensor) -> Tensor:
    """A bowl with waves on it."""
    x, y = point
    return (x**2 + y**2) * (1 + torch.sin(5 * x) * torch.sin(5 * y) / 2)


def saddle(point: Tensor) -> Tensor:
    """A minimum along x and a maximum along y."""
    x, y = point
    return x**2 - y**2


def rosenbrock(point: Tensor) -> Tensor:
    """A bent valley with a flat floor.

    Source: Rosenbrock 1960, The Computer Journal 3(3), 175-184.
    """
    x, y = point
    return (1 - x) ** 2 + 100 * (y - x**2) ** 2


def himmelblau(point: Tensor) -> Tensor:
    """Four minima of depth 0.

    Source: Himmelblau 1972, Applied Nonlinear Programming, McGraw-Hill.
    """
    x, y = point
    return (x**2 + y - 11) ** 2 + (x + y**2 - 7) ** 2


def muller_brown(point: Tensor) -> Tensor:
    """Three minima joined by two bent passes."""
    x, y = point
    terms = [
        height * torch.exp(a * (x - x0) ** 2 + b * (x - x0) * (y - y0) + c * (y - y0) ** 2)
        for height, a, b, c, x0, y0 in MULLER_BROWN
    ]
    return torch.stack(terms).sum()


def strict_saddle(point: Tensor) -> Tensor:
    """A saddle at (0, 0) that is left slowly, and minima at y = ±0.316.

    Source: Lee, Simchowitz, Jordan and Recht 2016, arXiv:1602.04915, on strict saddles.
    """
    x, y = point
    return x**2 / 2 - 0.05 * y**2 + y**4 / 4


FUNCTIONS: Mapping[str, tuple[Callable[[Tensor], Tensor], tuple[float, float]]] = {
    "quadratic": (quadratic, (-1.8, 1.2)),
    "multimodal": (multimodal, (-1.5, 1.3)),
    "saddle": (saddle, (-1.5, 0.001)),
    "rosenbrock": (rosenbrock, (-1.2, 1.0)),
    "himmelblau": (himmelblau, (-0.5, -1.0)),
    "muller_brown": (muller_brown, (-0.75, 0.55)),
    "strict_saddle": (strict_saddle, (1.0, 0.001)),
}


def problem(name: str = "rosenbrock") -> Problem:
    """The function of that name; its loss is the value.

    Raises:
        ValueError: there is none of that name.
    """
    if name not in FUNCTIONS:
        raise ValueError(f"name must be one of {', '.join(FUNCTIONS)}, got {name!r}")
    function, start = FUNCTIONS[name]
    return function_problem(function, start, of_tensors=True)
