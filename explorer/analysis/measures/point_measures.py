"""A point that measures of sharpness stand on: losses, gradients and curvature around it."""

import copy
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from torch import Tensor

from explorer.analysis.curvature import products
from explorer.analysis.curvature.differentiable import DifferentiableModel
from explorer.analysis.curvature.gradient import NoGradient, gradient
from explorer.analysis.curvature.lanczos import Lanczos, quadrature
from explorer.analysis.curvature.matrices import ScaledMatrix, dense_matrix
from explorer.analysis.curvature.products import Curvature, Product
from explorer.analysis.curvature.random_vectors import random_signs
from explorer.analysis.objective.evaluation_mode import evaluation_mode
from explorer.analysis.objective.examples import examples_at
from explorer.analysis.objective.losses import as_value
from explorer.analysis.objective.objective import Objective
from explorer.kinds.estimates import Estimate
from explorer.kinds.measures import MISSING_REASONS
from explorer.kinds.sharpness_settings import SharpnessSettings
from explorer.problem import accuracy

Through = Callable[[Tensor], Tensor]  # outputs -> outputs
LEAST_VARIANCE = 1e-12  # of logits that are divided by its root: where a dead net gives zeros alone
STREAM = {"box": 10, "ball": 11, "noise": 12, "ascent": 13, "batches": 14, "probes": 1}
STREAM |= {"scaled": 15, "flatness": 16, "factor": 17, "sigma": 18, "rescaling": 19, "subspace": 20}
STREAM |= {"sphere": 21, "basin": 22}


class NotApplicable(ValueError):
    """A measure that this model or problem does not have."""

    def __init__(self, beginning: str) -> None:
        """Name the sentence of `MISSING_REASONS` that begins so."""
        (self.why,) = [n for n, text in enumerate(MISSING_REASONS) if text.startswith(beginning)]
        super().__init__(MISSING_REASONS[self.why])


@dataclass(frozen=True)
class MeasureValue:
    """A measure's value, the ends of its interval, and the worst direction found."""

    value: float
    low: float
    high: float
    direction: Tensor | None = None  # (D,), to the worst place

    @classmethod
    def exact(cls, value: float, direction: Tensor | None = None) -> "MeasureValue":
        """What is no estimate."""
        return cls(value, value, value, direction)

    @classmethod
    def mean_of(cls, values: np.ndarray) -> "MeasureValue":
        """The mean over random probes (m,) with its interval."""
        estimate = Estimate.of(values)
        return cls(estimate.value, estimate.low, estimate.high)

    @classmethod
    def at_least(cls, value: float, direction: Tensor | None = None) -> "MeasureValue":
        """The best that was found of a maximum."""
        return cls(value, value, float("inf"), direction)


class LossAndGradient:
    """Loss and gradient of the mean at any parameters; losses that are not finite are kept so."""

    def __init__(self, objective: Objective, through: Through | None = None) -> None:
        """Copy the objective's model; `through` changes its outputs before the loss."""
        self.model = DifferentiableModel(objective)
        self._through = through

    def over_examples(self, chosen: np.ndarray) -> "LossAndGradient":
        """The same over some examples, by their indices (n,).

        Raises:
            NotApplicable: the problem declares its batches, which must not be cut.
        """
        if self.model.problem.batch_size:
            raise NotApplicable("An example's loss depends on its batch")
        part = copy.copy(self)
        part.model = copy.copy(self.model)
        part.model.data = examples_at(self.model.data, chosen)
        part.model.examples = len(chosen)
        return part

    def loss(self, theta: Tensor) -> float:
        """The mean loss at parameters (D,)."""
        self.model.flat.theta.copy_(theta)
        with self.model.with_derivatives(), torch.no_grad():
            return self._sum(lambda total: None)

    def __call__(self, theta: Tensor) -> tuple[float, Tensor]:
        """The mean loss at parameters (D,) and its gradient there, (D,) of their type."""
        self.model.flat.theta.copy_(theta)
        parts: list[Tensor] = []
        with self.model.with_derivatives(), torch.enable_grad():
            loss = self._sum(
                lambda total: parts.append(
                    self.model.flat_vector(self.model.gradients(total, kept=False)).double()
                )
            )
        gradient = torch.stack(parts).sum(dim=0) / self._count
        return loss, gradient.to(theta.dtype)

    def _sum(self, seen: Callable[[Tensor], None]) -> float:
        model, value, self._count = self.model, 0.0, 0.0
        for start in range(0, model.examples, model.usual_batch):
            batch = model.batch(start, min(start + model.usual_batch, model.examples))
            through = self._through
            outputs = through(model.tensor_outputs(batch)) if through else model.outputs(batch)
            loss = as_value("loss", model.problem.loss(outputs, batch))
            total, count = loss if isinstance(loss, tuple) else (loss.double().sum(), loss.numel())
            if torch.is_grad_enabled() and not total.requires_grad:
                raise NoGradient("the loss has no gradient by the parameters")
            seen(total)
            value += float(total.detach())
            self._count += float(count)
        return value / self._count


