"""A quadratic bowl whose examples pull to all sides: where stochastic descent stays."""

import torch
from torch import Tensor, nn

from explorer.experiment import Experiment, Part, Points, Series
from explorer.problem import Problem

CURVATURES = (1.0, 4.0)
PULLS, CHAINS = 1000, 2000
RATES, BATCHES = (0.05, 0.1, 0.2, 0.3, 0.4), (1, 8)
PANEL = "variance of a weight"


class Weights(nn.Module):
    """Two weights, which are their own output."""

    def __init__(self) -> None:
        super().__init__()
        self.weights = nn.Parameter(torch.zeros(2, dtype=torch.float64))

    def forward(self, pulls: Tensor) -> Tensor:
        """Half the sum of curvature times square, less each pull times the weights, (B,)."""
        curvatures = torch.tensor(CURVATURES, dtype=self.weights.dtype)
        return (curvatures * self.weights.square()).sum() / 2 - pulls @ self.weights


def pulls() -> Tensor:
    """Pulls (1000, 2) of mean 0 and of the unit matrix as second moments."""
    generator = torch.Generator().manual_seed(0)
    drawn = torch.randn(PULLS, 2, dtype=torch.float64, generator=generator)
    return torch.linalg.qr(drawn - drawn.mean(dim=0)).Q * PULLS**0.5


def height(outputs: Tensor, batch: tuple[Tensor]) -> Tensor:
    """The outputs: their mean is the bowl."""
    return outputs


def stationary_variance(rate: float, batch: int, curvature: float) -> float:
    """Of a weight under w <- w - rate (curvature w - mean of `batch` pulls of variance 1).

    It is the fixed point of v <- (1 - rate curvature)^2 v + rate^2 / batch.
    """
    return rate / (batch * curvature * (2 - rate * curvature))


def variances(rate: float, batch: int, part: Part) -> Tensor:
    """Of each weight over all chains and the second half of their steps, (2,)."""
    drawn, curvatures = pulls(), torch.tensor(CURVATURES, dtype=torch.float64)
    weights, squares = torch.zeros(CHAINS, 2, dtype=torch.float64), []
    steps = round(20 / rate)
    for step in range(2 * steps):
        part.check()
        rows = torch.randint(PULLS, (CHAINS, batch))
        weights = weights - rate * (curvatures * weights - drawn[rows].mean(dim=1))
        if step >= steps:
            squares.append(weights.square().mean(dim=0))
    return torch.stack(squares).mean(dim=0)


def name_of(batch: int, curvature: float) -> str:
    """The name of a series."""
    return f"curvature {curvature:.0f}, batch {batch}"


def temperature(_: Problem, part: Part) -> dict[str, Points]:
    """Variances at one learning rate, measured and by the law."""
    rate = RATES[part.number]
    points = {}
    for batch in BATCHES:
        measured = variances(rate, batch, part)
        for curvature, variance in zip(CURVATURES, measured, strict=True):
            name = name_of(batch, curvature)
            law = stationary_variance(rate, batch, curvature)
            points[name] = Points(x=[rate], y=[float(variance)])
            points[f"{name}, law"] = Points(x=[rate], y=[law])
    return points


def problem() -> Problem:
    """The bowl; an example pulls the weights to one side, and all pulls cancel."""
    names = [name_of(batch, curvature) for batch in BATCHES for curvature in CURVATURES]
    series = [Series(name, "points", PANEL) for name in names]
    laws = [Series(f"{name}, law", "dashed", PANEL) for name in names]
    return Problem(
        model=Weights(),
        data={"train": (pulls(),)},
        loss=height,
        experiments={
            "temperature": Experiment(
                measure=temperature,
                threads=1,
                parts=len(RATES),
                series=[*series, *laws],
                title="How far stochastic gradient descent stays from the minimum of a bowl",
                x="learning rate",
                log=("x", PANEL),
            )
        },
    )
