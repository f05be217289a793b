"""Spectra of random matrices to lay over a measured one, fitted to its mean and variance."""

from dataclasses import dataclass

import numpy as np

SMALLEST = 1e-12  # of the variance, below which a part counts as none


@dataclass(frozen=True)
class Reference:
    """A density with the parameters that it was fitted by."""

    name: str
    density: np.ndarray  # (G,) without an atom at 0
    parameters: dict[str, float]
    atom: float = 0.0  # share of eigenvalues that are exactly 0


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
        found = np.sqrt(inside) / (2 * np.pi * ratio * scale * grid)
    return np.where((grid > low) & (grid < high) & (grid > 0), found, 0.0)


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
    heights = np.empty(len(grid))
    for place, z in enumerate(grid.tolist()):
        roots = np.roots([-slope * square, square + slope * z, scale - slope - z, 1.0])
        heights[place] = np.abs(roots.imag).max() / np.pi
    return heights


def references(
    grid: np.ndarray, mean: float, variance: float, ratio: float
) -> dict[str, Reference]:
    """The three densities on a grid (G,), each with the parameters that fit; one may be missing.

    The semicircle has the mean and the variance. The others take the ratio as given: Marchenko
    and Pastur's has the mean alone, and needs one above 0; the sum has the mean from its first
    part, and from its second the variance that the first leaves, if it leaves any.

    Args:
        grid: eigenvalues.
        mean: of the measured eigenvalues.
        variance: of them.
        ratio: phi, parameters over examples times outputs.
    """
    if not (np.isfinite([mean, variance, ratio]).all() and variance > 0 and ratio > 0):
        return {}
    found = {}
    deviation = float(np.sqrt(variance))
    name = "Wigner semicircle"
    found[name] = Reference(
        name,
        semicircle(grid, mean, deviation),
        {"mean": mean, "standard deviation": deviation},
    )
    if mean <= 0:
        return found
    atom = max(0.0, 1 - 1 / ratio)
    name = "Marchenko-Pastur"
    density = marchenko_pastur(grid, ratio, mean)
    found[name] = Reference(name, density, {"phi": ratio, "scale": mean}, atom)
    rest = variance - ratio * mean**2
    if rest > SMALLEST * variance:
        name = "free sum (Pennington-Bahri)"
        width = float(np.sqrt(rest))
        density = free_sum(grid, ratio, mean, width)
        found[name] = Reference(
            name, density, {"phi": ratio, "scale": mean, "semicircle deviation": width}
        )
    return found
