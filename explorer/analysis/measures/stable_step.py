"""Critical sharpness: the curvature that a step along the gradient feels, by losses alone."""

import math

import numpy as np

from explorer.analysis.measures.point_measures import MeasuredPoint, MeasureValue, NotApplicable

ROUNDINGS = 1e3  # units in the last place of the loss by which the first step lowers it
DOUBLINGS = 200  # of the step: 60 decades
PRECISION = 1e-4  # relative, of the step at which the loss is as it was


def critical_sharpness(point: MeasuredPoint) -> MeasureValue:
    """2 / eta_c with eta_c the least step found at which L(w - eta g) is above L(w).

    The step is doubled until the loss is above, then halved between; the interval is where eta_c
    was enclosed. For a quadratic it is g'Hg / g'g = sum(c_i^2 lambda_i) / sum(c_i^2), c_i the
    gradient's share of eigenvector i: at most lambda_max.

    Source: Kalra et al. 2026, arXiv:2601.16979; here along plain gradient descent's update.

    Raises:
        NotApplicable: the gradient is zero, or the loss is nowhere above.
    """
    slope = point.loss_and_gradient(point.theta)[1]
    square = float(slope.double().square().sum())
    if not square:
        raise NotApplicable("The gradient is zero")
    here = point.loss_and_gradient.loss(point.theta)

    def is_above(step: float) -> bool:
        loss = point.loss_and_gradient.loss(point.theta - step * slope)
        return not loss <= here  # also where it is no number

    epsilon = float(np.finfo(str(slope.dtype).removeprefix("torch.")).eps)
    high = ROUNDINGS * epsilon * max(abs(here), np.finfo(float).tiny) / square
    low = 0.0
    for _ in range(DOUBLINGS):
        if is_above(high):
            break
        low, high = high, 2 * high
    else:
        raise NotApplicable("The loss does not rise")
    while low and high / low > 1 + PRECISION:
        middle = math.sqrt(low * high)
        low, high = (low, middle) if is_above(middle) else (middle, high)
    if not low:  # even the shortest step that rounding allows goes up
        return MeasureValue.at_least(2 / high)
    return MeasureValue(2 / math.sqrt(low * high), 2 / high, 2 / low)
