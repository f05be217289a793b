"""How a race ended: where it is, what it is near to, when it left the picture."""

from collections.abc import Sequence

import numpy as np

from explorer.playground.basins import ARRIVED
from explorer.playground.critical_points import CriticalPoint
from explorer.playground.functions import ExampleFunction
from explorer.playground.race import Race


def left_at(function: ExampleFunction, race: Race) -> int | None:
    """The step at which a path that diverged is first outside of the ranges; None of others."""
    if race.diverged_at is None:
        return None
    low, high = np.array(function.ranges).T
    outside = np.flatnonzero(((race.points < low) | (race.points > high)).any(axis=1))
    return int(outside[0]) if outside.size else race.diverged_at


def reached_point(
    function: ExampleFunction, race: Race, points: Sequence[CriticalPoint], step: int
) -> CriticalPoint | None:
    """The critical point that a path is at after so many steps; None where it is at none."""
    if (race.diverged_at is not None and step >= race.diverged_at) or not points:
        return None
    place = race.points[min(step, len(race.points) - 1)]
    distances = [float(np.linalg.norm(place - np.array(point.place))) for point in points]
    nearest = int(np.argmin(distances))
    reach = ARRIVED * max(high - low for low, high in function.ranges)
    return points[nearest] if distances[nearest] <= reach else None


def lowest_minimum(points: Sequence[CriticalPoint]) -> float | None:
    """The loss of the lowest of the minima; None where there is none."""
    losses = [point.loss for point in points if point.sort == "minimum"]
    return min(losses, default=None)
