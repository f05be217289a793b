"""Noisy digits, and experiments on how learning rate, batch and schedule shape what is learnt."""

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from sklearn.datasets import load_digits
from torch import Tensor, nn

from explorer.experiment import Experiment, Part, Points, Series
from explorer.problem import Problem, accuracy, cross_entropy

ROWS, TRAINING_ROWS = 600, 1437  # of the training split the first 600 are kept
NOISE = 0.2  # share of their labels that is replaced at random
WIDTH, RUNS = 32, 4  # of the hidden layers; networks that a number is the mean of
BATCHES, NOISE_SCALE, UNSCALED = (16, 32, 64, 128), 0.00625, 0.1  # rate over batch; a fixed rate
PEAK, SIZE = 0.4, 16  # of the schedules: rate and batch that they start from
WARM_RATE, WARM_STEPS, WARM_SCALE, TRACED = 1.6, 20, 3.0, 60  # of full-batch descent
Layers = list[Tensor]  # weights (S, in, out) and biases (S, 1, out) of S networks, in turn
Rows = tuple[Tensor, Tensor]


def digits() -> dict[str, Rows]:
    """Pixels (N, 64) float32 and labels (N,) int64 of the splits "train" (600) and "test" (360).

    The rows are shuffled by `torch.randperm` with seed 0. Pixels are (x/16 - mean)/0.3 with the
    mean over the first 1437. Of the first 600 a fifth has labels drawn anew; the last 360 are test.
    """
    pixels, labels = (torch.from_numpy(array) for array in load_digits(return_X_y=True))
    generator = torch.Generator().manual_seed(0)
    order = torch.randperm(len(labels), generator=generator)
    pixels, labels = pixels[order] / 16, labels[order].to(torch.int64)
    pixels = ((pixels - pixels[:TRAINING_ROWS].mean(dim=0)) / 0.3).to(torch.float32)
    noisy = torch.randperm(ROWS, generator=generator)[: round(NOISE * ROWS)]
    labels[noisy] = torch.randint(10, (len(noisy),), generator=generator)
    return {
        "train": (pixels[:ROWS], labels[:ROWS]),
        "test": (pixels[TRAINING_ROWS:], labels[TRAINING_ROWS:]),
    }


def fresh(count: int) -> Layers:
    """The weights of that many networks, as PyTorch initialises each of their layers."""
    layers = []
    for inputs, outputs in ((64, WIDTH), (WIDTH, WIDTH), (WIDTH, 10)):
        bound = 1 / math.sqrt(inputs)
        layers.append((2 * torch.rand(count, inputs, outputs) - 1) * bound)
        layers.append((2 * torch.rand(count, 1, outputs) - 1) * bound)
    return layers


def losses(layers: Layers, rows: Rows) -> Tensor:
    """Mean cross-entropy of each network, (S,)."""
    hidden = rows[0][None]
    for weight, bias in zip(layers[:-2:2], layers[1:-2:2], strict=True):
        hidden = (hidden @ weight + bias).relu()
    outputs = (hidden @ layers[-2] + layers[-1]).transpose(1, 2)
    labels = rows[1].expand(len(outputs), -1)
    return nn.functional.cross_entropy(outputs, labels, reduction="none").mean(dim=1)


@dataclass(frozen=True)
class Recipe:
    """A training: the learning rate and batch size at each share of its epochs done."""

    rate: Callable[[float], float]
    batch: Callable[[float], int]
    epochs: int = 40


def constant(rate: float, batch: int) -> Recipe:
    """One rate and batch size all along."""
    return Recipe(lambda _: rate, lambda _: batch)


def trained(recipe: Recipe, part: Part, runs: int = RUNS) -> tuple[Layers, list[float]]:
    """Networks after the training, and their mean training loss after each epoch."""
    rows = digits()["train"]
    weights = [w.requires_grad_() for w in fresh(runs)]
    kept = []
    for epoch in range(recipe.epochs):
        part.check()
        done = epoch / recipe.epochs
        size = recipe.batch(done)
        batches = torch.randperm(ROWS)[: ROWS - ROWS % size].split(size)
        for place, batch in enumerate(batches):
            rate = recipe.rate(done + place / len(batches) / recipe.epochs)
            total = losses(weights, (rows[0][batch], rows[1][batch])).sum()
            slopes = torch.autograd.grad(total, weights)
            with torch.no_grad():
                for weight, slope in zip(weights, slopes, strict=True):
                    weight.sub_(rate * slope)
        kept.append(float(losses([w.detach() for w in weights], rows).mean()))
    return [w.detach() for w in weights], kept


def largest_eigenvalues(layers: Layers, steps: int = 40) -> Tensor:
    """Largest eigenvalue of each network's training Hessian, (S,), by power iteration."""
    weights = [w.clone().requires_grad_() for w in layers]
    slopes = torch.autograd.grad(
        losses(weights, digits()["train"]).sum(), weights, create_graph=True
    )
    ways = [torch.randn_like(w) for w in weights]
    values = torch.zeros(len(layers[0]))
    for _ in range(steps):
        squares = torch.stack([w.square().sum(dim=(1, 2)) for w in ways]).sum(dim=0)
        ways = [w / squares.sqrt()[:, None, None] for w in ways]
        along = torch.stack([(s * w).sum() for s, w in zip(slopes, ways, strict=True)]).sum()
        bent = torch.autograd.grad(along, weights, retain_graph=True)
        values = torch.stack(
            [(b * w).sum(dim=(1, 2)) for b, w in zip(bent, ways, strict=True)]
        ).sum(0)
        ways = list(bent)
    return values


