"""Where points lie on a plane, and how far beside it."""

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from explorer.analysis.directions.directions import TINY
from explorer.analysis.objective.named_tensors import Tensors
from explorer.analysis.objective.parameters import Block


class Plane:
    """The plane centre + x * first direction + y * second, in float64; or a line, without y."""

    def __init__(self, centre: Tensor, vectors: Tensor) -> None:
        """From its centre (D,) and its directions (m, D), which need not be orthogonal."""
        self.centre, self.vectors = centre, vectors
        self.gram = (vectors @ vectors.t()).numpy()

    @property
    def cosine(self) -> float:
        """Cosine of the angle between both directions; 0 where one of them is zero."""
        return float(self.gram[0, 1] / max(np.sqrt(self.gram[0, 0] * self.gram[1, 1]), TINY))

    def coordinates(self, moved: Tensor) -> np.ndarray:
        """Coordinates (m,) of the point of the plane that is nearest to centre + moved (D,).

        They solve the normal equations; a direction of zero norm gets 0.
        """
        coefficients, *_ = np.linalg.lstsq(self.gram, (self.vectors @ moved).numpy(), rcond=None)
        return coefficients

    def place(self, theta: Tensor) -> dict[str, float]:
        """Coordinates of a point (D,), and its distance from the plane."""
        moved = theta - self.centre
        steps = self.coordinates(moved)
        rest = moved - torch.from_numpy(steps) @ self.vectors
        return {**dict(zip("xy", steps.tolist(), strict=False)), "out": float(rest.norm())}


def parameter_vector(point: Tensors, blocks: Sequence[Block]) -> Tensor:
    """All parameters of a point as one vector (D,), float64, CPU."""
    return torch.cat([point[b.name].detach().reshape(-1).to("cpu", torch.float64) for b in blocks])
