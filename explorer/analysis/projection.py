"""Answers a projection: snapshots of runs on the plane of a surface, and off it."""

import time
from collections.abc import Iterator, Sequence, Set

import numpy as np
import torch
from torch import Tensor

from explorer.analysis.directions.directions import TINY, direction_recipes, direction_rows
from explorer.analysis.directions.eigenvectors import plane_axes
from explorer.analysis.directions.plane import Plane, parameter_vector
from explorer.analysis.objective.named_tensors import Tensors
from explorer.analysis.objective.objective import Objective
from explorer.analysis.objective.own_losses import own_losses
from explorer.analysis.objective.parameters import Block
from explorer.analysis.objective.pieces import TARGET_SECONDS, answer_pieces
from explorer.analysis.objective.plane import NO_CHOICES, EarlierChoices, objective_at
from explorer.analysis.paths.ends import check_statistics, moving_buffers, put_own_values
from explorer.analysis.paths.evaluators import ControlledPath
from explorer.codec import JsonValue
from explorer.kinds.path_shape import control_weights
from explorer.kinds.piece import Piece
from explorer.kinds.progress import SILENT, Progress
from explorer.kinds.projection import ProjectionSettings
from explorer.kinds.trajectory import spans
from explorer.problem import Problem


def answer(
    problem: Problem,
    subjects: Sequence[Tensors],
    settings: ProjectionSettings,
    done: Set[int],
    device: torch.device,
    choices: EarlierChoices = NO_CHOICES,
    progress: Progress = SILENT,
) -> Iterator[Piece]:
    """The snapshots that are not in `done`, in order; the first subject is the plane's centre.

    Source: Li et al. 2018, arXiv:1712.09913, section 7: paths are projected along directions, of
    which random ones show next to nothing.
    """
    objective = objective_at(problem, subjects[0], settings, device)
    single = 1 + len(settings.further_subjects)
    vectors, facts = _axes(objective, settings, subjects[1:single])
    plane = Plane(parameter_vector(subjects[0], objective.flat.blocks), vectors)
    snapshots, blocks = subjects[single:], objective.flat.blocks
    facts |= objective.facts | {"axes_cosine": plane.cosine}
    if settings.keeps_order:
        yield from _path_pieces(objective, settings, plane, snapshots, facts, done)
        return
    facts["held"] = [
        _variance_share(snapshots[span], blocks, plane) for span in spans(settings.lengths)
    ]
    starts = np.repeat([span.start for span in spans(settings.lengths)], settings.lengths)
    rows: list[dict[str, float]] = []
    began = time.perf_counter()
    todo = [unit for unit in range(len(snapshots)) if unit not in done]
    for unit in todo:
        theta = parameter_vector(snapshots[unit], blocks)
        first = parameter_vector(snapshots[starts[unit]], blocks)
        place = plane.place(theta)
        objective.load(snapshots[unit])
        moved = float((theta - first).norm())
        rows.append({"unit": unit, **place, "moved": moved, **objective.means()})
        seconds = time.perf_counter() - began
        if seconds > TARGET_SECONDS or unit == todo[-1]:
            yield _piece(rows, facts, seconds)
            rows, facts, began = [], {}, time.perf_counter()


def _path_pieces(
    objective: Objective,
    settings: ProjectionSettings,
    plane: Plane,
    points: Sequence[Tensors],
    facts: dict[str, JsonValue],
    done: Set[int],
) -> Iterator[Piece]:
    """The places of the path past these points that are not done, each with its own loss."""
    problem, device, blocks = objective.problem, objective.device, objective.flat.blocks
    own = own_losses(problem, [points[0], points[-1]], settings, device)
    objective.load(points[0])
    check_statistics(objective)
    objective.between = moving_buffers(objective, points[-1])
    control = [parameter_vector(point, blocks) for point in points]
    evaluator = ControlledPath(
        objective, settings.trajectory, torch.stack(control).to(objective.flat.theta)
    )
    t = np.linspace(0, 1, settings.t_count)
    weights = control_weights(settings.trajectory, len(points), t)
    recomputes = bool(objective.moving_buffers.calibration)

    def columns(units: np.ndarray) -> dict[str, np.ndarray]:
        values = evaluator.values(evaluator.coordinates(t[units]))
        values.pop("squared_norm")
        if recomputes:
            put_own_values(values, t[units], own)
        thetas = (sum(w * p for w, p in zip(row, control, strict=True)) for row in weights[units])
        places = [plane.place(theta) for theta in thetas]
        columns = {name: np.array([place[name] for place in places]) for name in places[0]}
        return columns | {"moved": evaluator.lengths(t[units])} | values

    facts["arc_length"] = float(evaluator.lengths(np.ones(1))[0])
    yield from answer_pieces(settings.units, done, columns, facts, evaluator)


def _axes(
    objective: Objective, settings: ProjectionSettings, further: Sequence[Tensors]
) -> tuple[Tensor, dict[str, JsonValue]]:
    """The axes (2, D) in float64, and what a reader checks them by."""
    if settings.direction == "random":
        vectors = direction_rows(objective.flat, settings, 2)
        return vectors, direction_recipes(vectors.norm(dim=1).tolist(), settings)
    axes, facts = plane_axes(objective, settings, further)
    assert isinstance(axes, Tensor)  # none of them is drawn again at every point
    return axes.to("cpu", torch.float64), facts


def _piece(rows: list[dict[str, float]], facts: dict[str, JsonValue], seconds: float) -> Piece:
    columns = {name: np.array([row[name] for row in rows]) for name in rows[0]}
    return Piece({**columns, "unit": columns["unit"].astype(np.int64)}, facts, seconds)


def _variance_share(
    snapshots: Sequence[Tensors], blocks: Sequence[Block], plane: Plane
) -> float | None:
    """The share of a run's variance that lies in the plane; None for a run that stands still."""
    mean = torch.zeros_like(plane.centre)
    for snapshot in snapshots:
        mean += parameter_vector(snapshot, blocks) / len(snapshots)
    total = inside = 0.0
    for snapshot in snapshots:
        moved = parameter_vector(snapshot, blocks) - mean
        along = plane.coordinates(moved)
        total += float(moved @ moved)
        inside += float(along @ plane.gram @ along)
    return inside / total if total > TINY and np.isfinite(total) else None
