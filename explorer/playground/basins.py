"""Which critical point each start ends in, under one optimiser."""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from explorer.playground.critical_points import CriticalPoint, critical_points
from explorer.playground.functions import ExampleFunction
from explorer.playground.optimisers import OPTIMISERS
from explorer.playground.race import RaceSettings, final_points

UNDER_WAY, DIVERGED = -1, -2  # labels of starts that end in no critical point
ARRIVED = 0.01  # of the longest range: an end that is nearer to a critical point is there


@dataclass(frozen=True)
class BasinMap:
    """Where starts on a grid end."""

    axes: tuple[np.ndarray, ...]  # (X,) and of two variables (Y,)
    labels: np.ndarray  # (X,) or (Y, X): number of the critical point, UNDER_WAY or DIVERGED
    points: tuple[CriticalPoint, ...]  # those that some start ends in, by their numbers

    def share(self, label: int) -> float:
        """The share of the starts with that label."""
        return float((self.labels == label).mean())


@lru_cache(maxsize=16)
def basin_map(function: ExampleFunction, name: str, settings: RaceSettings, count: int) -> BasinMap:
    """The map of one optimiser; all starts run at once, and see noise of their own.

    Args:
        function: on which.
        name: of the optimiser.
        settings: of each run.
        count: of starts along each axis.
    """
    axes, grid = function.grid(count)
    starts = grid.reshape(-1, function.dimension)
    ends = final_points(OPTIMISERS[name], function.expression, starts, settings)
    reached = critical_points(function)
    labels = _nearest(ends, reached, _reach(function))
    used = sorted(set(labels[labels >= 0].tolist()))
    numbers = {old: new for new, old in enumerate(used)}
    labels = np.array([numbers.get(label, label) for label in labels.tolist()])
    return BasinMap(axes, labels.reshape(grid.shape[:-1]), tuple(reached[n] for n in used))


def _reach(function: ExampleFunction) -> float:
    """How near an end is to a critical point that it has arrived at."""
    return ARRIVED * max(high - low for low, high in function.ranges)


def _nearest(ends: np.ndarray, points: tuple[CriticalPoint, ...], reach: float) -> np.ndarray:
    """The number of the critical point (S,) that each end (S, n) is near to."""
    labels = np.where(np.isnan(ends).any(axis=1), DIVERGED, UNDER_WAY)
    if points:
        places = np.array([point.place for point in points])
        distances = np.linalg.norm(ends[:, None] - places, axis=2)
        nearest = np.where(np.isnan(distances), np.inf, distances).argmin(axis=1)
        near = distances[np.arange(len(ends)), nearest] <= reach
        labels[near] = nearest[near]
    return labels
