"""The gradient that SAM steps down: how long it is, and how far it is turned from the plain one."""

import torch
from torch import Tensor

from explorer.analysis.measures.point_measures import MeasuredPoint, MeasureValue, NotApplicable


def sam_gradient_norm(point: MeasuredPoint) -> MeasureValue:
    """norm(g(w + rho g / norm(g))).

    Source: Foret et al. 2021, arXiv:2010.01412, equation 3.
    """
    return MeasureValue.exact(float(torch.linalg.vector_norm(_gradients(point)[1])))


def sam_gradient_cosine(point: MeasuredPoint) -> MeasureValue:
    """The cosine of that gradient and the plain one: 1 where SAM is gradient descent."""
    plain, uphill = _gradients(point)
    norms = torch.linalg.vector_norm(plain) * torch.linalg.vector_norm(uphill)
    if not float(norms):
        raise NotApplicable("The gradient is zero")
    return MeasureValue.exact(float(plain @ uphill / norms))


def _gradients(point: MeasuredPoint) -> tuple[Tensor, Tensor]:
    """The gradient at the point and SAM's, (D,) float64 each."""
    plain = point.loss_and_gradient(point.theta)[1].double()
    norm = torch.linalg.vector_norm(plain)
    if not float(norm):
        raise NotApplicable("The gradient is zero")
    place = point.theta + (point.settings.rho * plain / norm).to(point.theta)
    return plain, point.loss_and_gradient(place)[1].double()
