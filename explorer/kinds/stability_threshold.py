"""What an optimiser can stand: the sharpest curvature at which it converges, and its noise."""

import math

from explorer.kinds.require import one_of, require

OPTIMISERS = ("gradient descent", "heavy ball", "Nesterov", "Adam")


def threshold(optimiser: str, rate: float, momentum: float = 0.0) -> float:
    """The largest eigenvalue at which full-batch steps on a quadratic loss still converge.

    For Adam it is that of the preconditioned Hessian, `momentum` being its beta1.

    Source: Cohen et al. 2021, arXiv:2103.00065, equation 1 and appendix B; Adam: Cohen et al. 2022,
    arXiv:2207.14484, section 2.

    Raises:
        ValueError: no such optimiser, or a rate or momentum that it does not take.
    """
    one_of("optimiser", optimiser, OPTIMISERS)
    require(0 < rate < math.inf, "the learning rate must be above 0 and finite", rate)
    require(0 <= momentum < 1, "momentum must be at least 0 and below 1", momentum)
    if optimiser == "gradient descent":
        return 2 / rate
    own = (2 + 2 * momentum) / rate
    return own / {"heavy ball": 1, "Nesterov": 1 + 2 * momentum, "Adam": 1 - momentum}[optimiser]


def temperature(rate: float, batch: int, momentum: float = 0.0) -> float:
    """Rate / (2 batch (1 - momentum)), the scale of the noise that keeps the parameters moving.

    Source: Mandt et al. 2017, arXiv:1704.04289, section 4; Jastrzebski et al. 2018,
    arXiv:1711.04623; momentum: Smith and Le 2018, arXiv:1710.06451, section 5.
    """
    return rate / (2 * batch * (1 - momentum))
