"""Searches for a point where the gradient is zero, whatever the signs of the curvature there."""

from dataclasses import dataclass

import numpy as np
import torch
from scipy.optimize import minimize
from scipy.sparse.linalg import LinearOperator, minres

from explorer.analysis.curvature.differentiable import NotFinite
from explorer.analysis.curvature.gradient import gradient
from explorer.analysis.curvature.products import Curvature, Product, hessian
from explorer.analysis.objective.objective import Objective
from explorer.kinds.critical_result import EndReason
from explorer.kinds.critical_settings import CriticalSettings
from explorer.kinds.progress import UnitProgress

ARMIJO = 1e-4  # share of the foretold decrease that a step must bring
HALVINGS = 30  # of a step before there is none
LEAST = 1e-6  # of the squared gradient that a step must foretell; of its length that is gone


class MovingObjective:
    """Gradient and Hessian of an objective, which moves; vectors are (D,) float64 of NumPy."""

    def __init__(self, objective: Objective) -> None:
        self.objective = objective
        self._matrix: Curvature | None = None
        self._spent = 0

    @property
    def products(self) -> int:
        """Products with the Hessian so far."""
        return self._spent + (self._matrix.products if self._matrix else 0)

    @property
    def theta(self) -> np.ndarray:
        """A copy of the parameters as they stand."""
        theta = self.objective.flat.theta.to("cpu", torch.float64, copy=True)
        return np.asarray(theta.numpy())

    def go_on_from(self, theta: np.ndarray, products: int) -> None:
        """Move to where an interrupted search stood after so many products."""
        self.move_to(theta)
        self._spent = products

    def move_to(self, theta: np.ndarray) -> None:
        """Move to other parameters."""
        self.objective.flat.theta.copy_(torch.from_numpy(theta))
        self._spent, self._matrix = self.products, None

    def gradient(self) -> np.ndarray:
        """The gradient of the loss; NaN where that is not finite."""
        return np.asarray(gradient(self.objective).numpy())

    @property
    def matrix(self) -> Curvature:
        """The Hessian where the parameters stand.

        Raises:
            NotFinite: there is none.
        """
        if self._matrix is None:
            self._matrix = Curvature(self.objective, hessian)
        return self._matrix

    def hessian_times(self, vector: np.ndarray) -> np.ndarray:
        """The Hessian times a vector.

        Raises:
            NotFinite: it is not finite.
        """
        product = matrix_times_vector(self.matrix, vector)
        if not np.isfinite(product).all():
            raise NotFinite("a product with the Hessian is not finite; choose another start")
        return product


def matrix_times_vector(matrix: Product, vector: np.ndarray) -> np.ndarray:
    """A matrix times a vector (D,) of NumPy, float64."""
    tensor = torch.from_numpy(np.array(vector, dtype=np.float64)).to(matrix.like)
    return np.asarray(matrix(tensor).to("cpu", torch.float64).numpy())


@dataclass(frozen=True)
class SearchEnd:
    """How a search ended; the objective stands there."""

    ended: EndReason
    steps: int
    left: float  # norm(g + H p) / norm(g) of the Newton step p there; 0 without a gradient
    ahead: float  # norm(p)


def run_search(
    moving: MovingObjective, settings: CriticalSettings, unit: UnitProgress
) -> SearchEnd:
    """Go where the gradient is zero, by the method of the settings.

    Newton's steps go on from the last one that was kept; the other method begins anew.

    Raises:
        NotFinite: the gradient or the Hessian is not finite on the way.
    """
    slope = moving.gradient()
    if not np.isfinite(slope).all():
        raise NotFinite("the gradient at this point is not finite; choose another start")
    if settings.method == "gradient_norm":
        return _minimise_gradient_norm(moving, settings, unit)
    return _newton(moving, slope, settings, unit)


def _newton(
    moving: MovingObjective, slope: np.ndarray, settings: CriticalSettings, unit: UnitProgress
) -> SearchEnd:
    """Newton-MR: steps p that make norm(g + H p) least, shortened until norm(g) falls enough.

    A step is at most as long as the norm of the parameters at the start: a nearly singular Hessian
    would throw the point far away.

    Source: Roosta, Liu, Xu and Mahoney 2018, arXiv:1810.00303; Armijo's rule on norm(g)^2 / 2. The
    longest step is a choice of ours.
    """
    longest = float(np.linalg.norm(moving.theta)) or 1.0
    steps = 0
    for record in unit.records():
        steps = int(record["taken"])
        moving.go_on_from(record["theta"], int(record["products"]))
        slope = moving.gradient()
    for number in range(steps, settings.steps + 1):
        unit.report(number, settings.steps)
        step = newton_step(moving, slope, settings.products)
        if step.size <= settings.target:
            return step.search_end(EndReason.CRITICAL, number)
        if number == settings.steps:
            break
        if step.fall > -LEAST * step.size**2 or step.ahead > longest / LEAST:
            return step.search_end(EndReason.STALLED, number)
        moved = _backtrack(moving, step, min(1.0, longest / step.ahead))
        if moved is None:
            return step.search_end(EndReason.STALLED, number)
        slope = moved
        counts = {"taken": np.array(number + 1), "products": np.array(moving.products)}
        unit.replace(theta=moving.theta, **counts)
    return step.search_end(EndReason.STEPS, settings.steps)


