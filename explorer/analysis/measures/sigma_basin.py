"""The sigma-basin: how much noise most directions bear before the accuracy falls."""

import math

import numpy as np
from scipy.stats import beta

from explorer.analysis.measures.average_case import HALVINGS, LEAST, MOST
from explorer.analysis.measures.point_measures import (
    MeasuredPoint,
    MeasureValue,
    NotApplicable,
    accuracy_of,
)

CONFIDENCE = 0.95
MOST_CASES = 0.5  # the share of the draws that must bear the noise


def sigma_basin(point: MeasuredPoint) -> MeasureValue:
    """The largest sigma at which noise N(0, sigma^2) costs at most `drop` in most of the draws.

    Each draw z has a sigma up to which w + sigma z keeps the accuracy, found by halving as if it
    fell once. The value is the largest sigma that half of them bear. The ends are the largest
    sigmas at which the Clopper-Pearson interval of the share that bears it reaches one half with
    its lower, and with its upper end: 0 and Inf where draws are too few to tell, below 6.

    Source: Chen et al. 2025, arXiv:2505.17646, most-case basin; which share and which drop are
    ours. Clopper and Pearson 1934.

    Raises:
        NotApplicable: there is no accuracy, or most draws bear any noise.
    """
    name = accuracy_of(point.objective)
    if name is None:
        raise NotApplicable("It is about the 0-1 loss")
    draws = point.settings.draws
    borne = np.sort([largest_borne(point, name, number) for number in range(draws)])[::-1]
    lows, highs = clopper_pearson(np.arange(draws + 1), draws)  # of 0 draws that bear it, 1, ...
    # places of the last draw that has to bear it: the more must, the smaller sigma is
    value = borne[math.ceil(MOST_CASES * draws) - 1]
    if math.isinf(value):
        raise NotApplicable("The accuracy does not fall")
    sigmas = np.append(math.inf, borne)  # up to which 0 draws bear it, 1, ...
    surely = sigmas[lows >= MOST_CASES]
    low = float(surely[0]) if len(surely) else 0.0
    return MeasureValue(float(value), low, float(sigmas[highs >= MOST_CASES][0]))


def largest_borne(point: MeasuredPoint, name: str, number: int) -> float:
    """The sigma at which one draw's noise costs more than `drop`; Inf where none up to 100 does.

    Args:
        point: that the noise is added to.
        name: of the accuracy.
        number: of the draw.
    """
    noise = point.normal("basin", number)
    least = point.means[name] - point.settings.drop

    def is_borne(sigma: float) -> bool:
        return point.means_at(point.theta + sigma * noise)[name] >= least

    if is_borne(MOST):
        return math.inf
    low, high = math.log(LEAST), math.log(MOST)
    for _ in range(HALVINGS):
        middle = (low + high) / 2
        low, high = (middle, high) if is_borne(math.exp(middle)) else (low, middle)
    return math.exp(low)


def clopper_pearson(successes: np.ndarray, trials: int) -> tuple[np.ndarray, np.ndarray]:
    """The ends of the 95 % interval of a probability, (n,) each.

    Source: Clopper and Pearson 1934, Biometrika 26(4), by quantiles of the beta distribution.

    Args:
        successes: (n,) of so many trials.
        trials: how many.
    """
    tail = (1 - CONFIDENCE) / 2
    failures = trials - successes
    with np.errstate(invalid="ignore"):
        low = np.where(successes > 0, beta.ppf(tail, successes, failures + 1), 0.0)
        high = np.where(failures > 0, beta.ppf(1 - tail, successes + 1, failures), 1.0)
    return low, high
