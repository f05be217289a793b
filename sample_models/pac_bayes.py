"""Digits below 5 against the others, and what PAC-Bayes bounds say of a network that tells them."""

import math
from collections.abc import Mapping
from typing import cast

import torch
from sklearn.datasets import load_digits
from torch import Tensor, nn

from explorer.experiment import Experiment, Part, Points, Series
from explorer.problem import Problem, accuracy, cross_entropy

TRAINING_ROWS = 1437  # the other 360 of the 1797 rows are the test split
HIDDEN = 100
CONFIDENCE = 0.05  # delta: a bound fails with at most this probability
LARGEST_VARIANCE, PRECISION = 0.1, 100  # c and b of Dziugaite and Roy's grid of prior variances
DEVIATIONS = (0.03, 0.05, 0.07, 0.1, 0.15, 0.2, 0.25, 0.3)
DRAWS, OPTIMISING_STEPS = 60, 600
Weights = Mapping[str, Tensor]


class Net(nn.Module):
    """One hidden ReLU layer of 100, whose initial weights are always the same: the prior's mean."""

    def __init__(self) -> None:
        super().__init__()
        linear = nn.Linear(64, HIDDEN), nn.Linear(HIDDEN, 2)
        self.layers = nn.Sequential(linear[0], nn.ReLU(), linear[1])
        generator = torch.Generator().manual_seed(0)
        for layer in linear:
            for values in layer.parameters():
                bound = layer.in_features**-0.5
                nn.init.uniform_(values, -bound, bound, generator=generator)

    def forward(self, pixels: Tensor) -> Tensor:
        """Logits (B, 2) of pixels (B, 64)."""
        return self.layers(pixels)


def digits(random: bool) -> dict[str, tuple[Tensor, Tensor]]:
    """Pixels (N, 64) and labels (N,), 1 for digits below 5, of the splits "train" and "test".

    The rows are shuffled by `torch.randperm` with seed 0. Pixels are (x/16 - mean)/0.3. If random,
    training labels are the toss of a coin.
    """
    pixels, labels = (torch.from_numpy(array) for array in load_digits(return_X_y=True))
    generator = torch.Generator().manual_seed(0)
    order = torch.randperm(len(labels), generator=generator)
    train, test = order[:TRAINING_ROWS], order[TRAINING_ROWS:]
    scaled = ((pixels / 16 - (pixels[train] / 16).mean(dim=0)) / 0.3).to(torch.float32)
    below = (labels < 5).to(torch.int64)
    tossed = torch.randint(2, (TRAINING_ROWS,), generator=generator)
    kept = tossed if random else below[train]
    return {"train": (scaled[train], kept), "test": (scaled[test], below[test])}


def divergence(distance: float, variance: float) -> float:
    """KL of the normal law around the weights from that around the prior's, of one variance."""
    return distance**2 / (2 * variance)


def divergence_as_written(length: float, variance: float, count: int) -> float:
    """The sum that is often written: |w|^2 / (2 s^2) + p/2 (s^2 - 1 - ln s^2).

    Its first term is that of a prior of variance s^2, its second that of one of variance 1.
    """
    return length**2 / (2 * variance) + count / 2 * (variance - 1 - math.log(variance))


def inverse_kl(error: float, budget: float) -> float:
    """The largest q whose binary KL from the error, kl(error, q), is at most the budget."""
    low, high = error, 1.0 - 1e-12
    for _ in range(60):
        middle = (low + high) / 2
        terms = ((error, middle), (1 - error, 1 - middle))
        kl = sum(a * math.log(a / b) for a, b in terms if a > 0)
        low, high = (middle, high) if kl <= budget else (low, middle)
    return low


def mcallester_maurer(error: float, kl: float, rows: int) -> float:
    """McAllester's bound with Maurer's constant: arXiv:cs/0411099, theorem 5."""
    return error + math.sqrt((kl + math.log(2 * math.sqrt(rows) / CONFIDENCE)) / (2 * rows))


def dziugaite_roy(error: float, kl: float, variance: float, rows: int) -> float:
    """Their bound for a prior variance from a grid: arXiv:1703.11008, section 3.2.

    The variance is not rounded to the grid, whose values are one percent apart.
    """
    if variance >= LARGEST_VARIANCE:
        return math.nan
    place = 2 * math.log(PRECISION * math.log(LARGEST_VARIANCE / variance))
    budget = kl + place + math.log(math.pi**2 * rows / (6 * CONFIDENCE))
    return inverse_kl(error, budget / (rows - 1))