@dataclass(frozen=True)
class NewtonStep:
    """A Newton step p at a point with gradient g."""

    vector: np.ndarray  # p (D,)
    size: float  # norm(g)
    rest: float  # norm(g + H p)
    fall: float  # g' H p: how fast norm(g)^2 / 2 falls along it

    @property
    def ahead(self) -> float:
        """Its length."""
        return float(np.linalg.norm(self.vector))

    def search_end(self, ended: EndReason, steps: int) -> SearchEnd:
        """A search that ended where this step begins."""
        left = self.rest / self.size if self.size else 0.0
        return SearchEnd(ended, steps, left, self.ahead)


def newton_step(moving: MovingObjective, slope: np.ndarray, most: int) -> NewtonStep:
    """The vector p that makes norm(g + H p) least, as far as so many products by MINRES go.

    Raises:
        NotFinite: a product is not finite.
    """
    last_iterate = np.zeros_like(slope)

    def keep(iterate: np.ndarray) -> None:
        nonlocal last_iterate
        if np.isfinite(iterate).all():  # a space that ends makes the next vector NaN
            last_iterate = iterate.copy()

    size = len(slope)
    operator = LinearOperator((size, size), matvec=moving.hessian_times, dtype=np.float64)
    rough = torch.finfo(moving.matrix.like.dtype).eps ** 0.4
    with np.errstate(all="ignore"):
        minres(operator, -slope, rtol=rough, maxiter=most, callback=keep)
    bend = moving.hessian_times(last_iterate)
    rest = float(np.linalg.norm(slope + bend))
    return NewtonStep(last_iterate, float(np.linalg.norm(slope)), rest, float(slope @ bend))


def _backtrack(moving: MovingObjective, step: NewtonStep, share: float) -> np.ndarray | None:
    """The gradient after so much of a step, or less, as makes it smaller; None where nothing does.

    Args:
        moving: the objective; it moves.
        step: from where it stands.
        share: of the step that is tried first.
    """
    here = moving.theta
    for _ in range(HALVINGS):
        moving.move_to(here + share * step.vector)
        slope = moving.gradient()
        if float(slope @ slope) <= step.size**2 + 2 * ARMIJO * share * step.fall:
            return slope
        share /= 2
    moving.move_to(here)
    return None


def _minimise_gradient_norm(
    moving: MovingObjective, settings: CriticalSettings, unit: UnitProgress
) -> SearchEnd:
    """Descent on norm(g)^2 / 2, whose gradient is H g, by L-BFGS; it ends at the best place seen.

    Source: Frye et al. 2019, arXiv:1901.10603, where it is compared with Newton's methods.
    """
    best, best_theta, seen_steps = np.inf, moving.theta, 0

    def downhill(theta: np.ndarray) -> tuple[float, np.ndarray]:
        nonlocal best, best_theta
        moving.move_to(theta)
        slope = moving.gradient()
        size = float(np.linalg.norm(slope))
        if not np.isfinite(size):
            return np.inf, np.zeros_like(theta)
        if size < best:
            best, best_theta = size, theta.copy()
        return size**2 / 2, moving.hessian_times(slope)

    def watch(intermediate_result: object) -> None:
        nonlocal seen_steps
        seen_steps += 1
        unit.report(seen_steps, settings.steps)
        if best <= settings.target:
            raise StopIteration

    options = {"maxiter": settings.steps, "maxfun": 20 * settings.steps, "ftol": 0.0, "gtol": 0.0}
    minimisation = minimize(
        downhill, moving.theta, jac=True, method="L-BFGS-B", callback=watch, options=options
    )
    moving.move_to(best_theta)
    step, steps = newton_step(moving, moving.gradient(), settings.products), int(minimisation.nit)
    if best <= settings.target:
        return step.search_end(EndReason.CRITICAL, steps)
    return step.search_end(EndReason.STEPS if steps >= settings.steps else EndReason.STALLED, steps)
