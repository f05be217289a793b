"""The learning-rate range test: short trainings from one point, on a copy, each at one rate."""

from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor

from explorer.analysis.curvature.differentiable import CurvatureError
from explorer.analysis.curvature.gradient import NoGradient
from explorer.analysis.measures.point_measures import LossAndGradient
from explorer.analysis.objective import batchnorm
from explorer.analysis.objective.device import restore_threads
from explorer.analysis.objective.objective import Objective
from explorer.analysis.paths.batch_gradient import SHORT_OPERATION
from explorer.codec import JsonValue
from explorer.kinds.diagnosis_settings import DiagnosisSettings
from explorer.kinds.progress import UnitProgress

STREAM = 2  # of the orders of batches, beside the seed


class RangeTest:
    """Loss after some steps of SGD at a learning rate, from the point the objective stands on.

    It is Smith 2017's test (arXiv:1506.01186, section 3.3) with a training of its own for each
    rate, not one training whose rate rises: rates do not hang on those before them.
    """

    def __init__(self, objective: Objective, settings: DiagnosisSettings) -> None:
        """Copy the model; batches are cut from the data where an example may stand alone.

        BatchNorm normalises each batch by its own statistics, as in a training.
        """
        objective = objective.twin()
        self.normalises = objective.flat.is_copy and bool(batchnorm.layers(objective.flat.module))
        if self.normalises:
            batchnorm.use_batch_statistics(objective.flat.module)
        self.settings = settings
        self.start = objective.flat.theta.clone()
        self.examples = objective.examples
        self.one_order = _one_order(objective, settings, self.normalises)
        batch = min(settings.rate_batch or self.examples, self.examples)
        each = objective.example_bytes * batch / objective.operations
        self._is_small = each < SHORT_OPERATION  # threads would wait longer than they work
        self.unusable = ""
        self.start_loss: float | None = None
        try:
            self._whole = LossAndGradient(objective)
            loss, _ = self._whole(self.start)
            self.start_loss = loss if np.isfinite(loss) else None
        except (NoGradient, CurvatureError) as error:
            self.unusable = f"{str(error)[:1].upper()}{str(error)[1:]}."

    @property
    def facts(self) -> dict[str, JsonValue]:
        """What of the test cannot be had on this model."""
        return {
            "no_rates": self.unusable,
            "one_order": self.one_order,
            "start_loss": self.start_loss,
            "batch_statistics": self.normalises,
        }

    def results(self, rate: float, unit: UnitProgress) -> list[tuple[float, float]]:
        """Of each order of batches the loss after the steps, and how many of them were finite.

        The loss is infinite where it is not finite; both are NaN where there is no gradient.
        """
        if self.unusable:
            return [(np.nan, np.nan)] * self.settings.orders
        results = []
        with restore_threads():
            if self._is_small:
                torch.set_num_threads(1)
            for order in range(1 if self.one_order else self.settings.orders):
                unit.report(order + 1, self.settings.orders, "order")
                theta, steps = self._train(rate, order)
                loss = self._whole.loss(theta)
                results.append((loss if np.isfinite(loss) else np.inf, float(steps)))
        return results * (self.settings.orders if self.one_order else 1)

    def _train(self, rate: float, order: int) -> tuple[Tensor, int]:
        """The parameters after the steps, and how many steps led to finite ones."""
        theta = self.start.clone()
        batches = self._batches(order)
        for step in range(self.settings.rate_steps):
            _, slope = next(batches)(theta)
            theta = theta - rate * slope
            if not bool(torch.isfinite(theta).all()):
                return theta, step
        return theta, self.settings.rate_steps

    def _batches(self, order: int) -> Iterator[LossAndGradient]:
        """Batches without replacement, shuffled anew at each pass; the same ones at each rate."""
        size, turn = self.settings.rate_batch, 0
        while self.one_order:
            yield self._whole
        while True:
            generator = np.random.RandomState([self.settings.seed, STREAM, order, turn])
            shuffled = generator.permutation(self.examples)
            # one example alone has no statistics to be normalised by
            whole = self.examples - 1 if self.normalises else self.examples
            for first in range(0, whole, size):
                yield self._whole.over_examples(shuffled[first : first + size])
            turn += 1


def _one_order(objective: Objective, settings: DiagnosisSettings, normalises: bool) -> str:
    """Why each step sees all examples; empty where it sees a batch.

    Args:
        objective: whose examples they are.
        settings: with the size of a batch.
        normalises: whether BatchNorm normalises each batch by its own statistics.
    """
    if normalises and settings.rate_batch == 1:
        return "A batch of one example has no statistics for BatchNorm: give a larger one."
    if not settings.rate_batch or settings.rate_batch >= objective.examples:
        return "Each step sees all examples: give a smaller batch size on the left."
    if objective.problem.batch_size:
        return "The problem declares its batches, which are not cut anew: each step sees all of it."
    if objective.traits.draws:
        return "The model draws random numbers, so that each step sees all examples."
    return ""
