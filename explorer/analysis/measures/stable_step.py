"""Critical sharpness: the curvature that a step along an update feels, by losses alone."""

import math
from collections.abc import Callable

import torch
from torch import Tensor

from explorer.analysis.measures.point_measures import (
    LossAndGradient,
    MeasuredPoint,
    MeasureValue,
    NotApplicable,
)

ROUNDINGS = 1e3  # units in the last place of the loss by which the first step lowers it
DOUBLINGS = 200  # of the step: 60 decades
PRECISION = 1e-4  # relative, of the step at which the loss is as it was


def critical_sharpness(point: MeasuredPoint) -> MeasureValue:
    """That along plain gradient descent's update; see `critical_sharpness_along`."""
    return critical_sharpness_along(point.loss_and_gradient, point.theta, 1.0)


def critical_sharpness_along(
    loss_and_gradient: LossAndGradient, theta: Tensor, scale: Tensor | float
) -> MeasureValue:
    """2 / eta_c with eta_c the least step found at which L(w - eta u) is above L(w).

    The step is doubled until the loss is above, then halved between; the interval is where eta_c
    was enclosed. For a quadratic it is u'Hu / g'u; of u = g that is sum(c_i^2 lambda_i) /
    sum(c_i^2), c_i the gradient's share of eigenvector i: at most lambda_max.

    Source: Kalra et al. 2026, arXiv:2601.16979.

    Args:
        loss_and_gradient: of the objective.
        theta: where, (D,).
        scale: of the gradient's coordinates in the update u = scale g, (D,) or one for all.

    Raises:
        NotApplicable: the gradient is zero, or the loss is nowhere above.
    """
    here, slope = loss_and_gradient(theta)
    update = (scale * slope.double()).to(slope)
    fall = float(slope.double() @ update.double())  # of the loss per step, at first
    if not fall:
        raise NotApplicable("The gradient is zero")
    base = loss_and_gradient.loss(theta)

    def is_above(step: float) -> bool:
        loss = loss_and_gradient.loss(theta - step * update)
        return not loss <= base  # also where it is no number

    numbers = torch.finfo(slope.dtype)
    low, high = _enclosed(is_above, ROUNDINGS * numbers.eps * max(abs(here), numbers.tiny) / fall)
    if not low:  # even the shortest step that rounding allows goes up
        return MeasureValue.at_least(2 / high)
    return MeasureValue(2 / math.sqrt(low * high), 2 / high, 2 / low)


def _enclosed(is_above: Callable[[float], bool], first: float) -> tuple[float, float]:
    """Steps below and above that from which on the loss is above; 0 where the first one is.

    Raises:
        NotApplicable: no step is.
    """
    low, high = 0.0, first
    for _ in range(DOUBLINGS):
        if is_above(high):
            break
        low, high = high, 2 * high
    else:
        raise NotApplicable("The loss does not rise")
    while low and high / low > 1 + PRECISION:
        middle = math.sqrt(low * high)
        low, high = (low, middle) if is_above(middle) else (middle, high)
    return low, high
