"""Which way of evaluating is quickest here: by shapes at once, by the clock where work is long."""

import time
import warnings
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import torch

from explorer.analysis.objective import batchnorm
from explorer.analysis.objective.evaluator import Evaluator
from explorer.analysis.objective.objective import Objective
from explorer.codec import to_json
from explorer.kinds.execution import Choice, EarlierChoice
from explorer.problem import first_input

SHARE = 0.02  # of the predicted time may be spent on measuring
LONG = 10.0  # seconds of work; below, the clock is too coarse to tell ways apart
ENOUGH = 0.02  # seconds that say how long a point takes
COMPILE_SECONDS = 20.0  # measured: 15 to 23 cold, for nets from 9,000 to 2 million parameters
COMPILE_GAIN = 0.3  # of the time, at best
STACKED = 16  # points a launch that a compiler makes quick on a CPU (measured)
LAUNCH_SECONDS = 15e-6  # an operation that is quicker waits for the host
# Largest relative difference of a way from the plain one that is rounding.
ROUNDING = {"float64": 1e-10, "float32": 1e-5, "tf32": 1e-2, "bf16": 5e-2}


@dataclass
class Tuning:
    """A choice, and seconds per point of every way that was measured."""

    choice: Choice
    seconds: dict[str, float] = field(default_factory=dict)

    @property
    def json(self) -> dict[str, Any]:
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
    usual = use_or_fall_back(evaluator, with_rewrites(evaluator))
    tuning = Tuning(usual)
    if evaluator.objective.streams or evaluator.objective.one_point_at_a_time:
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


def use_or_fall_back(evaluator: Evaluator, choice: Choice) -> Choice:
    """The choice, where the evaluator can stand on it, else the plain one; it stands there then."""
    try:
        evaluator.use(choice)
    except (ValueError, RuntimeError):  # a record of all examples that is not that of a few
        evaluator.use(plain_choice(evaluator.objective))
    return evaluator.objective.choice


def with_rewrites(evaluator: Evaluator) -> Choice:
    """The usual choice with the rewrites that this model allows, each checked at two points.

    They are checked in the precision of the parameters: bfloat16 would hide a difference.
    """
    objective = evaluator.objective
    plain = plain_choice(objective)
    choice = plain
    if objective.choice != plain:
        evaluator.use(plain)  # whatever was tried before
    if objective.one_point_at_a_time:
        return objective.choice
    wished: list[dict[str, Any]] = []
    if any(isinstance(m, torch.nn.Conv2d) for m in objective.flat.module.modules()):
        wished.append({"channels_last": objective.device.type != "mps"})
    if objective.settings.batchnorm != "batch" and batchnorm.layers(objective.flat.module):
        wished.append({"folded": True})
    elif (stacked := objective.usual_choice().stacked) > 1:
        wished.append({"stacked": stacked})
    if plain.lanes > 1 and is_traceable(objective):
        wished.append({"traced": True})
    if not wished:
        return plain
    probe = _probe(evaluator)
    for rewrite in wished:
        better = replace(choice, **rewrite)
        tried = replace(better, stacked=min(better.stacked, 2), lanes=1)
        if agrees_with_plain(probe, tried, replace(plain, lanes=1)):
            choice = better
    return choice


def plain_choice(objective: Objective) -> Choice:
    """What shapes suggest, one point after the other."""
    return replace(objective.usual_choice(), stacked=1)


def _probe(evaluator: Evaluator) -> Evaluator:
    """The same points over a few examples, in the precision of the parameters."""
    objective = evaluator.objective
    full = "float64" if objective.settings.precision == "float64" else "float32"
    return evaluator.with_first_examples(min(32, objective.examples), full)


