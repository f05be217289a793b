"""A function of two numbers with a strict saddle at 0, and what leaves it."""

from collections.abc import Callable

import torch
from torch import Tensor, nn

from explorer.experiment import Experiment, Part, Points, Series
from explorer.problem import Problem

KICKS, KICK = 64, 0.1  # how many examples there are, and their standard deviation
RATE, MOMENTUM, MOST_STEPS = 0.1, 0.9, 10_000
STARTS = (1e-1, 1e-2, 1e-3, 1e-4, 1e-6, 1e-8, 1e-12)  # distances from the way into the saddle
ESCAPED, CHAINS = 0.3, 100
Step = Callable[[Tensor, Tensor], tuple[Tensor, Tensor]]  # (C, 2) and the steps before it


class Place(nn.Module):
    """The two numbers x and y."""

    def __init__(self) -> None:
        super().__init__()
        self.place = nn.Parameter(torch.tensor([1.0, 1e-3], dtype=torch.float64))

    def forward(self, kicks: Tensor) -> Tensor:
        """x^2/2 - .05 y^2 + y^4/4 and a slope of its own for each of the kicks (B, 2)."""
        x, y = self.place
        return x**2 / 2 - 0.05 * y**2 + y**4 / 4 + kicks @ self.place


def kicks() -> Tensor:
    """Slopes (64, 2) whose mean is 0."""
    generator = torch.Generator().manual_seed(0)
    drawn = KICK * torch.randn(KICKS, 2, dtype=torch.float64, generator=generator)
    return drawn - drawn.mean(dim=0)


def height(outputs: Tensor, batch: tuple[Tensor]) -> Tensor:
    """The outputs: their mean is the function."""
    return outputs


def slope(places: Tensor) -> Tensor:
    """Gradients of the function at places (C, 2)."""
    x, y = places.unbind(dim=1)
    return torch.stack([x, -0.1 * y + y**3], dim=1)


def curvature(places: Tensor) -> Tensor:
    """The two eigenvalues of the Hessian, along x and along y, at places (C, 2)."""
    x, y = places.unbind(dim=1)
    return torch.stack([torch.ones_like(x), -0.1 + 3 * y**2], dim=1)


def descent(places: Tensor, speed: Tensor) -> tuple[Tensor, Tensor]:
    """A step of gradient descent."""
    return places - RATE * slope(places), speed


def heavy_ball(places: Tensor, speed: Tensor) -> tuple[Tensor, Tensor]:
    """A step of descent with momentum."""
    speed = MOMENTUM * speed - RATE * slope(places)
    return places + speed, speed


def stochastic(places: Tensor, speed: Tensor) -> tuple[Tensor, Tensor]:
    """A step of descent on one example."""
    drawn = kicks()[torch.randint(KICKS, (len(places),))]
    return places - RATE * (slope(places) + drawn), speed


def saddle_free(places: Tensor, speed: Tensor) -> tuple[Tensor, Tensor]:
    """A step by the gradient over the absolute curvature: Dauphin et al. 2014, section 6."""
    return places - slope(places) / curvature(places).abs(), speed


def newton(places: Tensor, speed: Tensor) -> tuple[Tensor, Tensor]:
    """A step of Newton's method."""
    return places - slope(places) / curvature(places), speed


STEPS: dict[str, Step] = {
    "gradient descent": descent,
    "with momentum .9": heavy_ball,
    "on single examples": stochastic,
    "saddle-free Newton": saddle_free,
    "Newton": newton,
}


def escapes(step: Step, start: float, chains: int, part: Part) -> tuple[Tensor, Tensor]:
    """Steps until |y| is above .3 (C,), NaN where it never is, and |y| at the end (C,)."""
    places = torch.tensor([[1.0, start]], dtype=torch.float64).repeat(chains, 1)
    speed = torch.zeros_like(places)
    steps = torch.full((chains,), torch.nan, dtype=torch.float64)
    for number in range(1, MOST_STEPS + 1):
        if number % 100 == 0:
            part.check()
        before = places
        places, speed = step(places, speed)
        steps[steps.isnan() & (places[:, 1].abs() > ESCAPED)] = number
        if not steps.isnan().any() or torch.equal(before, places):
            break
    return steps, places[:, 1].abs()


def escape(_: Problem, part: Part) -> dict[str, Points]:
    """Steps of each method from one start."""
    start = STARTS[part.number]
    points = {}
    for name, step in STEPS.items():
        chains = CHAINS if step is stochastic else 1
        steps, ends = escapes(step, start, chains, part)
        if step is newton:
            points["Newton's method"] = Points(x=[start], y=[float(ends[0])])
            continue
        low, middle, high = (float(steps.quantile(share)) for share in (0.1, 0.5, 0.9))
        points[name] = Points(x=[start], y=[middle], low=[low], high=[high])
    return points


def problem() -> Problem:
    """The function; its examples add slopes to it that cancel on average."""
    panel = "steps until |y| > .3"
    steps = [Series(name, panel=panel) for name, step in STEPS.items() if step is not newton]
    return Problem(
        model=Place(),
        data={"train": (kicks(),)},
        loss=height,
        experiments={
            "escape": Experiment(
                measure=escape,
                threads=1,
                parts=len(STARTS),
                series=[*steps, Series("Newton's method", "points", "|y| at the end")],
                title="Steps that methods take to leave a saddle, from beside the way into it",
                x="distance of the start from the way into the saddle",
                log=("x", panel),
            )
        },
    )
