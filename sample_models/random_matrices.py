"""Linear regression on noise, whose Hessian is a Wishart matrix, and other random Hessians."""

import math

import torch
from torch import Tensor, nn

from explorer.experiment import Experiment, Part, Points, Series
from explorer.problem import Problem

WEIGHTS, ROWS = 200, 800  # of the regression
SIZE = 800  # of simulated matrices
RATIO = 0.25  # weights over rows, phi
MOST, PARTICLES = 10, 200_000  # size and number of the matrices of which all eigenvalues are asked
ENERGIES = (0.5, 0.9, 1.1, 1.5, 2.0, 3.0, 4.0)  # over the critical one


def half_square(outputs: Tensor, batch: tuple[Tensor]) -> Tensor:
    """Half the square of each example's output, (B,): the Hessian is the inputs' second moments."""
    return outputs[:, 0].square() / 2


def wigner(size: int, deviation: float) -> Tensor:
    """A symmetric Gaussian matrix whose eigenvalues fill a semicircle of radius 2 deviation."""
    entries = torch.randn(size, size, dtype=torch.float64)
    return deviation * (entries + entries.T) / math.sqrt(2 * size)


def wishart(size: int, rows: int) -> Tensor:
    """Second moments (size, size) of that many rows of independent standard normal numbers."""
    inputs = torch.randn(rows, size, dtype=torch.float64)
    return inputs.T @ inputs / rows


def density(eigenvalues: Tensor, bins: int = 40) -> tuple[Tensor, Tensor]:
    """Middles and heights of a histogram of area 1."""
    low, high = float(eigenvalues.min()), float(eigenvalues.max())
    counts = torch.histc(eigenvalues, bins, low, high)
    width = (high - low) / bins
    places = low + width * (torch.arange(bins, dtype=torch.float64) + 0.5)
    return places, counts / (len(eigenvalues) * width)


def semicircle(_: Problem, part: Part) -> dict[str, Points]:
    """Eigenvalues of a Wigner matrix of deviation 1 and the semicircle."""
    eigenvalues = torch.linalg.eigvalsh(wigner(SIZE, 1.0))
    line = torch.linspace(-2, 2, 101, dtype=torch.float64)
    curve = (4 - line.square()).clamp(min=0).sqrt() / (2 * math.pi)
    return _compared(eigenvalues, line, curve)


def marchenko_pastur(_: Problem, part: Part) -> dict[str, Points]:
    """Eigenvalues of a Wishart matrix and the law of Marchenko and Pastur."""
    eigenvalues = torch.linalg.eigvalsh(wishart(SIZE, round(SIZE / RATIO)))
    low, high = (1 - math.sqrt(RATIO)) ** 2, (1 + math.sqrt(RATIO)) ** 2
    line = torch.linspace(low, high, 101, dtype=torch.float64)
    curve = ((line - low) * (high - line)).clamp(min=0).sqrt() / (2 * math.pi * RATIO * line)
    return _compared(eigenvalues, line, curve)


def _compared(eigenvalues: Tensor, line: Tensor, curve: Tensor) -> dict[str, Points]:
    places, heights = density(eigenvalues)
    ends = torch.stack([eigenvalues.min(), eigenvalues.max()])
    return {
        "simulated": Points(x=places.numpy(), y=heights.numpy()),
        "law": Points(x=line.numpy(), y=curve.numpy()),
        "extreme eigenvalues": Points(x=ends.numpy(), y=[0.0, 0.0]),
    }


def critical_energy(ratio: float) -> float:
    """The energy above which a Wishart plus a Wigner matrix has negative eigenvalues.

    Source: Pennington and Bahri 2017, Proceedings of ICML, equation 16.
    """
    return (1 - 20 * ratio - 8 * ratio**2 + (1 + 8 * ratio) ** 1.5) / 16


def expected_index(energy: float, ratio: float, steps: int = 2000) -> float:
    """Share of negative eigenvalues of a large Wishart plus sqrt(2 energy) Wigner matrix.

    The Green function G of the sum at z solves z = 1/G + 2 energy G + 1/(1 - ratio G): R transforms
    of free matrices add. The density is the largest imaginary part of the roots over pi.
    """
    spread = 2 * energy
    z = torch.linspace(-2 * math.sqrt(spread), 0, steps + 1, dtype=torch.float64)
    z = (z[1:] + z[:-1]) / 2
    # -ratio s G^3 + (s + ratio z) G^2 + (1 - ratio - z) G + 1 = 0, divided by its first coefficient
    lead = -ratio * spread
    companion = torch.zeros(steps, 3, 3, dtype=torch.float64)
    companion[:, 0, 0] = -(spread + ratio * z) / lead
    companion[:, 0, 1] = -(1 - ratio - z) / lead
    companion[:, 0, 2] = -1 / lead
    companion[:, 1, 0] = companion[:, 2, 1] = 1
    heights = torch.linalg.eigvals(companion).imag.max(dim=1).values / math.pi
    return float(heights.sum()) * 2 * math.sqrt(spread) / steps


