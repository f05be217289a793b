"""The outputs for all examples as constraints on the parameters: values, Jacobian, its factors."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial

import numpy as np
import scipy.linalg
import torch
from torch import Tensor

from explorer.analysis.curvature.differentiable import (
    CurvatureError,
    DifferentiableModel,
    NotFinite,
    explain_torch_errors,
)
from explorer.analysis.curvature.products import jacobian
from explorer.analysis.objective.objective import Objective
from explorer.problem import Batch, labels_of, squared_error

FEW_EXAMPLES = 8  # at once: each output's own pass back goes through all of them
MOST_ENTRIES = 40_000_000  # of a Jacobian that is made whole: 320 MB


@dataclass(frozen=True)
class Factors:
    """The singular value decomposition of a Jacobian (M, D), as far as it counts."""

    left: np.ndarray  # (M, R)
    values: np.ndarray  # (K,) all, descending, over the largest
    right: np.ndarray  # (R, D)
    scale: float  # the largest

    @property
    def rank(self) -> int:
        """Singular values that count."""
        return len(self.right)

    @property
    def last(self) -> float:
        """The smallest singular value that counts, over the largest; NaN where none does."""
        return float(self.values[self.rank - 1]) if self.rank else np.nan

    @property
    def following(self) -> float:
        """The largest one that does not count, over the largest; NaN where all do."""
        return float(self.values[self.rank]) if self.rank < len(self.values) else np.nan

    def null_part(self, vector: np.ndarray) -> np.ndarray:
        """The part of a vector (D,) that changes no output to first order."""
        once = vector - self.right.T @ (self.right @ vector)
        return np.asarray(once - self.right.T @ (self.right @ once))  # again: what rounding left

    def reachable(self, outputs: np.ndarray) -> np.ndarray:
        """The part of a change of the outputs (M,) that parameters can make."""
        return np.asarray(self.left @ (self.left.T @ outputs))

    def least_norm(self, outputs: np.ndarray) -> np.ndarray:
        """The shortest change of the parameters (D,) that changes the outputs (M,) like this."""
        sizes = self.scale * self.values[: self.rank]
        return np.asarray(self.right.T @ ((self.left.T @ outputs) / sizes))


class OutputConstraints:
    """All outputs of an objective's model; vectors are NumPy's, float64."""

    def __init__(self, objective: Objective) -> None:
        """Prepare at the objective's present point; both move together.

        Raises:
            CurvatureError: the model cannot be differentiated.
        """
        self._objective = objective
        self._model = DifferentiableModel(objective)

    @property
    def theta(self) -> np.ndarray:
        """A copy of the parameters as they stand, (D,)."""
        theta = self._objective.flat.theta.to("cpu", torch.float64, copy=True)
        return np.asarray(theta.numpy())

    def move_to(self, theta: np.ndarray) -> None:
        """Move to other parameters (D,)."""
        for flat in (self._objective.flat, self._model.flat):
            flat.theta.copy_(torch.from_numpy(theta))

    @property
    def are_targets(self) -> bool:
        """Whether the loss is 0 where the outputs are their targets, and only there."""
        loss = self._model.problem.loss
        return (loss.func if isinstance(loss, partial) else loss) is squared_error

    def targets(self) -> np.ndarray:
        """The outputs of zero loss, (M,)."""
        parts = [labels_of(batch).reshape(-1) for batch in self._batches()]
        return _as_numpy(torch.cat(parts))

    def outputs(self) -> np.ndarray:
        """All outputs where the parameters stand, (M,)."""
        with self._model.flat.at_theta(), torch.no_grad():
            parts = [self._model.tensor_outputs(batch).reshape(-1) for batch in self._batches()]
        return _as_numpy(torch.cat(parts))

    def factors(self, tolerance: float) -> Factors:
        """The factors of the Jacobian of all outputs; singular values below a share are left out.

        Args:
            tolerance: the share of the largest.

        Raises:
            NotFinite: the Jacobian is not finite.
            ValueError: it is too large.
        """
        matrix = self._jacobian()
        if not np.isfinite(matrix).all():
            raise NotFinite("the outputs' derivatives are not finite here; choose another point")
        left, values, right = scipy.linalg.svd(
            matrix, full_matrices=False, overwrite_a=True, check_finite=False
        )
        scale = float(values[0])
        shares = values / scale if scale else np.zeros_like(values)
        rank = int((shares > tolerance).sum())
        return Factors(left[:, :rank], shares, right[:rank], scale)

    def _batches(self, most: int | None = None) -> Iterator[Batch]:
        """All examples in order, as they belong together, or at most so many at once."""
        self._objective.on_pass()
        usual = self._model.usual_batch
        size = self._model.fixed_batch or min(usual, most or usual)
        for start in range(0, self._model.examples, size):
            yield self._model.batch(start, min(start + size, self._model.examples))

    def _jacobian(self) -> np.ndarray:
        """The derivatives of all outputs by all parameters, (M, D)."""
        rows, count = [], 0
        for batch in self._batches(FEW_EXAMPLES):
            with explain_torch_errors(), self._model.with_derivatives(), torch.enable_grad():
                outputs = self._model.tensor_outputs(batch).reshape(-1)
                count += outputs.numel()
                if count * self._model.size > MOST_ENTRIES:
                    raise ValueError(
                        f"the Jacobian may have up to {MOST_ENTRIES:,} entries, outputs times "
                        f"parameters; choose fewer examples than {self._model.examples:,}"
                    )
                rows.append(self._rows(outputs))
        return np.concatenate(rows)

    def _rows(self, outputs: Tensor) -> np.ndarray:
        """The derivatives of some outputs (B,), by rows or by columns, whichever are fewer."""
        if not outputs.requires_grad:
            raise CurvatureError(
                "the outputs must depend on the parameters in a way that torch "
                "can differentiate; does forward detach them?"
            )
        if len(outputs) <= self._model.size:
            parts = [self._row(one) for one in outputs]
            return np.stack([_as_numpy(self._model.flat_vector(part)) for part in parts])
        forward, _ = jacobian([outputs], self._model.parameters)
        columns = []
        for number in range(self._model.size):
            unit = self._model.flat.theta.new_zeros(self._model.size)
            unit[number] = 1
            columns.append(_as_numpy(forward(self._model.split(unit))[0]))
            self._objective.on_pass()
        return np.stack(columns, axis=1)

    def _row(self, output: Tensor) -> list[Tensor]:
        """The derivatives of one output."""
        self._objective.on_pass()
        return list(
            torch.autograd.grad(
                output, self._model.parameters, retain_graph=True, materialize_grads=True
            )
        )


def _as_numpy(values: Tensor) -> np.ndarray:
    return np.asarray(values.detach().to("cpu", torch.float64).numpy())
