"""A generator and a discriminator of one number each, whose game has no descent to its solution."""

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional

from explorer.experiment import Experiment, Part, Points, Series
from explorer.problem import Problem

RATE, STEPS, PENALTY = 0.1, 500, 1.0
METHODS = ("simultaneous", "alternating", "extragradient", "with gradient penalty")


class Players(nn.Module):
    """The generator's number, which is all that it makes, and the discriminator's slope."""

    def __init__(self) -> None:
        super().__init__()
        self.generator = nn.Parameter(torch.ones((), dtype=torch.float64))
        self.discriminator = nn.Parameter(torch.ones((), dtype=torch.float64))

    def forward(self, real: Tensor) -> Tensor:
        """What the discriminator says of real numbers (B,) and of the generator's, (B, 2)."""
        made = self.generator.expand(len(real))
        return self.discriminator * torch.stack([real, made], dim=1)


def value(outputs: Tensor, real: tuple[Tensor]) -> Tensor:
    """What the generator lowers and the discriminator raises, (B,).

    It is f(slope times generator) + f(-slope times real), f(t) = -ln(1 + e^-t).

    Source: Mescheder et al. 2018, arXiv:1801.04406, definition 2.1.
    """
    on_real, on_made = outputs.unbind(dim=1)
    return -functional.softplus(-on_made) - functional.softplus(on_real)


def velocity(place: Tensor, penalty: float = 0.0) -> Tensor:
    """Where both players move, (2,): down and up their value, less the penalty on the slope."""
    made, slope = place
    share = torch.sigmoid(-made * slope)
    return torch.stack([-share * slope, share * made - penalty * slope])


def simultaneous(place: Tensor) -> Tensor:
    """Both players step at once."""
    return place + RATE * velocity(place)


def alternating(place: Tensor) -> Tensor:
    """The discriminator steps after the generator has."""
    made = place[0] + RATE * velocity(place)[0]
    moved = torch.stack([made, place[1]])
    return torch.stack([made, place[1] + RATE * velocity(moved)[1]])


def extragradient(place: Tensor) -> Tensor:
    """Both step as they would have to after a first step."""
    return place + RATE * velocity(simultaneous(place))


def penalised(place: Tensor) -> Tensor:
    """Both step at once, the discriminator with R1's penalty on its gradient at real numbers."""
    return place + RATE * velocity(place, PENALTY)


MOVES: dict[str, Callable[[Tensor], Tensor]] = dict(
    zip(METHODS, (simultaneous, alternating, extragradient, penalised), strict=True)
)


def radii(problem: Problem, part: Part) -> dict[str, Points]:
    """Distance from the solution after each tenth step, by one of the methods."""
    name = METHODS[part.number]
    place = torch.ones(2, dtype=torch.float64)
    lengths = [float(place.norm())]
    for step in range(1, STEPS + 1):
        place = MOVES[name](place)
        if step % 10 == 0:
            part.check()
            lengths.append(float(place.norm()))
    return {name: Points(x=list(range(0, STEPS + 1, 10)), y=lengths)}


def eigenvalues(problem: Problem, part: Part) -> dict[str, Points]:
    """Of the derivative of the players' velocity at the solution, without and with penalty."""
    solution = torch.zeros(2, dtype=torch.float64)
    points = {}
    for name, penalty in (("without penalty", 0.0), ("with gradient penalty", PENALTY)):
        derivative = torch.func.jacrev(lambda place, size=penalty: velocity(place, size))(solution)
        roots = torch.linalg.eigvals(derivative)
        points[name] = Points(x=roots.real.numpy(), y=roots.imag.numpy())
    return points


def problem() -> Problem:
    """The game: the one real number is 0."""
    return Problem(
        model=Players(),
        data={"train": (torch.zeros(1, dtype=torch.float64),)},
        loss=value,
        experiments={
            "radius": Experiment(
                measure=radii,
                threads=1,
                parts=len(METHODS),
                series=[Series(name, panel="distance from the solution") for name in METHODS],
                title="Two players of one number each: distance from the solution of their game",
                x="step",
            ),
            "eigenvalues": Experiment(
                measure=eigenvalues,
                threads=1,
                parts=1,
                series=(
                    Series("without penalty", "points", "imaginary part"),
                    Series("with gradient penalty", "points", "imaginary part"),
                ),
                title="Eigenvalues of the players' velocity at the solution",
                x="real part",
            ),
        },
    )
