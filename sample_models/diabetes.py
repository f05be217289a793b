"""Linear regression on the diabetes data of scikit-learn: a convex problem with one minimum."""

import torch
from sklearn.datasets import load_diabetes
from torch import Tensor, nn

from explorer.experiment import Experiment, Part, Points, Series
from explorer.problem import Problem, squared_error

TRAINING_ROWS = 342  # the other 100 of the 442 rows are the test split
STARTS = 4  # of gradient descent


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


def normal_equation(inputs: Tensor, targets: Tensor) -> Tensor:
    """The weights of least squares, (p, 1): the second moments of the inputs are inverted."""
    return torch.linalg.solve(inputs.T @ inputs, inputs.T @ targets)


def descent(_: Problem, part: Part) -> dict[str, Points]:
    """Excess of the loss over the normal equation's, by steps of descent from one start.

    Inputs have mean 0, so that the bias is 0 and left out. The rate is 1 over the largest
    eigenvalue; the bound is that of the smallest, (1 - lambda_min/lambda_max)^2 a step.
    """
    inputs, targets = patients()["train"]
    moments = 2 * inputs.T @ inputs / len(inputs)
    eigenvalues = torch.linalg.eigvalsh(moments)
    best = normal_equation(inputs, targets)
    away = 3 * torch.randn_like(best)
    excess, marks, step = [], [], 0
    shrunk = torch.eye(len(best), dtype=best.dtype) - moments / eigenvalues[-1]
    for mark in sorted({round(10 ** (power / 8)) for power in range(30)}):
        part.check()
        while step < mark:
            away, step = shrunk @ away, step + 1
        excess.append(float((away * (moments @ away)).sum() / 2))
        marks.append(mark)
    slowest = float((1 - eigenvalues[0] / eigenvalues[-1]) ** 2)
    bound = [excess[0] * slowest ** (mark - marks[0]) for mark in marks]
    points = {f"start {part.number + 1}": Points(x=marks, y=excess)}
    if part.number == 0:
        points["slowest direction alone"] = Points(x=marks, y=bound)
    return points


def numbers_to_keep(_: Problem, part: Part) -> dict[str, Points]:
    """Bytes of the matrix that the normal equation inverts, by the number of weights."""
    counts = [10.0, 1e3, 1e5, 1e7, 1e9, 1.75e11]
    return {
        "second moments, p x p": Points(x=counts, y=[4 * count**2 for count in counts]),
        "weights, p": Points(x=counts, y=[4 * count for count in counts]),
    }


def problem() -> Problem:
    """Linear regression by least squares."""
    excess = "loss above the minimum"
    return Problem(
        model=nn.Linear(10, 1, dtype=torch.float64),
        data=patients(),
        loss=squared_error,
        experiments={
            "descent": Experiment(
                measure=descent,
                threads=1,
                parts=STARTS,
                series=(
                    *(Series(f"start {number + 1}", panel=excess) for number in range(STARTS)),
                    Series("slowest direction alone", "dashed", excess),
                ),
                title="Gradient descent on linear regression, against the normal equation",
                x="step",
                log=("x", excess),
            ),
            "memory": Experiment(
                measure=numbers_to_keep,
                threads=1,
                parts=1,
                series=(
                    Series("second moments, p x p", panel="bytes"),
                    Series("weights, p", panel="bytes"),
                ),
                title="What the normal equation keeps, against what descent keeps",
                x="weights",
                log=("x", "bytes"),
            ),
        },
    )
