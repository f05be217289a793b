"""How near a picture from a quarter of the points comes to the whole one."""

from collections.abc import Iterator

import numpy as np
import torch

from tests.benchmarks import models
from tests.benchmarks.evaluation import ours, settings_of
from tests.benchmarks.report import Row

SIDE = 25
IMAGES = {"cpu": 500, "cuda": 10_000}


def resnet20(device: torch.device, rounds: int) -> Iterator[Row]:
    """A ResNet-20's surface, interpolated from every second point along each axis; one round."""
    from explorer.kinds.grid import level
    from explorer.kinds.preview import preview

    case = models.resnet20(IMAGES[device.type])
    run = ours(case, settings_of(case, SIDE), device)
    computed = np.zeros(run.losses.shape, dtype=bool)
    computed[level(computed.shape, 2)] = True
    drawn = preview(run.losses, computed)
    gap = drawn.interpolated
    errors = np.abs(drawn.values[gap] / run.losses[gap] - 1)
    covered = np.mean(np.abs(drawn.values - run.losses)[gap] <= drawn.uncertainty[gap])
    low, high = run.losses.min(), run.losses.max()
    worst = float(np.quantile(errors, 0.95))
    yield Row(
        f"{case.title}, {SIDE} x {SIDE} from {computed.mean():.0%} of its points",
        "<= 0.03",
        "relative error of interpolated cells, 95th percentile",
        (worst, worst, worst),
        run.whole,
        note=f"median {np.median(errors):.1e}, at most {errors.max():.1e}; within the stated "
        f"uncertainty {covered:.0%}; losses from {low:.3g} to {high:.3g}",
    )
