"""Eigenvectors of the Hessian as directions, chosen by the rank of their eigenvalue."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from explorer.analysis.curvature.eigenpairs import Pairs, eigenpairs
from explorer.analysis.curvature.gradient import gradient
from explorer.analysis.curvature.products import Curvature, CurvatureError, hessian
from explorer.analysis.curvature.random_vectors import random_normal
from explorer.analysis.directions.directions import direction_facts, directions_with_facts
from explorer.analysis.directions.given import given_axes
from explorer.analysis.objective.named_tensors import Tensors
from explorer.analysis.objective.objective import Objective
from explorer.analysis.objective.random_directions import RedrawnDirections
from explorer.codec import JsonValue
from explorer.kinds.given_axes import GIVEN
from explorer.kinds.plane_settings import PlaneSettings

START = 0  # seed of the vector that every search begins with, so that it ends with the same pairs


def plane_axes(
    objective: Objective, settings: PlaneSettings, further: Sequence[Tensors]
) -> tuple[Tensor | RedrawnDirections, dict[str, JsonValue]]:
    """The two axes of a plane through the objective's point, (2, D), and their facts.

    Args:
        objective: stands on the point.
        settings: what the axes are.
        further: the points and directions that given axes are made of.

    Raises:
        ValueError: the model has no eigenvector of such a rank, or given axes make no plane.
        CurvatureError: the model cannot be differentiated twice, or the loss is not finite.
    """
    if settings.direction == "random":
        return directions_with_facts(objective.flat, settings, 2)
    if settings.direction == GIVEN:
        return given_axes(objective, settings, further)
    vectors, facts = eigenvectors(objective, (settings.x_rank, settings.y_rank))
    one, other = vectors.to("cpu", torch.float64)
    return vectors, facts | {"axes_cosine": float(one @ other)}


def eigenvectors(objective: Objective, ranks: Sequence[int]) -> tuple[Tensor, dict[str, Any]]:
    """Unit eigenvectors of the Hessian at the objective's point, (k, D), and their facts.

    Each is within its residual of what it stands for. Of both signs it has that along which the
    loss does not rise at first. Eigenvalues that are equal count once.

    Args:
        objective: stands on the point.
        ranks: 1, 2, ... from the largest eigenvalue on; -1, -2, ... from the smallest.

    Raises:
        ValueError: the model has no eigenvector of such a rank, or two ranks are the same one.
        CurvatureError: the model cannot be differentiated twice, or the loss is not finite.
    """
    matrix = Curvature(objective, hessian)
    size = matrix.size
    for rank in ranks:
        if abs(rank) > size:
            raise ValueError(
                f"the rank of an eigenvector must be from -{size:,} to {size:,}, the number of "
                f"parameters, got {rank:,}"
            )
    top, bottom = max(0, *ranks), max(0, *(-rank for rank in ranks))
    if top + bottom > size:
        top, bottom = size, 0
    pairs = eigenpairs(matrix, random_normal(matrix, START), top, bottom)
    places = _places(pairs, ranks, top + bottom)
    vectors = pairs.vectors[places].to(objective.flat.theta)
    slopes = (vectors.to("cpu", torch.float64) @ gradient(objective)).numpy()
    vectors[torch.from_numpy(slopes > 0)] *= -1
    recipe = {"direction": "eigenvector", "matrix": "hessian", "start": START}
    return vectors, direction_facts(objective.flat, vectors) | {
        "ranks": list(ranks),
        "eigenvalues": pairs.values[places].tolist(),
        "residuals": pairs.residuals[places].tolist(),
        "slopes": (-np.abs(slopes)).tolist(),  # of the loss at 0
        "directions": [{"recipe": {**recipe, "rank": rank}, "norm": 1.0} for rank in ranks],
    }


def _places(pairs: Pairs, ranks: Sequence[int], wanted: int) -> list[int]:
    """Where each rank's pair stands among those found, of which there may be fewer than wanted.

    Raises:
        CurvatureError: there are too few.
        ValueError: two ranks are of the same pair.
    """
    count = len(pairs.values)
    if count < wanted:
        raise CurvatureError(
            f"the Hessian has only {count:,} different eigenvalues here, so that the ranks "
            f"{' and '.join(map(str, ranks))} name no eigenvectors; choose smaller ranks or "
            "random directions"
        )
    places = [rank - 1 if rank > 0 else count + rank for rank in ranks]
    if len(set(places)) < len(places):
        raise ValueError(
            f"the axes must be two eigenvectors, got ranks {ranks[0]} and {ranks[1]}, which are "
            f"the same one of {count:,} parameters"
        )
    return places
