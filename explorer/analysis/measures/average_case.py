"""Measures by random perturbations: mean rises, the worst drawn, the noise borne, bounds."""

import math
from collections.abc import Callable

import numpy as np
import torch
from scipy.optimize import brentq
from torch import Tensor

from explorer.analysis.measures.point_measures import (
    MeasuredPoint,
    MeasureValue,
    NotApplicable,
    accuracy_of,
)
from explorer.kinds.estimates import Estimate
from explorer.kinds.statistics import student_quantile

LEAST, MOST = 1e-6, 100.0  # sigma that is looked for
HALVINGS = 16  # of the logarithmic range: sigma to 0.03 %
NUDGE = 1.1  # factor of sigma by which the slope of the accuracy is measured
PRIORS = 10  # of the prior's sigma, within a factor e


def average(point: MeasuredPoint) -> MeasureValue:
    """Mean of L(w + d) - L(w) over d from N(0, rho^2).

    Source: Andriushchenko et al. 2023, arXiv:2302.07011.
    """
    return _mean_rise(point, torch.ones_like(point.theta))


def adaptive_average(point: MeasuredPoint) -> MeasureValue:
    """The same over d from N(0, rho^2 w^2)."""
    return _mean_rise(point, point.theta.abs())


def _mean_rise(point: MeasuredPoint, scale: Tensor) -> MeasureValue:
    rho = point.settings.noise
    pairs = [
        _rises(point, rho * scale * point.normal("noise", number)).mean()
        for number in range(point.settings.draws)
    ]
    return MeasureValue.mean_of(np.array(pairs))


def _rises(point: MeasuredPoint, step: Tensor) -> np.ndarray:
    """L(w + d) - L(w) and L(w - d) - L(w): what is odd in d cancels in their mean."""
    places = (point.theta + step, point.theta - step)
    return np.array([point.means_at(place)["loss"] for place in places]) - point.loss


def _ball(point: MeasuredPoint, number: int) -> Tensor:
    """A uniform draw from the ball, (D,)."""
    normal = point.normal("ball", number)
    share = point.rng("ball", number, 1).uniform() ** (1 / point.size)
    return normal * (point.settings.radius * share / float(normal.double().norm()))


def ball_worst(point: MeasuredPoint) -> MeasureValue:
    """The largest rise among uniform draws from the ball and their opposites."""
    best, worst = -math.inf, torch.zeros_like(point.theta)
    for number in range(point.settings.draws):
        step = _ball(point, number)
        for sign, rise in zip((1, -1), _rises(point, step), strict=True):
            if rise > best:
                best, worst = float(rise), sign * step
    return MeasureValue.at_least(best, worst)


def ball_average(point: MeasuredPoint) -> MeasureValue:
    """Mean rise over the ball."""
    draws = range(point.settings.draws)
    return MeasureValue.mean_of(np.array([_rises(point, _ball(point, n)).mean() for n in draws]))


def pac_bayes(point: MeasuredPoint) -> MeasureValue:
    """1 / sigma^2 of the largest sigma whose noise costs at most `drop` of the accuracy.

    Source: Jiang et al. 2020, arXiv:1912.02178.
    """
    return _inverse_square(*largest_sigma(point, scaled=False))


def pac_bayes_magnitude(point: MeasuredPoint) -> MeasureValue:
    """The same for noise sigma abs(w_i).

    Source: Dziugaite et al. 2020, arXiv:2010.11924.
    """
    return _inverse_square(*largest_sigma(point, scaled=True))


def _inverse_square(best: float, low: float, high: float) -> MeasureValue:
    return MeasureValue(best**-2, high**-2, low**-2 if low else math.inf)


def largest_sigma(point: MeasuredPoint, scaled: bool) -> tuple[float, float, float]:
    """The largest sigma, and the ends of its interval over draws; of noise scaled by abs(w) or not.

    The same draws serve all sigmas, so that the mean accuracy changes with sigma alone; bisection
    of the logarithm finds where it has fallen by `drop`. The interval is that of the mean there,
    over the slope of the accuracy.

    Raises:
        NotApplicable: there is no accuracy, or it does not fall that far.
    """
    drops = _drops(point, scaled)
    wanted = point.settings.drop
    low, high = math.log(LEAST), math.log(MOST)
    if not np.mean(drops(MOST)) > wanted:
        raise NotApplicable("The accuracy does not fall")
    for _ in range(HALVINGS):
        middle = (low + high) / 2
        if np.mean(drops(math.exp(middle))) > wanted:
            high = middle
        else:
            low = middle
    best = math.exp(low)
    here, more = drops(best), drops(best * NUDGE)
    less = drops(best / NUDGE)
    slope = (np.mean(more) - np.mean(less)) / (2 * math.log(NUDGE))
    reach = student_quantile(len(here) - 1) * np.std(here, ddof=1) / math.sqrt(len(here))
    wide = math.exp(min(reach / slope, 50.0)) if slope > 0 else math.inf
    return best, best / wide, best * wide


