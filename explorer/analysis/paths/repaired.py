"""The straight line between two points with activations repaired at every place of it."""

import numpy as np
import torch
from torch import Tensor

from explorer.analysis.objective.objective import Objective
from explorer.analysis.paths.evaluators import Chord
from explorer.analysis.symmetry.repair import Repair


class RepairedChord(Chord):
    """An evaluator along the straight line that gives activations the spread of both ends.

    Each place takes two passes over the data, one to measure and one to evaluate; both ends stay
    as they are.

    Source: Jordan et al. 2023, arXiv:2211.08403, section 4.
    """

    def __init__(self, objective: Objective, other: Tensor) -> None:
        """From the objective's present point (D,) to the other.

        Raises:
            ValueError: the model has BatchNorm, or layers that cannot take the correction.
        """
        super().__init__(objective, other)
        try:
            self._repair = Repair(objective, self.base, self.other)
        except ValueError as error:
            raise ValueError(f"{error}; choose the line without REPAIR") from error

    def values(self, coordinates: np.ndarray) -> dict[str, np.ndarray]:
        """As any evaluator's."""
        steps = coordinates[:, 0] if coordinates.shape[1] else np.zeros(len(coordinates))
        rows = [self._values_at(float(step)) for step in steps]
        return {name: np.array([row[name] for row in rows]) for name in rows[0]}

    def _values_at(self, step: float) -> dict[str, float]:
        objective = self.objective
        theta = torch.lerp(self.base, self.other, step)
        if step not in (0.0, 1.0):
            self._repair.apply(theta, step)
        put_back = objective.flat.keep(self.base)
        try:
            objective.flat.theta.copy_(theta)
            means = objective.means()
        finally:
            put_back()
        return means | {"squared_norm": float(theta.double() @ theta.double())}
