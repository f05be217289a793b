"""Answers a surface: losses on a plane of two random directions."""

from collections.abc import Iterator, Sequence, Set

import numpy as np
import torch

from explorer.analysis.parameters import Tensors
from explorer.analysis.pieces import in_pieces
from explorer.analysis.plane import evaluator_around
from explorer.kinds.kind import Piece
from explorer.kinds.surface import SurfaceSettings, places
from explorer.problem import Problem


def answer(
    problem: Problem,
    subjects: Sequence[Tensors],
    settings: SurfaceSettings,
    done: Set[int],
    device: torch.device,
) -> Iterator[Piece]:
    """The points of the plane that are not in `done`, coarse levels first.

    Source: Li et al. 2018, arXiv:1712.09913, section 3: f(x, y) = L(theta + x d1 + y d2).
    """
    evaluator, facts = evaluator_around(problem, subjects[0], settings, 2, device)
    x, y = settings.axes
    column, row = places(settings)

    def columns(units: np.ndarray) -> dict[str, np.ndarray]:
        i, j = column[units], row[units]
        place = {"i": i, "j": j, "x": x[i], "y": y[j]}
        return place | evaluator.values(np.stack([x[i], y[j]], axis=1))

    return in_pieces(settings.units, done, columns, facts)
