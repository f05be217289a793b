"""Sums and densities of eigenvalues, from all of them or from random probes."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from explorer.kinds.estimates import Estimate

SAME_EIGENVALUE = 1e-4  # of the largest absolute eigenvalue: two values so near are the same

Function = Callable[[np.ndarray], np.ndarray]
Probe = tuple[np.ndarray, np.ndarray]  # nodes (m,) and their weights (m,), which sum to 1


@dataclass(frozen=True)
class Quadrature:
    """What probes tell of a matrix; where all its eigenvalues are known, these are the one probe.

    Source: Ubaru, Chen and Saad 2017: stochastic Lanczos quadrature.
    """

    size: int  # rows of the matrix
    probes: Sequence[Probe]
    exact: bool = False

    def mean_of(self, function: Function) -> Estimate | None:
        """Mean of a function of the eigenvalues; None before there is any probe."""
        probe_means = np.array([float(weights @ function(nodes)) for nodes, weights in self.probes])
        if self.exact:
            return Estimate(probe_means[0], probe_means[0], probe_means[0], 0)
        return Estimate.of(probe_means) if len(probe_means) else None

    def sum_of(self, function: Function) -> Estimate | None:
        """Sum of a function of the eigenvalues."""
        mean, n = self.mean_of(function), self.size
        if mean is None:
            return None
        return Estimate(mean.value * n, mean.low * n, mean.high * n, mean.probes)

    @property
    def squared_norm(self) -> Estimate | None:
        """Sum of the squared eigenvalues: the squared Frobenius norm."""
        return self.sum_of(np.square)

    def effective_dimension(self, z: float) -> Estimate | None:
        """Sum of lambda+ / (lambda+ + z).

        Source: Maddox, Benton and Wilson 2020, arXiv:2003.02139; MacKay 1992.
        """
        return self.sum_of(lambda nodes: nodes.clip(min=0) / (nodes.clip(min=0) + z))

    def log_determinant(self, z: float) -> Estimate | None:
        """Log of the determinant of the positive part plus z."""
        return self.sum_of(lambda nodes: np.log(nodes.clip(min=0) + z))

    def density(
        self, grid: np.ndarray, width: float
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray] | None:
        """The density of eigenvalues at values (G,): its mean over probes, and mean -+ their sd.

        Each node is a Gaussian of standard deviation `width`; the densities integrate to 1.
        """
        if not self.probes:
            return None
        each = np.stack(
            [smoothed_density(grid, nodes, weights, width) for nodes, weights in self.probes]
        )
        spread = each.std(axis=0, ddof=1) if len(each) > 1 else np.zeros(len(grid))
        mean = each.mean(axis=0)
        return mean, (mean - spread).clip(min=0), mean + spread


def correct_probes(
    probes: Sequence[Probe], values: np.ndarray, residuals: np.ndarray, size: int
) -> list[Probe]:
    """Probes with what is known for sure put in for what chance gave.

    A node that is an eigenvalue found apart weighs (q'v)^2 / n, of mean 1 / n; where every
    probe has found that eigenvalue, it gets this weight, and the other nodes share what is left
    of 1. The sum over a probe keeps its mean and loses the largest, most skewed part of its
    variance.

    Args:
        probes: of a matrix of `size` rows.
        values: eigenvalues found apart, (k,).
        residuals: theirs, (k,).
        size: rows of the matrix.

    Source: deflation as in Meyer, Musco, Musco and Woodruff 2021, arXiv:2010.09649, here by
    the Ritz vectors that the quadrature holds anyway.
    """
    scale = np.abs(values).max() if len(values) else 0.0
    corrected_probes = [
        (nodes, weights.copy(), np.zeros(len(nodes), bool)) for nodes, weights in probes
    ]
    for value, residual in zip(values, residuals, strict=True):
        reach = max(residual, SAME_EIGENVALUE * scale)
        if (np.abs(values - value) < 2 * reach).sum() > 1:  # two that nobody has told apart
            continue
        near = [np.flatnonzero(np.abs(nodes - value) <= reach) for nodes, _ in probes]
        if all(len(places) == 1 for places in near):
            for (_, weights, exact_mask), places in zip(corrected_probes, near, strict=True):
                weights[places] = 1 / size
                exact_mask[places] = True
    for _, weights, exact_mask in corrected_probes:
        rest = weights[~exact_mask].sum()
        if rest:
            weights[~exact_mask] *= (1 - exact_mask.sum() / size) / rest
    return [(nodes, weights) for nodes, weights, _ in corrected_probes]


def smoothed_density(
    grid: np.ndarray, nodes: np.ndarray, weights: np.ndarray, width: float
) -> np.ndarray:
    """Sum of weighted Gaussians at the nodes, (G,)."""
    far = (grid[:, None] - nodes[None, :]) / width
    return np.asarray(np.exp(-(far**2) / 2) @ weights / (width * np.sqrt(2 * np.pi)))


def density_grid(low: float, high: float, width: float, count: int = 1000) -> np.ndarray:
    """Values (G,) that reach five widths past both ends, where a smoothed density has ended."""
    return np.linspace(low - 5 * width, high + 5 * width, count)
