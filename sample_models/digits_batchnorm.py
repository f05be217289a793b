"""Five of scikit-learn's 8x8 digits, by a network whose BatchNorm is by the batch in every use."""

import torch
from sklearn.datasets import load_digits
from torch import Tensor, nn

from explorer.problem import Problem, accuracy, cross_entropy

TRAINING_ROWS = 1437  # of the 1797 shuffled ones; the others are the test split
CLASSES, WIDTH = 5, 16
BATCH = 1024  # more than a split has rows: the statistics are those of all of it


def network() -> nn.Sequential:
    """64-16-16-5 with ReLU; each hidden layer is normalised by the batch, not by running means."""
    layers: list[nn.Module] = []
    for inputs in (64, WIDTH):
        norm = nn.BatchNorm1d(WIDTH, track_running_stats=False)
        layers += [nn.Linear(inputs, WIDTH, bias=False), norm, nn.ReLU()]
    return nn.Sequential(*layers, nn.Linear(WIDTH, CLASSES))


def digits() -> dict[str, tuple[Tensor, Tensor]]:
    """Pixels/16 (N, 64) float32 and labels (N,) int64; a fifth of the training labels are random.

    The rows are shuffled by `torch.randperm` with seed 0, digits from 5 on are left out.
    """
    pixels, labels = (torch.from_numpy(array) for array in load_digits(return_X_y=True))
    order = torch.randperm(len(labels), generator=torch.Generator().manual_seed(0))
    pixels, labels = (pixels[order] / 16).to(torch.float32), labels[order].to(torch.int64)
    splits = {}
    for name, rows in (("train", slice(None, TRAINING_ROWS)), ("test", slice(TRAINING_ROWS, None))):
        kept = labels[rows] < CLASSES
        splits[name] = (pixels[rows][kept], labels[rows][kept].clone())
    noisy, generator = splits["train"][1], torch.Generator().manual_seed(0)
    chosen = torch.randperm(len(noisy), generator=generator)[: round(0.2 * len(noisy))]
    noisy[chosen] = torch.randint(CLASSES, (len(chosen),), generator=generator)
    return splits


def problem() -> Problem:
    """Five digits with noisy labels; an example's loss depends on all others by BatchNorm."""
    return Problem(
        model=network(),
        data=digits(),
        loss=cross_entropy,
        metrics={"accuracy": accuracy},
        batch_size=BATCH,
    )
