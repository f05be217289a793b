"""Networks on digits with true and random labels, with weight decay, dropout and any rate."""

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from sklearn.datasets import load_digits
from torch import Tensor, nn

from explorer.experiment import Experiment, Part, Points, Series
from explorer.problem import Problem, accuracy, cross_entropy

ROWS, TRAINING_ROWS = 400, 1437  # of the training split the first 400 are kept
WIDTH, RUNS = 48, 3  # of the hidden layers; networks that a number is the mean of
RATES = (0.005, 0.02, 0.05, 0.1, 0.2, 0.4, 0.8, 1.6, 3.2)
DECAYS = (0.0001, 0.0003, 0.001, 0.003, 0.01, 0.03, 0.1)
MASKS = (1, 4, 16)
LABELS = ("true labels", "random labels")
Layers = list[Tensor]  # weights (S, in, out) and biases (S, 1, out) of S networks, in turn
Rows = tuple[Tensor, Tensor]


@dataclass(frozen=True)
class Recipe:
    """A training by stochastic gradient descent on batches of 50."""

    rate: float = 0.1
    momentum: float = 0.0
    decay: float = 0.0  # of weights
    dropout: float = 0.0
    epochs: int = 60


def digits(noise: float) -> dict[str, Rows]:
    """Pixels (N, 64) float32 and labels (N,) int64 of the splits "train" (400) and "test" (360).

    The rows are shuffled by `torch.randperm` with seed 0. Pixels are (x/16 - mean)/0.3 with the
    mean over the first 1437. Of the first 400 a share has labels drawn anew; the last 360 are test.
    """
    pixels, labels = (torch.from_numpy(array) for array in load_digits(return_X_y=True))
    generator = torch.Generator().manual_seed(0)
    order = torch.randperm(len(labels), generator=generator)
    pixels, labels = pixels[order] / 16, labels[order].to(torch.int64)
    pixels = ((pixels - pixels[:TRAINING_ROWS].mean(dim=0)) / 0.3).to(torch.float32)
    noisy = torch.randperm(ROWS, generator=generator)[: round(noise * ROWS)]
    labels[noisy] = torch.randint(10, (len(noisy),), generator=generator)
    test = slice(TRAINING_ROWS, None)
    return {"train": (pixels[:ROWS], labels[:ROWS]), "test": (pixels[test], labels[test])}


def fresh(count: int) -> Layers:
    """The weights of that many networks, as PyTorch initialises each of their layers."""
    layers = []
    for inputs, outputs in ((64, WIDTH), (WIDTH, WIDTH), (WIDTH, 10)):
        bound = 1 / math.sqrt(inputs)
        layers.append((2 * torch.rand(count, inputs, outputs) - 1) * bound)
        layers.append((2 * torch.rand(count, 1, outputs) - 1) * bound)
    return layers


def logits(layers: Layers, pixels: Tensor, dropout: float = 0.0) -> Tensor:
    """Outputs (S, B, 10) of all networks on the same pixels (B, 64)."""
    hidden = pixels[None]
    for weight, bias in zip(layers[:-2:2], layers[1:-2:2], strict=True):
        hidden = nn.functional.dropout((hidden @ weight + bias).relu(), dropout)
    return hidden @ layers[-2] + layers[-1]


def losses(layers: Layers, rows: Rows, dropout: float = 0.0) -> Tensor:
    """Mean cross-entropy of each network, (S,)."""
    outputs = logits(layers, rows[0], dropout).transpose(1, 2)
    labels = rows[1].expand(len(outputs), -1)
    return nn.functional.cross_entropy(outputs, labels, reduction="none").mean(dim=1)


def accuracies(layers: Layers, rows: Rows) -> float:
    """Share of the rows that are right, the mean over the networks."""
    return float((logits(layers, rows[0]).argmax(dim=2) == rows[1]).float().mean())


def lengths(layers: Layers) -> float:
    """Length of all weights of a network, the mean over the networks."""
    squares = torch.stack([w.square().sum(dim=(1, 2)) for w in layers]).sum(dim=0)
    return float(squares.sqrt().mean())


def trained(recipe: Recipe, rows: Rows, part: Part, seen: Callable[[Layers], None]) -> Layers:
    """Networks after the training; `seen` is called with them after each epoch."""
    weights = [w.requires_grad_() for w in fresh(RUNS)]
    speeds = [torch.zeros_like(w) for w in weights]
    for _ in range(recipe.epochs):
        part.check()
        for batch in torch.randperm(ROWS).split(50):
            own = rows[0][batch], rows[1][batch]
            slopes = torch.autograd.grad(losses(weights, own, recipe.dropout).sum(), weights)
            with torch.no_grad():
                for weight, speed, slope in zip(weights, speeds, slopes, strict=True):
                    speed.mul_(recipe.momentum).add_(slope + recipe.decay * weight)
                    weight.sub_(recipe.rate * speed)
        seen([w.detach() for w in weights])
    return [w.detach() for w in weights]


def unseen(layers: Layers) -> None:
    """Nothing is kept of networks on their way."""