def index_of_energy(_: Problem, part: Part) -> dict[str, Points]:
    """Share of negative eigenvalues at one energy, simulated and in the limit of large matrices."""
    place = ENERGIES[part.number]
    energy = place * critical_energy(RATIO)
    sum_ = wishart(SIZE, round(SIZE / RATIO)) + wigner(SIZE, math.sqrt(2 * energy))
    index = float((torch.linalg.eigvalsh(sum_) < 0).double().mean())
    return {
        "simulated": Points(x=[place], y=[index]),
        "large matrices": Points(x=[place], y=[expected_index(energy, RATIO)]),
    }


def all_positive(_: Problem, part: Part) -> dict[str, Points]:
    """Probability that all n eigenvalues are positive, by matrices that grow by a row at a time.

    Those that are still positive definite (their Cholesky factor has a next pivot) are drawn from
    anew, so that the probability is a product of shares that can be counted.
    """
    factors = torch.zeros(PARTICLES, MOST, MOST)
    logarithms, total = [], 0.0
    for row in range(MOST):
        part.check()
        entries = torch.randn(PARTICLES, row, 1)
        solved = torch.linalg.solve_triangular(factors[:, :row, :row], entries, upper=False)
        pivots = math.sqrt(2) * torch.randn(PARTICLES) - solved.square().sum(dim=(1, 2))
        alive = (pivots > 0).nonzero()[:, 0]
        total += math.log(len(alive) / PARTICLES)
        logarithms.append(total)
        factors[:, row, :row], factors[:, row, row] = solved[:, :, 0], pivots.clamp(min=0).sqrt()
        factors = factors[alive[torch.randint(len(alive), (PARTICLES,))]]
    sizes = torch.arange(1, MOST + 1, dtype=torch.float64)
    probabilities = torch.tensor(logarithms, dtype=torch.float64).exp()
    points = {"random matrices": Points(x=sizes.numpy(), y=probabilities.numpy())}
    if part.number == 0:
        exact = [1 / 2, (2 - math.sqrt(2)) / 4, (math.pi - 2 * math.sqrt(2)) / (4 * math.pi)]
        points["exact"] = Points(x=[1, 2, 3], y=exact)
        points["2^-n"] = Points(x=sizes.numpy(), y=(0.5**sizes).numpy())
        curve = torch.exp(-math.log(3) / 4 * sizes.square())
        points["e^(-n^2 ln 3 / 4)"] = Points(x=sizes.numpy(), y=curve.numpy())
    return points


def inputs() -> Tensor:
    """Independent standard normal numbers (800, 200)."""
    return torch.randn(ROWS, WEIGHTS, generator=torch.Generator().manual_seed(0))


def _spectrum() -> tuple[Series, ...]:
    return (
        Series("simulated", "bars", "density"),
        Series("law", "dashed", "density"),
        Series("extreme eigenvalues", "points", "density"),
    )


def problem() -> Problem:
    """Regression of zeros on noise: all of its curvature is chance."""
    return Problem(
        model=nn.Linear(WEIGHTS, 1, bias=False),
        data={"train": (inputs(),)},
        loss=half_square,
        experiments=EXPERIMENTS,
    )


EXPERIMENTS = {
    "wigner": Experiment(
        measure=semicircle,
        threads=1,
        parts=1,
        series=_spectrum(),
        title="Eigenvalues of a symmetric Gaussian matrix of 800 rows",
        x="eigenvalue",
    ),
    "wishart": Experiment(
        measure=marchenko_pastur,
        threads=1,
        parts=1,
        series=_spectrum(),
        title="Eigenvalues of the second moments of 800 independent numbers over 3,200 rows",
        x="eigenvalue",
    ),
    "index": Experiment(
        measure=index_of_energy,
        threads=1,
        parts=len(ENERGIES),
        series=(
            Series("simulated", "points", "share of negative eigenvalues"),
            Series("large matrices", "dashed", "share of negative eigenvalues"),
        ),
        title="Wishart plus Wigner matrix: index against energy, 4 rows for each weight",
        x="energy over critical energy",
    ),
    "positive": Experiment(
        measure=all_positive,
        threads=1,
        parts=4,
        series=(
            Series("random matrices", "points", "probability"),
            Series("exact", "points", "probability"),
            Series("2^-n", "dashed", "probability"),
            Series("e^(-n^2 ln 3 / 4)", "dashed", "probability"),
        ),
        title="Probability that all eigenvalues of a symmetric Gaussian matrix are positive",
        x="rows n",
        log=("probability",),
    ),
}
