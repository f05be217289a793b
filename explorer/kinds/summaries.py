"""A sample as one: its middle, and how far it spreads around it."""

import math

import numpy as np

from explorer.kinds.statistics import student_quantile

SUMMARIES = {
    "95 % interval": "the mean, with Student's 95 % interval of it, for values that are normal",
    "standard error": "the mean, plus and minus its standard error",
    "standard deviation": "the mean, plus and minus the standard deviation",
    "mean and range": "the mean, from the least to the largest",
    "median and range": "the median, from the least to the largest",
}


def summary_of(values: np.ndarray, summary: str) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Middle, lower and upper end (X,) of values (n, X); the ends of a single one are NaN.

    The standard deviation is the sample's (n - 1 degrees of freedom).

    Args:
        values: n samples of X numbers.
        summary: one of `SUMMARIES`.
    """
    nowhere = np.full(values.shape[1], np.nan)
    middle = np.asarray(np.median(values, axis=0) if "median" in summary else values.mean(axis=0))
    if len(values) < 2:
        return middle, nowhere, nowhere
    if "range" in summary:
        return middle, values.min(axis=0), values.max(axis=0)
    reach = values.std(axis=0, ddof=1)
    if summary != "standard deviation":
        reach = reach / math.sqrt(len(values))
    if summary == "95 % interval":
        reach = reach * student_quantile(len(values) - 1)
    return middle, middle - reach, middle + reach
