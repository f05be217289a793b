"""The gradient-noise scale: one formula for every page that shows it."""

import numpy as np

Numbers = np.ndarray | float


def noise_scale(trace: Numbers, squared_norm: Numbers, examples: float) -> np.ndarray:
    """tr(Sigma) / norm(g)^2: examples at which noise and gradient are of one size.

    The N examples are taken as a sample, so that Sigma divides by N - 1, which makes its trace
    unbiased; with one example alone it is NaN.

    Source: McCandlish et al. 2018, arXiv:1812.06162, equation 2.9; the estimate of tr(Sigma) is
    that of their appendix A.1 for a small batch of one example and a big one of all N.

    Args:
        trace: of the covariance of the examples' gradients over N, not N - 1.
        squared_norm: of the mean gradient.
        examples: N; NaN where it is not known.
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        unbiased = np.asarray(trace) * (examples / np.float64(examples - 1))
        return np.asarray(unbiased / squared_norm)
