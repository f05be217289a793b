"""Sets a Fisher matrix and the covariance of gradients against the Hessian."""

from dataclasses import replace

import numpy as np
import torch
from torch import Tensor

from explorer.analysis.curvature.eigenpairs import Pairs, eigenpairs, true_residuals
from explorer.analysis.curvature.gradient import gradient
from explorer.analysis.curvature.matrices import (
    blocks_of,
    dense_matrix,
    map_maker_of,
    matrix_of_settings,
)
from explorer.analysis.curvature.products import Curvature, Product
from explorer.analysis.curvature.random_vectors import random_normal, random_signs
from explorer.analysis.objective.objective import Objective
from explorer.analysis.spectrum_ends import STREAM, Rows
from explorer.kinds.matrix import GAP_PROBES, MAX_DENSE_PARAMETERS, MatrixRole, SpectrumSettings


def gap_rows(matrix: Product, objective: Objective, settings: SpectrumSettings) -> Rows:
    """Squared norms of the Hessian and of its difference from the matrix that it is set against.

    Args:
        matrix: the Hessian, or the block of it that is asked about.
        objective: at the point.
        settings: say which matrix.
    """
    other = _matrix(settings.fisher_gap, objective, settings)
    if matrix.size <= MAX_DENSE_PARAMETERS:
        whole = dense_matrix(matrix)
        difference = whole - dense_matrix(other)
        return [(MatrixRole.GAP, 0, float((difference**2).sum()), float((whole**2).sum()))]
    rows: Rows = []
    for number in range(GAP_PROBES):
        signs = random_signs(matrix, settings.seed, STREAM["gap"], number)
        product = matrix(signs).double()
        difference = product - other(signs).double()
        squares = float(difference @ difference), float(product @ product)
        rows.append((MatrixRole.GAP, number, *squares))
    return rows


def covariance_rows(matrix: Product, objective: Objective, settings: SpectrumSettings) -> Rows:
    """The largest eigenvalues of the gradients' covariance, and its overlaps with the Hessian's.

    The overlap of two spaces of k dimensions is the mean squared cosine of their principal angles,
    norm(U'V)^2 / k for orthonormal bases; that of random ones is k / D on average.

    Source: Gur-Ari et al. 2018, arXiv:1812.04754 (the overlap of eigenspaces); Thomas et al. 2020,
    arXiv:1906.07774 (the covariance of gradients beside the Hessian).

    Raises:
        CurvatureError: the loss gives no value for each example.
    """
    slope = gradient(objective)
    picked = torch.cat([torch.arange(b.start, b.stop) for b in blocks_of(objective, settings)])
    fisher = _matrix("empirical_fisher", objective, settings)
    covariance = CenteredFisher(fisher, slope[picked].to(matrix.like))
    count = min(settings.covariance, matrix.size)
    own, others = (_largest(one, count, settings) for one in (covariance, matrix))
    pairs = zip(own.values, own.residuals, strict=True)
    rows: Rows = [
        (MatrixRole.COVARIANCE, n, float(value), float(residual))
        for n, (value, residual) in enumerate(pairs)
    ]
    cosines = (own.vectors.double() @ others.vectors.double().T).square().cpu().numpy()
    for n in range(count):
        overlap = float(cosines[: n + 1, : n + 1].sum()) / (n + 1)
        rows.append((MatrixRole.OVERLAP, n, overlap, (n + 1) / matrix.size))
    return rows


class CenteredFisher:
    """F - g g', the covariance (over N) of the examples' gradients."""

    def __init__(self, fisher: Product, slope: Tensor) -> None:
        self.fisher, self.slope = fisher, slope
        self.size, self.like = fisher.size, fisher.like

    def __call__(self, vector: Tensor) -> Tensor:
        """The product with a vector (D,), as (D,)."""
        return self.fisher(vector).sub_(self.slope * (self.slope @ vector))


def _matrix(name: str, objective: Objective, settings: SpectrumSettings) -> Product:
    """Another matrix of the same parameters."""
    other = replace(settings, matrix=name)
    return matrix_of_settings(Curvature(objective, map_maker_of(other)), objective, other)


def _largest(matrix: Product, count: int, settings: SpectrumSettings) -> Pairs:
    """The largest eigenpairs."""
    if matrix.size > MAX_DENSE_PARAMETERS:
        start = random_normal(matrix, settings.seed, STREAM["pairs"])
        most = settings.room
        return eigenpairs(matrix, start, count, tolerance=settings.tolerance, most_steps=most)
    values, vectors = np.linalg.eigh(dense_matrix(matrix))
    order = np.arange(matrix.size)[::-1][:count]
    chosen = torch.from_numpy(vectors[:, order].T.copy()).to(matrix.like)
    residuals = true_residuals(matrix, chosen, values[order])
    return Pairs(values[order], residuals, chosen, 0, True, False, float(np.abs(values).max()))
