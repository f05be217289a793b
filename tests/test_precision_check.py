"""float64 is float64 or refused by its reason; half precision within is said where it counts."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from explorer.analysis.curvature.consistency import require_repeatable
from explorer.analysis.curvature.differentiable import CurvatureError
from explorer.analysis.curvature.products import Curvature, hessian
from explorer.analysis.model.problem_trial import ready_problem
from explorer.analysis.model.problems import LoadedProblem
from explorer.analysis.objective.objective import Objective
from explorer.analysis.objective.user_errors import ProblemError
from explorer.kinds.objective_settings import ObjectiveSettings
from explorer.problem import Problem, cross_entropy
from tests.networks import seeded

CPU = torch.device("cpu")


class Net(nn.Module):
    def __init__(self, way: str = "plain") -> None:
        super().__init__()
        with torch.random.fork_rng():
            torch.manual_seed(5)
            self.a, self.b = nn.Linear(4, 6), nn.Linear(6, 3)
        self.way = way

    def forward(self, x: Tensor) -> Tensor:
        return WAYS[self.way](self, x)


def layers(net: Net, x: Tensor) -> Tensor:
    return net.b(torch.tanh(net.a(x)))


def cast(net: Net, x: Tensor) -> Tensor:
    halves = [value.bfloat16() for value in (x, net.a.weight, net.a.bias)]
    return net.b(functional.linear(*halves).to(x.dtype).tanh())


def seeded_noise(net: Net, x: Tensor) -> Tensor:
    torch.manual_seed(0)
    return layers(net, x + torch.randn_like(x))


def single_noise(net: Net, x: Tensor) -> Tensor:
    torch.manual_seed(0)
    return layers(net, x + torch.randn(x.shape).to(x))


def threshold(net: Net, x: Tensor) -> Tensor:
    return layers(net, x) / (1 + 1e6 * torch.finfo(x.dtype).eps)


WAYS: dict[str, Callable[[Net, Tensor], Tensor]] = {
    "plain": layers,
    "cast": cast,
    "noise": seeded_noise,
    "noise in float32": single_noise,
    "finfo": threshold,
    "rounded inputs": lambda net, x: layers(net, x.bfloat16().to(x.dtype)),
    "single within": lambda net, x: net.b(torch.tanh(net.a(x)).float().to(x.dtype)),
}


def made(way: str) -> Problem:
    data = torch.randn(30, 4, generator=seeded(1)), torch.arange(30) % 3
    return Problem(Net(way), {"train": data}, cross_entropy)


def ready(way: str, precision: str) -> None:
    problem = made(way)
    given = LoadedProblem(Path("p.py"), problem, "hash", {})
    ready_problem(given, problem.model.state_dict(), "train", CPU, precision)


@pytest.mark.parametrize(
    ("way", "said"),
    [
        ("cast", "computes in bfloat16 whatever precision is asked for.*choose precision float32"),
        ("noise", r"random numbers that it draws \(randn_like\) are others in each"),
        ("finfo", "loss depends on the precision.*by more than rounding"),
    ],
)
def test_float64_of_what_goes_by_the_precision_is_refused_by_its_reason(
    way: str, said: str
) -> None:
    """In float32, the way out that each names, nothing is refused."""
    with pytest.raises(ProblemError, match=f"p.py, split 'train': .*{said}") as caught:
        ready(way, "float64")
    assert "made anew" not in str(caught.value)
    ready(way, "float32")


@pytest.mark.parametrize("way", ["plain", "noise in float32", "rounded inputs", "single within"])
def test_what_computes_the_same_in_float64_passes(way: str) -> None:
    """Among them the noise as the refusal advises to draw it."""
    ready(way, "float64")


class Product(torch.autograd.Function):
    """A product, whose backward pass keeps one factor without its graph."""

    @staticmethod
    def forward(ctx: Any, one: Tensor, other: Tensor) -> Tensor:
        ctx.save_for_backward(one, other)
        return one * other

    @staticmethod
    def backward(ctx: Any, slope: Tensor) -> tuple[Tensor, Tensor]:
        one, other = ctx.saved_tensors
        return slope * other.detach(), slope * one


@pytest.mark.parametrize("precision", ["float32", "float64"])
def test_a_backward_pass_that_is_no_function_of_the_weights_is_not_told_to_draw(
    precision: str,
) -> None:
    """The gradient is right, its derivative is not: the matrix is not symmetric."""
    problem = replace(made("plain"), loss=lambda o, b: Product.apply(o[:, 0], o[:, 1]))
    objective = Objective(problem, ObjectiveSettings(precision=precision), CPU)
    with pytest.raises(CurvatureError, match="is not differentiated rightly") as caught:
        require_repeatable(Curvature(objective, hessian), objective, seed=0)
    assert ("choose precision float64" in str(caught.value)) == (precision == "float32")
    assert "random numbers" not in str(caught.value)
