"""Measures by random perturbations of one length: the worst drawn, and the mean."""

import numpy as np
from torch import Tensor

from explorer.analysis.measures.point_measures import MeasuredPoint, MeasureValue


def sphere_worst(point: MeasuredPoint) -> MeasureValue:
    """The largest L(w + d) - L(w) among random d of one length.

    Of a quadratic at its minimum it is at most sphere^2 lambda_max / 2, and in many dimensions far
    below: a random direction has little of the top eigenvector.
    """
    rises = _rises(point)
    worst = int(np.argmax(rises))
    return MeasureValue.at_least(float(rises[worst]), _step(point, worst))


def sphere_average(point: MeasuredPoint) -> MeasureValue:
    """The mean of the same draws; of a quadratic at its minimum sphere^2 tr(H) / 2D."""
    return MeasureValue.mean_of(_rises(point))


def _rises(point: MeasuredPoint) -> np.ndarray:
    """The rise of each draw, (draws,); both measures are of the same."""
    if point.sphere_rises is None:
        losses = [
            point.means_at(point.theta + _step(point, number))["loss"]
            for number in range(point.settings.sphere_draws)
        ]
        point.sphere_rises = np.array(losses) - point.loss
    return point.sphere_rises


def _step(point: MeasuredPoint, number: int) -> Tensor:
    """A uniform draw from the sphere, (D,)."""
    normal = point.normal("sphere", number)
    return normal * (point.settings.sphere / float(normal.double().norm()))
