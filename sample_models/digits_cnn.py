"""A small convolutional network with batch normalisation on the 8x8 digits of scikit-learn."""

import torch
from sklearn.datasets import load_digits
from torch import Tensor, nn

from explorer.problem import Problem, accuracy, cross_entropy

TRAINING_ROWS = 1437  # the other 360 of the 1797 rows are the test split


def convolution(inputs: int, outputs: int) -> nn.Sequential:
    """A 3x3 convolution that keeps the image size, batch normalisation with the bias, ReLU."""
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, kernel_size=3, padding=1, bias=False),
        nn.BatchNorm2d(outputs),
        nn.ReLU(),
    )


class CNN(nn.Module):
    """Three convolutions of 16, 32 and 32 channels, the mean over positions, one linear layer."""

    def __init__(self) -> None:
        super().__init__()
        self.features = nn.Sequential(
            convolution(1, 16), convolution(16, 32), nn.MaxPool2d(2), convolution(32, 32)
        )
        self.head = nn.Linear(32, 10)

    def forward(self, images: Tensor) -> Tensor:
        """Logits (B, 10) of images (B, 1, 8, 8)."""
        return self.head(self.features(images).mean(dim=(2, 3)))


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


def problem() -> Problem:
    """Digit classification by a convolutional network whose batch norms have running statistics."""
    return Problem(
        model=CNN(),
        data=digits(),
        loss=cross_entropy,
        metrics={"accuracy": accuracy},
    )
