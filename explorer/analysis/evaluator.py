"""Loss and metrics at many points: the hot loop."""

from typing import Any

import numpy as np
import torch
from torch import Tensor

from explorer.analysis.objective import Objective


class Evaluator:
    """Values of an objective at base + coordinates @ directions.

    Parameters are one flat vector updated in place; sums stay on the device until the end.
    """

    def __init__(self, objective: Objective, directions: Tensor) -> None:
        """Stand at the objective's present point; `directions` has shape (m, D)."""
        self.objective = objective
        self.base = objective.flat.theta.clone()
        self._directions = directions.to(self.base).t().contiguous()
        rows = torch.cat([self.base.unsqueeze(0), self._directions.t()]).to("cpu", torch.float64)
        self._gram = (rows @ rows.t()).numpy()

    @torch.inference_mode()
    def values(self, coordinates: np.ndarray) -> dict[str, np.ndarray]:
        """Mean of each term, and the parameters' "squared_norm", at coordinates (K, m); each (K,).

        The model is put back on its base point, also after an exception.
        """
        theta = self.objective.flat.theta
        steps = torch.as_tensor(coordinates, dtype=theta.dtype, device=theta.device)
        totals = []
        try:
            for step in steps:
                torch.addmv(self.base, self._directions, step, out=theta)
                totals.append(self.objective.sums())
        finally:
            theta.copy_(self.base)
        values = {
            name: _means([point[t] for point in totals])
            for t, name in enumerate(self.objective.names)
        }
        return {**values, "squared_norm": self._squared_norms(coordinates)}

    def _squared_norms(self, coordinates: np.ndarray) -> np.ndarray:
        """norm(theta)^2 at each point, from inner products of base and directions in float64."""
        steps = np.concatenate([np.ones((len(coordinates), 1)), coordinates], axis=1)
        return np.einsum("km,mn,kn->k", steps, self._gram, steps)


def _means(sums: list[tuple[Tensor, Any]]) -> np.ndarray:
    """Sum over count for each point, (K,): the only place that waits for the device."""
    total = torch.stack([total for total, _ in sums]).cpu().numpy()
    return total / np.array([float(count) for _, count in sums])