def random_labels(_: Problem, part: Part) -> dict[str, Points]:
    """Accuracies and length of the weights by epochs, with one sort of labels."""
    name, splits = LABELS[part.number], digits(float(part.number))
    of_train, of_test, of_weights = [], [], []

    def seen(layers: Layers) -> None:
        of_train.append(accuracies(layers, splits["train"]))
        of_test.append(accuracies(layers, splits["test"]))
        of_weights.append(lengths(layers))

    trained(Recipe(0.05, 0.9, epochs=150), splits["train"], part, seen)
    epochs = list(range(1, len(of_train) + 1))
    return {
        name: Points(x=epochs, y=of_train),
        f"{name}, test": Points(x=epochs, y=of_test),
        f"{name}, length": Points(x=epochs, y=of_weights),
    }


def sensitivity(_: Problem, part: Part) -> dict[str, Points]:
    """Training loss at one learning rate, without and with momentum."""
    rows, rate = digits(0.2)["train"], RATES[part.number]
    points = {}
    for name, momentum in (("plain", 0.0), ("with momentum .9", 0.9)):
        layers = trained(Recipe(rate, momentum), rows, part, unseen)
        points[name] = Points(x=[rate], y=[float(losses(layers, rows).mean())])
    return points


def weight_decay(_: Problem, part: Part) -> dict[str, Points]:
    """Accuracies and length of the weights with one weight decay, a fifth of labels random."""
    decay, splits = DECAYS[part.number], digits(0.2)
    layers = trained(Recipe(0.1, 0.9, decay), splits["train"], part, unseen)
    points = {s: Points(x=[decay], y=[accuracies(layers, rows)]) for s, rows in splits.items()}
    return {**points, "length of the weights": Points(x=[decay], y=[lengths(layers)])}


def dropout_masks(_: Problem, part: Part) -> dict[str, Points]:
    """Roughness of the loss along a line, a mean over ever more masks at each of its points.

    Roughness is the root mean square of second differences over sqrt 6, which for independent
    errors of one standard deviation is that deviation.
    """
    rows = digits(0.2)["train"]
    layers = trained(Recipe(0.1, 0.9, dropout=0.5), rows, part, unseen)
    ways = [torch.randn_like(w) * w.norm() / w.numel() ** 0.5 for w in layers]
    places = torch.linspace(-0.2, 0.2, 41)
    roughness = []
    for masks in MASKS:
        heights = []
        for place in places:
            part.check()
            moved = [w + place * way for w, way in zip(layers, ways, strict=True)]
            heights.append(
                torch.stack([losses(moved, rows, 0.5) for _ in range(masks)]).mean(dim=0)
            )
        bends = torch.stack(heights).diff(n=2, dim=0)
        roughness.append(float((bends.square().mean() / 6).sqrt()))
    expected = [roughness[0] / math.sqrt(masks) for masks in MASKS]
    return {
        "roughness": Points(x=MASKS, y=roughness),
        "one over the root of masks": Points(x=MASKS, y=expected),
    }


def problem(noise: float = 0.2) -> Problem:
    """Digit classification with a share of the training labels at random."""
    hidden = nn.Linear(64, WIDTH), nn.ReLU(), nn.Linear(WIDTH, WIDTH), nn.ReLU()
    return Problem(
        model=nn.Sequential(*hidden, nn.Linear(WIDTH, 10)),
        data=digits(noise),
        loss=cross_entropy,
        metrics={"accuracy": accuracy},
        experiments=EXPERIMENTS,
    )


EXPERIMENTS = {
    "random labels": Experiment(
        measure=random_labels,
        threads=1,
        parts=2,
        series=[
            *(Series(name, panel="training accuracy") for name in LABELS),
            *(Series(f"{name}, test", panel="test accuracy") for name in LABELS),
            *(Series(f"{name}, length", panel="length of the weights") for name in LABELS),
        ],
        title="Networks that learn true labels, and the same that learn random ones",
        x="epoch",
    ),
    "sensitivity": Experiment(
        measure=sensitivity,
        threads=1,
        parts=len(RATES),
        series=[Series(name, panel="training loss") for name in ("plain", "with momentum .9")],
        title="Training loss after 60 epochs by learning rate",
        x="learning rate",
        log=("x", "training loss"),
    ),
    "weight decay": Experiment(
        measure=weight_decay,
        threads=1,
        parts=len(DECAYS),
        series=[
            *(Series(split, panel="accuracy") for split in ("train", "test")),
            Series("length of the weights", panel="length"),
        ],
        title="Accuracies with a fifth of the training labels at random, by weight decay",
        x="weight decay",
        log=("x", "length"),
    ),
    "dropout": Experiment(
        measure=dropout_masks,
        threads=1,
        parts=1,
        series=[
            Series("roughness", "points", "roughness"),
            Series("one over the root of masks", "dashed", "roughness"),
        ],
        title="Roughness of a line under dropout, with a mean over masks at each point",
        x="masks",
        log=("x", "roughness"),
    ),
}
