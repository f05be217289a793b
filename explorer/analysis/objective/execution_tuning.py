"""Which way of evaluating is quickest here: by shapes at once, by the clock where work is long."""

import time
from collections.abc import Iterator
from dataclasses import dataclass, field, replace

import numpy as np

from explorer.analysis.objective.choice_checks import (
    agrees_with_plain,
    checked_choice,
    use_or_fall_back,
)
from explorer.analysis.objective.choice_words import choice_words
from explorer.analysis.objective.evaluator import Evaluator
from explorer.analysis.objective.objective import Objective
from explorer.codec import to_json
from explorer.kinds.execution import Choice, EarlierChoice

SHARE = 0.02  # of the predicted time may be spent on measuring
LONG = 10.0  # seconds of work; below, the clock is too coarse to tell ways apart
ENOUGH = 0.02  # seconds that say how long a point takes
COMPILE_SECONDS = 20.0  # measured: 15 to 23 cold, for nets from 9,000 to 2 million parameters
COMPILE_GAIN = 0.3  # of the time, at best
STACKED = 16  # points a launch that a compiler makes quick on a CPU (measured)
LAUNCH_SECONDS = 15e-6  # an operation that is quicker waits for the host


@dataclass
class Tuning:
    """A choice, and seconds per point of every way that was measured."""

    choice: Choice
    seconds: dict[str, float] = field(default_factory=dict)

    @property
    def json(self) -> dict[str, object]:
        """JSON values, the quickest first."""
        return {
            "choice": to_json(self.choice),
            "seconds": dict(sorted(self.seconds.items(), key=lambda pair: pair[1])),
        }


def measured_tuning(evaluator: Evaluator, points: int) -> Tuning:
    """The way to evaluate so many points, found within a small part of the time they take.

    Short work gets what shapes suggest: the same on every run. The evaluator stands on the choice
    afterwards.
    """
    usual = use_or_fall_back(evaluator, checked_choice(evaluator))
    tuning = Tuning(usual)
    if evaluator.objective.streams or evaluator.objective.traits.one_point_at_a_time:
        return tuning  # to measure would take passes over all the data, or there is one way
    took = _seconds(evaluator, 0.0)  # an upper bound: the first are slow
    if LONG / points < took < LONG / 100:
        took = _seconds(evaluator)
    budget = SHARE * took * points
    if took * points < LONG or budget < 3 * took:
        return tuning
    objective = evaluator.objective
    probe = evaluator.with_first_examples(min(objective.examples, max(64, 2 * usual.batch)))
    took *= probe.objective.examples / objective.examples
    scale = objective.examples / probe.objective.examples
    probe.use(usual)
    best = _seconds(probe)
    spent = took + best
    tuning.seconds[choice_words(usual)] = best * scale
    for candidate in candidate_choices(objective, usual, best * scale * points, best):
        if spent > budget:
            break
        began = time.perf_counter()
        if (seconds := _seconds_if_right(probe, candidate, usual)) is not None:
            tuning.seconds[choice_words(candidate)] = seconds * scale
            if seconds < 0.97 * best:
                best, tuning.choice = seconds, candidate
        spent += time.perf_counter() - began
    tuning.choice = use_or_fall_back(evaluator, tuning.choice)
    return tuning


def candidate_choices(
    objective: Objective, usual: Choice, seconds: float, point: float
) -> Iterator[Choice]:
    """Ways worth measuring for work of so many seconds, the most promising first."""
    cpu, cuda = objective.device.type == "cpu", objective.device.type == "cuda"
    batches = -(-objective.examples // usual.batch)
    host_bound = point / (objective.operations * batches) < LAUNCH_SECONDS and usual.stacked == 1
    if cuda:
        yield replace(usual, graph=True)
    if host_bound and not usual.folded and objective.settings.batchnorm != "recalibrated":
        for stacked in (8, 64) if cpu else (64, 1024):
            yield replace(usual, stacked=stacked, lanes=1, traced=False)
    if cpu and objective.workload.most_lanes > 1:
        yield replace(usual, lanes=1 if usual.lanes > 1 else objective.workload.most_lanes)
    for factor in (0.5, 2, 0.25, 4):
        batch = min(objective.examples, max(1, round(usual.batch * factor)))
        fixed = objective.problem.batch_size or objective.settings.batchnorm == "batch"
        if batch != usual.batch and not fixed:
            yield replace(usual, batch=batch)
    if usual.channels_last:
        yield replace(usual, channels_last=False, fused=False)
    if seconds * COMPILE_GAIN > COMPILE_SECONDS:
        yield compiled_choice(usual)


def compiled_choice(choice: Choice) -> Choice:
    """The way of a choice, compiled; what could be traced takes several points a launch."""
    stacked = STACKED if choice.traced else choice.stacked
    # each lane is compiled for each shape of batch, and torch gives up after the eighth
    lanes = min(choice.lanes, 4)
    return replace(choice, compiled=True, traced=False, fused=False, stacked=stacked, lanes=lanes)


def _seconds_if_right(probe: Evaluator, choice: Choice, usual: Choice) -> float | None:
    """Seconds per point of a way that works and agrees; None for another."""
    if not agrees_with_plain(probe, choice, usual):
        return None
    probe.use(choice)
    _seconds(probe)
    return min(_seconds(probe) for _ in range(2))


def _seconds(evaluator: Evaluator, enough: float = ENOUGH) -> float:
    """Seconds per point, all lanes at work, from that many seconds at least."""
    choice = evaluator.objective.choice
    points = max(choice.lanes, choice.stacked)
    while True:
        began = time.perf_counter()
        evaluator.values(np.zeros((points, evaluator.axes)))
        seconds = time.perf_counter() - began
        if seconds > enough:
            return seconds / points
        points *= 4


def choice_from_earlier(earlier: EarlierChoice | None, points: int) -> Choice | None:
    """The choice to take over from earlier work on this device; None where one is to be found.

    An answer goes on as it began. A new one takes what was measured, unless it is long enough to
    measure what that work was too short for.
    """
    if earlier is None:
        return None
    seconds = earlier.timing.seconds
    if earlier.begun or not seconds:
        return earlier.choice if earlier.begun else None
    long = min(seconds.values()) * points * COMPILE_GAIN > COMPILE_SECONDS
    return None if long and not any("compiled" in way for way in seconds) else earlier.choice
