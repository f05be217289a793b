"""Answers a path between two points: its bends descend, and it is measured every so many steps."""

import time
from collections.abc import Iterator, Sequence, Set

import numpy as np
import torch
from torch import Tensor

from explorer.analysis.objective.flat_model import present_tensors
from explorer.analysis.objective.moved_parameters import require_same_beside
from explorer.analysis.objective.named_tensors import Tensors
from explorer.analysis.objective.objective import Objective
from explorer.analysis.objective.own_losses import own_losses
from explorer.analysis.objective.pieces import piece_point
from explorer.analysis.objective.plane import NO_CHOICES, EarlierChoices, objective_at
from explorer.analysis.paths.batch_gradient import BatchGradient
from explorer.analysis.paths.descent import PathDescent, descent
from explorer.analysis.paths.ends import (
    check_statistics,
    chord_facts,
    flat_points,
    moving_buffers,
    put_own_values,
    require_finite_ends,
    statistics_words,
)
from explorer.analysis.paths.evaluators import Chord, ControlledPath
from explorer.analysis.paths.minibatches import Minibatches
from explorer.codec import JsonValue
from explorer.kinds.connection_settings import ConnectionSettings
from explorer.kinds.path_shape import CHAIN
from explorer.kinds.piece import Piece, PiecePoint, PieceState
from explorer.kinds.progress import SILENT, Progress
from explorer.problem import Problem

Values = dict[str, np.ndarray]
INSERT_UNTIL = 0.6  # of the steps: later ones leave a band its pivots


def answer(
    problem: Problem,
    subjects: Sequence[Tensors],
    settings: ConnectionSettings,
    done: Set[int],
    device: torch.device,
    choices: EarlierChoices = NO_CHOICES,
    progress: Progress = SILENT,
) -> Iterator[Piece]:
    """The measurements that are not in `done`, in order, each with what the next goes on from.

    The path begins as the straight line. It brings its bends when it ends.

    Raises:
        ValueError: both points are the same, one is not finite, or statistics are to stay frozen
            between bends.
        NoGradient: the loss cannot be differentiated.

    Source: Garipov et al. 2018, arXiv:1802.10026, algorithm of section 3 and public code; Draxler
    et al. 2018, arXiv:1803.00885, for bands.
    """
    require_same_beside(problem, subjects)
    objective = objective_at(problem, subjects[0], settings, device)
    objective.on_pass = progress.check
    first, last = flat_points(objective, subjects)
    require_finite_ends(first, last)
    if torch.equal(first, last):
        raise ValueError("a path must lead from one point to another, got the same parameters")
    check_statistics(objective)
    objective.between = moving_buffers(objective, subjects[1])
    own = own_losses(problem, subjects, settings, device)
    measure = PathMeasure(objective, settings, last, own)
    batches = Minibatches(problem, settings, device, settings.batch_examples, settings.seed)
    walk = descent(settings, first, last, BatchGradient(objective, batches.size))
    facts: dict[str, JsonValue] = {**objective.facts, **chord_facts(first, last)}
    facts |= {"own": own, "statistics": statistics_words(objective)}

    def report(step: int) -> None:
        progress.report(f"step {step:,} of {settings.steps:,}")

    for unit in range(_go_on(walk, settings, done, progress), settings.units):
        began = time.perf_counter()
        start, stop = settings.step_after(unit - 1) if unit else 0, settings.step_after(unit)
        if unit and start < INSERT_UNTIL * settings.steps:
            walk.insert(measure.losses)
        batch_loss = walk.steps(start, stop, batches.at, report)
        values = measure.values(walk.points)
        is_good = _is_good_enough(values["loss"], settings)
        if is_good:
            facts["good_enough_at"] = stop
        columns = _columns(settings, unit, values, walk, batch_loss)
        is_last = is_good or unit == settings.units - 1
        points = _bends(objective, walk, subjects[0], unit) if is_last else []
        state = None if is_last else _state(walk, unit + 1)
        if unit not in done:
            seconds = time.perf_counter() - began
            yield Piece(columns, facts, seconds, points, state, finished=is_good)
            facts = {}
        if is_good:
            return