def works_here(evaluator: Evaluator, choice: Choice) -> bool:
    """Whether a way that was chosen elsewhere is right here; the evaluator then stands on it.

    Otherwise it stands on the plain way, and nothing of the other is left.
    """
    objective = evaluator.objective
    plain = plain_choice(objective)
    evaluator.use(plain)
    if choice.traced and not is_traceable(objective):
        return False
    # what a compiler makes is made for one shape: it is compared as it will be used
    probe = evaluator if choice.compiled else _probe(evaluator)
    good = agrees_with_plain(probe, choice, replace(plain, lanes=1))
    if good and choice.compiled:
        return True
    return use_or_fall_back(evaluator, choice if good else plain) != plain or choice == plain


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
    if cpu and objective.most_lanes > 1:
        yield replace(usual, lanes=1 if usual.lanes > 1 else objective.most_lanes)
    for factor in (0.5, 2, 0.25, 4):
        batch = min(objective.examples, max(1, round(usual.batch * factor)))
        fixed = objective.problem.batch_size or objective.settings.batchnorm == "batch"
        if batch != usual.batch and not fixed:
            yield replace(usual, batch=batch)
    if usual.channels_last:
        yield replace(usual, channels_last=False)
    if seconds * COMPILE_GAIN > COMPILE_SECONDS:
        yield compiled_choice(usual)


def compiled_choice(choice: Choice) -> Choice:
    """The way of a choice, compiled; what could be traced takes several points a launch."""
    stacked = STACKED if choice.traced else choice.stacked
    # each lane is compiled for each shape of batch, and torch gives up after the eighth
    lanes = min(choice.lanes, 4)
    return replace(choice, compiled=True, traced=False, stacked=stacked, lanes=lanes)


def is_traceable(objective: Objective) -> bool:
    """Whether nothing but operations on tensors is lost where Python is not run at each point."""
    problem, settings = objective.problem, objective.settings
    ready = problem.forward is first_input and objective.loss_and_metrics.are_ready_made
    steady = not objective.between and not batchnorm.layers(objective.flat.module)
    return ready and steady and settings.precision in ("float32", "float64")


def agrees_with_plain(probe: Evaluator, choice: Choice, plain: Choice) -> bool:
    """Whether a way gives the plain way's losses at the base and off it, but for rounding."""
    steps = np.zeros((2, probe.axes))
    steps[1:] = 0.1
    losses: list[np.ndarray] = []
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("error", message=".*performance drop.*")  # vmap as a loop
            for way in (plain, choice):
                probe.use(way)
                losses.append(probe.values(steps)["loss"])
    except (ValueError, RuntimeError, TypeError, AttributeError, UserWarning):
        return False
    within = ROUNDING[probe.objective.settings.precision]
    one, other = losses
    return bool(np.allclose(other, one, rtol=within, atol=within / 10, equal_nan=True))


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


def choice_words(choice: Choice) -> str:
    """The choice in words."""
    words = [f"batches of {choice.batch:,}"]
    if choice.lanes > 1:
        words.append(f"{choice.lanes} points at once, one a core")
    if choice.stacked > 1:
        words.append(f"{choice.stacked} points a launch")
    for name, word in (
        ("channels_last", "channels last"),
        ("folded", "BatchNorm folded"),
        ("traced", "traced"),
        ("compiled", "compiled"),
        ("graph", "CUDA graph"),
        ("streamed", "streamed"),
    ):
        if getattr(choice, name):
            words.append(word)
    return ", ".join(words)


def choice_reason(evaluator: Evaluator, measured: bool) -> str:
    """Why an evaluator evaluates as it does, in words: what decides about the last digits."""
    objective = evaluator.objective
    if objective.draws:
        return "as one batch, by one copy of the model, as random numbers are drawn in it"
    if not objective.flat.is_copy:
        return "by the model itself, as a copy of it cannot be made or gives other values"
    if measured:
        within = ROUNDING[objective.settings.precision]
        return f"by the clock, of ways that differ by up to {within:.0e} of a value"
    if not objective.copies_are_independent and objective.most_lanes > 1 and not objective.streams:
        return "by shapes, by one copy of the model, as copies of it disturb each other"
    return "by shapes"


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
