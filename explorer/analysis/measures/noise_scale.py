"""The gradient-noise scale as a measure of a point."""

from explorer.analysis.curvature.gradient_noise import NoNoise, covariance_trace
from explorer.analysis.measures.point_measures import MeasuredPoint, MeasureValue, NotApplicable
from explorer.kinds import gradient_noise


def noise_scale(point: MeasuredPoint) -> MeasureValue:
    """tr(Sigma) / norm(g)^2 over all the examples; no sampling, hence no interval.

    Raises:
        NotApplicable: the gradient is zero, the loss is a sum and a count, or there is one example.
    """
    squared_norm = float(point.gradient @ point.gradient)
    if not squared_norm:
        raise NotApplicable("The gradient is zero")
    examples = point.objective.examples
    if examples < 2:
        raise NotApplicable("It needs at least two examples")
    try:
        trace = covariance_trace(point.objective, point.gradient)
    except NoNoise as error:
        declared = point.objective.problem.batch_size
        why = "An example's loss depends on" if declared else "It needs one loss per example"
        raise NotApplicable(why) from error
    return MeasureValue.exact(float(gradient_noise.noise_scale(trace, squared_norm, examples)))
