"""Evaluators along paths between two points, exact at both ends."""

import math
from collections.abc import Iterable, Sequence

import numpy as np
import torch
from torch import Tensor

from explorer.analysis.objective.evaluator import Evaluator
from explorer.analysis.objective.objective import Objective
from explorer.analysis.objective.parameters import STRETCH, Block
from explorer.kinds.path_shape import (
    LAYERS,
    SPHERICAL,
    STRAIGHT,
    arc_lengths,
    control_weights,
    layer_shares,
)

LEAST_SINE = 1e-6  # of the angle between two points: below, there is no one arc between them


class PathEvaluator(Evaluator):
    """An evaluator whose places are numbers t from 0 to 1, as far as its path goes."""

    places_are_linear = False
    other: Tensor  # (D,) the end of the path

    def coordinates(self, t: np.ndarray) -> np.ndarray:
        """What `values` takes for these places (T,), (T, axes); t itself comes first."""
        raise NotImplementedError

    def lengths(self, t: np.ndarray) -> np.ndarray:
        """The length of the path from its start to each place, (T,)."""
        raise NotImplementedError


class Chord(PathEvaluator):
    """Along the straight line to another point, and beyond both ends."""

    def __init__(self, objective: Objective, other: Tensor) -> None:
        """From the objective's present point (D,) to the other."""
        super().__init__(objective, (other - objective.flat.theta).unsqueeze(0))
        self.other = other.clone()
        self._distance = math.sqrt(float(self._gram[1, 1]))

    def coordinates(self, t: np.ndarray) -> np.ndarray:
        """The places themselves, (T, 1)."""
        return np.asarray(t[:, None])

    def lengths(self, t: np.ndarray) -> np.ndarray:
        """The distance from the start, below 0 before it."""
        return np.asarray(t * self._distance)

    def place(self, theta: Tensor, steps: Tensor) -> None:
        """Put (1 - a) base + a other into `theta`, for a step (1,) or several (K, 1)."""
        if steps.shape[-1]:
            torch.lerp(self.base, self.other, steps, out=theta)
        else:
            theta.copy_(self.base)


class ControlledPath(PathEvaluator):
    """Along weighted sums of control points: a chain, a Bezier curve, or an arc."""

    def __init__(self, objective: Objective, shape: str, points: Tensor) -> None:
        """Past the control points (n, D), of which the first is the objective's present point.

        Raises:
            ValueError: both ends lie in one direction from 0, or in opposite ones, so that no one
                arc leads from one to the other.
        """
        self.shape, self.points = shape, points
        self.other = points[-1]
        self.control_gram = gram_of(points)
        self.angle = _angle(self.control_gram) if shape == SPHERICAL else 0.0
        super().__init__(objective, points[1:] - points[0], axes=1 + len(points))

    def coordinates(self, t: np.ndarray) -> np.ndarray:
        """The place, then the weight of each control point, (T, 1 + n); that of the first less 1.

        So all of them are 0 at the start, as for any evaluator.
        """
        weights = control_weights(self.shape, len(self.points), t, self.angle)
        weights[:, 0] -= 1
        return np.concatenate([t[:, None], weights], axis=1)

    def lengths(self, t: np.ndarray) -> np.ndarray:
        """The length of the path from its start to each place."""
        return arc_lengths(self.shape, self.control_gram, t, self.angle)

    def place(self, theta: Tensor, steps: Tensor) -> None:
        """Put the weighted sum of the control points into `theta`, (D,) or (K, D)."""
        if not steps.shape[-1]:
            theta.copy_(self.base)
            return
        weights = steps[..., 1:].unsqueeze(-1)  # (n, 1) or (K, n, 1)
        torch.mul(self.points[0], weights[..., 0, :] + 1, out=theta)
        for number in range(1, len(self.points)):
            theta.addcmul_(self.points[number], weights[..., number, :])

    def _squared_norms(self, coordinates: np.ndarray) -> np.ndarray:
        if not coordinates.shape[1]:
            return np.full(len(coordinates), self.control_gram[0, 0])
        weights = coordinates[:, 1:].copy()
        weights[:, 0] += 1
        return np.einsum("km,mn,kn->k", weights, self.control_gram, weights)


