"""Linear regression on the diabetes data of scikit-learn: a convex problem with one minimum."""

import torch
from sklearn.datasets import load_diabetes
from torch import Tensor, nn

from explorer.problem import Problem, squared_error

TRAINING_ROWS = 342  # the other 100 of the 442 rows are the test split


def patients() -> dict[str, tuple[Tensor, Tensor]]:
    """Measurements (N, 10) and progress (N, 1) of the splits "train" and "test", float64.

    The rows are shuffled by `torch.randperm` with seed 0. All are scaled to mean 0 and standard
    deviation 1 over the training split.
    """
    inputs, progress = (torch.from_numpy(array) for array in load_diabetes(return_X_y=True))
    order = torch.randperm(len(progress), generator=torch.Generator().manual_seed(0))
    rows = torch.cat([inputs, progress[:, None]], dim=1)[order].double()
    train = rows[:TRAINING_ROWS]
    scaled = (rows - train.mean(dim=0)) / train.std(dim=0, correction=0)
    return {
        "train": (scaled[:TRAINING_ROWS, :-1], scaled[:TRAINING_ROWS, -1:]),
        "test": (scaled[TRAINING_ROWS:, :-1], scaled[TRAINING_ROWS:, -1:]),
    }


def problem() -> Problem:
    """Linear regression by least squares."""
    return Problem(model=nn.Linear(10, 1, dtype=torch.float64), data=patients(), loss=squared_error)
