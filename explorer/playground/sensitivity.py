"""The final loss against the learning rate, of each optimiser that has one."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from explorer.playground.functions import ExampleFunction
from explorer.playground.optimisers import OPTIMISERS, Optimiser
from explorer.playground.race import RaceSettings, final_points

RATES = np.logspace(-4, 1, 101)  # of every optimiser


@dataclass(frozen=True)
class RateCurve:
    """What one optimiser comes to with each rate."""

    optimiser: Optimiser
    rates: np.ndarray  # (R,)
    losses: np.ndarray  # (R,) after the last step; NaN where it diverged

    @property
    def best(self) -> float | None:
        """The rate of the lowest final loss; None where all diverged."""
        return None if np.isnan(self.losses).all() else float(self.rates[np.nanargmin(self.losses)])

    @property
    def largest_stable(self) -> float | None:
        """The largest rate below the first one that diverged; None where none is."""
        diverged = np.flatnonzero(np.isnan(self.losses))
        if not diverged.size:
            return float(self.rates[-1])
        return float(self.rates[diverged[0] - 1]) if diverged[0] else None


@lru_cache(maxsize=32)
def rate_curve(
    function: ExampleFunction, start: tuple[float, ...], name: str, settings: RaceSettings
) -> RateCurve:
    """The curve of one optimiser, with all rates at once.

    Args:
        function: on which.
        start: of each run, (n,).
        name: of the optimiser.
        settings: of each run; their rate is replaced.
    """
    optimiser, expression = OPTIMISERS[name], function.expression
    starts = np.tile(np.array(start, dtype=np.float64), (len(RATES), 1))
    ends = final_points(optimiser, expression, starts, settings, RATES[:, None])
    with np.errstate(all="ignore"):
        losses = np.where(np.isnan(ends).any(axis=1), np.nan, expression.values(ends))
    return RateCurve(optimiser, RATES, losses)


def rate_curves(
    function: ExampleFunction,
    start: tuple[float, ...],
    names: Sequence[str],
    settings: RaceSettings,
) -> list[RateCurve]:
    """The curves of those optimisers that have a rate."""
    with_rate = [name for name in names if OPTIMISERS[name].rate]
    return [rate_curve(function, start, name, settings) for name in with_rate]
