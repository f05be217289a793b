"""Answers lines: losses along random directions, the gradient's, or the top eigenvector's."""

from collections.abc import Iterator, Sequence, Set
from typing import Any

import numpy as np
import torch
from torch import Tensor

from explorer.analysis.curvature import Curvature, hessian
from explorer.analysis.directions import direction_facts, downhill, drawn
from explorer.analysis.drawing import Redrawn
from explorer.analysis.lanczos import eigenpairs, random_normal
from explorer.analysis.objective import Objective
from explorer.analysis.parameters import Tensors
from explorer.analysis.pieces import in_pieces
from explorer.analysis.plane import NONE, Choices, objective_at, precision_error, prepared
from explorer.analysis.whole import gradient
from explorer.kinds.kind import Piece
from explorer.kinds.line import LineSettings, places
from explorer.problem import Problem


def answer(
    problem: Problem,
    subjects: Sequence[Tensors],
    settings: LineSettings,
    done: Set[int],
    device: torch.device,
    choices: Choices = NONE,
) -> Iterator[Piece]:
    """The points of the lines that are not in `done`, coarse levels first.

    Raises:
        ValueError: the gradient has no direction, or the objective refuses its settings.
    """
    objective = objective_at(problem, subjects[0], settings, device)
    vectors, facts = _directions(objective, settings)
    evaluator, found = prepared(objective, vectors, settings.units - len(done), choices)
    x, (line, index) = settings.axis, places(settings)
    coordinates = np.zeros((settings.units, settings.directions))
    coordinates[np.arange(settings.units), line] = x[index]
    facts |= found | precision_error(evaluator, coordinates)

    def columns(units: np.ndarray) -> dict[str, np.ndarray]:
        place = {"k": line[units], "i": index[units], "x": x[index[units]]}
        return place | evaluator.values(coordinates[units])

    return in_pieces(settings.units, done, columns, facts, evaluator)


def _directions(
    objective: Objective, settings: LineSettings
) -> tuple[Tensor | Redrawn, dict[str, Any]]:
    """The directions (K, D), and what a reader checks them by."""
    if settings.direction == "gradient":
        return downhill(objective)
    if settings.direction == "eigenvector":
        return steepest(objective)
    return drawn(objective.flat, settings, settings.directions)


def steepest(objective: Objective) -> tuple[Tensor, dict[str, Any]]:
    """The unit eigenvector of the Hessian's largest eigenvalue, (1, D), and its facts.

    Of both signs it has that along which the loss does not rise at first.

    Raises:
        CurvatureError: the model cannot be differentiated twice, or the loss is not finite.
    """
    matrix = Curvature(objective, hessian)
    pairs = eigenpairs(matrix, random_normal(matrix, 0), 1)
    vectors = pairs.vectors.to(objective.flat.theta)
    slope = float(gradient(objective) @ vectors[0].to("cpu", torch.float64))
    if slope > 0:
        vectors, slope = -vectors, -slope
    recipe = {"direction": "eigenvector", "matrix": "hessian", "rank": 1, "start": 0}
    facts = direction_facts(objective.flat, vectors) | {
        "eigenvalue": float(pairs.values[0]),
        "residual": float(pairs.residuals[0]),
        "slope": slope,  # of the loss at 0
        "directions": [{"recipe": recipe, "norm": 1.0}],
    }
    return vectors, facts
