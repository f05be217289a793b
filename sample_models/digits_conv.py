"""A narrow, deep convolutional network on the 8x8 digits, plain as VGG or with skip connections."""

import torch
from sklearn.datasets import load_digits
from torch import Tensor, nn

from explorer.problem import Problem, accuracy, cross_entropy

TRAINING_ROWS = 1437  # the other 360 of the 1797 rows are the test split


class ConvNet(nn.Module):
    """3x3 convolutions of one width; if residual, each but the first is added to its input.

    Both forms have the same parameters and the same initialisation, He's. A sum is scaled by
    1/sqrt(depth), so that signals keep their size without normalisation. Images are halved in the
    middle.
    """

    def __init__(self, depth: int, width: int, residual: bool) -> None:
        super().__init__()
        self.stem = nn.Conv2d(1, width, kernel_size=3, padding=1)
        self.blocks = nn.ModuleList(
            nn.Conv2d(width, width, kernel_size=3, padding=1) for _ in range(depth - 1)
        )
        self.head = nn.Linear(width * 16, 10)
        self.residual = residual
        self.scale = depth**-0.5
        for layer in (self.stem, *self.blocks, self.head):
            nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
            nn.init.zeros_(layer.bias)

    def forward(self, images: Tensor) -> Tensor:
        """Logits (B, 10) of images (B, 1, 8, 8)."""
        hidden = self.stem(images).relu()
        for place, block in enumerate(self.blocks):
            if place == len(self.blocks) // 2:
                hidden = nn.functional.avg_pool2d(hidden, 2)
            branch = block(hidden).relu()
            hidden = hidden + self.scale * branch if self.residual else branch
        return self.head(hidden.flatten(1))


def digits() -> dict[str, tuple[Tensor, Tensor]]:
    """Images (N, 1, 8, 8) float32, labels (N,) int64 of the splits "train" (1437) and "test" (360).

    The rows are shuffled by `torch.randperm` with seed 0; the first 1437 are the training split.
    Pixels are (x/16 - mean)/0.3; mean (64,) is the mean of each pixel over the training split.
    """
    pixels, labels = (torch.from_numpy(array) for array in load_digits(return_X_y=True))
    order = torch.randperm(len(labels), generator=torch.Generator().manual_seed(0))
    train, test = order[:TRAINING_ROWS], order[TRAINING_ROWS:]
    scaled = ((pixels / 16 - (pixels[train] / 16).mean(dim=0)) / 0.3).to(torch.float32)
    images = scaled.reshape(-1, 1, 8, 8)
    labels = labels.to(torch.int64)
    return {"train": (images[train], labels[train]), "test": (images[test], labels[test])}


def problem(residual: bool = False, depth: int = 12, width: int = 5) -> Problem:
    """Digit classification by `depth` convolutions, plain or with skip connections."""
    return Problem(
        model=ConvNet(depth, width, residual),
        data=digits(),
        loss=cross_entropy,
        metrics={"accuracy": accuracy},
    )