def _drops(point: MeasuredPoint, scaled: bool) -> Callable[[float], np.ndarray]:
    """A function from sigma to the accuracy lost in each draw, (draws,); it remembers."""
    name = accuracy_of(point.objective)
    if name is None:
        raise NotApplicable("It is about the 0-1 loss")
    scale = point.theta.abs() if scaled else torch.ones_like(point.theta)
    drops_by_sigma: dict[float, np.ndarray] = point.drops[scaled]

    def drops(sigma: float) -> np.ndarray:
        if sigma in drops_by_sigma:
            return drops_by_sigma[sigma]
        accuracies = [
            point.means_at(point.theta + sigma * scale * point.normal("sigma", n))[name]
            for n in range(point.settings.draws)
        ]
        drops_by_sigma[sigma] = point.means[name] - np.array(accuracies)
        return drops_by_sigma[sigma]

    return drops


def bound_mcallester(point: MeasuredPoint) -> MeasureValue:
    """E + sqrt((KL + ln(2 sqrt(m) / delta)) / 2m) of the 0-1 loss under the PAC-Bayes noise.

    Source: McAllester 1999; Maurer 2004, arXiv:cs/0411099.
    """
    return _bound(point, mcallester)


def bound_dziugaite(point: MeasuredPoint) -> MeasureValue:
    """The largest q with kl(E, q) <= (KL + ln(m / delta)) / (m - 1).

    Source: Dziugaite and Roy 2017, arXiv:1703.11008; Langford and Seeger 2001.
    """
    return _bound(point, dziugaite)


def _bound(
    point: MeasuredPoint, bound: Callable[[float, float, int, float], float]
) -> MeasureValue:
    """A bound at the mean error of the draws, and at the ends of its interval.

    Both Gaussians have the variance of the largest prior on a grid, fixed beforehand, that is not
    above the PAC-Bayes sigma; a share of delta is spent on the choice, so that the bound holds
    although sigma was chosen by the data (as in Dziugaite and Roy 2017).
    """
    if point.start is None:
        raise NotApplicable("No initial parameters")
    width, share = prior_width(largest_sigma(point, scaled=False)[0])
    distance = float((point.theta.double() - point.start.double()).square().sum())
    divergence = distance / (2 * width**2)
    name = accuracy_of(point.objective)
    assert name is not None  # sigma has looked
    errors = Estimate.of(1 - point.means[name] + _drops(point, scaled=False)(width))
    count, delta = point.objective.examples, point.settings.delta * share
    value, low, high = (
        bound(min(max(error, 0.0), 1.0), divergence, count, delta)
        for error in (errors.value, errors.low, errors.high)
    )
    return MeasureValue(value, low, high)


def prior_width(largest: float) -> tuple[float, float]:
    """The sigma of the prior, 100 exp(-j / 10), and the share 6 / (pi j)^2 of delta it has."""
    place = max(1, math.ceil(PRIORS * math.log(MOST / largest) - 1e-9))
    return MOST * math.exp(-place / PRIORS), 6 / (math.pi * place) ** 2


def mcallester(error: float, divergence: float, count: int, delta: float) -> float:
    """The bound of the mean error, at most 1, from KL, the number of examples and delta."""
    allowance = (divergence + math.log(2 * math.sqrt(count) / delta)) / (2 * count)
    return min(1.0, error + math.sqrt(allowance))


def dziugaite(error: float, divergence: float, count: int, delta: float) -> float:
    """The bound by the inverse of the binary relative entropy."""
    return inverse_entropy(error, (divergence + math.log(count / delta)) / (count - 1))


def inverse_entropy(error: float, allowance: float) -> float:
    """The largest q <= 1 with kl(error, q) <= allowance."""
    if error >= 1:
        return 1.0

    def excess(q: float) -> float:
        first = error * math.log(error / q) if error else 0.0
        return first + (1 - error) * math.log((1 - error) / (1 - q)) - allowance

    top = 1 - 1e-15
    if excess(top) <= 0:
        return 1.0
    return float(brentq(excess, max(error, 1e-300), top, xtol=1e-14))
