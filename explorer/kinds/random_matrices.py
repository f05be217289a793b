"""Spectra of random matrices to lay over a measured one, fitted to its mean and variance."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

REFERENCE_NAMES = ("Wigner semicircle", "Marchenko-Pastur", "free sum (Pennington-Bahri)")
DENSITY_NODES = 2000  # of a density
SMALLEST_SHARE = 1e-12  # of the variance, below which a part counts as none


@dataclass(frozen=True)
class Reference:
    """A density as nodes with weights, to be smoothed like a measured one, and its parameters."""

    nodes: np.ndarray  # (N,)
    weights: np.ndarray  # (N,) sum about 1
    parameters: Mapping[str, float]


def semicircle(grid: np.ndarray, mean: float, deviation: float) -> np.ndarray:
    """Density (G,) of Wigner's semicircle law; it ends at mean -+ 2 deviations.

    Source: Wigner 1958, "On the distribution of the roots of certain symmetric matrices".
    """
    inside = (4 * deviation**2 - (grid - mean) ** 2).clip(min=0)
    return np.asarray(np.sqrt(inside) / (2 * np.pi * deviation**2))


def marchenko_pastur(grid: np.ndarray, ratio: float, scale: float) -> np.ndarray:
    """Density (G,) of the eigenvalues of scale * X X' / m, X (n, m) standard normal, ratio = n / m.

    It ends at scale (1 -+ sqrt(ratio))^2; beyond ratio 1 the share 1 - 1 / ratio is 0, left out.

    Source: Marchenko and Pastur 1967.
    """
    low, high = marchenko_pastur_edges(ratio, scale)
    inside = ((grid - low) * (high - grid)).clip(min=0)
    with np.errstate(divide="ignore", invalid="ignore"):
        density = np.sqrt(inside) / (2 * np.pi * ratio * scale * grid)
    return np.where((grid > low) & (grid < high) & (grid > 0), density, 0.0)


def marchenko_pastur_edges(ratio: float, scale: float) -> tuple[float, float]:
    """Smallest and largest eigenvalue but 0."""
    root = np.sqrt(ratio)
    return float(scale * (1 - root) ** 2), float(scale * (1 + root) ** 2)


def free_sum(grid: np.ndarray, ratio: float, scale: float, deviation: float) -> np.ndarray:
    """Density (G,) of a Marchenko-Pastur matrix plus a free semicircle about 0.

    The R-transforms add: scale / (1 - ratio scale G) + deviation^2 G + 1 / G = z for the Stieltjes
    transform G, a cubic; its complex root is the density times pi.

    Source: Pennington and Bahri 2017, "Geometry of neural network loss surfaces via random matrix
    theory", section 3; Voiculescu 1986 for the sum of R-transforms.
    """
    slope, square = ratio * scale, deviation**2
    companion = np.zeros((len(grid), 3, 3))
    companion[:, 1, 0] = companion[:, 2, 1] = 1
    monic = np.stack([np.ones_like(grid), scale - slope - grid, square + slope * grid])
    companion[:, :, 2] = (monic / (slope * square)).T
    return np.asarray(np.abs(np.linalg.eigvals(companion).imag).max(axis=1) / np.pi)


def references(mean: float, variance: float, ratio: float) -> dict[str, Reference]:
    """The three densities, each with the parameters that fit; those that cannot be are missing.

    The semicircle has the mean and the variance. The others take the ratio as given: Marchenko
    and Pastur's has the mean alone, and needs one above 0; the sum has the mean from its first
    part, and from its second the variance that the first leaves, if it leaves any.

    Args:
        mean: of the measured eigenvalues.
        variance: of them.
        ratio: phi, parameters over examples times outputs.
    """
    if not (np.isfinite([mean, variance, ratio]).all() and variance > 0 and ratio > 0):
        return {}
    deviation = float(np.sqrt(variance))
    grid = _between(mean - 2 * deviation, mean + 2 * deviation)
    parameters = {"mean": mean, "standard deviation": deviation}
    reference_densities = {
        REFERENCE_NAMES[0]: _reference(grid, semicircle(grid, mean, deviation), parameters)
    }
    if mean <= 0:
        return reference_densities
    low, high = marchenko_pastur_edges(ratio, mean)
    grid = _between(low, high)
    parameters = {"phi": ratio, "scale": mean}
    zeros = max(0.0, 1 - 1 / ratio)
    plain = _reference(grid, marchenko_pastur(grid, ratio, mean), parameters)
    weights = np.append(plain.weights / plain.weights.sum() * (1 - zeros), zeros)
    reference_densities[REFERENCE_NAMES[1]] = Reference(
        np.append(plain.nodes, 0.0), weights, parameters
    )
    rest = variance - ratio * mean**2
    if rest > SMALLEST_SHARE * variance:
        width = float(np.sqrt(rest))
        grid = _between(min(low, 0.0) - 2 * width, high + 2 * width)
        parameters = {"phi": ratio, "scale": mean, "semicircle's standard deviation": width}
        reference_densities[REFERENCE_NAMES[2]] = _reference(
            grid, free_sum(grid, ratio, mean, width), parameters
        )
    return reference_densities


def _between(low: float, high: float) -> np.ndarray:
    """Middles of even steps: a density's ends, where it may be infinite, are none of them."""
    step = (high - low) / DENSITY_NODES
    return np.linspace(low + step / 2, high - step / 2, DENSITY_NODES)


def _reference(grid: np.ndarray, density: np.ndarray, parameters: Mapping[str, float]) -> Reference:
    return Reference(grid, density * (grid[1] - grid[0]), parameters)
