"""Answers an ensemble: the first members' averaged predictions, beside each member alone."""

import math
import time
from collections.abc import Iterator, Sequence, Set

import numpy as np
import torch
from torch import Tensor

from explorer.analysis.merging.pooling import (
    MOST_BYTES,
    Pooled,
    PooledOutputs,
    PooledProbabilities,
    class_axis,
    require_tensor,
)
from explorer.analysis.objective import batchnorm
from explorer.analysis.objective.evaluation_mode import evaluation_mode
from explorer.analysis.objective.example_values import ExampleValues, mean_of
from explorer.analysis.objective.named_tensors import Tensors
from explorer.analysis.objective.objective import Objective
from explorer.analysis.objective.plane import NO_CHOICES, EarlierChoices
from explorer.analysis.paths.ends import check_statistics, moving_buffers
from explorer.kinds.ensemble_result import ALONE
from explorer.kinds.ensemble_settings import EnsembleSettings
from explorer.kinds.path_shape import control_weights
from explorer.kinds.piece import Piece
from explorer.kinds.progress import SILENT, Progress
from explorer.problem import Problem

SAME = 1e-6  # relative difference of the means of one batch that is rounding
KEPT_BYTES = 10  # of each output of each example: a number, and a vote


def answer(
    problem: Problem,
    subjects: Sequence[Tensors],
    settings: EnsembleSettings,
    done: Set[int],
    device: torch.device,
    choices: EarlierChoices = NO_CHOICES,
    progress: Progress = SILENT,
) -> Iterator[Piece]:
    """The members that are not in `done`, each a piece with the ensemble of those up to it.

    What goes on evaluates the members before again: of them only the averaged outputs are needed.

    Raises:
        ValueError: the outputs cannot be averaged, or do not fit the memory.
    """
    objective = Objective(problem, settings, device)
    objective.on_pass = progress.check
    _require_terms_of_outputs(objective, subjects[:2])
    predictions = _Predictions(objective, settings)
    facts = {**objective.facts, "pooled": predictions.pooled}
    last = max(set(range(settings.units)) - done, default=-1)
    along = _Along(objective, subjects, settings) if settings.keeps_order else None
    for unit in range(last + 1):
        began = time.perf_counter()
        if along is None:
            objective.load(subjects[unit])
        else:
            along.stand_on(settings.t[unit])
        values = predictions.with_member(unit)
        if unit in done:
            continue
        columns = {name: np.array([value]) for name, value in values.items()}
        columns["unit"] = np.array([unit], dtype=np.int64)
        yield Piece(columns, facts, time.perf_counter() - began)
        facts = {}


def _require_terms_of_outputs(objective: Objective, subjects: Sequence[Tensors]) -> None:
    """Refuse a loss that reads the model beside its outputs, of which an ensemble has several.

    One member's outputs on the first batch must have the same loss while the model stands on
    another one.

    Raises:
        ValueError: they have another, or a metric does; or they are no tensor.
    """
    terms = objective.loss_and_metrics
    first: tuple[Tensor, list[float]] | None = None
    for subject in subjects:
        objective.load(subject)
        with objective.flat.at_theta(), evaluation_mode():
            _, _, batch = next(iter(objective.batches))
            outputs = require_tensor(objective.outputs(batch))
            kept = outputs.clone() if first is None else first[0]
            means = [mean_of(value) for value in terms.values(kept, batch)]
        first = first or (kept, means)
        for name, before, now in zip(terms.names, first[1], means, strict=True):
            if not np.isclose(before, now, rtol=SAME, atol=0, equal_nan=True):
                raise ValueError(
                    f"{name} must be a function of outputs and batch alone, but reads the model "
                    "too, of which an ensemble has several; take that out of the problem file"
                )


class _Along:
    """A path past control points, on whose places an objective is put."""

    def __init__(
        self, objective: Objective, points: Sequence[Tensors], settings: EnsembleSettings
    ) -> None:
        """Past points in order, with the running statistics that the policy gives its places.

        Raises:
            ValueError: they are to stay frozen.
        """
        check_statistics(objective)
        objective.load(points[0])
        ends = moving_buffers(objective, points[-1])
        flats = []
        for point in points:
            objective.load(point)
            flats.append(objective.flat.theta.clone())
        self._points, self._shape = torch.stack(flats), settings.trajectory
        self._objective, self._ends = objective, ends

    def stand_on(self, t: float) -> None:
        """Stand on a place of the path."""
        flat = self._objective.flat
        (weights,) = control_weights(self._shape, len(self._points), np.array([t]))
        with flat.at_theta():
            flat.theta.copy_(torch.from_numpy(weights).to(self._points) @ self._points)
            batchnorm.interpolate(flat.module, self._ends, flat.theta.new_tensor([t]))


class _Predictions:
    """The averaged outputs of the members so far, on each batch."""

    def __init__(self, objective: Objective, settings: EnsembleSettings) -> None:
        """Decide what is averaged."""
        axis = class_axis(objective.problem.loss)
        probabilities = settings.pooled == "probabilities" or (
            settings.pooled == "automatic" and axis is not None
        )
        self.pooled = "probabilities" if probabilities else "outputs"
        self._axis = (1 if axis is None else axis) if probabilities else None
        self._objective = objective
        self._batches: list[Pooled] = []

    def with_member(self, number: int) -> dict[str, float]:
        """Values of the ensemble with one more member, and of that member by itself.

        Args:
            number: of the member, on whose parameters the objective stands.

        Raises:
            ValueError: its outputs cannot be averaged.
        """
        objective = self._objective
        objective.on_pass()
        alone, together = objective.empty_values(1), objective.empty_values(1)
        total, count = 0.0, 0
        with objective.flat.at_theta(), evaluation_mode():
            objective.follow_parameters()
            for place, (start, stop, batch) in enumerate(objective.batches):
                outputs = require_tensor(objective.outputs(batch))
                if number == 0:
                    self._check_size(outputs, stop - start)
                    self._batches.append(self._new())
                pooled = self._batches[place]
                pooled.add(outputs)
                terms = objective.loss_and_metrics
                alone.put(0, start, stop, terms.values(outputs, batch))
                together.put(0, start, stop, terms.values(pooled.outputs(outputs), batch))
                difference, outputs_count = pooled.difference
                total, count = total + difference, count + outputs_count
        values = _means(together) | {ALONE + n: v for n, v in _means(alone).items()}
        share = total / count
        of_classes = self._axis is not None
        return {**values, pooled.diversity: share if of_classes else math.sqrt(share)}

    def _new(self) -> Pooled:
        return PooledOutputs() if self._axis is None else PooledProbabilities(self._axis)

    def _check_size(self, outputs: Tensor, examples: int) -> None:
        """Refuse outputs that would not fit the memory."""
        needed = KEPT_BYTES * outputs.numel() / examples * self._objective.examples
        if needed > MOST_BYTES:
            raise ValueError(
                "the averaged outputs of all examples must take no more than "
                f"{MOST_BYTES / 2**30:.0f} GB, got {needed / 2**30:.1f} GB; choose fewer examples"
            )


def _means(example_values: ExampleValues) -> dict[str, float]:
    return {name: float(value[0]) for name, value in example_values.means_and_errors().items()}
