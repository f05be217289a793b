"""Directions that an answer brings: other questions are asked along them."""

from collections.abc import Sequence

from torch import Tensor

from explorer.analysis.objective.direction_tensors import direction_tensors
from explorer.analysis.objective.flat_model import FlatModel
from explorer.analysis.objective.named_tensors import Tensors
from explorer.analysis.objective.pieces import piece_point
from explorer.kinds.piece import PiecePoint

MOST_BYTES = 1 << 28  # of one direction: a larger one is computed anew where it is wanted


def brought_directions(
    flat: FlatModel, vectors: Tensor, point: Tensors, labels: Sequence[str], subject: int = 0
) -> list[PiecePoint]:
    """The directions (m, D) as tensors under the names of a point; none where they are too large.

    What is no parameter that moves is 0 in them.

    Args:
        flat: the model.
        vectors: the directions, the first being x.
        point: a point of the model.
        labels: what people call each.
        subject: of the question: whose parameters they have.
    """
    if vectors.shape[1] * flat.theta.element_size() > MOST_BYTES:
        return []
    return [
        piece_point(
            axis,
            label,
            direction_tensors(flat, vector, point),
            subject=subject,
            is_direction=True,
        )
        for axis, vector, label in zip("xy", vectors, labels, strict=False)
    ]
