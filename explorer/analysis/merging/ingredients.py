"""The points that are made into one, as vectors, and a model on what is made of them."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from explorer.analysis.directions.plane import parameter_vector
from explorer.analysis.objective import batchnorm
from explorer.analysis.objective.device_examples import calibration_batches
from explorer.analysis.objective.examples import require_declared
from explorer.analysis.objective.moving_buffers import MovingBuffers
from explorer.analysis.objective.named_tensors import Tensors
from explorer.analysis.objective.objective import Objective
from explorer.kinds.objective_settings import ObjectiveSettings


@dataclass(frozen=True)
class Ingredients:
    """The points, of whose parameters only those that move are averaged."""

    objective: Objective  # with frozen statistics
    points: Sequence[Tensors]
    base: Tensors | None = None

    def vector(self, number: int) -> Tensor:
        """The parameters of a point as one vector (D,), float64."""
        return parameter_vector(self.points[number], self.objective.flat.blocks)

    @property
    def vectors(self) -> Iterator[Tensor]:
        """Those of all points in order."""
        return (self.vector(number) for number in range(len(self.points)))

    @property
    def base_vector(self) -> Tensor:
        """The parameters of the base; zeros where there is none."""
        if self.base is None:
            return torch.zeros_like(self.vector(0))
        return parameter_vector(self.base, self.objective.flat.blocks)

    @property
    def task_vectors(self) -> Iterator[Tensor]:
        """What each point adds to the base."""
        base = self.base_vector
        return (vector - base for vector in self.vectors)

    def check_finite(self) -> None:
        """Refuse weights that are not finite, which would make the whole average so.

        Raises:
            ValueError: those of a point are not; it is counted from 1.
        """
        for number, vector in enumerate(self.vectors, start=1):
            if not bool(torch.isfinite(vector).all()):
                raise ValueError(
                    f"all weights must be finite, got NaN or infinity in point {number} of "
                    f"{len(self.points)}; leave it out"
                )
        if not bool(torch.isfinite(self.base_vector).all()):
            raise ValueError("all weights must be finite, got NaN or infinity in the base")


class Average:
    """A model's stand on an average, with statistics of its own."""

    def __init__(self, ingredients: Ingredients, settings: ObjectiveSettings) -> None:
        """Prepare the batches over which statistics are recomputed, where they are.

        Raises:
            ValueError: the model cannot be copied, or its batches cannot be those of the settings.
        """
        self._ingredients = ingredients
        objective = ingredients.objective
        self._buffers = objective.moving_buffers
        self.recalibrates = settings.batchnorm == "recalibrated" and bool(
            batchnorm.layers(objective.flat.module)
        )
        if self.recalibrates:
            self._buffers = _recalibrated(objective, settings)

    @torch.no_grad()
    def stand(self, vector: Tensor, numbers: Sequence[int], weights: Sequence[float] = ()) -> None:
        """Put the objective on these parameters (D,) with statistics of that average.

        Buffers with a fraction are the mean of those of the points of these numbers, others the
        first's; then statistics are recomputed.

        Args:
            vector: the parameters.
            numbers: of the points that are averaged.
            weights: of each of these; the same of all unless given.

        Source: Izmailov et al. 2018, arXiv:1803.05407, section 3.2.
        """
        objective, points = self._ingredients.objective, self._ingredients.points
        own = points[numbers[0]]
        objective.load(own)
        objective.flat.theta.copy_(vector.to(objective.flat.theta.dtype))
        for name, buffer in objective.flat.buffers.items():
            if name in own and (buffer.is_floating_point() or buffer.is_complex()):
                wide = torch.complex128 if buffer.is_complex() else torch.float64
                values = [points[number][name].to(wide) for number in numbers]
                shares = weights or [1 / len(numbers)] * len(numbers)
                mean = sum(share * value for share, value in zip(shares, values, strict=True))
                buffer.copy_(torch.as_tensor(mean).to(buffer.dtype))
        with objective.flat.at_theta():
            self._buffers.follow(None)


def _recalibrated(objective: Objective, settings: ObjectiveSettings) -> MovingBuffers:
    """The model's buffers, recomputed over the batches of the settings."""
    batchnorm.check_policy(settings.batchnorm, objective.flat)
    if declared := objective.problem.batch_size:
        require_declared("batchnorm_batch", settings.batchnorm_batch, declared)
    dtype = objective.flat.theta.dtype
    batches = calibration_batches(objective.problem, settings, dtype, objective.device)
    moving = objective.moving_buffers
    return MovingBuffers(
        moving.flat, moving.problem, moving.autocast, moving.between, batches, moving.folded
    )
