"""A random function on a torus, a sum of waves, and the count of its critical points."""

import math

import torch
from torch import Tensor, nn

from explorer.experiment import Experiment, Part, Points, Series
from explorer.problem import Batch, Problem

WAVES, LONGEST = 60, 3  # number of waves, and the most periods that one has along an axis
GRID, NEWTON_STEPS = 40, 30
INDICES = ("minima", "saddles", "maxima")
Waves = tuple[Tensor, Tensor, Tensor]  # periods (W, 2), phases (W,), heights (W,)


class Place(nn.Module):
    """A place on the torus of side 2 pi."""

    def __init__(self) -> None:
        super().__init__()
        self.place = nn.Parameter(torch.ones(2, dtype=torch.float64))

    def forward(self, waves: Waves) -> Tensor:
        """The heights of the waves at the place, (B,)."""
        periods, phases, heights = waves
        return heights * (periods @ self.place + phases).cos()


def waves(seed: int) -> Waves:
    """Waves of whole periods, random phases and normal heights; their mean has variance 1."""
    generator = torch.Generator().manual_seed(seed)
    periods = torch.randint(-LONGEST, LONGEST + 1, (WAVES, 2), generator=generator).double()
    phases = 2 * math.pi * torch.rand(WAVES, dtype=torch.float64, generator=generator)
    heights = torch.randn(WAVES, dtype=torch.float64, generator=generator)
    return periods, phases, heights * math.sqrt(2 * WAVES)


def height(outputs: Tensor, batch: Waves) -> Tensor:
    """The outputs: their mean is the function."""
    return outputs


def derivatives(places: Tensor, drawn: Waves) -> tuple[Tensor, Tensor, Tensor]:
    """Values (S,), gradients (S, 2) and Hessians (S, 2, 2) at places (S, 2)."""
    periods, phases, heights = drawn
    angles = places @ periods.T + phases
    weights = heights / WAVES
    values = angles.cos() @ weights
    gradients = -(angles.sin() * weights) @ periods
    pairs = (periods[:, :, None] * periods[:, None, :]).flatten(1)
    return values, gradients, -((angles.cos() * weights) @ pairs).view(-1, 2, 2)


def critical_points(drawn: Waves, part: Part) -> Tensor:
    """All places (S, 2) of gradient 0 that Newton's method reaches from a grid, each once."""
    axis = torch.arange(GRID, dtype=torch.float64) * 2 * math.pi / GRID
    places = torch.cartesian_prod(axis, axis)
    for _ in range(NEWTON_STEPS):
        part.check()
        _, gradients, hessians = derivatives(places, drawn)
        moves = -(torch.linalg.pinv(hessians) @ gradients[:, :, None])[:, :, 0]
        places = places + moves * (0.2 / moves.norm(dim=1, keepdim=True)).clamp(max=1.0)
    _, gradients, _ = derivatives(places, drawn)
    reached = places[gradients.norm(dim=1) < 1e-9]
    around = torch.cat([reached.cos(), reached.sin()], dim=1)  # the torus, without its seam
    seen = (torch.cdist(around, around) < 1e-5).tril(-1).any(dim=1)
    return reached[~seen]


def morse(_: Problem, part: Part) -> dict[str, Points]:
    """Counts of the critical points of one function by their index, and their mean values."""
    drawn = waves(1000 * part.seed + part.number)
    values, _slopes, hessians = derivatives(critical_points(drawn, part), drawn)
    indices = (torch.linalg.eigvalsh(hessians) < 0).sum(dim=1)
    points, x = {}, [float(part.number + 1)]
    counts = [int((indices == index).sum()) for index in range(3)]
    for index, name in enumerate(INDICES):
        own = values[indices == index]
        points[name] = Points(x=x, y=[counts[index]])
        points[f"mean at {name}"] = Points(
            x=x, y=[float(own.mean())], low=[float(own.min())], high=[float(own.max())]
        )
    points["Euler sum"] = Points(x=x, y=[counts[0] - counts[1] + counts[2]])
    return points


def whole(model: nn.Module, batch: Batch) -> object:
    """The model's outputs on all of the batch."""
    return model(batch)


def problem() -> Problem:
    """The function of one seed; an example is a wave, so that a batch has some of the waves."""
    return Problem(
        model=Place(),
        data={"train": waves(0)},
        loss=height,
        forward=whole,
        experiments={
            "morse": Experiment(
                measure=morse,
                threads=1,
                parts=8,
                series=(
                    *(Series(name, "points", "critical points") for name in INDICES),
                    Series("Euler sum", panel="critical points"),
                    *(Series(f"mean at {name}", "points", "value there") for name in INDICES),
                ),
                title="Critical points of random functions on a torus",
                x="function",
            )
        },
    )
