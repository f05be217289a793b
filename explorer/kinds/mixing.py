"""Whether chains of random draws have come to one distribution."""

import numpy as np

MIXED = 1.1  # the largest R-hat of chains that are said to mix
FEWEST_DRAWS = 4  # of a chain: two in each half


def split_r_hat(chains: np.ndarray) -> float:
    """R-hat of chains of draws (C, N): 1 where they agree; NaN where it cannot be told.

    The larger of two: of the ranks, which sees means that differ, and of the ranks of the distances
    from the median, which sees spreads that differ. Each chain is cut in halves, so that one that
    still moves is seen too.

    Source: Vehtari et al. 2021, arXiv:1903.08008, equations 1 to 4 and section 4.
    """
    count = chains.shape[1] // 2
    if chains.size == 0 or chains.shape[1] < FEWEST_DRAWS or not np.isfinite(chains).all():
        return float("nan")
    halves = np.concatenate([chains[:, :count], chains[:, -count:]])
    folded = np.abs(halves - np.median(halves))
    return max(_r_hat(_normal_scores(values)) for values in (halves, folded))


def _normal_scores(values: np.ndarray) -> np.ndarray:
    """What a normal distribution has at the ranks of the values, of one shape with them."""
    from scipy.special import ndtri  # a quarter of a second that most starts need not pay

    _, place, counts = np.unique(values, return_inverse=True, return_counts=True)
    ranks = (np.cumsum(counts) - (counts - 1) / 2)[place].reshape(values.shape)  # ties: their mean
    return np.asarray(ndtri((ranks - 3 / 8) / (values.size + 1 / 4)))


def _r_hat(chains: np.ndarray) -> float:
    """Root of the variance of all draws over that within chains (C, N)."""
    count = chains.shape[1]
    within = chains.var(axis=1, ddof=1).mean()
    between = chains.mean(axis=1).var(ddof=1)
    if not within > 0:
        return float("nan")
    return float(np.sqrt((count - 1) / count + between / within))
