"""The covariance of the examples' own gradients: its trace, and the gradient-noise scale."""

from explorer.analysis.curvature.gradient_noise import NoNoise, squared_norms
from explorer.analysis.measures.point_measures import MeasuredPoint, Measurement, NotApplicable
from explorer.analysis.objective.objective import Objective


def noise_scale(point: MeasuredPoint) -> Measurement:
    """tr(Sigma) / norm(g)^2: the batch size below which gradients are mostly noise.

    Source: McCandlish et al. 2018, arXiv:1812.06162, equation 2.9. Sigma is the covariance with
    N - 1, over all the examples; no sampling, hence no interval.
    """
    squared = float(point.gradient.square().sum())
    if not squared:
        raise NotApplicable("The gradient is zero")
    return Measurement.exact(covariance_trace(point.objective, squared) / squared)


def covariance_trace(objective: Objective, squared: float) -> float:
    """Trace of the covariance of per-example gradients, from the squared norm of their mean.

    Raises:
        NotApplicable: the loss is a sum and a count, or there is one example alone.
    """
    count = objective.examples
    if count < 2:
        raise NotApplicable("It needs at least two examples")
    try:
        total = sum(float(norms.sum()) for norms in squared_norms(objective))
    except NoNoise as error:
        declared = objective.problem.batch_size
        why = "An example's loss depends on" if declared else "It needs one loss per example"
        raise NotApplicable(why) from error
    return (total - count * squared) / (count - 1)
