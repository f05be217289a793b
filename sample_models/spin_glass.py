"""A spherical spin glass: a random polynomial of degree 3 on a sphere, and its critical points."""

import math

import torch
from torch import Tensor, nn

from explorer.experiment import Experiment, Part, Points, Series
from explorer.problem import Batch, Problem

SPINS, DEGREE = 40, 3
STARTS, NEWTON_STEPS = 15, 60  # of a part
THRESHOLD = -2 * math.sqrt((DEGREE - 1) / DEGREE)  # E_infinity: below it, minima and low saddles
Rows = tuple[Tensor, Tensor]  # spins' numbers (B,) and their couplings (B, N, N)


class Spins(nn.Module):
    """Spins on the sphere of radius sqrt(N), given by any vector in their direction."""

    def __init__(self) -> None:
        super().__init__()
        self.direction = nn.Parameter(torch.randn(SPINS, dtype=torch.float64))

    def forward(self, rows: Rows) -> Tensor:
        """What each spin of the rows adds to the energy, times N, (B,)."""
        numbers, couplings = rows
        spins = math.sqrt(SPINS) * self.direction / self.direction.norm()
        return spins[numbers] * (couplings @ spins @ spins) / SPINS


def couplings() -> Tensor:
    """Independent standard normal couplings of all triples of spins, (N, N, N)."""
    generator = torch.Generator().manual_seed(0)
    shape = (SPINS, SPINS, SPINS)
    return torch.randn(shape, dtype=torch.float64, generator=generator)


def energy(outputs: Tensor, rows: Rows) -> Tensor:
    """The outputs: their mean is the energy per spin."""
    return outputs


def symmetric(couplings: Tensor) -> Tensor:
    """The mean of the couplings over the orders of the three spins: it has the same energies."""
    orders = ((0, 1, 2), (0, 2, 1), (1, 0, 2), (1, 2, 0), (2, 0, 1), (2, 1, 0))
    return sum((couplings.permute(order) for order in orders), torch.zeros(())) / len(orders)


def slopes(spins: Tensor, couplings: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Energies per spin (S,), gradients on the sphere (S, N) and Hessians on it (S, N, N).

    Both are of N times the energy. Hessians are 1 in the direction of the spins, which is none.
    """
    products = torch.einsum("ijk,sk->sij", couplings, spins) / SPINS
    whole = DEGREE * torch.einsum("sij,sj->si", products, spins)
    energies = (whole * spins).sum(dim=1) / (DEGREE * SPINS)
    outward = spins[:, :, None] * spins[:, None, :] / SPINS
    unit = torch.eye(SPINS, dtype=spins.dtype)
    along = unit - outward
    bent = DEGREE * (DEGREE - 1) * products - DEGREE * energies[:, None, None] * unit
    gradients = (along @ whole[:, :, None])[:, :, 0]
    return energies, gradients, along @ bent @ along + outward


def critical_points(couplings: Tensor, starts: Tensor, part: Part) -> tuple[Tensor, Tensor]:
    """Energies and shares of negative eigenvalues of the critical points that Newton reaches."""
    spins = starts
    for _ in range(NEWTON_STEPS):
        part.check()
        _, gradients, hessians = slopes(spins, couplings)
        moves = -torch.linalg.solve(hessians, gradients[:, :, None])[:, :, 0]
        lengths = moves.norm(dim=1, keepdim=True)
        spins = spins + moves * (0.3 * math.sqrt(SPINS) / lengths).clamp(max=1.0)
        spins = math.sqrt(SPINS) * spins / spins.norm(dim=1, keepdim=True)
    energies, gradients, hessians = slopes(spins, couplings)
    reached = gradients.norm(dim=1) < 1e-8
    negative = (torch.linalg.eigvalsh(hessians) < 0).sum(dim=1) / (SPINS - 1)
    return energies[reached], negative[reached]


def expected_index(energies: Tensor) -> Tensor:
    """Share of negative eigenvalues at critical points of these energies, many spins.

    The Hessian there is a Gaussian random matrix, a semicircle of radius 2 sqrt(p (p - 1)), shifted
    by -p E.

    Source: Auffinger, Ben Arous and Cerny 2013, arXiv:1003.1129, section 3.
    """
    place = (energies / abs(THRESHOLD)).clamp(-1, 1)
    return 0.5 + (place * (1 - place.square()).sqrt() + place.asin()) / math.pi


def index_of_energy(problem: Problem, part: Part) -> dict[str, Points]:
    """Critical points that Newton's method reaches from points after a while of descent."""
    both = symmetric(couplings())
    spins = torch.randn(STARTS, SPINS, dtype=torch.float64)
    spins = math.sqrt(SPINS) * spins / spins.norm(dim=1, keepdim=True)
    lasting = torch.linspace(0, 1, STARTS, dtype=torch.float64)[:, None]
    for _ in range(12):
        spins = spins - 0.1 * lasting * slopes(spins, both)[1]
        spins = math.sqrt(SPINS) * spins / spins.norm(dim=1, keepdim=True)
    energies, indices = critical_points(both, spins, part)
    points = {"critical points": Points(x=energies.numpy(), y=indices.numpy())}
    if part.number == 0:
        line = torch.linspace(-1.9, 0.4, 60, dtype=torch.float64)
        points["many spins"] = Points(x=line.numpy(), y=expected_index(line).numpy())
        points["threshold"] = Points(x=[THRESHOLD, THRESHOLD], y=[0.0, 0.5])
    return points


def whole(model: nn.Module, batch: Batch) -> object:
    """The model's outputs on all of the batch."""
    return model(batch)


def problem() -> Problem:
    """The energy per spin: an example is a spin with its couplings to all pairs."""
    return Problem(
        model=Spins(),
        data={"train": (torch.arange(SPINS), couplings())},
        loss=energy,
        forward=whole,
        experiments={
            "index": Experiment(
                measure=index_of_energy,
                threads=1,
                parts=4,
                series=(
                    Series("critical points", "points", "share of negative eigenvalues"),
                    Series("many spins", "dashed", "share of negative eigenvalues"),
                    Series("threshold", "dashed", "share of negative eigenvalues"),
                ),
                title="Critical points of a spherical spin glass of 40 spins, by their energy",
                x="energy per spin",
            )
        },
    )