def scaling(_: Problem, part: Part) -> dict[str, Points]:
    """Loss and curvature after 40 epochs at one batch size: rates in proportion to it, and not."""
    batch = BATCHES[part.number]
    rates = {
        "rate/batch .00625": NOISE_SCALE * batch,
        "rate/batch .00078": NOISE_SCALE * batch / 8,
        "rate .1": UNSCALED,
    }
    points = {}
    for name, rate in rates.items():
        layers, kept = trained(constant(rate, batch), part)
        points[name] = Points(x=[batch], y=[kept[-1]])
        sharpness = float(largest_eigenvalues(layers).mean())
        points[f"λ, {name}"] = Points(x=[batch], y=[sharpness])
    return points


def stairs(done: float) -> int:
    """A divisor that grows by 5 at half and at three quarters of the training."""
    return 5 ** ((done >= 0.5) + (done >= 0.75))


def triangles(done: float) -> float:
    """Four times up to the peak and down again."""
    return PEAK * (0.05 + 0.95 * (1 - abs(1 - 2 * (4 * done % 1))))


SCHEDULES = {
    "constant": constant(PEAK, SIZE),
    "cosine": Recipe(lambda done: PEAK * (1 + math.cos(math.pi * done)) / 2, lambda _: SIZE),
    "rate decays": Recipe(lambda done: PEAK / stairs(done), lambda _: SIZE),
    "batch grows instead": Recipe(lambda _: PEAK, lambda done: SIZE * stairs(done)),
    "cyclical": Recipe(triangles, lambda _: SIZE),
}


def schedules(_: Problem, part: Part) -> dict[str, Points]:
    """Training loss after each epoch by one schedule."""
    name = list(SCHEDULES)[part.number]
    kept = trained(SCHEDULES[name], part)[1]
    return {name: Points(x=list(range(1, len(kept) + 1)), y=kept)}


def schedule_ends(_: Problem, part: Part) -> dict[str, Points]:
    """Steps that one schedule takes, and the test loss at its end."""
    name = list(SCHEDULES)[part.number]
    recipe = SCHEDULES[name]
    sizes = [recipe.batch(epoch / recipe.epochs) for epoch in range(recipe.epochs)]
    test = float(losses(trained(recipe, part)[0], digits()["test"]).mean())
    return {name: Points(x=[sum(ROWS // size for size in sizes)], y=[test])}


def warm_up(_: Problem, part: Part) -> dict[str, Points]:
    """Loss and curvature by steps of full-batch descent at a high rate from large weights."""
    warm = part.number == 1
    name = "warm-up" if warm else "high at once"
    rows = digits()["train"]
    torch.manual_seed(part.seed)  # both parts set out from the same weights
    weights = [WARM_SCALE * w for w in fresh(RUNS)]
    heights, curvatures, every = [], [], 2
    for step in range(TRACED):
        part.check()
        heights.append(float(losses(weights, rows).mean()))
        if step % every == 0:
            curvatures.append(float(largest_eigenvalues(weights, 20).mean()))
        rate = WARM_RATE * min(1.0, (step + 1) / WARM_STEPS) if warm else WARM_RATE
        weights = [w.requires_grad_() for w in weights]
        slopes = torch.autograd.grad(losses(weights, rows).sum(), weights)
        weights = [(w - rate * g).detach() for w, g in zip(weights, slopes, strict=True)]
    steps = list(range(TRACED))
    points = {
        name: Points(x=steps, y=heights),
        f"λ, {name}": Points(x=steps[::every], y=curvatures),
    }
    if not warm:
        points["2/η"] = Points(x=steps, y=[2 / WARM_RATE] * TRACED)
    return points


def problem() -> Problem:
    """Digit classification with a fifth of the labels at random."""
    hidden = nn.Linear(64, WIDTH), nn.ReLU(), nn.Linear(WIDTH, WIDTH), nn.ReLU()
    model, metrics = nn.Sequential(*hidden, nn.Linear(WIDTH, 10)), {"accuracy": accuracy}
    return Problem(model, digits(), cross_entropy, metrics, experiments=EXPERIMENTS)


def _both(names: tuple[str, ...]) -> list[Series]:
    own = [Series(name, panel="training loss") for name in names]
    return own + [Series(f"λ, {name}", panel="largest eigenvalue") for name in names]


EXPERIMENTS = {
    "scaling": Experiment(
        measure=scaling,
        threads=1,
        parts=len(BATCHES),
        series=_both(("rate/batch .00625", "rate/batch .00078", "rate .1")),
        title="Loss and curvature after 40 epochs, by rates that follow the batch or not",
        x="batch size",
        log=("x",),
    ),
    "schedules": Experiment(
        measure=schedules,
        threads=1,
        parts=len(SCHEDULES),
        series=[Series(name, panel="training loss") for name in SCHEDULES],
        title="Training loss by schedules of learning rate and batch size",
        x="epoch",
        log=("training loss",),
    ),
    "ends": Experiment(
        measure=schedule_ends,
        threads=1,
        parts=len(SCHEDULES),
        series=[Series(name, "points", "test loss at the end") for name in SCHEDULES],
        title="Steps that schedules take, and test losses at their ends",
        x="steps",
    ),
    "warm-up": Experiment(
        measure=warm_up,
        threads=1,
        parts=2,
        series=[
            *_both(("high at once", "warm-up")),
            Series("2/η", "dashed", "largest eigenvalue"),
        ],
        title="A high learning rate at once or after a warm-up, from large weights",
        x="step",
        log=("largest eigenvalue",),
    ),
}
