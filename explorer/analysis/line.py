"""Answers lines: losses along random directions, the gradient's, or an eigenvector's."""

from collections.abc import Iterator, Sequence, Set

import numpy as np
import torch
from torch import Tensor

from explorer.analysis.directions.brought import brought_directions
from explorer.analysis.directions.directions import directions_with_facts, gradient_direction
from explorer.analysis.directions.eigenvectors import eigenvectors
from explorer.analysis.directions.given import given_axes, marked_points
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
from explorer.codec import JsonValue
from explorer.kinds.eigenvalues import rank_words
from explorer.kinds.given_axes import GIVEN
from explorer.kinds.line import LineSettings, places
from explorer.kinds.piece import Piece, PiecePoint
from explorer.kinds.progress import SILENT, Progress
from explorer.problem import Problem


def answer(
    problem: Problem,
    subjects: Sequence[Tensors],
    settings: LineSettings,
    done: Set[int],
    device: torch.device,
    choices: EarlierChoices = NO_CHOICES,
    progress: Progress = SILENT,
) -> Iterator[Piece]:
    """The points of the lines that are not in `done`, coarse levels first.

    Raises:
        ValueError: the gradient has no direction, the model no eigenvector of this rank, or the
            objective refuses its settings.
    """
    objective = objective_at(problem, subjects[0], settings, device)
    vectors, facts = _directions(objective, settings, subjects[1:])
    brought = _brought(objective, settings, vectors, subjects[0])
    if settings.given_axes and isinstance(vectors, Tensor):
        facts["marks"] = marked_points(objective, subjects, settings, vectors)
    evaluator, evaluator_facts = tuned_evaluator(
        objective, vectors, settings.units - len(done), choices
    )
    x, (line, index) = settings.axis, places(settings)
    coordinates = np.zeros((settings.units, settings.directions))
    coordinates[np.arange(settings.units), line] = x[index]
    facts |= evaluator_facts | precision_error(evaluator, coordinates)

    def columns(units: np.ndarray) -> dict[str, np.ndarray]:
        place = {"k": line[units], "i": index[units], "x": x[index[units]]}
        return place | evaluator.values(coordinates[units])

    return answer_pieces(settings.units, done, columns, facts, evaluator, brought)


def _directions(
    objective: Objective, settings: LineSettings, further: Sequence[Tensors]
) -> tuple[Tensor | RedrawnDirections, dict[str, JsonValue]]:
    """The directions (K, D), and what a reader checks them by."""
    if settings.direction == "gradient":
        return gradient_direction(objective)
    if settings.direction == GIVEN:
        return given_axes(objective, settings, further)
    if settings.direction == "eigenvector":
        vectors, facts = eigenvectors(objective, (settings.rank,))
        alone = {"eigenvalue": "eigenvalues", "residual": "residuals", "slope": "slopes"}
        return vectors, facts | {name: facts[names][0] for name, names in alone.items()}
    return directions_with_facts(objective.flat, settings, settings.directions)


def _brought(
    objective: Objective,
    settings: LineSettings,
    vectors: Tensor | RedrawnDirections,
    point: Tensors,
) -> list[PiecePoint]:
    """The direction, where it took long to find, for other questions."""
    labels = {"gradient": "downhill", "eigenvector": f"eigenvector {rank_words(settings.rank)}"}
    if settings.direction not in labels or not isinstance(vectors, Tensor):
        return []
    return brought_directions(objective.flat, vectors, point, [labels[settings.direction]])