class LayeredPath(PathEvaluator):
    """From one point to another by moving one layer after the other, in the model's order."""

    def __init__(self, objective: Objective, other: Tensor) -> None:
        """From the objective's present point (D,) to the other."""
        self.other = other.clone()
        self.layers = layers_of(objective.flat.blocks)
        base = objective.flat.theta
        pairs = [
            torch.stack([base[s.start : s.stop], other[s.start : s.stop]]) for s in self.layers
        ]
        self._grams = np.stack([gram_of(pair) for pair in pairs])  # (L, 2, 2)
        directions = (other - base).unsqueeze(0)
        super().__init__(objective, directions, axes=1 + len(self.layers))

    def coordinates(self, t: np.ndarray) -> np.ndarray:
        """The place, then how far each layer has moved, (T, 1 + L)."""
        return np.concatenate([t[:, None], layer_shares(len(self.layers), t)], axis=1)

    def lengths(self, t: np.ndarray) -> np.ndarray:
        """The length of the path from its start to each place."""
        squares = self._grams[:, 0, 0] - 2 * self._grams[:, 0, 1] + self._grams[:, 1, 1]
        return layer_shares(len(self.layers), t) @ np.sqrt(squares.clip(min=0))

    def place(self, theta: Tensor, steps: Tensor) -> None:
        """Put each layer as far as it has moved into `theta`, (D,) or (K, D)."""
        theta.copy_(self.base.expand_as(theta))
        if not steps.shape[-1]:
            return
        for number, layer in enumerate(self.layers, start=1):
            part = slice(layer.start, layer.stop)
            share = steps[..., number : number + 1]
            theta[..., part] = torch.lerp(self.base[part], self.other[part], share)

    def _squared_norms(self, coordinates: np.ndarray) -> np.ndarray:
        if not coordinates.shape[1]:
            return np.full(len(coordinates), self._grams[:, 0, 0].sum())
        moved = coordinates[:, 1:]
        weights = np.stack([1 - moved, moved], axis=-1)  # (K, L, 2)
        return np.einsum("kli,lij,klj->k", weights, self._grams, weights)


def path_evaluator(objective: Objective, shape: str, points: Sequence[Tensor]) -> PathEvaluator:
    """The evaluator along a path of that shape.

    Args:
        objective: stands on the first of the points.
        shape: of `explorer.kinds.path_shape`.
        points: both ends, and the bends between them; (D,) each.
    """
    if shape == STRAIGHT:
        return Chord(objective, points[-1])
    if shape == LAYERS:
        return LayeredPath(objective, points[-1])
    return ControlledPath(objective, shape, torch.stack(list(points)))


def layers_of(blocks: Iterable[Block]) -> list[slice]:
    """The parameters of each layer that has some, as a slice of a flat vector, in its order."""
    layers: list[slice] = []
    names: list[str] = []
    for block in blocks:
        name = block.name.rpartition(".")[0]
        if names and names[-1] == name:
            layers[-1] = slice(layers[-1].start, block.stop)
        else:
            layers.append(slice(block.start, block.stop))
            names.append(name)
    return layers


def gram_of(points: Tensor) -> np.ndarray:
    """Inner products of points (n, D), (n, n), in float64."""
    gram = torch.zeros(len(points), len(points), dtype=torch.float64)
    for part in points.split(STRETCH, dim=1):
        wide = part.to("cpu", torch.float64)
        gram += wide @ wide.t()
    return gram.numpy()


def _angle(gram: np.ndarray) -> float:
    """The angle between both ends, from their inner products."""
    product = gram[0, -1] / math.sqrt(gram[0, 0] * gram[-1, -1]) if gram[0, 0] * gram[-1, -1] else 1
    angle = math.acos(min(1.0, max(-1.0, product)))
    if math.sin(angle) < LEAST_SINE:
        raise ValueError(
            "a spherical path must lead between two points that do not lie on one line through 0, "
            "got such points; choose another path"
        )
    return angle
