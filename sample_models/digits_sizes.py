"""Networks of any width on the digits, and experiments that train many of them at once."""

import math

import torch
from sklearn.datasets import load_digits
from torch import Tensor, nn

from explorer.experiment import Experiment, Part, Points, Series
from explorer.problem import Problem, accuracy, cross_entropy

TRAINING_ROWS = 1437  # the other 360 of the 1797 rows are the test split
WIDTHS, SEEDS = (2, 4, 8, 16, 64), 20
SPARSITIES = (0.5, 0.9, 0.96, 0.98)
TICKETS, TICKET_WIDTH = 2, 64  # networks that each sparsity is an average of
NETWORKS = ("dense", "ticket", "mask on new weights", "random mask")
STEPS, BATCH, RATE, MOMENTUM = 800, 64, 0.05, 0.9
Layers = list[Tensor]  # weights (S, in, out) and biases (S, 1, out) of S networks, in turn


class Net(nn.Module):
    """Two hidden ReLU layers of one width, in PyTorch's default initialisation."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Linear(64, width),
            nn.ReLU(),
            nn.Linear(width, width),
            nn.ReLU(),
            nn.Linear(width, 10),
        )

    def forward(self, pixels: Tensor) -> Tensor:
        """Logits (B, 10) of pixels (B, 64)."""
        return self.layers(pixels)


def digits() -> dict[str, tuple[Tensor, Tensor]]:
    """Pixels (N, 64) float32 and labels (N,) int64 of the splits "train" (1437) and "test" (360).

    The rows are shuffled by `torch.randperm` with seed 0; the first 1437 are the training split.
    Pixels are (x/16 - mean)/0.3; mean (64,) is the mean of each pixel over the training split.
    """
    pixels, labels = (torch.from_numpy(array) for array in load_digits(return_X_y=True))
    order = torch.randperm(len(labels), generator=torch.Generator().manual_seed(0))
    train, test = order[:TRAINING_ROWS], order[TRAINING_ROWS:]
    scaled = ((pixels / 16 - (pixels[train] / 16).mean(dim=0)) / 0.3).to(torch.float32)
    labels = labels.to(torch.int64)
    return {"train": (scaled[train], labels[train]), "test": (scaled[test], labels[test])}


def fresh(width: int, count: int) -> Layers:
    """The weights of that many networks, as PyTorch initialises each of their layers."""
    layers = []
    for inputs, outputs in ((64, width), (width, width), (width, 10)):
        bound = 1 / math.sqrt(inputs)
        layers.append((2 * torch.rand(count, inputs, outputs) - 1) * bound)
        layers.append((2 * torch.rand(count, 1, outputs) - 1) * bound)
    return layers


def logits(layers: Layers, pixels: Tensor) -> Tensor:
    """Outputs (S, B, 10) of all networks on the same pixels (B, 64)."""
    hidden = pixels[None]
    for weight, bias in zip(layers[:-2:2], layers[1:-2:2], strict=True):
        hidden = (hidden @ weight + bias).relu()
    return hidden @ layers[-2] + layers[-1]


def losses(layers: Layers, rows: tuple[Tensor, Tensor]) -> Tensor:
    """Mean cross-entropy of each network, (S,)."""
    outputs, labels = logits(layers, rows[0]), rows[1].expand(len(layers[0]), -1)
    return nn.functional.cross_entropy(outputs.transpose(1, 2), labels, reduction="none").mean(1)


def accuracies(layers: Layers, rows: tuple[Tensor, Tensor]) -> Tensor:
    """Share of the rows that each network gets right, (S,)."""
    return (logits(layers, rows[0]).argmax(dim=2) == rows[1]).float().mean(dim=1)


def trained(layers: Layers, part: Part, masks: Layers | None = None) -> Layers:
    """The networks after training by momentum at a falling rate; masked weights stay 0."""
    pixels, labels = digits()["train"]
    kept = masks or [torch.ones(()) for _ in layers]
    weights = [(w * m).requires_grad_() for w, m in zip(layers, kept, strict=True)]
    speeds = [torch.zeros_like(w) for w in layers]
    for step in range(STEPS):
        part.check()
        rows = torch.randint(len(labels), (BATCH,))
        total = losses(weights, (pixels[rows], labels[rows])).sum()
        rate = RATE * (1 + math.cos(math.pi * step / STEPS)) / 2
        with torch.no_grad():
            slopes = torch.autograd.grad(total, weights)
            for weight, speed, slope, mask in zip(weights, speeds, slopes, kept, strict=True):
                speed.mul_(MOMENTUM).add_(slope * mask)
                weight.sub_(rate * speed)
    return [weight.detach() for weight in weights]


def width_sweep(_: Problem, part: Part) -> dict[str, Points]:
    """Test and train losses of 20 networks of one width from other starts."""
    width = WIDTHS[part.number]
    networks, splits = trained(fresh(width, SEEDS), part), digits()
    points = {}
    for split, rows in splits.items():
        values = losses(networks, rows)
        mean, spread = float(values.mean()), float(values.std())
        points[split] = Points(
            x=[width], y=[mean], low=[float(values.min())], high=[float(values.max())]
        )
        points[f"{split}, each"] = Points(x=[width] * SEEDS, y=values.numpy())
        points[f"{split}, spread"] = Points(x=[width], y=[spread])
    return points


def masks_of(layers: Layers, sparsity: float) -> Layers:
    """1 for the largest weights of each layer in absolute value and for biases, else 0."""
    masks = []
    for weight in layers:
        flat = weight.abs().flatten(1)
        least = flat.quantile(sparsity, dim=1)[:, None, None]
        masks.append(
            (weight.abs() >= least).float()
            if weight.shape[1] > 1
            else weight.new_ones(weight.shape)
        )
    return masks


def lottery(_: Problem, part: Part) -> dict[str, Points]:
    """Test accuracies at one sparsity: of the ticket, of its mask on new weights, of a random one.

    Source: Frankle and Carbin 2019, arXiv:1803.03635, section 1, pruned at once.
    """
    sparsity, test = SPARSITIES[part.number], digits()["test"]
    start = fresh(TICKET_WIDTH, TICKETS)
    dense = trained(start, part)
    masks = masks_of(dense, sparsity)
    shuffled = [mask.flatten(1)[:, torch.randperm(mask[0].numel())].view_as(mask) for mask in masks]
    stacks = (start, fresh(TICKET_WIDTH, TICKETS), start), (masks, masks, shuffled)
    weights, kept = ([torch.cat(layer) for layer in zip(*own, strict=True)] for own in stacks)
    values = accuracies(trained(weights, part, kept), test).view(3, TICKETS)
    of_all = (accuracies(dense, test), *values)
    points = {}
    for name, own in zip(NETWORKS, of_all, strict=True):
        points[name] = Points(
            x=[100 * sparsity],
            y=[float(own.mean())],
            low=[float(own.min())],
            high=[float(own.max())],
        )
    return points


def problem(width: int = 8) -> Problem:
    """Digit classification by a network of two hidden layers of that width."""
    sweep = [
        *(Series(split, panel="mean loss") for split in ("train", "test")),
        *(Series(f"{split}, each", "points", "loss of each") for split in ("train", "test")),
        *(Series(f"{split}, spread", panel="spread") for split in ("train", "test")),
    ]
    return Problem(
        model=Net(width),
        data=digits(),
        loss=cross_entropy,
        metrics={"accuracy": accuracy},
        experiments={
            "width": Experiment(
                measure=width_sweep,
                threads=1,
                parts=len(WIDTHS),
                series=sweep,
                title="Losses of networks of several widths, 20 starts each",
                x="width of the hidden layers",
                log=("x", "spread"),
            ),
            "lottery": Experiment(
                measure=lottery,
                threads=1,
                parts=len(SPARSITIES),
                series=[Series(name, panel="test accuracy") for name in NETWORKS],
                title="Sparse networks trained from the start of the dense one, and from others",
                x="weights that are left out, %",
            ),
        },
    )