class MeasuredPoint:
    """One point with what several measures need of it; everything is made when first asked for."""

    def __init__(
        self, objective: Objective, settings: SharpnessSettings, start: Tensor | None = None
    ) -> None:
        """Stand at the objective's present point; `start` (D,) are the initial parameters."""
        self.objective, self.settings, self.start = objective, settings, start
        self.theta = objective.flat.theta.clone()
        self.size = self.theta.numel()
        self.means = objective.means()
        self.loss = self.means["loss"]
        self.is_classifier = _is_classifier(objective)
        # accuracy lost by noise of a sigma in each draw, for noise scaled by abs(w) and plain
        self.drops: dict[bool, dict[float, np.ndarray]] = {True: {}, False: {}}
        self.sphere_rises: np.ndarray | None = None  # of draws of one length, once they are known

    def rng(self, stream: str, *more: int) -> np.random.RandomState:
        """A generator of its own for each use."""
        return np.random.RandomState([self.settings.seed, STREAM[stream], *more])

    def normal(self, stream: str, *more: int) -> Tensor:
        """A standard normal vector (D,)."""
        return torch.from_numpy(self.rng(stream, *more).standard_normal(self.size)).to(self.theta)

    def means_at(self, theta: Tensor) -> dict[str, float]:
        """Loss and metrics at parameters (D,)."""
        flat = self.objective.flat
        with evaluation_mode():
            flat.theta.copy_(theta)
        try:
            return self.objective.means()
        finally:
            with evaluation_mode():
                flat.theta.copy_(self.theta)

    @cached_property
    def loss_and_gradient(self) -> LossAndGradient:
        """Loss and gradient anywhere."""
        return LossAndGradient(self.objective)

    @cached_property
    def normalised_loss_and_gradient(self) -> LossAndGradient:
        """The same with a classifier's logits divided by their standard deviation.

        Source: Andriushchenko et al. 2023, arXiv:2302.07011.
        """
        return LossAndGradient(self.objective, normalise_logits if self.is_classifier else None)

    @cached_property
    def gradient(self) -> Tensor:
        """Of the mean loss, (D,) float64 on the CPU."""
        return gradient(self.objective)

    @cached_property
    def hessian(self) -> Curvature:
        """By its products."""
        return Curvature(self.objective, products.hessian)

    @property
    def scaled_hessian(self) -> Product:
        """The Hessian between diag(abs(w))."""
        return ScaledMatrix(self.hessian, self.theta.abs())

    @property
    def is_small(self) -> bool:
        """Whether the whole matrix takes no more products than the probes."""
        return self.size <= self.settings.probes * self.settings.steps

    @cached_property
    def matrix(self) -> np.ndarray:
        """The whole Hessian (D, D), float64."""
        return dense_matrix(self.hessian)

    @cached_property
    def probes(self) -> list[tuple[float, float, np.ndarray, np.ndarray]]:
        """Of each random vector: v'Hv, norm(Hv)^2, the nodes and weights of its quadrature."""
        probe_rows = []
        for number in range(self.settings.probes):
            signs = random_signs(self.hessian, self.settings.seed, STREAM["probes"], number)
            lanczos = Lanczos(self.hessian, signs, self.settings.steps)
            while not lanczos.is_over:
                lanczos.step()
            square = float(torch.linalg.vector_norm(lanczos.first, dtype=torch.float64)) ** 2
            probe_rows.append(
                (self.size * lanczos.alphas[0], self.size * square, *quadrature(lanczos))
            )
        return probe_rows


def normalise_logits(logits: Tensor) -> Tensor:
    """Logits (B, C) over their standard deviation across classes; equal ones stay equal."""
    variance = logits.var(dim=1, unbiased=False, keepdim=True)
    return logits / (variance + LEAST_VARIANCE).sqrt()


def _is_classifier(objective: Objective) -> bool:
    """Whether outputs are logits (B, C) against labels, as the ready metric has them."""
    problem = objective.problem
    if accuracy_of(objective) is None:
        return False
    with evaluation_mode():
        for _, _, batch in objective.batches:
            outputs = objective.outputs(batch)
            break
    return isinstance(outputs, Tensor) and outputs.dim() == 2 and bool(problem.metrics)


def accuracy_of(objective: Objective) -> str | None:
    """The name of the metric that is 1 - the 0-1 loss; None where there is none."""
    metrics = objective.problem.metrics
    ready = [name for name, metric in metrics.items() if metric is accuracy]
    return next(iter(ready), "accuracy" if "accuracy" in metrics else None)
