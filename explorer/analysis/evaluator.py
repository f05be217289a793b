"""Loss and metrics at many points: the hot loop."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import psutil
import torch
from torch import Tensor

from explorer.analysis.device import kept_threads
from explorer.analysis.objective import Objective
from explorer.analysis.terms import Sum


class Evaluator:
    """Values of an objective at base + coordinates @ directions.

    Parameters are one flat vector updated in place; sums stay on the device until the end. On a CPU
    small models are evaluated at several points at once, one core each: the same operations in the
    same order for each point, so that values do not depend on how points are shared out.
    """

    def __init__(self, objective: Objective, directions: Tensor) -> None:
        """Stand at the objective's present point; `directions` has shape (m, D)."""
        self.objective = objective
        self.base = objective.flat.theta.clone()
        self._directions = directions.to(self.base)
        rows = torch.cat([self.base.unsqueeze(0), self._directions]).to("cpu", torch.float64)
        self._gram = (rows @ rows.t()).numpy()
        self._lanes = [objective, *(objective.twin() for _ in range(objective.lanes - 1))]
        self._pool = ThreadPoolExecutor(len(self._lanes), thread_name_prefix="lane")

    def values(self, coordinates: np.ndarray) -> dict[str, np.ndarray]:
        """Mean of each term, and the parameters' "squared_norm", at coordinates (K, m); each (K,).

        The model is put back on its base point, also after an exception.
        """
        theta = self.objective.flat.theta
        steps = torch.as_tensor(coordinates, dtype=theta.dtype, device=theta.device)
        shares = [steps[start :: len(self._lanes)] for start in range(len(self._lanes))]
        with kept_threads():
            walks = list(self._pool.map(self._walk, self._lanes, shares))
        totals = [walks[k % len(walks)][k // len(walks)] for k in range(len(steps))]
        values = {
            name: _means([point[t] for point in totals])
            for t, name in enumerate(self.objective.names)
        }
        return {**values, "squared_norm": self._squared_norms(coordinates)}

    def stand_alone(self) -> dict[str, float]:
        """Mean of each term at the base point itself, without a step."""
        with kept_threads():
            return self._pool.submit(self._measure).result()

    def _measure(self) -> dict[str, float]:
        self._share_cores()
        return self.objective.means()

    def _share_cores(self) -> None:
        """Give this thread its part of the cores."""
        if self.base.device.type == "cpu":
            cores = psutil.cpu_count(logical=False) or 1
            torch.set_num_threads(max(1, cores // len(self._lanes)))

    @torch.inference_mode()
    def _walk(self, objective: Objective, steps: Tensor) -> list[list[Sum]]:
        """The sums at each step in turn."""
        self._share_cores()
        theta, directions = objective.flat.theta, self._directions.t()
        totals = []
        try:
            for step in steps:
                torch.addmv(self.base, directions, step, out=theta)
                totals.append(objective.sums())
        finally:
            theta.copy_(self.base)
        return totals

    def _squared_norms(self, coordinates: np.ndarray) -> np.ndarray:
        """norm(theta)^2 at each point, from inner products of base and directions in float64."""
        steps = np.concatenate([np.ones((len(coordinates), 1)), coordinates], axis=1)
        return np.einsum("km,mn,kn->k", steps, self._gram, steps)


def _means(sums: list[Sum]) -> np.ndarray:
    """Sum over count for each point, (K,): the only place that waits for the device."""
    total = torch.stack([total for total, _ in sums]).cpu().numpy()
    return total / np.array([float(count) for _, count in sums])
