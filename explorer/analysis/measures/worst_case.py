"""Worst-case measures: the loss uphill, by one step, by projected ascent, in a box."""

from collections.abc import Callable

import numpy as np
import psutil
import torch
from scipy.optimize import minimize
from torch import Tensor

from explorer.analysis.measures.point_measures import MeasuredPoint, MeasureValue, NotApplicable
from explorer.kinds.estimates import Estimate

KESKAR_STEPS = 10  # of L-BFGS-B from each start
SUBSPACE = 100  # columns of Keskar's random matrix
STRIDE = 2.5  # an ascent could cross the set's radius so many times
Project = Callable[[Tensor], Tensor]


def keskar(point: MeasuredPoint, share: float = 1.0) -> MeasureValue:
    """100 (max L(w + d) - L(w)) / (1 + L(w)) over abs(d_i) <= box (abs(w_i) + 1).

    Source: Keskar et al. 2017, arXiv:1609.04836, metric 2.1 with A = I: 10 iterations of L-BFGS-B;
    here from the point itself and from random places of the box.
    """
    reach = point.settings.box * share * (point.theta.abs() + 1)

    def same(vector: Tensor) -> Tensor:
        return vector

    return _in_box(point, reach, same, same, "box")


def keskar_half(point: MeasuredPoint) -> MeasureValue:
    """The same in a box of half the size."""
    return keskar(point, 0.5)


def keskar_plain(point: MeasuredPoint) -> MeasureValue:
    """(max L(w + d) - L(w)) / (1 + L(w)) over abs(d_i) <= box: no percent, and no size of w_i.

    Source: as surveys write Keskar et al. 2017, arXiv:1609.04836, metric 2.1.
    """

    def same(vector: Tensor) -> Tensor:
        return vector

    reach = torch.full_like(point.theta, point.settings.box)
    percent = _in_box(point, reach, same, same, "box")
    return MeasureValue.at_least(percent.value / 100, percent.direction)


def keskar_subspace(point: MeasuredPoint, share: float = 1.0) -> MeasureValue:
    """The same over d = A y with abs(y_i) <= box (abs((A+ w)_i) + 1), A random.

    Source: Keskar et al. 2017, arXiv:1609.04836, metric 2.1 with A of 100 columns; that they are
    standard normal is the usual reading of "randomly generated".
    """
    across = _subspace(point)
    columns, theta = (t.double().cpu().numpy() for t in (across.t(), point.theta))
    # numpy's: torch's differs in its last bits from call to call
    own = torch.from_numpy(np.linalg.lstsq(columns, theta, rcond=None)[0])
    reach = point.settings.box * share * (own.abs() + 1)
    return _in_box(point, reach, lambda y: y @ across, lambda g: across @ g, "subspace")


def keskar_subspace_half(point: MeasuredPoint) -> MeasureValue:
    """In a box of half the size."""
    return keskar_subspace(point, 0.5)


def _subspace(point: MeasuredPoint) -> Tensor:
    """The columns of A, (p, D)."""
    count = min(SUBSPACE, point.size)
    each = point.theta.element_size() + 3 * 8  # with the copies that the pseudo-inverse takes
    if count * point.size * each > psutil.virtual_memory().available // 2:
        raise NotApplicable("The memory of this machine")
    columns, rng = point.theta.new_empty((count, point.size)), point.rng("subspace")
    for column in columns:
        column.copy_(torch.from_numpy(rng.standard_normal(point.size)))
    return columns


def _in_box(
    point: MeasuredPoint, reach: Tensor, forth: Project, back: Project, stream: str
) -> MeasureValue:
    """The largest rise over coordinates y of a box, in percent of 1 + the loss.

    Args:
        point: that is measured.
        reach: half the box's sides, (p,).
        forth: coordinates (p,) -> the perturbation (D,).
        back: gradient (D,) -> that by the coordinates, (p,).
        stream: of the random starts.
    """
    theta, ends = point.theta, reach.double().cpu().numpy()
    best, best_y = point.loss, np.zeros(len(ends))

    def aside(y: np.ndarray) -> Tensor:
        # A copy lies as torch aligns it: products of unaligned vectors differ in their last bits.
        return forth(torch.from_numpy(y).to(theta, copy=True))

    def downhill(y: np.ndarray) -> tuple[float, np.ndarray]:
        nonlocal best, best_y
        loss, slope = point.loss_and_gradient(theta + aside(y))
        if loss > best:
            best, best_y = loss, y.copy()
        return -loss, -back(slope).double().cpu().numpy()

    for number in range(point.settings.restarts):
        start = np.zeros(len(ends))
        if number:
            start = point.rng(stream, number).uniform(-1, 1, len(ends)) * ends
        options = {"maxiter": KESKAR_STEPS, "ftol": 0.0, "gtol": 0.0}
        bounds = np.stack([-ends, ends], axis=1)
        minimize(downhill, start, jac=True, method="L-BFGS-B", bounds=bounds, options=options)
    rise = 100 * (best - point.loss) / (1 + point.loss)
    return MeasureValue.at_least(rise, aside(best_y))


