"""Places where the gradient is zero: all that are found in the range, and what each is."""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from scipy.optimize import brentq, minimize_scalar

from explorer.playground.expression import Expression
from explorer.playground.functions import ExampleFunction, Range

SAMPLES = 4001  # of the slope of a curve: roots that are nearer to each other are one
STARTS = 41  # per axis, of Newton's method on a plane
NEWTON_STEPS = 60
FLAT = 1e-8  # of the usual gradient in the range: what is less counts as 0
ZERO_CURVATURE = 1e-6  # of the largest or the usual curvature: an eigenvalue below counts as 0
SAME_PLACE = 1e-5  # of the range: what is nearer is the same point
MOST_POINTS = 400  # of a function that is flat somewhere: there are as many as starts


@dataclass(frozen=True)
class CriticalPoint:
    """A place where the gradient is zero, as far as arithmetic goes."""

    place: tuple[float, ...]
    loss: float
    gradient_norm: float
    eigenvalues: tuple[float, ...]  # of the Hessian, from the smallest
    escape: tuple[float, ...]  # unit eigenvector of the smallest one
    tolerance: float  # an eigenvalue that is nearer to 0 counts as 0

    @property
    def index(self) -> int:
        """The number of negative eigenvalues."""
        return sum(value < -self.tolerance for value in self.eigenvalues)

    @property
    def sort(self) -> str:
        """Minimum, maximum, saddle, or degenerate where an eigenvalue counts as zero."""
        if any(abs(value) <= self.tolerance for value in self.eigenvalues):
            return "degenerate"
        return {0: "minimum", len(self.eigenvalues): "maximum"}.get(self.index, "saddle")

    @property
    def condition(self) -> float:
        """Largest over smallest absolute eigenvalue."""
        sizes = np.abs(self.eigenvalues)
        with np.errstate(divide="ignore"):
            return float(sizes.max() / sizes.min())


@lru_cache(maxsize=32)
def critical_points(function: ExampleFunction) -> tuple[CriticalPoint, ...]:
    """Those of a function in its ranges, from the lowest: minima, saddles and maxima.

    Of one variable: every sign change of the slope at 4,001 places, by Brent's method, every
    place where it touches zero, and the middle of a stretch where it is zero. Of two: where
    Newton's method ends from 41 x 41 starts, each once.
    """
    expression = function.expression
    grid = function.grid(STARTS)[1]
    with np.errstate(all="ignore"):
        flat = FLAT * _usual(np.linalg.norm(expression.gradients(grid), axis=-1))
        if function.dimension == 1:
            places = _roots(expression, function.ranges[0])
        else:
            places = _newton_ends(function, flat)
        curvature = _usual(np.linalg.norm(expression.hessians(grid), axis=(-2, -1)))
        points = [_classified(expression, place, curvature) for place in places]
    points = [point for point in points if point.gradient_norm <= flat]
    return tuple(sorted(points, key=lambda point: (point.loss, point.place)))


def _usual(sizes: np.ndarray) -> float:
    """The median of what is finite; 1 where that is 0 or there is none."""
    finite = sizes[np.isfinite(sizes)]
    return (float(np.median(finite)) if finite.size else 0.0) or 1.0


def _roots(expression: Expression, span: Range) -> list[np.ndarray]:
    """Places (1,) where the slope of a curve is zero."""

    def slope(x: float) -> float:
        return float(expression.gradients(np.array([x]))[0])

    axis = np.linspace(*span, SAMPLES)
    slopes = expression.gradients(axis[:, None])[:, 0]
    level = np.flatnonzero(slopes == 0)
    stretches = np.split(level, np.flatnonzero(np.diff(level) > 1) + 1)  # each stands for one place
    roots = [float(axis[stretch[len(stretch) // 2]]) for stretch in stretches if stretch.size]
    crossings = np.flatnonzero(slopes[:-1] * slopes[1:] < 0)
    roots += [brentq(slope, axis[n], axis[n + 1], xtol=1e-14) for n in crossings]
    sizes = np.abs(slopes)
    dips = np.flatnonzero((sizes[1:-1] < sizes[:-2]) & (sizes[1:-1] <= sizes[2:])) + 1
    for n in dips:
        if slopes[n - 1] * slopes[n + 1] > 0:  # it touches zero, or only comes near
            ends = (float(axis[n - 1]), float(axis[n + 1]))
            touched = minimize_scalar(
                lambda x: abs(slope(x)), bounds=ends, method="bounded", options={"xatol": 1e-12}
            )
            roots.append(float(touched.x))
    return _each_once([np.array([root]) for root in roots], (span[1] - span[0]) * SAME_PLACE)


def _newton_ends(function: ExampleFunction, flat: float) -> list[np.ndarray]:
    """Places (2,) within the ranges where Newton's method ends with so small a gradient."""
    expression = function.expression
    points = function.grid(STARTS)[1].reshape(-1, function.dimension)
    low, high = np.array(function.ranges).T
    for _ in range(NEWTON_STEPS):
        gradients, hessians = expression.gradients(points), expression.hessians(points)
        usable = np.isfinite(hessians).all(axis=(1, 2)) & np.isfinite(gradients).all(axis=1)
        points, gradients, hessians = points[usable], gradients[usable], hessians[usable]
        # by the pseudo-inverse, as a flat direction has nothing to solve for
        steps = np.einsum("sij,sj->si", np.linalg.pinv(hessians, rcond=1e-12), gradients)
        points = points - steps
    inside = ((points >= low) & (points <= high)).all(axis=1)
    norms = np.linalg.norm(expression.gradients(points), axis=1)
    ends = [points[n] for n in np.argsort(norms) if inside[n] and norms[n] <= flat]
    return _each_once(ends, float((high - low).max()) * SAME_PLACE)


def _each_once(places: list[np.ndarray], near: float) -> list[np.ndarray]:
    """The places, of those that are nearer to each other than this the first alone."""
    distinct: list[np.ndarray] = []
    for place in places:
        if len(distinct) == MOST_POINTS:
            break
        if not distinct or np.linalg.norm(np.array(distinct) - place, axis=1).min() > near:
            distinct.append(place)
    return distinct


def _classified(expression: Expression, place: np.ndarray, curvature: float) -> CriticalPoint:
    """What a place is, where curvatures usually have that size."""
    place = place + 0.0  # -0 becomes 0
    hessian = expression.hessians(place)
    if not np.isfinite(hessian).all():
        return CriticalPoint(tuple(place.tolist()), np.nan, np.inf, (np.nan,), (), 0.0)
    eigenvalues, eigenvectors = np.linalg.eigh(hessian)
    return CriticalPoint(
        tuple(place.tolist()),
        float(expression.values(place)),
        float(np.linalg.norm(expression.gradients(place))),
        tuple(eigenvalues.tolist()),
        tuple((eigenvectors[:, 0] * np.sign(eigenvectors[:, 0].sum() or 1.0) + 0.0).tolist()),
        ZERO_CURVATURE * max(curvature, float(np.abs(eigenvalues).max())),
    )
