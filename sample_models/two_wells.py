"""A deep narrow well beside a shallow wide one, and which of them a local entropy prefers."""

import math

import torch
from torch import Tensor, nn

from explorer.experiment import Experiment, Part, Points, Series
from explorer.problem import Problem

PLACES, DEPTHS, WIDTHS = (-1.0, 1.0), (1.2, 1.0), (0.1, 0.5)
INVERSE_TEMPERATURE = 5.0
SCOPES = (2.0, 10.0, 50.0, 200.0, 1000.0)  # gamma: the larger, the closer to the place
TEMPERATURES = (0.02, 0.05, 0.1, 0.15, 0.2, 0.3, 0.4, 0.6)
CHAINS, STEPS, STEP = 2000, 20_000, 2e-3  # of the walk from the narrow well
WALL = 2.5  # at which it is thrown back
LINE = torch.linspace(-2.0, 2.5, 181, dtype=torch.float64)


class Place(nn.Module):
    """The number x."""

    def __init__(self) -> None:
        super().__init__()
        self.place = nn.Parameter(torch.zeros(1, dtype=torch.float64))

    def forward(self, examples: Tensor) -> Tensor:
        """The wells at x, for each example."""
        return wells(self.place).expand(len(examples))


def wells(x: Tensor) -> Tensor:
    """Two Gaussian wells, at -1 and at 1."""
    shapes = zip(PLACES, DEPTHS, WIDTHS, strict=True)
    depths = [-depth * torch.exp(-(((x - at) / width) ** 2) / 2) for at, depth, width in shapes]
    return depths[0] + depths[1]


def height(outputs: Tensor, batch: tuple[Tensor]) -> Tensor:
    """The outputs: the function itself."""
    return outputs


def local_entropy(places: Tensor, scope: float) -> Tensor:
    """Of places (N,): ln of the integral of e^(-beta f(x') - gamma/2 (x - x')^2) over x'.

    By the sum over a grid of 24,001 places, whose error is below rounding for such smooth terms.

    Source: Chaudhari et al. 2017, arXiv:1611.01838, equation 4.
    """
    grid = torch.linspace(-6, 6, 24_001, dtype=torch.float64)
    exponents = -INVERSE_TEMPERATURE * wells(grid) - scope / 2 * (places[:, None] - grid) ** 2
    return exponents.logsumexp(dim=1) + math.log(12 / 24_000)


def entropies(_: Problem, part: Part) -> dict[str, Points]:
    """The function less its minimum, and the local entropy of one scope upside down."""
    scope = SCOPES[part.number]
    turned = -local_entropy(LINE, scope)
    name = f"γ = {scope:,.0f}"
    points = {name: Points(x=LINE.numpy(), y=(turned - turned.min()).numpy())}
    if part.number == 0:
        points["function"] = Points(x=LINE.numpy(), y=wells(LINE).numpy())
    return points


def preference(_: Problem, part: Part) -> dict[str, Points]:
    """How much more local entropy there is in the wide well than in the narrow one."""
    scopes = torch.logspace(0, 3, 25, dtype=torch.float64)
    centres = torch.tensor(PLACES, dtype=torch.float64)
    pairs = [local_entropy(centres, float(scope)) for scope in scopes]
    differences = [float(wide - narrow) for narrow, wide in pairs]
    low, high = 1.0, 1000.0
    while high / low > 1 + 1e-6:
        middle = math.sqrt(low * high)
        narrow, wide = local_entropy(centres, middle)
        low, high = (middle, high) if wide > narrow else (low, middle)
    return {
        "wide less narrow": Points(x=scopes.numpy(), y=differences),
        "as much": Points(x=scopes.numpy(), y=[0.0] * len(scopes)),
        "crossover": Points(x=[low], y=[0.0]),
    }


def slopes(x: Tensor) -> Tensor:
    """The derivative of the wells at x."""
    total = torch.zeros_like(x)
    for at, depth, width in zip(PLACES, DEPTHS, WIDTHS, strict=True):
        total += depth * (x - at) / width**2 * torch.exp(-(((x - at) / width) ** 2) / 2)
    return total


def stationary_share(temperature: float) -> float:
    """The share of e^(-f/T) between the walls that is on the wide well's side."""
    grid = torch.linspace(-WALL, WALL, 20_001, dtype=torch.float64)
    density = torch.softmax(-wells(grid) / temperature, dim=0)
    return float(density[grid > 0].sum())


def escape(_: Problem, part: Part) -> dict[str, Points]:
    """Where chains that set out in the narrow well are after a long walk at one temperature.

    Langevin dynamics: x <- x - h f'(x) + sqrt(2 h T) noise.
    """
    temperature = TEMPERATURES[part.number]
    generator = torch.Generator().manual_seed(100 * part.seed + part.number)
    x = torch.full((CHAINS,), PLACES[0])
    noise = math.sqrt(2 * STEP * temperature)
    for step in range(STEPS):
        if step % 1000 == 0:
            part.check()
        x = x - STEP * slopes(x) + noise * torch.randn(CHAINS, generator=generator)
        x = x.clamp(-2 * WALL - x, 2 * WALL - x)  # a step beyond a wall is reflected at it
    share = float((x > 0).double().mean())
    reach = 1.96 * math.sqrt(max(share * (1 - share), 1 / CHAINS) / CHAINS)
    return {
        "after the walk": Points(
            x=[temperature], y=[share], low=[share - reach], high=[share + reach]
        ),
        "in the end": Points(x=[temperature], y=[stationary_share(temperature)]),
    }


def problem() -> Problem:
    """The function; there are no data."""
    return Problem(
        model=Place(),
        data={"train": (torch.zeros(1, dtype=torch.float64),)},
        loss=height,
        experiments={
            "escape": Experiment(
                measure=escape,
                threads=1,
                parts=len(TEMPERATURES),
                series=(
                    Series("after the walk", "points", "share in the wide well"),
                    Series("in the end", "dashed", "share in the wide well"),
                ),
                title="Chains that set out in the narrow well, after a long walk with noise",
                x="temperature",
                log=("x",),
            ),
            "preference": Experiment(
                measure=preference,
                threads=1,
                parts=1,
                series=(
                    Series("wide less narrow", panel="difference of local entropies"),
                    Series("as much", "dashed", "difference of local entropies"),
                    Series("crossover", "points", "difference of local entropies"),
                ),
                title="Local entropy in a shallow wide well less that in a deep narrow one",
                x="γ",
                log=("x",),
            ),
            "entropies": Experiment(
                measure=entropies,
                threads=1,
                parts=len(SCOPES),
                series=(
                    Series("function", panel="function"),
                    *(Series(f"γ = {scope:,.0f}", panel="negative entropy") for scope in SCOPES),
                ),
                title="Two wells, and their local entropies upside down",
                x="x",
            ),
        },
    )
