"""Random directions, drawn and scaled tensor by tensor, a seed being one for good."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from explorer.analysis.objective.flat_model import FlatModel
from explorer.analysis.objective.parameters import Block, Stretch, stretches
from explorer.kinds.direction_settings import BY_GROUP, DirectionSettings

PARALLEL = 1e-6  # a group with a smaller orthogonal part (one value, say) keeps its own draw
KEPT_BYTES = 1 << 30  # of directions; where they would take more, they are drawn at every point
Part = tuple[Stretch, int, Tensor]  # where, which axis, its values there in float64


def direction_parts(
    blocks: Sequence[Block], theta: Tensor, settings: DirectionSettings, axes: Sequence[int]
) -> Iterator[Part]:
    """These directions of a seed around `theta` (D,), stretch by stretch, float64 on the CPU.

    With `settings.orthogonal` each later direction is made orthogonal to the first within every
    group that is scaled (filter, layer, or the whole), so that scaling keeps it orthogonal.

    NumPy's RandomState is frozen by its compatibility policy (NEP 19), so a stored seed keeps its
    meaning across versions and devices; torch promises neither.

    Raises:
        ValueError: no parameter moves, as all have one dimension and such are to stay.

    Source: Li et al. 2018, arXiv:1712.09913, section 4.
    """
    if settings.normalisation == "unit":
        yield from _unit_parts(blocks, theta, settings, axes)
        return
    if settings.ignore_1d and all(len(block.shape) < 2 for block in blocks):
        raise ValueError(
            "no parameter would move, as all have one dimension and ignore_1d keeps those fixed; "
            'set it off ("Keep biases and norm weights fixed")'
        )
    cut = stretches(blocks)
    orthogonal = getattr(settings, "orthogonal", False)
    across_stretches = orthogonal and settings.normalisation == "raw" and len(cut) > 1
    along = _along_the_whole(cut, settings, axes) if across_stretches else {}
    for stretch in cut:
        groups = groups_of(stretch.blocks, settings.normalisation)
        point = theta[stretch.within].to("cpu", torch.float64)
        first = _normal_stretch(stretch, settings, 0) if orthogonal and any(axes) else None
        for axis in axes:
            vector = _normal_stretch(stretch, settings, axis)
            if first is not None and axis and across_stretches:
                vector -= along[axis] * first
            elif first is not None and axis:
                for group in groups:
                    orthogonalise(group(vector), group(first))
            if settings.normalisation in BY_GROUP:
                for group in groups:
                    rescale(group(vector), group(point))
            yield stretch, axis, vector


def _unit_parts(
    blocks: Sequence[Block], theta: Tensor, settings: DirectionSettings, axes: Sequence[int]
) -> Iterator[Part]:
    """The raw directions divided by their length: drawn once for that, and once more."""
    raw = replace(settings, normalisation="raw")
    squares = dict.fromkeys(axes, 0.0)
    for _, axis, vector in direction_parts(blocks, theta, raw, axes):
        squares[axis] += float(vector.square().sum())
    for stretch, axis, vector in direction_parts(blocks, theta, raw, axes):
        yield stretch, axis, vector / squares[axis] ** 0.5


def direction_rows(flat: FlatModel, settings: DirectionSettings, axes: int) -> Tensor:
    """The first `axes` directions of a seed around the point of `flat`, (axes, D), float64, CPU."""
    rows = torch.empty(axes, flat.theta.numel(), dtype=torch.float64)
    for stretch, axis, vector in direction_parts(flat.blocks, flat.theta, settings, range(axes)):
        rows[axis, stretch.within] = vector
    return rows


@dataclass(frozen=True)
class RedrawnDirections:
    """Directions that are too large to keep: drawn again from their seed, tensor by tensor."""

    blocks: Sequence[Block]
    settings: DirectionSettings
    axes: int

    def __len__(self) -> int:
        return self.axes

    def rows(self, base: Tensor) -> Iterator[tuple[slice, Tensor]]:
        """Stretches of all directions around `base` (D,), (axes, size) in its precision."""
        axis_parts: list[Tensor] = []
        for stretch, _, vector in direction_parts(
            self.blocks, base, self.settings, range(self.axes)
        ):
            axis_parts.append(vector.to(base))
            if len(axis_parts) == self.axes:
                yield stretch.within, torch.stack(axis_parts)
                axis_parts = []

    def place(self, base: Tensor, step: Tensor, theta: Tensor) -> None:
        """Put base + step @ directions into `theta` (D,)."""
        theta.copy_(base)
        sizes = step.tolist()
        axes = [axis for axis, size in enumerate(sizes) if size]
        if axes:
            for stretch, axis, vector in direction_parts(self.blocks, base, self.settings, axes):
                theta[stretch.within].add_(vector.to(base), alpha=sizes[axis])


def _normal_stretch(stretch: Stretch, settings: DirectionSettings, axis: int) -> Tensor:
    """Standard normal values of a stretch, one stream per tensor; those that do not move are 0."""
    values = np.empty(stretch.blocks[-1].stop)
    for number, block in enumerate(stretch.blocks, start=stretch.first):
        if settings.ignore_1d and len(block.shape) < 2:
            values[block.start : block.stop] = 0
            continue
        stream = np.random.RandomState([settings.seed, axis, number])
        values[block.start : block.stop] = stream.standard_normal(block.shape.numel())
    return torch.from_numpy(values)


def groups_of(blocks: Sequence[Block], normalisation: str) -> list[Callable[[Tensor], Tensor]]:
    """Functions from a vector (D,) to a view whose rows are scaled one by one."""
    if normalisation == "filter":
        return [block.filters for block in blocks]
    if normalisation == "layer":
        return [block.layer for block in blocks]
    return [lambda vector: vector.view(1, -1)]


def _per_row(values: Tensor, rows: Tensor) -> Tensor:
    """One value a row, (R,), shaped to broadcast against the rows."""
    return values.view(-1, *[1] * (rows.dim() - 1))


def row_norms(rows: Tensor) -> Tensor:
    """Norm of each row, (R,)."""
    return rows.flatten(1).norm(dim=1)


def orthogonalise(rows: Tensor, first: Tensor) -> None:
    """Take from each row its part along the same row of the first direction."""
    squared = row_norms(first).square()
    along = (rows * first).flatten(1).sum(dim=1) / squared.where(squared > 0, 1)
    rest = rows - _per_row(along, rows) * first
    keeps = row_norms(rest) <= PARALLEL * row_norms(rows)
    rows.copy_(torch.where(_per_row(keeps, rows), rows, rest))


def _along_the_whole(
    cut: Sequence[Stretch], settings: DirectionSettings, axes: Sequence[int]
) -> dict[int, float]:
    """How much of the whole first direction each later one holds."""
    squared, products = 0.0, dict.fromkeys(axes, 0.0)
    for stretch in cut:
        first = _normal_stretch(stretch, settings, 0)
        squared += float(first @ first)
        for axis in axes:
            products[axis] += float(_normal_stretch(stretch, settings, axis) @ first)
    return {axis: product / squared if squared else 0.0 for axis, product in products.items()}


def rescale(rows: Tensor, theta: Tensor) -> None:
    """Give each row the norm of the same row of theta; a zero filter gives a zero direction."""
    norms = row_norms(rows)
    rows.mul_(_per_row(row_norms(theta) / norms.where(norms > 0, 1), rows))
