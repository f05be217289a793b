"""Fully connected networks on the 8x8 digits of scikit-learn, with what samples are compared by."""

from collections.abc import Callable, Sequence
from itertools import pairwise

import torch
from sklearn.datasets import load_digits
from torch import Tensor, nn

from explorer.problem import Problem, accuracy, cross_entropy

TRAINING_ROWS = 1437  # the other 360 of the 1797 rows are the test split
ACTIVATIONS: dict[str, Callable[[], nn.Module]] = {
    "relu": nn.ReLU,
    "tanh": nn.Tanh,
    "sigmoid": nn.Sigmoid,
}


class Net(nn.Module):
    """Linear layers, each but the last followed by BatchNorm, activation and dropout if asked for.

    Initialised as PyTorch does, or, if `he`, by normal weights of variance 2/inputs and biases 0.

    Source: He et al. 2015, arXiv:1502.01852, section 2.2.
    """

    def __init__(
        self, sizes: Sequence[int], activation: str, norm: bool, dropout: float, he: bool
    ) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for inputs, outputs in pairwise(sizes[:-1]):
            layers.append(nn.Linear(inputs, outputs, bias=not norm))
            layers += [nn.BatchNorm1d(outputs)] if norm else []
            layers.append(ACTIVATIONS[activation]())
            layers += [nn.Dropout(dropout)] if dropout else []
        self.layers = nn.Sequential(*layers, nn.Linear(sizes[-2], sizes[-1]))
        for layer in self.layers if he else ():
            if isinstance(layer, nn.Linear):
                nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
                if layer.bias is not None:
                    nn.init.zeros_(layer.bias)

    def forward(self, pixels: Tensor) -> Tensor:
        """Logits (B, C) of pixels (B, 64)."""
        return self.layers(pixels)


def digits(classes: int, centred: bool) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Training pixels (N, 64) float32 and labels (N,) int64, test pixels and labels.

    The rows are shuffled by `torch.randperm` with seed 0; the first 1437 are the training split.
    Of both, digits from `classes` on are left out. Pixels are x/16; centred, (x/16 - mean)/0.3 with
    the mean of each pixel over the 1437.
    """
    pixels, labels = (torch.from_numpy(array) for array in load_digits(return_X_y=True))
    order = torch.randperm(len(labels), generator=torch.Generator().manual_seed(0))
    pixels, labels = pixels[order] / 16, labels[order].to(torch.int64)
    if centred:
        pixels = (pixels - pixels[:TRAINING_ROWS].mean(dim=0)) / 0.3
    pixels = pixels.to(torch.float32)
    splits = []
    for rows in (slice(None, TRAINING_ROWS), slice(TRAINING_ROWS, None)):
        kept = labels[rows] < classes
        splits += [pixels[rows][kept], labels[rows][kept]]
    return splits[0], splits[1], splits[2], splits[3]


def with_noise(labels: Tensor, share: float, classes: int) -> Tensor:
    """Labels of which a share, chosen by seed 0, is drawn anew among all classes."""
    generator = torch.Generator().manual_seed(0)
    chosen = torch.randperm(len(labels), generator=generator)[: round(share * len(labels))]
    noisy = labels.clone()
    noisy[chosen] = torch.randint(classes, (len(chosen),), generator=generator)
    return noisy


def half_squared_error(outputs: Tensor, batch: tuple[Tensor, Tensor]) -> Tensor:
    """Half the squared distance of each example's outputs to its label as a unit vector, (B,)."""
    targets = nn.functional.one_hot(batch[1], outputs.shape[1])
    return (outputs - targets).square().sum(dim=1) / 2


def problem(
    hidden: Sequence[int] = (24, 24),
    activation: str = "relu",
    norm: bool = False,
    dropout: float = 0.0,
    he: bool = False,
    classes: int = 10,
    centred: bool = True,
    rows: int | None = None,
    noise: float = 0.0,
    squared: bool = False,
    gain: float = 1.0,
) -> Problem:
    """Digit classification by a fully connected network.

    Args:
        hidden: widths of the hidden layers; none is a linear model.
        activation: relu, tanh or sigmoid.
        norm: whether each hidden layer has BatchNorm.
        dropout: share of a hidden layer that is left out in training.
        he: whether the initial weights are He's.
        classes: how many digits, from 0.
        centred: whether pixels are centred and scaled.
        rows: first rows of the training split; all unless given.
        noise: share of the training labels that is replaced at random; 1 for random labels.
        squared: half the squared error in place of cross-entropy.
        gain: times which the initial weights are what they would be.
    """
    inputs, labels, test_inputs, test_labels = digits(classes, centred)
    inputs, labels = inputs[:rows], with_noise(labels[:rows], noise, classes)
    model = Net((64, *hidden, classes), activation, norm, dropout, he)
    if gain != 1:
        for layer in model.layers:
            if isinstance(layer, nn.Linear):
                layer.weight.data.mul_(gain)
    return Problem(
        model=model,
        data={"train": (inputs, labels), "test": (test_inputs, test_labels)},
        loss=half_squared_error if squared else cross_entropy,
        metrics={"accuracy": accuracy},
    )
