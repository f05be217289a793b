"""How long each optimiser stays at a saddle when it starts close to it."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from explorer.playground.critical_points import CriticalPoint
from explorer.playground.functions import ExampleFunction
from explorer.playground.race import Race, RaceSettings, race


@dataclass(frozen=True)
class Escape:
    """The run of one optimiser that starts beside a saddle."""

    race: Race
    step: int | None  # after which it is first further along the escape direction than the distance
    distance: float


def escapes(
    function: ExampleFunction,
    saddle: CriticalPoint,
    offset: float,
    distance: float,
    names: Sequence[str],
    settings: RaceSettings,
) -> list[Escape]:
    """Runs that start a little off a saddle along its escape direction.

    Args:
        function: on which.
        saddle: or a maximum: what has a negative eigenvalue.
        offset: of the start along the escape direction.
        distance: along it from which on the saddle is left.
        names: of the optimisers.
        settings: of the runs.
    """
    place, direction = np.array(saddle.place), np.array(saddle.escape)
    start = tuple((place + offset * direction).tolist())
    return [
        Escape(run, _leaving_step(run, place, direction, distance), distance)
        for run in race(function, start, names, settings)
    ]


def _leaving_step(
    run: Race, place: np.ndarray, direction: np.ndarray, distance: float
) -> int | None:
    along = np.abs((run.points - place) @ direction)
    beyond = np.flatnonzero(along > distance)
    if beyond.size:
        return int(beyond[0])
    return run.diverged_at  # it was beyond everything then; None where it stayed


def fall(function: ExampleFunction, saddle: CriticalPoint, offset: float) -> tuple[float, float]:
    """By how much the loss changes this far along the escape direction, one way and the other.

    To second order both are half the smallest eigenvalue times the offset squared.
    """
    place, direction = np.array(saddle.place), np.array(saddle.escape)
    both = np.stack([place + offset * direction, place - offset * direction])
    ahead, behind = (function.expression.values(both) - saddle.loss).tolist()
    return ahead, behind
