"""How near a picture from a part of the points comes to the whole one."""

from collections.abc import Iterator

import numpy as np
import torch

from tests.benchmarks import models
from tests.benchmarks.evaluation import ours, settings_of
from tests.benchmarks.report import Row

SIDE = 25
COUNTS = (125, 169)  # points in their order: a fifth of them, and every second along each axis
IMAGES = {"cpu": 500, "cuda": 10_000}


def resnet20(device: torch.device, rounds: int) -> Iterator[Row]:
    """A ResNet-20's surface, interpolated from the first of its points; one round."""
    case = models.resnet20(IMAGES[device.type])
    run = ours(case, settings_of(case, SIDE), device)
    for count in COUNTS:
        yield interpolated(case.title, run.losses, count, run.whole)


def interpolated(title: str, losses: np.ndarray, count: int, seconds: float) -> Row:
    """How far the cells beyond the first so many points are from the losses (Y, X)."""
    from explorer.kinds.grid import coarse_to_fine
    from explorer.kinds.preview import preview

    computed = np.zeros(losses.shape, dtype=bool)
    computed[tuple(coarse_to_fine(losses.shape)[:count].T)] = True
    drawn = preview(losses, computed)
    gap = drawn.interpolated
    errors = np.abs(drawn.values[gap] / losses[gap] - 1)
    covered = np.mean(np.abs(drawn.values - losses)[gap] <= drawn.uncertainty[gap])
    worst = float(np.quantile(errors, 0.95))
    return Row(
        f"{title}, {SIDE} x {SIDE} from {computed.mean():.0%} of its points",
        "<= 0.03",
        "relative error of interpolated cells, 95th percentile",
        (worst, worst, worst),
        seconds,
        note=f"median {np.median(errors):.1e}, at most {errors.max():.1e}; within the stated "
        f"uncertainty {covered:.0%}; losses from {losses.min():.3g} to {losses.max():.3g}",
    )
