"""Whether what is differentiated is one function, and its second derivatives a matrix."""

import torch

from explorer.analysis.curvature.differentiable import CurvatureError
from explorer.analysis.curvature.gradient import gradient
from explorer.analysis.curvature.lanczos import asymmetry
from explorer.analysis.curvature.products import Product
from explorer.analysis.objective.objective import Objective

UNSTEADY = 1e-4  # relative; more than rounding


def require_repeatable(matrix: Product, objective: Objective, seed: int) -> float:
    """How far a matrix is from symmetric, by two products; see `asymmetry`.

    A graph that is kept holds the random numbers that it was made with, so that its products are
    symmetric; so gradients are compared too.

    Raises:
        CurvatureError: it is not symmetric, or two gradients at one point differ.
    """
    first, again = gradient(objective), gradient(objective)
    scale = torch.linalg.vector_norm(first)
    change = float(torch.linalg.vector_norm(again - first) / (scale if scale > 0 else 1.0))
    gap = asymmetry(matrix, seed)
    if change > UNSTEADY:
        raise CurvatureError(
            f"gradient and matrix must stay the same, but the gradient changed by {change:.1e} of "
            f"its size, and u'Hv and v'Hu differ by {gap:.1e}; does the model draw random numbers, "
            "as dropout does, or change from call to call?"
        )
    if gap > UNSTEADY:
        raise CurvatureError(_why_asymmetric(objective, gap))
    return gap


def _why_asymmetric(objective: Objective, gap: float) -> str:
    """Why a matrix is not symmetric though the gradient stays the same, and the way out."""
    what = f"the matrix must be symmetric, but u'Hv and v'Hu differ by {gap:.1e}"
    if half := objective.traits.half_precision:
        return (
            f"{what}, as forward, loss or a metric computes in {half}, which is too coarse for "
            "second derivatives; take autocast or the cast out of it"
        )
    precise = objective.settings.precision == "float64"
    other = "" if precise else "choose precision float64 where that may be rounding, or "
    return (
        f"{what}: what backward computes is not differentiated rightly; {other}write operations "
        "with a backward of their own (torch.autograd.Function) in torch's operations"
    )
