"""Regression on random ReLU features, as many as one likes: double descent of the test error."""

import torch
from torch import Tensor, nn

from explorer.experiment import Experiment, Part, Points, Series
from explorer.problem import Problem, squared_error

INPUTS, ROWS, TEST_ROWS = 30, 300, 1000
NOISE = 0.2  # variance of what is added to the targets, whose own variance is 1
FEATURES = 100  # of the model; experiments make their own
SWEEP = (10, 30, 60, 100, 150, 200, 250, 280, 300, 320, 360, 450, 600, 1000, 2000, 6000)
DRAWS = 5  # of the features; what is shown is their median
PANEL = "test error"
Rows = tuple[Tensor, Tensor]


def rows() -> tuple[Rows, Rows]:
    """Training and test inputs (N, 30) and targets (N, 1) of a noisy linear function."""
    generator = torch.Generator().manual_seed(0)
    count = ROWS + TEST_ROWS
    inputs = torch.randn(count, INPUTS, dtype=torch.float64, generator=generator)
    slopes = torch.randn(INPUTS, 1, dtype=torch.float64, generator=generator) / INPUTS**0.5
    noise = torch.randn(count, 1, dtype=torch.float64, generator=generator)
    targets = inputs @ slopes + NOISE**0.5 * noise
    return (inputs[:ROWS], targets[:ROWS]), (inputs[ROWS:], targets[ROWS:])


def projection(count: int, seed: int) -> Tensor:
    """Weights (30, count) of random features."""
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(INPUTS, count, dtype=torch.float64, generator=generator) / INPUTS**0.5


def double_descent(_: Problem, part: Part) -> dict[str, Points]:
    """Errors of least squares of smallest norm on one number of features, over several draws."""
    count = SWEEP[part.number]
    (inputs, targets), (test_inputs, test_targets) = rows()
    errors, sizes = [], []
    for draw in range(DRAWS):
        part.check()
        weights = projection(count, 1000 * part.seed + draw)
        features, test_features = (inputs @ weights).relu(), (test_inputs @ weights).relu()
        readout = torch.linalg.lstsq(features, targets, driver="gelsd").solution
        pairs = ((features, targets), (test_features, test_targets))
        errors.append([float((x @ readout - y).square().mean()) for x, y in pairs])
        sizes.append(float(readout.norm()))
    of_train, of_test = (sorted(values) for values in zip(*errors, strict=True))
    middle = DRAWS // 2
    return {
        "train": Points(x=[count], y=[of_train[middle]]),
        "test": Points(x=[count], y=[of_test[middle]], low=[of_test[0]], high=[of_test[-1]]),
        "norm of the weights": Points(x=[count], y=[sorted(sizes)[middle]]),
        "noise": Points(x=[count], y=[NOISE]),
    }


def problem() -> Problem:
    """Linear regression on the features of one draw, 100 of them."""
    train, test = rows()
    weights = projection(FEATURES, 0)
    return Problem(
        model=nn.Linear(FEATURES, 1, bias=False, dtype=torch.float64),
        data={
            "train": ((train[0] @ weights).relu(), train[1]),
            "test": ((test[0] @ weights).relu(), test[1]),
        },
        loss=squared_error,
        experiments={
            "double descent": Experiment(
                measure=double_descent,
                threads=1,
                parts=len(SWEEP),
                series=(
                    Series("test", panel=PANEL),
                    Series("noise", "dashed", PANEL),
                    Series("train", panel="train error"),
                    Series("norm of the weights", panel="norm"),
                ),
                title="Mean squared errors of least squares on random features of 300 examples",
                x="features",
                log=("x", PANEL, "norm"),
            )
        },
    )
