"""Small networks in float64 that several tests measure: known closed forms, or a dense oracle."""

from collections.abc import Callable

import numpy as np
import torch
from torch import nn

from explorer.problem import Problem, accuracy, cross_entropy

Snapshots = list[dict[str, torch.Tensor]]


def seeded(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


class Vector(nn.Module):
    """Two parameters as one 1 x 2 matrix, and what is made of them."""

    def __init__(self, values: list[float]) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.tensor([values], dtype=torch.float64))

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        return inputs * self.weight


def of_weights(values: list[float], loss: Callable[[torch.Tensor], torch.Tensor]) -> Problem:
    """Two parameters of those values, whose loss is a function of them alone."""
    data = {"train": (torch.ones(3, 1, dtype=torch.float64),)}
    return Problem(Vector(values), data, lambda outputs, batch: loss(outputs))


def perceptron() -> tuple[Problem, Snapshots]:
    """A perceptron of 53 parameters on 33 random examples, and three sets of weights."""
    with torch.random.fork_rng():
        torch.manual_seed(3)
        models = [nn.Sequential(nn.Linear(6, 5), nn.Tanh(), nn.Linear(5, 3)) for _ in range(3)]
    inputs = torch.randn(33, 6, generator=seeded(1), dtype=torch.float64)
    labels = torch.randint(0, 3, (33,), generator=seeded(2))
    model = models[0].double()
    problem = Problem(model, {"train": (inputs, labels)}, cross_entropy, {"accuracy": accuracy})
    return problem, [m.double().state_dict() for m in models]


def trained_perceptron() -> tuple[Problem, Snapshots]:
    """A perceptron, trained for 12 steps in float64, and its 13 snapshots."""
    with torch.random.fork_rng():
        torch.manual_seed(5)
        model = nn.Sequential(nn.Linear(6, 8), nn.Tanh(), nn.Linear(8, 3)).double()
    inputs = torch.randn(60, 6, generator=seeded(1), dtype=torch.float64)
    labels = torch.randint(0, 3, (60,), generator=seeded(2))
    optimiser = torch.optim.SGD(model.parameters(), lr=0.8, momentum=0.7)
    taken = []
    for _ in range(13):
        taken.append({n: v.detach().clone() for n, v in model.state_dict().items()})
        optimiser.zero_grad()
        nn.functional.cross_entropy(model(inputs), labels).backward()
        optimiser.step()
    problem = Problem(model, {"train": (inputs, labels)}, cross_entropy, {"accuracy": accuracy})
    return problem, taken


def chebyshev(width: int) -> Problem:
    """A tanh network on a Chebyshev polynomial of degree 5, 20 points; half the squared error.

    So is the loss in the published code of Cohen et al. 2021; with twice that, steps of 0.4 of
    gradient descent diverge at once.
    """
    with torch.random.fork_rng():
        torch.manual_seed(0)
        net = nn.Sequential(
            nn.Linear(1, width), nn.Tanh(), nn.Linear(width, width), nn.Tanh(), nn.Linear(width, 1)
        ).double()
    x = torch.linspace(-1, 1, 20, dtype=torch.float64).unsqueeze(1)

    def half(outputs: torch.Tensor, batch: tuple[torch.Tensor, ...]) -> torch.Tensor:
        return (outputs - batch[1]).square().flatten(1).mean(dim=1) / 2

    return Problem(net, {"train": (x, torch.cos(5 * torch.acos(x)))}, half)


def chebyshev_slopes(problem: Problem) -> list[np.ndarray]:
    """The gradient of that problem's mean loss by each parameter, by hand: thousands of steps."""
    x, y = (tensor.numpy() for tensor in problem.data["train"])
    weights = [parameter.detach().numpy() for parameter in problem.model.parameters()]
    in_weight, in_bias, weight, bias, out_weight, out_bias = weights
    first = np.tanh(x @ in_weight.T + in_bias)
    second = np.tanh(first @ weight.T + bias)
    of_outputs = (second @ out_weight.T + out_bias - y) / len(x)
    of_second = (of_outputs @ out_weight) * (1 - second**2)
    of_first = (of_second @ weight) * (1 - first**2)
    return [
        *(of_first.T @ x, of_first.sum(0), of_second.T @ first, of_second.sum(0)),
        *(of_outputs.T @ second, of_outputs.sum(0)),
    ]


def flat(point: dict[str, torch.Tensor]) -> np.ndarray:
    """A point as one vector."""
    return torch.cat([value.reshape(-1) for value in point.values()]).numpy()
