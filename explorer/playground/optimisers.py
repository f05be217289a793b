"""Optimisers, each a rule for the next point; for many starts at once, without a loop over them."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np

from explorer.playground.expression import Expression

FIRST_DECAY, SECOND_DECAY, SMALLEST = 0.9, 0.999, 1e-8  # of Adam
SUFFICIENT_DECREASE = 1e-4  # of Armijo's rule
MOST_HALVINGS = 40  # of a step along a line
ROUNDING = 1e-16  # of the loss: less than that cannot be gained
Memory = dict[str, np.ndarray]  # what a rule keeps from step to step, by name; empty at first


@dataclass(frozen=True)
class Oracle:
    """The function as an optimiser sees it: gradients may be noisy, values and Hessians are not."""

    expression: Expression
    noise: float = 0.0  # standard deviation of what is added to each entry of a gradient
    draws: np.random.Generator = field(default_factory=np.random.default_rng)

    def values(self, points: np.ndarray) -> np.ndarray:
        """The function's values (S,) at points (S, n)."""
        return self.expression.values(points)

    def gradients(self, points: np.ndarray) -> np.ndarray:
        """Its gradients (S, n), with noise."""
        exact = self.expression.gradients(points)
        return exact + self.noise * self.draws.normal(size=exact.shape) if self.noise else exact

    def eigenpairs(self, points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Eigenvalues (S, n) and eigenvectors (S, n, n) of its Hessians; NaN where it has none."""
        hessians = self.expression.hessians(points)
        broken = ~np.isfinite(hessians).all(axis=(-2, -1))
        hessians[broken] = 0.0
        eigenvalues, eigenvectors = symmetric_eigenpairs(hessians)
        eigenvalues[broken] = np.nan
        return eigenvalues, eigenvectors


def symmetric_eigenpairs(matrices: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Eigenvalues (S, n), rising, and unit eigenvectors (S, n, n) in columns.

    In closed form up to n = 2: ten times as fast as LAPACK, which takes matrices one by one.
    """
    if matrices.shape[-1] != 2:
        return np.linalg.eigh(matrices)
    first, mixed, last = matrices[:, 0, 0], matrices[:, 0, 1], matrices[:, 1, 1]
    middle, radius = (first + last) / 2, np.hypot((first - last) / 2, mixed)
    angle = np.arctan2(2 * mixed, first - last) / 2  # of the eigenvector of the larger one
    cosine, sine = np.cos(angle), np.sin(angle)
    vectors = np.stack([np.stack([-sine, cosine], -1), np.stack([cosine, sine], -1)], -1)
    return np.stack([middle - radius, middle + radius], -1), vectors


@dataclass(frozen=True)
class Pace:
    """How far a rule goes."""

    rate: float | np.ndarray  # a number, or (S, 1)
    momentum: float
    step: int  # from 0 on


# Of the function, points (S, n), what the rule keeps: the next points (S, n).
Rule = Callable[[Oracle, np.ndarray, Memory, Pace], np.ndarray]


def gradient_step(oracle: Oracle, points: np.ndarray, memory: Memory, pace: Pace) -> np.ndarray:
    """The point x - rate g."""
    return points - pace.rate * oracle.gradients(points)


def momentum_step(oracle: Oracle, points: np.ndarray, memory: Memory, pace: Pace) -> np.ndarray:
    """The point x - rate v, where v = momentum v + g.

    Source: Polyak 1964, in the form of Sutskever et al. 2013, eq. 1-2, with the rate outside of v.
    """
    velocity = pace.momentum * memory.get("velocity", 0.0) + oracle.gradients(points)
    memory["velocity"] = velocity
    return points - pace.rate * velocity


def nesterov_step(oracle: Oracle, points: np.ndarray, memory: Memory, pace: Pace) -> np.ndarray:
    """As momentum, with the gradient at x - rate momentum v.

    Source: Nesterov 1983, in the form of Sutskever et al. 2013, eq. 3-4.
    """
    coasted = pace.momentum * memory.get("velocity", np.zeros_like(points))
    velocity = coasted + oracle.gradients(points - pace.rate * coasted)
    memory["velocity"] = velocity
    return points - pace.rate * velocity


def adam_step(oracle: Oracle, points: np.ndarray, memory: Memory, pace: Pace) -> np.ndarray:
    """The point x - rate m / (sqrt(v) + 1e-8), of averages without their bias; 0.9 and 0.999.

    Source: Kingma and Ba 2015, arXiv:1412.6980, Algorithm 1 with its defaults.
    """
    gradients = oracle.gradients(points)
    first = FIRST_DECAY * memory.get("first", 0.0) + (1 - FIRST_DECAY) * gradients
    second = SECOND_DECAY * memory.get("second", 0.0) + (1 - SECOND_DECAY) * gradients**2
    memory |= {"first": first, "second": second}
    mean = first / (1 - FIRST_DECAY ** (pace.step + 1))
    spread = np.sqrt(second / (1 - SECOND_DECAY ** (pace.step + 1)))
    return points - pace.rate * mean / (spread + SMALLEST)


def newton_step(oracle: Oracle, points: np.ndarray, memory: Memory, pace: Pace) -> np.ndarray:
    """The point x - rate H^-1 g: towards the local quadratic's critical point, of any sort."""
    return _step_along(oracle, points, pace, absolute=False)


def saddle_free_step(oracle: Oracle, points: np.ndarray, memory: Memory, pace: Pace) -> np.ndarray:
    """The point x - rate |H|^-1 g, with the absolute values of H's eigenvalues.

    Source: Dauphin et al. 2014, arXiv:1406.2572, Algorithm 1, here with the exact Hessian.
    """
    return _step_along(oracle, points, pace, absolute=True)


def bfgs_step(oracle: Oracle, points: np.ndarray, memory: Memory, pace: Pace) -> np.ndarray:
    """The point x - t B g with an estimate B of H^-1; t halves from 1 until the loss falls enough.

    Where it never does the point stays.

    Source: Nocedal and Wright 2006, Numerical Optimization, Algorithm 6.1, with Armijo's rule
    (3.4) and the update left out where the curvature along the step is not positive.
    """
    if "gradients" not in memory:
        identity = np.broadcast_to(np.eye(points.shape[1]), (*points.shape, points.shape[1]))
        memory |= {"inverse": identity.copy(), "gradients": oracle.gradients(points)}
    gradients, inverse = memory["gradients"], memory["inverse"]
    directions = -np.einsum("sij,sj->si", inverse, gradients)
    uphill = np.einsum("si,si->s", directions, gradients) > 0  # after noise: begin anew
    directions[uphill] = -gradients[uphill]
    nearer = points + _armijo_lengths(oracle, points, directions, gradients) * directions
    new_gradients = oracle.gradients(nearer)
    memory["inverse"] = _updated_inverse(inverse, nearer - points, new_gradients - gradients)
    memory["gradients"] = new_gradients
    return nearer


def coordinate_step(oracle: Oracle, points: np.ndarray, memory: Memory, pace: Pace) -> np.ndarray:
    """One coordinate after the other: the point x with x_i - rate g_i.

    Source: Wright 2015, arXiv:1502.04759, Algorithm 1, in cyclic order.
    """
    one = np.zeros(points.shape[1])
    one[pace.step % points.shape[1]] = 1.0
    return points - pace.rate * one * oracle.gradients(points)


def _step_along(oracle: Oracle, points: np.ndarray, pace: Pace, absolute: bool) -> np.ndarray:
    """The point after a step by the gradient over the eigenvalues, or their absolute values."""
    eigenvalues, eigenvectors = oracle.eigenpairs(points)
    slopes = np.einsum("sij,si->sj", eigenvectors, oracle.gradients(points))
    lengths = slopes / (np.abs(eigenvalues) if absolute else eigenvalues)
    lengths[slopes == 0] = 0.0  # nothing to do along it, also where it is flat
    return points - pace.rate * np.einsum("sij,sj->si", eigenvectors, lengths)


def _armijo_lengths(
    oracle: Oracle, points: np.ndarray, directions: np.ndarray, gradients: np.ndarray
) -> np.ndarray:
    """The first of 1, 1/2, 1/4, ... (S, 1) with which the loss falls enough; 0 where none does."""
    losses, slopes = oracle.values(points), np.einsum("si,si->s", directions, gradients)
    lengths = np.where(-slopes > ROUNDING * np.abs(losses), 1.0, 0.0)
    left = np.flatnonzero(lengths)
    for _ in range(MOST_HALVINGS):
        there = oracle.values(points[left] + lengths[left, None] * directions[left])
        enough = losses[left] + SUFFICIENT_DECREASE * lengths[left] * slopes[left]
        left = left[~(there <= enough)]  # also where it is NaN
        if not left.size:
            break
        lengths[left] /= 2
    lengths[left] = 0.0
    return lengths[:, None]


def _updated_inverse(inverse: np.ndarray, moved: np.ndarray, turned: np.ndarray) -> np.ndarray:
    """The estimates (S, n, n) after steps `moved` that changed gradients by `turned`, (S, n)."""
    curvature = np.einsum("si,si->s", moved, turned)
    usable = curvature > 1e-12
    scale = np.where(usable, 1 / np.where(usable, curvature, 1.0), 0.0)[:, None, None]
    left = np.eye(moved.shape[1]) - scale * moved[:, :, None] * turned[:, None, :]
    grown = scale * moved[:, :, None] * moved[:, None, :]
    return left @ inverse @ left.swapaxes(1, 2) + grown


@dataclass(frozen=True)
class Optimiser:
    """A rule, what it is called, and which of a race's settings is its rate."""

    name: str
    title: str
    rule: Rule
    rate: str = "rate"  # of the settings; "" where it finds its own
    rests: bool = False  # where a step moves it by rounding alone, so do all later ones
    cost: int = 1  # of a step, in those of gradient descent


OPTIMISERS: Mapping[str, Optimiser] = {
    optimiser.name: optimiser
    for optimiser in (
        Optimiser("gd", "Gradient descent", gradient_step),
        Optimiser("momentum", "Momentum", momentum_step),
        Optimiser("nesterov", "Nesterov", nesterov_step),
        Optimiser("adam", "Adam", adam_step, "adam_rate"),
        Optimiser("saddle_free", "Saddle-free Newton", saddle_free_step, "newton_rate", rests=True),
        Optimiser("newton", "Newton", newton_step, "newton_rate", rests=True),
        Optimiser("bfgs", "BFGS", bfgs_step, "", rests=True, cost=8),
        Optimiser("coordinate", "Coordinate descent", coordinate_step),
    )
}
