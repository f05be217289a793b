"""A mean over random probes, with its interval."""

from dataclasses import dataclass

import numpy as np

from explorer.kinds.statistics import student_quantile


@dataclass(frozen=True)
class Estimate:
    """A mean over probes with its 95 % interval; exact where the ends are equal."""

    value: float
    low: float
    high: float
    probes: int

    @classmethod
    def of(cls, values: np.ndarray) -> "Estimate":
        """Mean +- t sd / sqrt(m) of values (m,); an unbounded interval for a single one."""
        count, mean = len(values), float(np.mean(values))
        if count < 2:
            return cls(mean, -np.inf, np.inf, count)
        reach = student_quantile(count - 1) * np.std(values, ddof=1) / np.sqrt(count)
        return cls(mean, float(mean - reach), float(mean + reach), count)
