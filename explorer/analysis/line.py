"""Answers a line: losses along one random direction."""

from collections.abc import Iterator, Sequence, Set

import numpy as np
import torch

from explorer.analysis.directions import described, direction_facts, directions
from explorer.analysis.parameters import Tensors
from explorer.analysis.pieces import in_pieces
from explorer.analysis.plane import NONE, Choices, objective_at, precision_error, prepared
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
    """The points of the line that are not in `done`, coarse levels first."""
    objective = objective_at(problem, subjects[0], settings, device)
    vectors = directions(objective.flat, settings, 1)
    facts = direction_facts(objective.flat, vectors, settings) | described(vectors, settings)
    evaluator, found = prepared(objective, vectors, settings.units - len(done), choices)
    x, index = settings.axis, places(settings)
    facts |= found | precision_error(evaluator, x[index][:, None], device)

    def columns(units: np.ndarray) -> dict[str, np.ndarray]:
        i = index[units]
        return {"i": i, "x": x[i]} | evaluator.values(x[i][:, None])

    return in_pieces(settings.units, done, columns, facts, evaluator)
