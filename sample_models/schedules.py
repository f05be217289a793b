"""How a learning rate changes with the step, by name."""

import math
from collections.abc import Callable, Mapping

from torch.optim import Optimizer
from torch.optim.lr_scheduler import CosineAnnealingLR, LambdaLR, LRScheduler

Factor = Callable[..., float]  # of the number of steps done and options, on the learning rate


def make_schedule(
    name: str, optimiser: Optimizer, steps: int, options: Mapping[str, float], done: int = 0
) -> LRScheduler:
    """The schedule of that name for a training of so many steps, of which some are done before.

    Raises:
        ValueError: There is none of that name.
    """
    if name == "cosine" and not done:
        return CosineAnnealingLR(optimiser, steps)
    if name == "cosine":
        return LambdaLR(optimiser, lambda step: (1 + math.cos(math.pi * (step + done) / steps)) / 2)
    if name not in FACTORS:
        raise ValueError(f"schedule must be cosine or one of {', '.join(FACTORS)}, got {name}")
    return LambdaLR(optimiser, lambda step: FACTORS[name](step + done, **options))


def constant(step: int) -> float:
    """1 at every step."""
    return 1.0


def cycles(step: int, after: float, period: float, lowest: float) -> float:
    """1 until step `after`; then down to `lowest` by the middle of each period and up again.

    Source: Garipov et al. 2018, arXiv:1802.10026, section 4; members are taken at the lowest rate.
    """
    if step < after:
        return 1.0
    phase = ((step - after) % period) / period
    return 1 - (1 - lowest) * (1 - abs(2 * phase - 1))


def warm_up(step: int, until: float) -> float:
    """Linearly up from 1/`until` to 1 in the first `until` steps."""
    return min(1.0, (step + 1) / until)


def decay(step: int, at: float, factor: float) -> float:
    """1 until step `at`, then `factor`."""
    return 1.0 if step < at else factor


def triangle(step: int, period: float, lowest: float) -> float:
    """From `lowest` up to 1 in the middle of each period and down again.

    Source: Smith 2017, arXiv:1506.01186, section 3.
    """
    phase = math.fmod(step, period) / period
    return lowest + (1 - lowest) * (1 - abs(2 * phase - 1))


FACTORS: Mapping[str, Factor] = {
    factor.__name__: factor for factor in (constant, cycles, warm_up, decay, triangle)
}
