"""What eigenvalues say: the class of a point, a summary, outliers among the largest."""

import numpy as np

from explorer.kinds.facts import AxesFacts

MINUS = "\N{MINUS SIGN}"
CRITICAL_SHARE = (
    1e-3  # a gradient so small that a Newton step moves the point by a smaller share of it
)


def rank_words(rank: int) -> str:
    """The rank of an eigenvalue: 1, 2, ... from the largest on, or with a minus from below."""
    return str(rank).replace("-", MINUS)


def point_class(values: np.ndarray, tolerance: float, gradient: float, theta: float) -> str:
    """What a point is: "minimum", "saddle", "degenerate minimum", ..., or "not critical".

    It counts as critical when one Newton step along its gradient, norm(g) over the largest
    absolute eigenvalue, is shorter than a thousandth of the parameters.

    Args:
        values: the extreme eigenvalues of its Hessian, both ends, (k,).
        tolerance: how far from 0 an eigenvalue must be to have a sign.
        gradient: norm of the gradient.
        theta: norm of the parameters.
    """
    if not gradient <= CRITICAL_SHARE * float(np.abs(values).max()) * (theta or 1.0):
        return "not critical"
    low, high = float(values.min()), float(values.max())
    if low > tolerance:
        return "minimum"
    if high < -tolerance:
        return "maximum"
    if low < -tolerance:
        return "saddle" if high > tolerance else "degenerate maximum"
    return "degenerate minimum" if high > tolerance else "flat"


def summary(values: np.ndarray, tolerance: float) -> dict[str, float]:
    """Numbers about all eigenvalues (D,) of a matrix, by name.

    The condition number is the largest absolute value over the smallest; infinite, and the sign of
    the determinant 0, where the smallest is within `tolerance` of 0.
    """
    size = np.abs(values)
    singular = bool(size.min() <= tolerance)
    negative = int((values < -tolerance).sum())
    return {
        "smallest": float(values.min()),
        "largest": float(values.max()),
        "mean": float(values.mean()),
        "median": float(np.median(values)),
        "standard deviation": float(values.std()),
        "condition number": float("inf") if singular else float(size.max() / size.min()),
        "share negative": negative / len(values),
        "trace": float(values.sum()),
        "sign of the determinant": 0.0 if singular else (-1.0) ** (negative % 2),
    }


def outliers(values: np.ndarray, tolerance: float) -> int | None:
    """How many of the largest eigenvalues (k,), descending, stand before their widest gap.

    The gap is that of the largest ratio between neighbours, both above the tolerance. It is a
    description of the values that are there, no test; None where there are fewer than three.
    """
    significant_values = values[values > tolerance]
    if len(significant_values) < 3:
        return None
    return int(np.argmax(significant_values[:-1] / significant_values[1:])) + 1


def axes_words(facts: AxesFacts) -> list[str]:
    """What one unit along each axis is, where axes are eigenvectors; else nothing."""
    axis_facts = facts.ranks, facts.eigenvalues, facts.residuals
    return [
        f"Distance along eigenvector {str(rank).replace('-', MINUS)}, {eigenvalue_words(*pair)}"
        for rank, *pair in zip(*axis_facts, strict=True)
    ]


def eigenvalue_words(value: float, residual: float) -> str:
    """An eigenvalue beside the residual that it is within."""
    return f"λ = {value:.4g} ± {residual:.1g}".replace("-", MINUS)
