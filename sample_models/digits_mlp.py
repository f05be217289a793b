"""A multilayer perceptron on the 8x8 digits of scikit-learn, 64-32-32-10 by default."""

from collections.abc import Sequence
from itertools import pairwise

import torch
from sklearn.datasets import load_digits
from torch import Tensor, nn

from explorer.problem import Problem, accuracy, cross_entropy

TRAINING_ROWS = 1437  # the other 360 of the 1797 rows are the test split


class MLP(nn.Module):
    """Linear layers with ReLU between them, in PyTorch's default initialisation."""

    def __init__(self, sizes: Sequence[int]) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for inputs, outputs in pairwise(sizes):
            layers += [nn.Linear(inputs, outputs), nn.ReLU()]
        self.layers = nn.Sequential(*layers[:-1])

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


def problem(hidden: Sequence[int] = (32, 32)) -> Problem:
    """Digit classification by an MLP whose hidden layers have the widths `hidden`."""
    return Problem(
        model=MLP((64, *hidden, 10)),
        data=digits(),
        loss=cross_entropy,
        metrics={"accuracy": accuracy},
    )
