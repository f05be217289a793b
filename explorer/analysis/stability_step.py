"""What a step of the training would meet, and where snapshots lie along an eigenvector."""

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from explorer.analysis.curvature.differentiable import NotFinite
from explorer.analysis.curvature.eigenpairs import eigenpairs
from explorer.analysis.curvature.products import Curvature, hessian
from explorer.analysis.curvature.random_vectors import random_normal
from explorer.analysis.measures.point_measures import LossAndGradient
from explorer.analysis.objective.named_tensors import Tensors
from explorer.analysis.objective.objective import Objective
from explorer.kinds.stability_result import STEP_COLUMNS
from explorer.kinds.stability_settings import STEP_PLACES, StabilitySettings

STREAM = 0  # of random vectors, beside the seed: that of a snapshot's own search


def along_step(objective: Objective, rate: float, scale: Tensor | float) -> dict[str, float]:
    """How loss and gradient change on the way along the update to its end, by column.

    Lowest and highest loss on the way, its start with it; the largest norm(g(x) - g(w)); the
    largest of that over norm(x - w). For a quadratic that is norm(Hu) / norm(u) with the update u.
    Where the loss on the way is not finite, what comes of it is not.

    Source: Santurkar et al. 2018, arXiv:1805.11604, figure 4: variation of the loss, gradient
    predictiveness, "effective" beta-smoothness.

    Args:
        objective: at the snapshot, where it is put back to.
        rate: learning rate of the longest step.
        scale: of the gradient's coordinates in the update, (D,) or one for all.
    """
    loss_and_gradient = LossAndGradient(objective)
    theta = objective.flat.theta.clone()
    here, slope = loss_and_gradient(theta)
    slope = slope.double()
    update = slope * scale
    losses, changes, ratios = [here], [0.0], [0.0]
    length = float(update.norm())
    try:
        for share in np.arange(1, STEP_PLACES + 1) / STEP_PLACES:
            step = rate * float(share)
            loss, other = loss_and_gradient(theta - (step * update).to(theta))
            losses.append(loss)
            changes.append(float((other.double() - slope).norm()))
            ratios.append(changes[-1] / (step * length) if length else np.nan)
    except NotFinite:
        losses, changes, ratios = ([*values, np.nan] for values in (losses, changes, ratios))
    finally:
        objective.flat.theta.copy_(theta)
    values = np.min(losses), np.max(losses), np.max(changes), np.max(ratios)
    return dict(zip(STEP_COLUMNS, map(float, values), strict=True))


class Projection:
    """Where snapshots lie along the top eigenvector of the last one of their run.

    Source: Damian et al. 2023, arXiv:2209.15594: with gradient descent at the edge of stability
    that coordinate grows while the largest eigenvalue is above its threshold, and brings it down.
    """

    def __init__(
        self, objective: Objective, settings: StabilitySettings, snapshots: Sequence[Tensors]
    ) -> None:
        """Of all snapshots of all runs, in their order."""
        self._objective, self._settings, self._snapshots = objective, settings, snapshots
        self._lines: dict[int, tuple[Tensor, Tensor]] = {}

    def of(self, number: int) -> float:
        """The coordinate of a snapshot, 0 being that of the last; the objective stands on it."""
        ends = np.cumsum(self._settings.lengths)
        last = int(ends[np.searchsorted(ends, number, side="right")]) - 1
        if last not in self._lines:
            self._lines[last] = self._line(last)
        place, vector = self._lines[last]
        self._objective.load(self._snapshots[number])
        return float((self._objective.flat.theta.double() - place) @ vector)

    def _line(self, last: int) -> tuple[Tensor, Tensor]:
        """The place of a run's last snapshot, and the vector; its largest entry is above 0."""
        self._objective.load(self._snapshots[last])
        place = self._objective.flat.theta.double().clone()
        matrix = Curvature(self._objective, hessian)
        start = random_normal(matrix, self._settings.seed, STREAM)
        tolerance, most = self._settings.tolerance, self._settings.room
        try:
            pairs = eigenpairs(matrix, start, 1, 0, tolerance=tolerance, most_steps=most)
        except NotFinite:
            return place, torch.full_like(place, torch.nan)
        vector = pairs.vectors[0].double()
        return place, vector * vector[vector.abs().argmax()].sign()
