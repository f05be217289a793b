"""Answers a line: losses along one random direction."""

from collections.abc import Iterator, Sequence, Set

import numpy as np
import torch

from explorer.analysis.parameters import Tensors
from explorer.analysis.pieces import in_pieces
from explorer.analysis.plane import evaluator_around
from explorer.kinds.kind import Piece
from explorer.kinds.line import LineSettings, places
from explorer.problem import Problem


def answer(
    problem: Problem,
    subjects: Sequence[Tensors],
    settings: LineSettings,
    done: Set[int],
    device: torch.device,
) -> Iterator[Piece]:
    """The points of the line that are not in `done`, coarse levels first."""
    evaluator, facts = evaluator_around(problem, subjects[0], settings, 1, device)
    x, index = settings.axis, places(settings)

    def columns(units: np.ndarray) -> dict[str, np.ndarray]:
        i = index[units]
        return {"i": i, "x": x[i]} | evaluator.values(x[i][:, None])

    return in_pieces(settings.units, done, columns, facts)
