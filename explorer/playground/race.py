"""Optimisers from one start, side by side: their paths, and where one leaves for infinity."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Annotated

import numpy as np

from explorer.kinds.setting import Setting, Settings
from explorer.playground.expression import Expression
from explorer.playground.functions import ExampleFunction
from explorer.playground.optimisers import OPTIMISERS, Memory, Optimiser, Oracle, Pace

STILL = 1e-14  # relative and absolute: a step that is shorter is rounding
FAR = 1e6  # a coordinate beyond it is on its way to infinity
MOST_STEPS = 20_000

Rate = Annotated[
    float,
    Setting(
        "Learning rate",
        "Of gradient descent, momentum, Nesterov and coordinate descent.",
        above=0,
        most=1000.0,
    ),
]
Steps = Annotated[int, Setting("Steps", "Of each optimiser.", least=1, most=MOST_STEPS)]


@dataclass(frozen=True, kw_only=True)
class RaceSettings(Settings):
    """How the optimisers run."""

    rate: Rate = 0.05
    adam_rate: Annotated[
        float, Setting("Adam's rate", "About how far it goes in a step.", above=0, most=1000.0)
    ] = 0.05
    newton_rate: Annotated[
        float,
        Setting(
            "Newton's step",
            "Share of the step to the critical point of the local quadratic; also of saddle-free "
            "Newton.",
            above=0,
            most=2.0,
        ),
    ] = 1.0
    momentum: Annotated[
        float,
        Setting(
            "Momentum", "Share of the last step that is kept, also by Nesterov.", least=0, below=1
        ),
    ] = 0.9
    steps: Steps = 200
    noise: Annotated[
        float,
        Setting(
            "Gradient noise",
            "Standard deviation of what is added to each entry of the gradient, as by small "
            "batches.",
            least=0,
            most=1e6,
        ),
    ] = 0.0
    seed: Annotated[int, Setting("Seed", "Of the noise.", least=0, most=2**31 - 1, seed=True)] = 0


@dataclass(frozen=True)
class Race:
    """The path of one optimiser."""

    optimiser: Optimiser
    points: np.ndarray  # (T + 1, n) from the start on; of one that diverged up to there
    losses: np.ndarray  # (T + 1,)
    gradient_norms: np.ndarray  # (T + 1,)
    diverged_at: int | None = None  # the step after which it was beyond FAR, or not finite

    def first_below(self, loss: float) -> int | None:
        """The number of steps after which the loss is first below this; None where it never is."""
        below = np.flatnonzero(self.losses < loss)
        return int(below[0]) if below.size else None

    def first_beyond(self, centre: np.ndarray, radius: float) -> int | None:
        """The number of steps after which it is first so far from a place; None without."""
        beyond = np.flatnonzero(np.linalg.norm(self.points - centre, axis=1) > radius)
        return int(beyond[0]) if beyond.size else None


def run_steps(
    optimiser: Optimiser,
    expression: Expression,
    starts: np.ndarray,
    settings: RaceSettings,
    rates: np.ndarray | None = None,
) -> Iterator[np.ndarray]:
    """The points (S, n) after each step; one that has diverged is NaN from then on.

    Args:
        optimiser: that runs.
        expression: the function.
        starts: (S, n).
        settings: of the run.
        rates: (S, 1), where each start has its own.
    """
    oracle = Oracle(expression, settings.noise, np.random.default_rng(settings.seed))
    rate = rates if rates is not None else float(getattr(settings, optimiser.rate or "rate"))
    memory: Memory = {}
    points = np.array(starts, dtype=np.float64)
    with np.errstate(all="ignore"):  # what overflows has diverged
        for step in range(settings.steps):
            points = optimiser.rule(oracle, points, memory, Pace(rate, settings.momentum, step))
            points[~(np.abs(points) <= FAR).all(axis=1)] = np.nan
            yield points


def final_points(
    optimiser: Optimiser,
    expression: Expression,
    starts: np.ndarray,
    settings: RaceSettings,
    rates: np.ndarray | None = None,
) -> np.ndarray:
    """The points (S, n) after the last step; NaN where one has diverged. See `run_steps`."""
    last = np.array(starts, dtype=np.float64)
    for points in run_steps(optimiser, expression, starts, settings, rates):
        stands = optimiser.rests and not settings.noise
        if stands and np.allclose(points, last, STILL, STILL, equal_nan=True):
            break
        last = points
    return last


def run(
    function: ExampleFunction, start: Sequence[float], name: str, settings: RaceSettings
) -> Race:
    """One optimiser's path.

    Args:
        function: on which.
        start: (n,).
        name: of the optimiser.
        settings: of the run.
    """
    expression, optimiser = function.expression, OPTIMISERS[name]
    first = np.array(start, dtype=np.float64)
    path = [first]
    for points in run_steps(optimiser, expression, first[None], settings):
        if np.isnan(points).any():
            break
        path.append(points[0])
    places = np.array(path)
    diverged_at = len(path) if len(path) <= settings.steps else None
    norms = np.linalg.norm(expression.gradients(places), axis=1)
    return Race(optimiser, places, expression.values(places), norms, diverged_at)


@lru_cache(maxsize=128)
def _stored_run(
    text: str, own: bool, start: tuple[float, ...], name: str, settings: RaceSettings
) -> Race:
    function = ExampleFunction("", text, ((0.0, 1.0),) * len(start), start, "", "", own=own)
    return run(function, start, name, settings)


def race(
    function: ExampleFunction,
    start: tuple[float, ...],
    names: Sequence[str],
    settings: RaceSettings,
) -> list[Race]:
    """The paths of several optimisers; those that were asked for lately are kept.

    Args:
        function: on which.
        start: of all of them, (n,).
        names: of the optimisers.
        settings: of the run.
    """
    return [_stored_run(function.text, function.own, start, name, settings) for name in names]
