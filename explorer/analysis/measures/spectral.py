"""Measures by the Hessian's spectrum: exact for a small matrix, else by Lanczos and probes."""

from collections.abc import Callable

import numpy as np
import torch

from explorer.analysis.curvature.eigenpairs import eigenpairs
from explorer.analysis.curvature.products import Product
from explorer.analysis.curvature.random_vectors import random_normal, random_signs
from explorer.analysis.measures.point_measures import STREAM, MeasuredPoint, MeasureValue

TOLERANCE = 1e-3  # of an eigenvalue's residual


def lambda_max(point: MeasuredPoint) -> MeasureValue:
    """The largest eigenvalue within its residual."""
    return _largest(point, point.hessian)


def scaled_lambda_max(point: MeasuredPoint) -> MeasureValue:
    """The largest eigenvalue of diag(abs(w)) H diag(abs(w))."""
    return _largest(point, point.scaled_hessian)


def _largest(point: MeasuredPoint, matrix: Product) -> MeasureValue:
    start = random_normal(matrix, point.settings.seed, 0)
    pairs = eigenpairs(matrix, start, 1, 0, tolerance=TOLERANCE, most_steps=point.settings.room)
    value, residual = float(pairs.values[0]), float(pairs.residuals[0])
    return MeasureValue(value, value - residual, value + residual)


def trace(point: MeasuredPoint) -> MeasureValue:
    """Sum of the eigenvalues.

    Source: Hutchinson 1989.
    """
    if point.is_small:
        return MeasureValue.exact(float(np.trace(point.matrix)))
    return MeasureValue.mean_of(np.array([form for form, *_ in point.probes]))


def frobenius(point: MeasuredPoint) -> MeasureValue:
    """Square root of the sum of squared eigenvalues; the interval is that of the sum."""
    if point.is_small:
        return MeasureValue.exact(float(np.linalg.norm(point.matrix)))
    squared_sum = MeasureValue.mean_of(np.array([square for _, square, *_ in point.probes]))
    value, low, high = (
        max(end, 0.0) ** 0.5 for end in (squared_sum.value, squared_sum.low, squared_sum.high)
    )
    return MeasureValue(value, low, high)


def scaled_trace(point: MeasuredPoint) -> MeasureValue:
    """Sum of w_i^2 H_ii."""
    if point.is_small:
        squares = point.theta.double().square().cpu().numpy()
        return MeasureValue.exact(float(squares @ np.diag(point.matrix)))
    matrix, forms = point.scaled_hessian, []
    for number in range(point.settings.probes):
        signs = random_signs(matrix, point.settings.seed, STREAM["scaled"], number)
        forms.append(float(signs.double() @ matrix(signs).double()))
    return MeasureValue.mean_of(np.array(forms))


def effective_dimension(point: MeasuredPoint) -> MeasureValue:
    """Sum of lambda+ / (lambda+ + z).

    Source: Maddox, Benton and Wilson 2020, arXiv:2003.02139; MacKay 1992.
    """
    z = point.settings.z
    return _sum_of(point, lambda nodes: nodes.clip(min=0) / (nodes.clip(min=0) + z))


def _sum_of(point: MeasuredPoint, function: Callable[[np.ndarray], np.ndarray]) -> MeasureValue:
    """Sum of a function of the eigenvalues."""
    if point.is_small:
        return MeasureValue.exact(float(function(np.linalg.eigvalsh(point.matrix)).sum()))
    means = [float(weights @ function(nodes)) for *_, nodes, weights in point.probes]
    return MeasureValue.mean_of(point.size * np.array(means))


def gradient_norm(point: MeasuredPoint) -> MeasureValue:
    """Norm of the gradient of the mean loss."""
    return MeasureValue.exact(float(torch.linalg.vector_norm(point.gradient)))
