"""How far the mean of a sample of losses may be from the mean that it stands for."""

from collections.abc import Mapping

import numpy as np

CONFIDENCE_LEVEL = 0.95
CAVEAT = (
    "It holds for data that the model was not trained on; on more data like its training data the "
    "loss is higher."
)

Numbers = np.ndarray | float
Interval = tuple[np.ndarray, np.ndarray]  # lower and upper ends


def student_quantile(degrees: int) -> np.float64:
    """How many standard errors an interval reaches to either side, by Student's t."""
    from scipy.special import stdtrit  # a quarter of a second that most starts need not pay

    return np.float64(stdtrit(degrees, (1 + CONFIDENCE_LEVEL) / 2))


def interval(
    mean: Numbers,
    error: Numbers,
    count: int,
    available: int | None = None,
    skewness: Numbers = 0.0,
) -> Interval:
    """The 95 % interval around each mean of a sample.

    With Student's t alone the interval for the mean loss of a trained classifier is too short,
    above all at its upper end: most losses are near 0 and few are large. So t goes through the
    cubic that takes the skewness of the studentised mean away. With a skewness of the order of
    sqrt(count) that is steep: from one point to the next the upper end may change abruptly.

    Of `count` random examples out of N, with f = count / N, the studentised mean has the
    distribution function Phi(x) + phi(x) g ((2 - f) x^2 + 1 - 2f) / (6 sqrt(count (1 - f))).

    Source: Cochran 1977, Sampling Techniques, sections 2.5 to 2.8 (t with count - 1 degrees of
    freedom; the factor sqrt(1 - f)); Hall 1992, J. R. Statist. Soc. B 54, 221 (the cubic); Sugden,
    Smith & Jones 2000, J. R. Statist. Soc. B 62, 787 (the expansion for a finite population).

    Args:
        mean: of the sample.
        error: its standard error s / sqrt(count), as if the population were infinite.
        count: examples in the sample, at least 2.
        available: N, where the interval is for the mean of exactly those; None for all others like
            them.
        skewness: g, the third central moment over the second to the power 3/2; where it is NaN, as
            it is for equal losses, it counts as 0.
    """
    rest = 1 - count / available if available else 1.0
    if rest <= 0:  # every example was seen
        return np.asarray(mean, dtype=float), np.asarray(mean, dtype=float)
    quantile = student_quantile(count - 1)
    bent = np.nan_to_num(skewness) / (6 * np.sqrt(count * rest))
    square, constant = (1 + rest) * bent, (2 * rest - 1) * bent

    def studentised(value: float) -> np.ndarray:
        # The inverse of x + a x^2 + a^2 x^3 / 3 + b, in a form that has no 0 / 0 at a = 0.
        beyond = value - constant
        root = np.cbrt(1 + 3 * square * beyond)
        return np.asarray(3 * beyond / (1 + root + root**2))

    scale = np.asarray(error) * np.sqrt(rest)
    return mean - scale * studentised(quantile), mean - scale * studentised(-quantile)


def loss_interval(
    values: Mapping[str, np.ndarray | float | None], examples: int, available: int | None
) -> Interval | None:
    """The interval around each mean loss of an answer; None where it has no standard error."""
    if "loss_se" not in values or examples < 2:
        return None
    mean, error, skewness = (
        np.asarray(values.get(name, 0.0), dtype=np.float64)
        for name in ("loss", "loss_se", "loss_skewness")
    )
    return interval(mean, error, examples, available, skewness)


def interval_words(count: int, available: int | None) -> str:
    """What the interval is for."""
    if available:
        return f"95 % interval for the loss on all {available:,} examples, from {count:,} of them"
    return f"95 % interval for the loss on unseen data of the same kind ({count:,} examples)"
