"""Answers a surface: losses on a plane of two random directions, or of two eigenvectors."""

from collections.abc import Iterator, Sequence, Set

import numpy as np
import torch
from torch import Tensor

from explorer.analysis.directions.brought import brought_directions
from explorer.analysis.directions.eigenvectors import plane_axes
from explorer.analysis.directions.given import marked_points
from explorer.analysis.objective.named_tensors import Tensors
from explorer.analysis.objective.objective import Objective
from explorer.analysis.objective.pieces import answer_pieces
from explorer.analysis.objective.plane import (
    NO_CHOICES,
    EarlierChoices,
    objective_at,
    precision_error,
    tuned_evaluator,
)
from explorer.analysis.objective.random_directions import RedrawnDirections
from explorer.kinds.eigenvalues import rank_words
from explorer.kinds.piece import Piece, PiecePoint
from explorer.kinds.progress import SILENT, Progress
from explorer.kinds.surface import SurfaceSettings
from explorer.problem import Problem


def answer(
    problem: Problem,
    subjects: Sequence[Tensors],
    settings: SurfaceSettings,
    done: Set[int],
    device: torch.device,
    choices: EarlierChoices = NO_CHOICES,
    progress: Progress = SILENT,
) -> Iterator[Piece]:
    """The points of the plane that are not in `done`, coarse levels first.

    Source: Li et al. 2018, arXiv:1712.09913, section 3: f(x, y) = L(theta + x d1 + y d2).
    """
    objective = objective_at(problem, subjects[0], settings, device)
    vectors, facts = plane_axes(objective, settings, subjects[1:])
    brought = _brought(objective, settings, vectors, subjects[0])
    evaluator, evaluator_facts = tuned_evaluator(
        objective, vectors, settings.units - len(done), choices
    )
    coordinates, place = settings.columns(settings.axes)
    facts |= evaluator_facts | precision_error(evaluator, coordinates)
    if settings.given_axes and isinstance(vectors, Tensor):
        facts["marks"] = marked_points(objective, subjects, settings, vectors)

    def columns(units: np.ndarray) -> dict[str, np.ndarray]:
        return place(units) | evaluator.values(coordinates[units])

    return answer_pieces(settings.units, done, columns, facts, evaluator, brought)


def _brought(
    objective: Objective,
    settings: SurfaceSettings,
    vectors: Tensor | RedrawnDirections,
    point: Tensors,
) -> list[PiecePoint]:
    """The axes that took long to find, for other questions."""
    if settings.direction != "eigenvector" or not isinstance(vectors, Tensor):
        return []
    ranks = settings.x_rank, settings.y_rank
    labels = [f"eigenvector {rank_words(rank)}" for rank in ranks]
    return brought_directions(objective.flat, vectors, point, labels)