def sam(point: MeasuredPoint) -> MeasureValue:
    """L(w + rho g / norm(g)) - L(w).

    Source: Foret et al. 2021, arXiv:2010.01412, equation 2.
    """
    return _one_step(point, torch.ones_like(point.theta), point.settings.rho)


def asam(point: MeasuredPoint) -> MeasureValue:
    """The same in coordinates scaled by abs(w) + eta.

    Source: Kwon et al. 2021, arXiv:2102.11600.
    """
    scale = point.theta.abs() + point.settings.eta
    return _one_step(point, scale, point.settings.adaptive_rho)


def asam_0(point: MeasuredPoint) -> MeasureValue:
    """With eta 0, which no rescaling changes."""
    return _one_step(point, point.theta.abs(), point.settings.adaptive_rho)


def _one_step(point: MeasuredPoint, scale: Tensor, rho: float) -> MeasureValue:
    """L(w + d) - L(w) with d = rho T^2 g / norm(T g) for T the scale (D,)."""
    step = _uphill(point.loss_and_gradient(point.theta)[1], scale, rho)
    return MeasureValue.exact(point.loss_and_gradient.loss(point.theta + step) - point.loss, step)


def _uphill(slope: Tensor, scale: Tensor, rho: float) -> Tensor:
    """The step up a gradient (D,)."""
    across = (scale * slope).double()
    norm = torch.linalg.vector_norm(across)
    if not float(norm):
        raise NotApplicable("The gradient is zero")
    return (rho * scale.double() * across / norm).to(slope)


def m_sharpness(point: MeasuredPoint) -> MeasureValue:
    """The mean over batches, drawn without replacement, of each batch's own SAM.

    A last batch that is not full is left out. The interval is over batches as a sample of all.

    Source: Foret et al. 2021, arXiv:2010.01412, section 4.1.
    """
    settings, theta = point.settings, point.theta
    size = min(settings.batch_examples, point.objective.examples)
    order = point.rng("batches").permutation(point.objective.examples)
    rises = []
    for number in range(point.objective.examples // size):
        loss_and_gradient = point.loss_and_gradient.over_examples(
            np.sort(order[number * size : (number + 1) * size])
        )
        loss, steep = loss_and_gradient(theta)
        if not float(steep.norm()):
            rises.append(0.0)
            continue
        step = _uphill(steep, torch.ones_like(theta), settings.rho)
        rises.append(loss_and_gradient.loss(theta + step) - loss)
    if len(rises) == 1:
        return MeasureValue.exact(rises[0])
    estimate = Estimate.of(np.array(rises))
    return MeasureValue(estimate.value, estimate.low, estimate.high)


def adaptive_max(point: MeasuredPoint) -> MeasureValue:
    """The largest rise over abs(d_i) <= rho abs(w_i), by projected signed ascent.

    Source: Andriushchenko et al. 2023, arXiv:2302.07011, p = infinity.
    """
    rho = point.settings.max_rho

    def start_of(number: int) -> Tensor:
        uniform = point.rng("ascent", 0, number).uniform(-rho, rho, point.size)
        return torch.from_numpy(uniform).to(point.theta)

    return _ascent(point, rho, torch.sign, lambda u: u.clamp(-rho, rho), start_of)


def adaptive_euclid(point: MeasuredPoint) -> MeasureValue:
    """The largest rise over norm(d / abs(w)) <= rho, by projected normalised ascent.

    Source: Andriushchenko et al. 2023, arXiv:2302.07011, p = 2.
    """
    rho = point.settings.euclid_rho

    def unit(u: Tensor) -> Tensor:
        return u / u.norm().clamp(min=torch.finfo(u.dtype).tiny)

    def project(u: Tensor) -> Tensor:
        return u * (rho / u.norm()).clamp(max=1.0)

    def start_of(number: int) -> Tensor:
        return rho * unit(point.normal("ascent", 1, number))

    return _ascent(point, rho, unit, project, start_of)


def _ascent(
    point: MeasuredPoint, rho: float, steepest: Project, project: Project, start_of: Callable
) -> MeasureValue:
    """Projected ascent of u with d = abs(w) u, from 0 and random places; the best place seen.

    Args:
        point: that is measured.
        rho: the set's radius.
        steepest: a gradient (D,) -> the step of size 1 that rises most.
        project: to the nearest place of the set.
        start_of: number of a restart -> where it begins, (D,).
    """
    settings, theta, loss_and_gradient = (
        point.settings,
        point.theta,
        point.normalised_loss_and_gradient,
    )
    scale, base = theta.abs(), loss_and_gradient.loss(theta)
    best, best_d = base, torch.zeros_like(theta)
    stride = STRIDE * rho / settings.ascent
    for number in range(settings.restarts):
        u = start_of(number) if number else torch.zeros_like(theta)
        for step in range(settings.ascent + 1):
            loss, steep = loss_and_gradient(theta + scale * u)
            if loss > best:
                best, best_d = loss, scale * u
            if step < settings.ascent and bool(torch.isfinite(steep).all()):
                u = project(u + stride * steepest(scale * steep))
    return MeasureValue.at_least(best - base, best_d)
