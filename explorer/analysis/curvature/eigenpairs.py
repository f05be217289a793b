"""Extreme eigenpairs of a matrix that is known by its products, with true residuals."""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from explorer.analysis.curvature.lanczos import Lanczos
from explorer.analysis.curvature.products import Product
from explorer.kinds.progress import UnitProgress


@dataclass(frozen=True)
class Pairs:
    """Extreme eigenpairs, the largest first; each |value - an eigenvalue| <= its residual."""

    values: np.ndarray  # (k,)
    residuals: np.ndarray  # (k,) norm(H v - value v), by a product of its own
    vectors: Tensor  # (k, D) unit vectors
    steps: int  # of Lanczos
    converged: bool  # whether every residual is within the tolerance
    ended: bool  # whether the space ended early: the matrix has few different eigenvalues
    scale: float  # largest absolute value seen, an estimate of the matrix's norm


def eigenpairs(
    product: Product,
    start: Tensor,
    top: int,
    bottom: int = 0,
    *,
    tolerance: float = 1e-3,
    most_steps: int = 300,
    least: int = 0,
    unit: UnitProgress | None = None,
) -> Pairs:
    """The largest and the smallest (algebraically) eigenvalues.

    Steps are taken until each wanted pair's residual, which the recurrence bounds, is within
    `tolerance` times the largest absolute eigenvalue; then it is measured by a product.

    Args:
        product: the matrix.
        start: (D,) random; a known approximate eigenvector makes the search shorter.
        top: how many of the largest.
        bottom: how many of the smallest.
        tolerance: relative to the largest absolute eigenvalue.
        most_steps: steps at most; as many vectors are held.
        least: steps before which nothing counts as found: a start near an eigenvector that is not
            extreme would hide the one that is.
        unit: of work, which keeps the steps, to go on from after a kill.

    Raises:
        ValueError: more pairs are wanted than the matrix has, or none.
        NotFinite: a product is not finite.
    """
    wanted = top + bottom
    if not 0 < wanted <= product.size:
        raise ValueError(
            f"the number of eigenpairs must be from 1 to {product.size:,}, the number of "
            f"parameters, got {wanted:,}"
        )
    lanczos = Lanczos(product, start, max(most_steps, wanted), unit)
    while True:
        if lanczos.steps >= max(wanted, least) or lanczos.is_over:
            pairs = _accepted_pairs(lanczos, (top, bottom), tolerance)
            if pairs is not None:
                return pairs
        lanczos.step()


def _accepted_pairs(lanczos: Lanczos, wanted: tuple[int, int], tolerance: float) -> Pairs | None:
    """The wanted pairs, top and bottom, where they are good enough or no step is left; else None.

    The recurrence's bounds come first: vectors and their true residuals are made only then.
    """
    values, coordinates = lanczos.ritz()
    chosen = _ends(len(values), *wanted)
    scale = float(np.abs(values).max())
    residuals = np.abs(lanczos.betas[-1] * coordinates[-1, chosen])
    if not (lanczos.is_over or residuals.max() <= tolerance * scale / 2):
        return None
    vectors = lanczos.vectors(coordinates[:, chosen])
    residuals = true_residuals(lanczos.product, vectors, values[chosen])
    converged = bool((residuals <= tolerance * scale).all())
    if not converged and not lanczos.is_over:
        return None
    ended = lanczos.betas[-1] == 0
    return Pairs(values[chosen], residuals, vectors, lanczos.steps, converged, ended, scale)


def _ends(count: int, top: int, bottom: int) -> np.ndarray:
    """Indices into ascending values of the largest, descending, then the smallest, descending."""
    order = np.arange(count)[::-1]
    if top + bottom >= count:
        return order
    return np.concatenate([order[:top], order[count - bottom :]])


def true_residuals(product: Product, vectors: Tensor, values: np.ndarray) -> np.ndarray:
    """norm(H v - value v) of each unit vector (k, D), (k,)."""
    residuals = [
        torch.linalg.vector_norm(product(v).sub_(v, alpha=float(value)), dtype=torch.float64)
        for v, value in zip(vectors, values, strict=True)
    ]
    return torch.stack(residuals).cpu().numpy()