class PathMeasure:
    """The losses along a path, measured over all examples; both ends once and for all."""

    def __init__(
        self,
        objective: Objective,
        settings: ConnectionSettings,
        last: Tensor,
        own: Sequence[dict[str, float]],
    ) -> None:
        """Measure the ends.

        Args:
            objective: stands on the path's first point.
            settings: of the path.
            last: its last point (D,).
            own: the values of both ends by themselves.
        """
        self._objective, self._settings = objective, settings
        ends = Chord(objective, last).values(np.array([[0.0], [1.0]]))
        if objective.moving_buffers.calibration:
            put_own_values(ends, np.array([0.0, 1.0]), own)
        self._ends = ends

    def values(self, points: Tensor) -> Values:
        """The values at the settings' places of the path past these points (n, D), (T,) each."""
        t = self._settings.t
        evaluator = ControlledPath(self._objective, self._settings.path_shape, points)
        values = evaluator.values(evaluator.coordinates(t))
        for name, ends in self._ends.items():
            values[name][[0, -1]] = ends
        return values | {"arc_length": evaluator.lengths(t)}

    def losses(self, points: Tensor) -> np.ndarray:
        """The loss at each of these points (K, D), (K,)."""
        evaluator = ControlledPath(self._objective, CHAIN, points)
        knots = np.linspace(0, 1, len(points))
        return evaluator.values(evaluator.coordinates(knots))["loss"]


def _go_on(
    walk: PathDescent, settings: ConnectionSettings, done: Set[int], progress: Progress
) -> int:
    """Take the path up where it was kept last; the unit that goes on from there.

    Where nothing was kept of a path that is begun, it is trained again from the start, to the same
    bits: nothing of it is stored twice.
    """
    for unit in range(settings.units - 1, 0, -1):
        if unit not in done and unit - 1 not in done:
            continue
        for record in progress.records(unit):
            walk.take(record["bends"], record["velocity"])
            return unit
    return 0


def _is_good_enough(losses: np.ndarray, settings: ConnectionSettings) -> bool:
    """Whether no loss along the path is above that of the higher end by more than is allowed."""
    return bool(losses.max() <= max(losses[0], losses[-1]) + settings.tolerance)


def _columns(
    settings: ConnectionSettings, unit: int, values: Values, walk: PathDescent, batch_loss: float
) -> Values:
    """The rows of a measurement."""
    count = settings.t_count
    step = settings.step_after(unit)
    places = {"unit": unit, "measurement": unit, "step": step, "bends": len(walk.bends)}
    columns: Values = {name: np.full(count, n, dtype=np.int64) for name, n in places.items()}
    columns |= {"i": np.arange(count), "t": settings.t}
    rate = settings.rate_at(step)
    columns |= {"batch_loss": np.full(count, batch_loss), "learning_rate": np.full(count, rate)}
    return columns | values


def _state(walk: PathDescent, unit: int) -> PieceState:
    """What the next unit goes on from."""
    arrays = {"bends": walk.bends, "velocity": walk.velocity}
    kept = {name: np.array([value.cpu().numpy()]) for name, value in arrays.items()}  # one record
    return PieceState(unit, 0, kept)


def _bends(
    objective: Objective, walk: PathDescent, subject: Tensors, unit: int
) -> list[PiecePoint]:
    """The bends as points, with the running statistics that the policy gives them."""
    points = []
    flat = objective.flat
    put_back = flat.keep()
    for number, bend in enumerate(walk.bends, start=1):
        flat.theta.copy_(bend)
        objective.follow_parameters(bend.new_tensor([number / (len(walk.bends) + 1)]))
        tensors = present_tensors(flat, subject)
        points.append(piece_point(f"{number:02}", f"bend {number}", tensors, unit))
    put_back()
    return points
