"""The trace of a matrix from few products: XTrace, with its own standard error."""

import numpy as np
import torch
from torch import Tensor

from explorer.analysis.curvature.products import Product


def xtrace(product: Product, tests: Tensor) -> tuple[float, float]:
    """An unbiased estimate of the trace of a symmetric matrix, and its standard error.

    Takes 2 k products for k test vectors and holds 2 k vectors. Each test vector's estimate is the
    trace on the range of the products with the others plus what that vector sees of the rest; it
    is exact once k reaches the rank.

    Source: Epperly, Tropp and Webber 2024, "XTrace: making the most of every sample in stochastic
    trace estimation", arXiv:2301.07825, section 2.3 and the resphering of section 2.4.

    Args:
        product: the matrix, (D, D).
        tests: k random vectors of norm sqrt(D), (k, D), with 2 <= k <= D; one for a single row.

    Raises:
        ValueError: fewer than two test vectors, or more than there are dimensions.
    """
    count, size = tests.shape
    if not min(2, size) <= count <= size:
        raise ValueError(f"test vectors must be from {min(2, size)} to {size:,}, got {count:,}")
    ranges = torch.stack([product(test) for test in tests])
    basis, upper = torch.linalg.qr(ranges.t())
    images = torch.stack([product(column) for column in basis.t()])  # rows: A q
    inner = _float64(images @ basis)  # Q'AQ
    inner = (inner + inner.T) / 2
    overlap = _float64(basis.t() @ tests.t())  # Q'W
    seen = _float64(images @ tests.t())  # Q'AW
    alone = torch.einsum("kd,kd->k", tests.double(), ranges.double()).cpu().numpy()  # w'Aw
    left_out = _left_out(_float64(upper))
    estimates = []
    for number in range(count):
        normal = left_out[:, number]
        mine = overlap[:, number] - normal * (normal @ overlap[:, number])
        rest = alone[number] - 2 * mine @ seen[:, number] + mine @ inner @ mine
        outside = size - mine @ mine  # squared norm of what of the test vector is outside
        scale = (size - count + 1) / outside if outside > 1e-9 * size else 0.0
        estimates.append(np.trace(inner) - normal @ inner @ normal + scale * rest)
    # a single vector is the only one that there is in one dimension, and its estimate exact
    error = float(np.std(estimates, ddof=1) / np.sqrt(count)) if count > 1 else 0.0
    return float(np.mean(estimates)), error


def _left_out(upper: np.ndarray) -> np.ndarray:
    """Unit vectors (k, k), as columns: what leaving out each column takes from the range."""
    scale = np.abs(np.diag(upper)).max()
    if not scale:
        return np.eye(len(upper))
    # a matrix of lower rank than k has nothing to lose there: any tiny pivot does
    pivots = np.abs(np.diag(upper)) < 1e-12 * scale
    upper = upper + np.diag(np.where(pivots, 1e-12 * scale, 0.0))
    inverse = np.linalg.inv(upper).T
    return np.asarray(inverse / np.linalg.norm(inverse, axis=0))


def _float64(tensor: Tensor) -> np.ndarray:
    return tensor.to("cpu", torch.float64).numpy()
