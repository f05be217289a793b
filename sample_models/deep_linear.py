"""A linear network of two layers, all of whose critical points are known in closed form."""

from collections.abc import Sequence
from functools import cache
from itertools import combinations

import torch
from torch import Tensor, nn

from explorer.experiment import Experiment, Part, Points, Series
from explorer.problem import Problem

SIZE, WIDTH, ROWS = 6, 3, 60  # inputs and outputs, hidden units, examples
STARTS = 10  # of a part


class DeepLinear(nn.Module):
    """The product of two matrices without biases, 6-3-6, float64."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Linear(SIZE, WIDTH, bias=False, dtype=torch.float64)
        self.second = nn.Linear(WIDTH, SIZE, bias=False, dtype=torch.float64)

    def forward(self, inputs: Tensor) -> Tensor:
        """Outputs (B, 6) of inputs (B, 6)."""
        return self.second(self.first(inputs))


@cache
def data() -> tuple[Tensor, Tensor]:
    """Inputs (60, 6) whose second moments are the unit matrix, and targets (60, 6); float64.

    Targets are a linear map of the inputs, with singular values 2, 1.6, 1.2, .9, .6, .3, and noise.
    """
    generator = torch.Generator().manual_seed(0)
    raw = torch.randn(ROWS, SIZE, dtype=torch.float64, generator=generator)
    inputs = torch.linalg.qr(raw).Q * ROWS**0.5
    left, right = (
        torch.linalg.qr(torch.randn(SIZE, SIZE, dtype=torch.float64, generator=generator)).Q
        for _ in range(2)
    )
    strengths = torch.tensor([2.0, 1.6, 1.2, 0.9, 0.6, 0.3], dtype=torch.float64)
    noise = torch.randn(ROWS, SIZE, dtype=torch.float64, generator=generator)
    return inputs, inputs @ (left * strengths @ right.T).T + 0.1 * noise


def half_squared_error(outputs: Tensor, batch: tuple[Tensor, Tensor]) -> Tensor:
    """Half the squared distance of each example's outputs to its targets, (B,)."""
    return (outputs - batch[1]).square().sum(dim=1) / 2


def critical_weights(directions: Sequence[int]) -> dict[str, Tensor]:
    """A critical point: the map of least squares along these of its singular directions, from 0.

    At most three. Every critical point has the loss of one of these; all minima are global.

    Source: Baldi and Hornik 1989, Neural Networks 2, p. 53, fact 4; Kawaguchi 2016,
    arXiv:1605.07110, theorem 2.3.
    """
    inputs, targets = data()
    left, strengths, right = torch.linalg.svd(targets.T @ inputs / ROWS)
    chosen = list(directions)
    roots = strengths[chosen].sqrt()
    first = torch.zeros(WIDTH, SIZE, dtype=torch.float64)
    second = torch.zeros(SIZE, WIDTH, dtype=torch.float64)
    first[: len(chosen)] = roots[:, None] * right[chosen]
    second[:, : len(chosen)] = left[:, chosen] * roots
    return {"first.weight": first, "second.weight": second}


def all_critical_weights() -> list[dict[str, Tensor]]:
    """A critical point for each choice of at most three of the six directions: 42."""
    ranks = range(WIDTH + 1)
    return [critical_weights(c) for rank in ranks for c in combinations(range(SIZE), rank)]


def loss_of(weights: Tensor) -> Tensor:
    """The loss at all 36 weights as one vector."""
    inputs, targets = data()
    first = weights[: WIDTH * SIZE].view(WIDTH, SIZE)
    second = weights[WIDTH * SIZE :].view(SIZE, WIDTH)
    return half_squared_error(inputs @ first.T @ second.T, (inputs, targets)).mean()


def as_vector(weights: dict[str, Tensor]) -> Tensor:
    """Both matrices as one vector."""
    return torch.cat([weights["first.weight"].flatten(), weights["second.weight"].flatten()])


def index_of_loss(_: Problem, part: Part) -> dict[str, Points]:
    """Loss, number of negative eigenvalues and slope of each critical point."""
    data()  # made before functions are transformed, which may not draw random numbers
    losses, indices, slopes = [], [], []
    for weights in all_critical_weights():
        part.check()
        point = as_vector(weights)
        eigenvalues = torch.linalg.eigvalsh(torch.func.hessian(loss_of)(point))
        losses.append(float(loss_of(point)))
        indices.append(int((eigenvalues < -1e-8 * eigenvalues.abs().max()).sum()))
        slopes.append(float(torch.func.grad(loss_of)(point).norm()))
    return {
        "critical points": Points(x=losses, y=indices),
        "slope": Points(x=losses, y=slopes),
    }


def losses_of_starts(problem: Problem, part: Part) -> dict[str, Points]:
    """Losses that L-BFGS reaches from ten random starts, and the loss of the global minimum."""
    numbers, starts, ends = [], [], []
    for start in range(STARTS):
        part.check()
        weights = (0.5 * torch.randn(2 * SIZE * WIDTH, dtype=torch.float64)).requires_grad_()
        starts.append(float(loss_of(weights.detach())))
        optimiser = torch.optim.LBFGS(
            [weights],
            max_iter=400,
            tolerance_grad=1e-9,
            tolerance_change=1e-16,
            line_search_fn="strong_wolfe",
        )

        def closure(optimiser: torch.optim.Optimizer = optimiser, at: Tensor = weights) -> Tensor:
            optimiser.zero_grad()
            loss = loss_of(at)
            loss.backward()
            return loss

        optimiser.step(closure)
        numbers.append(part.number * STARTS + start + 1)
        ends.append(float(loss_of(weights.detach())))
    best = [float(loss_of(as_vector(critical_weights([0, 1, 2]))))] * STARTS
    return {
        "starts of training": Points(x=numbers, y=starts),
        "ends of training": Points(x=numbers, y=ends),
        "global minimum": Points(x=numbers, y=best),
    }


def problem() -> Problem:
    """Linear regression by a network of two linear layers with a hidden layer of 3 units."""
    return Problem(
        model=DeepLinear(),
        data={"train": data()},
        loss=half_squared_error,
        experiments={
            "index": Experiment(
                measure=index_of_loss,
                threads=1,
                parts=1,
                series=(
                    Series("critical points", "points", "negative eigenvalues of 36"),
                    Series("slope", "points", "length of the gradient"),
                ),
                title="All kinds of critical points of a deep linear network",
                x="loss",
                log=("length of the gradient",),
            ),
            "starts": Experiment(
                measure=losses_of_starts,
                threads=1,
                parts=5,
                series=(
                    Series("starts of training", "points", "loss"),
                    Series("ends of training", "points", "loss"),
                    Series("global minimum", "dashed", "loss"),
                ),
                title="Losses at which training a deep linear network starts and ends",
                x="start",
            ),
        },
    )
