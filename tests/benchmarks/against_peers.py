"""Our time against that of the public tools, over the same data."""

import math
from collections.abc import Callable, Iterator

import numpy as np
import torch

from explorer.analysis.objective.device import restore_threads
from tests.benchmarks import limits, models, peers
from tests.benchmarks.evaluation import choice_for, ours, settings_of
from tests.benchmarks.models import Case
from tests.benchmarks.report import Row, interleaved, speed_up

CPU = torch.device("cpu")
Three = tuple[int, int, int]


def digits(device: torch.device, rounds: int) -> Iterator[Row]:
    """The sample perceptron on 51 x 51 points; our set-up counts."""
    targets = (">= 100", ">= 12", ">= 1.4")
    yield from against_peers(models.digits(), 51, (30, 51**2, 51**2), targets, rounds)


def resnet20(device: torch.device, rounds: int) -> Iterator[Row]:
    """A ResNet-20 on 2,000 images, at few points, so that no set-up counts."""
    targets = (">= 1.4", ">= 1.3", ">= 1.5")
    yield from against_peers(models.resnet20(2000), 3, (4, 4, 4), targets, rounds, whole=False)


def against_peers(
    case: Case, side: int, counts: Three, targets: tuple[str, ...], rounds: int, whole: bool = True
) -> Iterator[Row]:
    """A row for the reference tool with two workers, with none, and for the package.

    Each is measured at so many points (`counts`), which stand for all of the grid.
    """
    settings = settings_of(case, side)
    x, y = settings.axes
    steps = np.stack(np.meshgrid(x, y), axis=2).reshape(-1, 2)
    some = [steps[np.linspace(0, len(steps) - 1, count).astype(int)] for count in counts]
    loops = [peers.ReferenceLoop(case, settings, workers) for workers in (2, 0)]
    work: dict[str, Callable[[], object]] = {
        "reference loop, 2 workers": lambda: loops[0].run(some[0]),
        "reference loop, no workers": lambda: loops[1].run(some[1]),
        "loss-landscapes 3.0.6": lambda: peers.package_plane(case, math.isqrt(counts[2])),
    }
    chosen = None if whole else choice_for(case, 15, CPU)

    def mine() -> float:
        run = ours(case, settings, CPU, chosen)
        return run.whole if whole else run.computing

    contestants = {name: lambda w=w: timed(w) for name, w in work.items()}
    times = interleaved({"ours": mine, **contestants}, rounds)
    what = f"{case.title}, {side} x {side}, float32, set-up {'' if whole else 'not '}included"
    for name, count, target in zip(work, counts, targets, strict=True):
        peer = [value * len(steps) / count for value in times[name]]
        part = f", extrapolated from {count} points" if count < len(steps) else ""
        yield speed_up(what, target, times["ours"], peer, against=f"{name}{part}")


def timed(work: Callable[[], object]) -> float:
    """Seconds of a peer's work, on all cores as torch has it by default."""
    with restore_threads():
        torch.set_num_threads(limits.cores())
        return limits.seconds(work, CPU)
