"""A network of one hidden layer that is fitted to random targets, as well as it can be."""

import torch
from torch import Tensor, nn

from explorer.experiment import Experiment, Part, Points, Series
from explorer.problem import Problem

SIZE, RATIO = 16, 0.5  # inputs, hidden units and outputs; weights over numbers to fit, phi
RATIOS = (0.2, 0.35, 0.5, 0.75, 1.0)
STARTS, MOST_STEPS = 2, 250
Rows = tuple[Tensor, Tensor]


class Net(nn.Module):
    """One hidden ReLU layer without biases, 16-16-16, float64."""

    def __init__(self) -> None:
        super().__init__()
        shape, scale = (SIZE, SIZE), SIZE**-0.5
        self.first = nn.Parameter(scale * torch.randn(shape, dtype=torch.float64))
        self.second = nn.Parameter(scale * torch.randn(shape, dtype=torch.float64))

    def forward(self, inputs: Tensor) -> Tensor:
        """Outputs (B, 16) of inputs (B, 16)."""
        return (inputs @ self.first).relu() @ self.second


def noise(ratio: float, seed: int) -> Rows:
    """Standard normal inputs and targets; rows are 2 size / ratio, by which the ratio is phi."""
    rows = round(2 * SIZE / ratio)
    generator = torch.Generator().manual_seed(seed)
    drawn = torch.randn(2, rows, SIZE, dtype=torch.float64, generator=generator)
    return drawn[0], drawn[1]


def half_squared_error(outputs: Tensor, rows: Rows) -> Tensor:
    """Half the mean square of each row's errors, (B,)."""
    return (outputs - rows[1]).square().mean(dim=1) / 2


def fitted_loss(rows: Rows, part: Part) -> float:
    """The loss at which L-BFGS from fresh weights ends."""
    model = Net()
    optimiser = torch.optim.LBFGS(
        model.parameters(), max_iter=MOST_STEPS, line_search_fn="strong_wolfe"
    )

    def closure() -> Tensor:
        part.check()
        optimiser.zero_grad()
        loss = half_squared_error(model(rows[0]), rows).mean()
        loss.backward()
        return loss

    optimiser.step(closure)
    return float(closure().detach())


def energies(_: Problem, part: Part) -> dict[str, Points]:
    """Losses of minima at one ratio of weights to targets, and the law that was observed."""
    ratio = RATIOS[part.number]
    losses = [fitted_loss(noise(ratio, 10 * part.seed + start), part) for start in range(STARTS)]
    return {
        "minima": Points(x=[ratio] * STARTS, y=losses),
        "(1 - φ)²/2": Points(x=[ratio], y=[(1 - ratio) ** 2 / 2]),
        "linear: (1 - φ/2)/2": Points(x=[ratio], y=[(1 - ratio / 2) / 2]),
    }


def problem() -> Problem:
    """Regression of noise on noise: half as many weights as numbers to fit."""
    return Problem(
        model=Net(),
        data={"train": noise(RATIO, 0)},
        loss=half_squared_error,
        experiments={
            "energy": Experiment(
                measure=energies,
                threads=1,
                parts=len(RATIOS),
                series=(
                    Series("minima", "points", "loss at a minimum"),
                    Series("(1 - φ)²/2", "dashed", "loss at a minimum"),
                    Series("linear: (1 - φ/2)/2", "dashed", "loss at a minimum"),
                ),
                title="Losses at minima of a network that is fitted to noise",
                x="weights over numbers to fit, φ",
            )
        },
    )
