"""Our time against that of the public tools, at the same grid over the same data."""

from collections.abc import Callable, Iterator

import numpy as np
import torch

from explorer.analysis.device import kept_threads
from tests.benchmarks import limits, models, peers
from tests.benchmarks.evaluation import ours, settings_of
from tests.benchmarks.models import Case
from tests.benchmarks.report import Row, interleaved, speed_up

CPU = torch.device("cpu")


def digits(device: torch.device, rounds: int) -> Iterator[Row]:
    """The sample perceptron on 51 x 51 points."""
    yield from against_peers(models.digits(), 51, (">= 100", ">= 12", ">= 1.4"), rounds, sample=30)


def resnet20(device: torch.device, rounds: int) -> Iterator[Row]:
    """A ResNet-20 on 2,000 images."""
    targets = (">= 1.4", ">= 1.3", ">= 1.5")
    yield from against_peers(models.resnet20(2000), 3, targets, rounds)


def against_peers(
    case: Case, side: int, targets: tuple[str, str, str], rounds: int, sample: int | None = None
) -> Iterator[Row]:
    """A row for the reference tool with two workers, with none, and for the package.

    Of the first, which is the slowest, so many points are measured and the rest extrapolated. Our
    time counts set-up, measuring and all.
    """
    settings = settings_of(case, side)
    x, y = settings.axes
    steps = np.stack(np.meshgrid(x, y), axis=2).reshape(-1, 2)
    some = steps[np.linspace(0, len(steps) - 1, sample or len(steps)).astype(int)]
    loops = [peers.ReferenceLoop(case, settings, workers) for workers in (2, 0)]
    scale = len(steps) / len(some)
    extrapolated = f", extrapolated from {len(some)} points" if sample else ""
    contestants = {
        f"reference loop, 2 workers{extrapolated}": lambda: (
            scale * timed(lambda: loops[0].run(some))
        ),
        "reference loop, no workers": lambda: timed(lambda: loops[1].run(steps)),
        "loss-landscapes 3.0.6": lambda: timed(lambda: peers.package_plane(case, side)),
    }
    names = list(contestants)
    times = interleaved({"ours": lambda: ours(case, settings, CPU).whole, **contestants}, rounds)
    what = f"{case.title}, {side} x {side}, float32, set-up included"
    for name, target in zip(names, targets, strict=True):
        yield speed_up(what, target, times["ours"], times[name], against=name)


def timed(work: Callable[[], object]) -> float:
    """Seconds of a peer's work, on all cores as torch has it by default."""
    with kept_threads():
        torch.set_num_threads(limits.cores())
        return limits.seconds(work, CPU)
