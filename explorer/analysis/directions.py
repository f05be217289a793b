"""Directions: random ones, drawn and scaled, a seed being one for good; and the gradient's."""

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor

from explorer.analysis.objective import Objective
from explorer.analysis.parameters import Block, FlatModel
from explorer.kinds.settings import DirectionSettings

PARALLEL = 1e-6  # a group with a smaller orthogonal part (one value, say) keeps its own draw
TINY = torch.finfo(torch.float64).tiny


def raw_direction(blocks: list[Block], seed: int, axis: int) -> Tensor:
    """A standard normal vector (D,), float64, one stream per tensor.

    NumPy's RandomState is frozen by its compatibility policy (NEP 19), so a stored seed keeps its
    meaning across versions and devices; torch promises neither.
    """
    parts = [
        np.random.RandomState([seed, axis, number]).standard_normal(block.shape.numel())
        for number, block in enumerate(blocks)
    ]
    return torch.from_numpy(np.concatenate(parts))


def directions(flat: FlatModel, settings: DirectionSettings, axes: int) -> Tensor:
    """The first `axes` directions of a seed around the point of `flat`, (axes, D), float64, CPU.

    With `settings.orthogonal` each later direction is made orthogonal to the first within every
    group that is scaled (filter, layer, or the whole), so that scaling keeps it orthogonal.

    Source: Li et al. 2018, arXiv:1712.09913, section 4.
    """
    theta = flat.theta.to("cpu", torch.float64)
    drawn = [raw_direction(flat.blocks, settings.seed, axis) for axis in range(axes)]
    for direction in drawn:
        if settings.ignore_1d:
            _zero_1d(direction, flat.blocks)
    groups = _groups(flat.blocks, settings.normalisation)
    for later in drawn[1:]:
        if getattr(settings, "orthogonal", False):
            for group in groups:
                _orthogonalise(group(later), group(drawn[0]))
    if settings.normalisation != "raw":
        for direction in drawn:
            for group in groups:
                _rescale(group(direction), group(theta))
    return torch.stack(drawn)


def _groups(blocks: list[Block], normalisation: str) -> list[Callable[[Tensor], Tensor]]:
    """Functions from a vector (D,) to a view whose rows are scaled one by one."""
    if normalisation == "filter":
        return [block.filters for block in blocks]
    if normalisation == "layer":
        return [block.layer for block in blocks]
    return [lambda vector: vector.view(1, -1)]


def _zero_1d(direction: Tensor, blocks: list[Block]) -> None:
    """Biases and normalisation weights do not move."""
    for block in blocks:
        if len(block.shape) < 2:
            direction[block.start : block.stop] = 0


def _per_row(values: Tensor, rows: Tensor) -> Tensor:
    """One value a row, (R,), shaped to broadcast against the rows."""
    return values.view(-1, *[1] * (rows.dim() - 1))


def _norms(rows: Tensor) -> Tensor:
    """Norm of each row, (R,)."""
    return rows.flatten(1).norm(dim=1)


def _orthogonalise(rows: Tensor, first: Tensor) -> None:
    """Take from each row its part along the same row of the first direction."""
    squared = _norms(first).square()
    along = (rows * first).flatten(1).sum(dim=1) / squared.where(squared > 0, 1)
    rest = rows - _per_row(along, rows) * first
    keeps = _norms(rest) <= PARALLEL * _norms(rows)
    rows.copy_(torch.where(_per_row(keeps, rows), rows, rest))


def _rescale(rows: Tensor, theta: Tensor) -> None:
    """Give each row the norm of the same row of theta; a zero filter gives a zero direction."""
    norms = _norms(rows)
    rows.mul_(_per_row(_norms(theta) / norms.where(norms > 0, 1), rows))


def downhill(objective: Objective) -> tuple[Tensor, dict[str, Any]]:
    """The direction -g / norm(g), as long as the point is, (1, D) float64; and its facts.

    g is the gradient of the mean loss at the objective's point. Statistics that are recomputed at
    each point are those of this one, and held fixed.

    Raises:
        ValueError: the gradient is zero or not finite.
    """
    put_back = objective.flat.keep()
    objective.moved()
    gradient = objective.gradient()
    put_back()
    norm = float(gradient.norm())
    if not 0 < norm < math.inf:
        raise ValueError(
            f"the gradient's norm must be finite and above 0 to give a direction, got {norm}; "
            "choose a random direction"
        )
    theta_norm = float(objective.flat.theta.double().norm())
    vectors = (-gradient / norm * theta_norm).unsqueeze(0)
    recipe = {"direction": "-gradient", "norm": "that of the point"}
    facts = _norm_facts(objective.flat, vectors) | {
        "gradient_norm": norm,
        "slope": -norm * theta_norm,  # of the loss at 0
        "directions": [{"recipe": recipe, "norm": theta_norm}],
    }
    return vectors, facts


def direction_facts(
    flat: FlatModel, vectors: Tensor, settings: DirectionSettings
) -> dict[str, Any]:
    """What a reader checks: norms, and how well the scaled ones match."""
    facts = _norm_facts(flat, vectors)
    if settings.normalisation != "raw":
        theta = flat.theta.to("cpu", torch.float64)
        facts["norm_error"] = _norm_error(flat.blocks, theta, vectors, settings)
    return facts


def cosine(one: Tensor, other: Tensor) -> float:
    """Cosine of the angle between two directions (D,); 0 where one of them is zero."""
    return float(one @ other / (one.norm() * other.norm()).clamp(min=TINY))


def _norm_facts(flat: FlatModel, vectors: Tensor) -> dict[str, Any]:
    """Norms of the point and of each direction, whole and by tensor."""
    theta = flat.theta.to("cpu", torch.float64)
    return {
        "theta_norm": float(theta.norm()),
        "direction_norms": vectors.norm(dim=1).tolist(),
        "layer_norms": {
            block.name: [float(block.layer(v).norm()) for v in (theta, *vectors)]
            for block in flat.blocks
        },
    }


def described(vectors: Tensor, settings: DirectionSettings) -> dict[str, Any]:
    """How each direction is made again, beside its norm."""
    recipe = {
        "seed": settings.seed,
        "normalisation": settings.normalisation,
        "ignore_1d": settings.ignore_1d,
        "draw": "numpy.random.RandomState([seed, axis, tensor])",
        "orthogonal": getattr(settings, "orthogonal", False),
    }
    norms = vectors.norm(dim=1).tolist()
    return {
        "directions": [
            {"recipe": {**recipe, "axis": axis}, "norm": norm} for axis, norm in enumerate(norms)
        ]
    }


def _norm_error(
    blocks: list[Block], theta: Tensor, vectors: Tensor, settings: DirectionSettings
) -> float:
    """Largest relative difference between the norm of a moved group and that group's in theta."""
    worst = 0.0
    for block, group in zip(blocks, _groups(blocks, settings.normalisation), strict=True):
        if settings.ignore_1d and len(block.shape) < 2:
            continue
        wanted = _norms(group(theta))
        for vector in vectors:
            error = (_norms(group(vector)) - wanted).abs() / wanted.where(wanted > 0, 1)
            worst = max(worst, float(error.max()))
    return worst
