"""The directions of an answer, random ones or the gradient's, with what a reader checks them by."""

import math
from collections.abc import Iterable, Iterator
from typing import Any

import torch
from torch import Tensor

from explorer.analysis.curvature.gradient import gradient
from explorer.analysis.objective import random_directions
from explorer.analysis.objective.flat_model import FlatModel
from explorer.analysis.objective.objective import Objective
from explorer.analysis.objective.parameters import Block, stretches
from explorer.analysis.objective.random_directions import (
    Part,
    RedrawnDirections,
    direction_parts,
    direction_rows,
    groups_of,
    row_norms,
)
from explorer.codec import JsonValue
from explorer.kinds.direction_settings import BY_GROUP, DirectionSettings

TINY = torch.finfo(torch.float64).tiny  # in place of a 0 that is divided by

__all__ = [
    "direction_facts",
    "direction_recipes",
    "direction_rows",
    "directions_with_facts",
    "drawn_recipe",
    "gradient_direction",
]


def directions_with_facts(
    flat: FlatModel, settings: DirectionSettings, axes: int
) -> tuple[Tensor | RedrawnDirections, dict[str, JsonValue]]:
    """The first `axes` directions of a seed around the point of `flat`, and their facts.

    A surface is also told the cosine of the angle between its two axes. They come as (axes, D) in
    the model's precision, or, where that would take more memory than `KEPT_BYTES`, as a recipe that
    is followed at every point.

    Raises:
        ValueError: a direction is zero, as all weights that it is scaled by are.
    """
    theta = flat.theta
    cosines = hasattr(settings, "orthogonal")
    keep = axes * theta.numel() * theta.element_size() <= random_directions.KEPT_BYTES
    rows = theta.new_empty(axes, theta.numel()) if keep else None
    first, product = torch.empty(0), 0.0

    def kept_parts() -> Iterator[Part]:
        nonlocal first, product
        for stretch, axis, vector in direction_parts(flat.blocks, theta, settings, range(axes)):
            if rows is not None:
                rows[axis, stretch.within] = vector.to(theta)
            if cosines:
                product += float(first @ vector) if axis == 1 else 0.0
                first = vector if axis == 0 else first
            yield stretch, axis, vector

    facts = direction_facts(flat, kept_parts(), settings)
    norms = facts["direction_norms"]
    if 0.0 in norms:
        raise ValueError(
            "a random direction would be zero, as all weights that it is scaled by are 0; choose "
            "the normalisation raw or unit"
        )
    facts |= direction_recipes(norms, settings)
    if cosines:
        facts["axes_cosine"] = product / max(norms[0] * norms[1], TINY)
    return RedrawnDirections(flat.blocks, settings, axes) if rows is None else rows, facts


def gradient_direction(objective: Objective) -> tuple[Tensor, dict[str, JsonValue]]:
    """The direction -g / norm(g), as long as the point is, (1, D); and its facts.

    g is the gradient of the mean loss at the objective's point. Statistics that are recomputed at
    each point are those of this one, and held fixed.

    Raises:
        ValueError: the gradient is zero or not finite.
    """
    put_back = objective.flat.keep(objective.flat.theta)  # which does not move
    objective.follow_parameters()
    slope = gradient(objective)
    put_back()
    norm = float(slope.norm())
    if not 0 < norm < math.inf:
        raise ValueError(
            f"the gradient's norm must be finite and above 0 to give a direction, got {norm}; "
            "choose a random direction"
        )
    theta_norm = _theta_norm(objective.flat)
    vectors = slope.neg_().div_(norm).mul_(theta_norm).unsqueeze(0)
    recipe = {"direction": "-gradient", "norm": "that of the point"}
    facts = direction_facts(objective.flat, vectors) | {
        "gradient_norm": norm,
        "slope": -norm * theta_norm,  # of the loss at 0
        "directions": [{"recipe": recipe, "norm": theta_norm}],
    }
    return vectors.to(objective.flat.theta), facts


def direction_facts(
    flat: FlatModel, vectors: Tensor | Iterable[Part], settings: DirectionSettings | None = None
) -> dict[str, Any]:
    """What a reader checks: norms, and how well the scaled ones match.

    Args:
        flat: stands on the point.
        vectors: the directions (axes, D), or stretches of them, each with all its axes in order.
        settings: by which they were scaled; None where they were not.
    """
    scaled = settings if settings is not None and settings.normalisation in BY_GROUP else None
    squares: dict[int, list[float]] = {}
    layers: dict[str, list[float]] = {}
    worst = 0.0
    for stretch, axis, vector in (
        _parts_of_vectors(flat, vectors) if isinstance(vectors, Tensor) else vectors
    ):
        squares.setdefault(axis, []).append(float(row_norms(vector.view(1, -1))))
        theta = None if axis and not scaled else _theta(flat, stretch.within)
        for block in stretch.blocks:
            if theta is not None and axis == 0:
                layers[block.name] = [float(block.layer(theta).norm())]
            layers[block.name].append(float(block.layer(vector).norm()))
        if scaled and theta is not None:
            worst = max(worst, _norm_error(stretch.blocks, theta, vector, scaled))
    facts: dict[str, JsonValue] = {
        "theta_norm": _theta_norm(flat),
        "direction_norms": [math.hypot(*norms) for norms in squares.values()],
        "layer_norms": layers,
    }
    return facts | ({"norm_error": worst} if scaled else {})


def _parts_of_vectors(flat: FlatModel, vectors: Tensor) -> Iterator[Part]:
    for stretch in stretches(flat.blocks):
        for axis, vector in enumerate(vectors):
            yield stretch, axis, vector[stretch.within]


def _theta(flat: FlatModel, within: slice) -> Tensor:
    return flat.theta[within].to("cpu", torch.float64)


def _theta_norm(flat: FlatModel) -> float:
    """Norm of the point in float64."""
    return math.hypot(*(float(_theta(flat, s.within).norm()) for s in stretches(flat.blocks)))


def direction_recipes(norms: list[float], settings: DirectionSettings) -> dict[str, JsonValue]:
    """How each direction is made again, beside its norm."""
    return {
        "directions": [
            {"recipe": drawn_recipe(settings, axis), "norm": norm}
            for axis, norm in enumerate(norms)
        ]
    }


def drawn_recipe(settings: DirectionSettings, axis: int) -> dict[str, JsonValue]:
    """How a random direction is made again."""
    return {
        "seed": settings.seed,
        "normalisation": settings.normalisation,
        "ignore_1d": settings.ignore_1d,
        "draw": "numpy.random.RandomState([seed, axis, tensor])",
        "orthogonal": getattr(settings, "orthogonal", False),
        "axis": axis,
    }


def _norm_error(
    blocks: Iterable[Block], theta: Tensor, vector: Tensor, settings: DirectionSettings
) -> float:
    """Largest relative difference between the norm of a moved group and that group's in theta."""
    blocks = list(blocks)
    worst = 0.0
    for block, group in zip(blocks, groups_of(blocks, settings.normalisation), strict=True):
        if settings.ignore_1d and len(block.shape) < 2:
            continue
        wanted = row_norms(group(theta))
        error = (row_norms(group(vector)) - wanted).abs() / wanted.where(wanted > 0, 1)
        worst = max(worst, float(error.max()))
    return worst
