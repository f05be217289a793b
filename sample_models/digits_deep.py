"""A deep, narrow network on the 8x8 digits of scikit-learn, with or without skip connections."""

import torch
from sklearn.datasets import load_digits
from torch import Tensor, nn

from explorer.problem import Problem, accuracy, cross_entropy

TRAINING_ROWS = 1437  # the other 360 of the 1797 rows are the test split
WIDTH = 32


class DeepNet(nn.Module):
    """`depth` ReLU layers of width 32; if residual, each is added to its input times 1/sqrt(depth).

    Both forms have the same parameters and the same initialisation, because PyTorch's default one
    lets the signal of the plain form die out within 30 layers.

    Source: He et al. 2015, arXiv:1502.01852, section 2.2, for the initialisation.
    """

    def __init__(self, depth: int, residual: bool) -> None:
        super().__init__()
        self.stem = nn.Linear(64, WIDTH)
        self.blocks = nn.ModuleList(nn.Linear(WIDTH, WIDTH) for _ in range(depth - 1))
        self.head = nn.Linear(WIDTH, 10)
        self.residual = residual
        self.scale = depth**-0.5
        for layer in (self.stem, *self.blocks, self.head):
            nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
            nn.init.zeros_(layer.bias)

    def forward(self, pixels: Tensor) -> Tensor:
        """Logits (B, 10) of pixels (B, 64)."""
        hidden = self.stem(pixels).relu()
        for block in self.blocks:
            branch = block(hidden).relu()
            hidden = hidden + self.scale * branch if self.residual else branch
        return self.head(hidden)


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


def problem(residual: bool = False, depth: int = 30) -> Problem:
    """Digit classification by `depth` hidden layers, plain or with skip connections."""
    return Problem(
        model=DeepNet(depth, residual),
        data=digits(),
        loss=cross_entropy,
        metrics={"accuracy": accuracy},
    )
