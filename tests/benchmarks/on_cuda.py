"""What a GPU is for: many points of a small net at once, and the large surface of the paper."""

from collections.abc import Iterator

import numpy as np
import torch

from tests.benchmarks import models
from tests.benchmarks.evaluation import Choice, Run, choice_for, ours, settings_of
from tests.benchmarks.report import Row, interleaved, speed_up, spread

SIDE = 5  # of the points measured on the large surface


def digits(device: torch.device, rounds: int) -> Iterator[Row]:
    """The sample perceptron on 51 x 51 points, against one point after another."""
    case = models.digits()
    settings = settings_of(case, 51)
    chosen = choice_for(case, 51, device)
    loop = Choice(batch=len(case.batch[0]))
    times = interleaved(
        {
            "ours": lambda: ours(case, settings, device, chosen).computing,
            "loop": lambda: ours(case, settings, device, loop).computing,
        },
        rounds,
    )
    evaluated = ours(case, settings, device, chosen).facts["evaluated"]
    what = f"{case.title}, 51 x 51, float32"
    against = "one point after another"
    yield speed_up(what, ">= 10", times["ours"], times["loop"], against=against, note=evaluated)


def resnet56(device: torch.device, rounds: int) -> Iterator[Row]:
    """A ResNet-56 over all training images: the surface that took 4 GPUs an hour in 2018.

    Source: Li et al. 2018, arXiv:1712.09913v3, p. 17.
    """
    case = models.resnet56(50_000, device)
    chosen = {p: choice_for(case, 51, device, p) for p in ("bf16", "tf32")}
    runs: dict[str, Run] = {}

    def measured(precision: str) -> float:
        settings = settings_of(case, SIDE, precision)
        runs[precision] = ours(case, settings, device, chosen[precision])
        return runs[precision].computing * 51**2 / SIDE**2

    times = interleaved({p: lambda p=p: measured(p) for p in chosen}, rounds)  # type: ignore[misc]
    exact = ours(case, settings_of(case, SIDE), device).losses
    for precision, target in (("bf16", "<= 180"), ("tf32", "<= 600")):
        run = runs[precision]
        error = np.abs(run.losses / exact - 1)
        yield Row(
            f"{case.title}, 51 x 51 extrapolated from {SIDE**2} points, {precision}",
            target,
            "seconds",
            spread(times[precision]),
            note=f"{run.facts['evaluated']}; relative error against float32 "
            f"{np.median(error):.1e}, at most {error.max():.1e}",
        )
