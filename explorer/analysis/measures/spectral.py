"""Measures by the Hessian's spectrum: exact for a small matrix, else by Lanczos and probes."""

from collections.abc import Callable

import numpy as np
import torch

from explorer.analysis.curvature.lanczos import eigenpairs, random_normal, random_signs
from explorer.analysis.curvature.products import Product
from explorer.analysis.measures.point_measures import STREAM, Found, Standing
from explorer.kinds.estimates import Estimate

TOLERANCE = 1e-3  # of an eigenvalue's residual


def lambda_max(standing: Standing) -> Found:
    """The largest eigenvalue within its residual."""
    return _largest(standing, standing.hessian)


def scaled_lambda_max(standing: Standing) -> Found:
    """The largest eigenvalue of diag(abs(w)) H diag(abs(w))."""
    return _largest(standing, standing.scaled)


def _largest(standing: Standing, matrix: Product) -> Found:
    start = random_normal(matrix, standing.settings.seed, 0)
    pairs = eigenpairs(matrix, start, 1, 0, TOLERANCE, standing.settings.room)
    value, residual = float(pairs.values[0]), float(pairs.residuals[0])
    return Found(value, value - residual, value + residual)


def trace(standing: Standing) -> Found:
    """Sum of the eigenvalues.

    Source: Hutchinson 1989.
    """
    if standing.is_small:
        return Found.exact(float(np.trace(standing.matrix)))
    return _estimate(np.array([form for form, *_ in standing.probes]))


def frobenius(standing: Standing) -> Found:
    """Square root of the sum of squared eigenvalues; the interval is that of the sum."""
    if standing.is_small:
        return Found.exact(float(np.linalg.norm(standing.matrix)))
    found = _estimate(np.array([square for _, square, *_ in standing.probes]))
    value, low, high = (max(end, 0.0) ** 0.5 for end in (found.value, found.low, found.high))
    return Found(value, low, high)


def scaled_trace(standing: Standing) -> Found:
    """Sum of w_i^2 H_ii."""
    if standing.is_small:
        squares = standing.theta.double().square().cpu().numpy()
        return Found.exact(float(squares @ np.diag(standing.matrix)))
    matrix, forms = standing.scaled, []
    for number in range(standing.settings.probes):
        signs = random_signs(matrix, standing.settings.seed, STREAM["scaled"], number)
        forms.append(float(signs.double() @ matrix(signs).double()))
    return _estimate(np.array(forms))


def effective_dimension(standing: Standing) -> Found:
    """Sum of lambda+ / (lambda+ + z).

    Source: Maddox, Benton and Wilson 2020, arXiv:2003.02139; MacKay 1992.
    """
    z = standing.settings.z
    return _sum_of(standing, lambda nodes: nodes.clip(min=0) / (nodes.clip(min=0) + z))


def _sum_of(standing: Standing, function: Callable[[np.ndarray], np.ndarray]) -> Found:
    """Sum of a function of the eigenvalues."""
    if standing.is_small:
        return Found.exact(float(function(np.linalg.eigvalsh(standing.matrix)).sum()))
    means = [float(weights @ function(nodes)) for *_, nodes, weights in standing.probes]
    return _estimate(standing.size * np.array(means))


def _estimate(values: np.ndarray) -> Found:
    found = Estimate.of(values)
    return Found(found.value, found.low, found.high)


def gradient_norm(standing: Standing) -> Found:
    """Norm of the gradient of the mean loss."""
    return Found.exact(float(torch.linalg.vector_norm(standing.gradient)))