def as_written(error: float, kl: float, rows: int) -> float:
    """The bound as it is often written."""
    return error + math.sqrt((kl + math.log(rows / CONFIDENCE)) / (2 * (rows - 1)))


def rows_of(problem: Problem, split: str) -> tuple[Tensor, Tensor]:
    """Pixels and labels of a split."""
    return cast("tuple[Tensor, Tensor]", problem.data[split])


def error_under_noise(problem: Problem, split: str, deviation: float, part: Part) -> float:
    """Mean share of errors over draws of the weights."""
    pixels, labels = rows_of(problem, split)
    weights = dict(problem.model.named_parameters())
    wrong = 0.0
    with torch.no_grad():
        for _ in range(DRAWS):
            part.check()
            drawn = {n: w + deviation * torch.randn_like(w) for n, w in weights.items()}
            outputs = torch.func.functional_call(problem.model, drawn, (pixels,))
            wrong += float((outputs.argmax(dim=1) != labels).float().mean())
    return wrong / DRAWS


def distance_of(weights: Weights, others: Weights | None = None) -> float:
    """Length of all weights, or of their difference from others."""
    squares = [(w - others[n] if others else w).square().sum() for n, w in weights.items()]
    return float(torch.stack(squares).sum().sqrt().detach())


def tightened(problem: Problem, part: Part) -> float:
    """Move the model's weights to where the bound is low; the standard deviation there.

    Descent on the cross-entropy over ln 2, which is above the error, and the bound's square root.
    """
    pixels, labels = rows_of(problem, "train")
    prior = {n: w.detach().clone() for n, w in Net().named_parameters()}
    weights = dict(problem.model.named_parameters())
    log_deviation = torch.tensor(math.log(0.05), requires_grad=True)
    optimiser = torch.optim.Adam([*weights.values(), log_deviation], lr=3e-3)
    for _ in range(OPTIMISING_STEPS):
        part.check()
        deviation = log_deviation.exp()
        rows = torch.randint(len(labels), (256,))
        drawn = {n: w + deviation * torch.randn_like(w) for n, w in weights.items()}
        outputs = torch.func.functional_call(problem.model, drawn, (pixels[rows],))
        loss = nn.functional.cross_entropy(outputs, labels[rows]) / math.log(2)
        squares = sum((w - prior[n]).square().sum() for n, w in weights.items())
        kl = squares / (2 * deviation**2) + math.log(math.pi**2 * len(labels) / (6 * CONFIDENCE))
        optimiser.zero_grad()
        (loss + (kl / (2 * len(labels))).sqrt()).backward()
        optimiser.step()
    return float(log_deviation.detach().exp())


def bounds(problem: Problem, part: Part) -> dict[str, Points]:
    """Errors and bounds at one standard deviation; in the last part where weights are moved."""
    last = part.number == len(DEVIATIONS)
    deviation = tightened(problem, part) if last else DEVIATIONS[part.number]
    weights, prior = (dict(m.named_parameters()) for m in (problem.model, Net()))
    rows, count = TRAINING_ROWS, sum(w.numel() for w in weights.values())
    train, test = (error_under_noise(problem, s, deviation, part) for s in ("train", "test"))
    kl = divergence(distance_of(weights, prior), deviation**2)
    written = divergence_as_written(distance_of(weights), deviation**2, count)
    values = {
        "train error": train,
        "test error": test,
        "McAllester": mcallester_maurer(train, kl, rows),
        "Dziugaite": dziugaite_roy(train, kl, deviation**2, rows),
        "as written": as_written(train, written, rows),
    }
    if last:
        values = {
            "moved, bound": values["Dziugaite"],
            "moved, test": values["test error"],
        }
    return {name: Points(x=[deviation], y=[value]) for name, value in values.items()}


def problem(random: bool = False) -> Problem:
    """Digits below 5 against the others; with random labels in training if so asked."""
    error = "share of errors"
    return Problem(
        model=Net(),
        data=digits(random),
        loss=cross_entropy,
        metrics={"accuracy": accuracy},
        experiments={
            "bounds": Experiment(
                measure=bounds,
                threads=1,
                parts=len(DEVIATIONS) + 1,
                series=(
                    Series("train error", panel=error),
                    Series("test error", panel=error),
                    Series("McAllester", panel=error),
                    Series("Dziugaite", panel=error),
                    Series("moved, bound", "points", error),
                    Series("moved, test", "points", error),
                    Series("as written", panel=error),
                ),
                title="Bounds of the error of a network whose weights are drawn at random",
                x="standard deviation of the weights",
                log=("x", error),
            )
        },
    )
