"""The loss of a batch and its gradient, as a function of a flat vector of parameters."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor

from explorer.analysis.curvature.gradient import NoGradient
from explorer.analysis.objective import batchnorm
from explorer.analysis.objective.device import restore_threads
from explorer.analysis.objective.losses import as_value
from explorer.analysis.objective.objective import Objective
from explorer.problem import Batch, Outputs

SHORT_OPERATION = 1 << 17  # bytes that an operation puts out: threads wait longer for each other


class BatchGradient:
    """Loss and gradient of a batch, which BatchNorm may normalise by its own statistics.

    Everything else is in evaluation mode, so that what descends is what is measured.
    """

    def __init__(self, objective: Objective, batch: int, own_statistics: bool = True) -> None:
        """Of a copy of the objective's model where that has BatchNorm, else of its own.

        Args:
            objective: whose loss it is.
            batch: examples of a batch.
            own_statistics: of a batch, for BatchNorm; else the model's running ones.
        """
        each = objective.example_bytes * batch / objective.operations
        self._is_small = each < SHORT_OPERATION
        self._problem = objective.problem
        has_batchnorm = bool(batchnorm.layers(objective.flat.module))
        self._normalised = own_statistics and has_batchnorm
        self.flat = objective.flat.twin() if self._normalised else objective.flat
        if self._normalised:
            batchnorm.use_batch_statistics(self.flat.module)
        self._parameters: list[Tensor] = []

    @contextmanager
    def ready(self) -> Iterator[None]:
        """A stretch in which losses can be taken; the model is put back at its end."""
        put_back = self.flat.keep()
        try:
            with (
                restore_threads(),
                self.flat.at_theta(),
                self.flat.with_gradients() as parameters,
            ):
                if self._is_small:
                    torch.set_num_threads(1)
                self._parameters = parameters
                yield
        finally:
            self._parameters = []
            put_back()

    def loss(self, theta: Tensor, batch: Batch) -> Tensor:
        """The mean loss of a batch at theta (D,), without a gradient."""
        with torch.no_grad():
            self.flat.theta.copy_(theta)
            return self._mean_loss(batch)

    def loss_and_gradient(self, theta: Tensor, batch: Batch, gradient: Tensor) -> Tensor:
        """The mean loss of a batch at theta (D,); its gradient is written into `gradient` (D,).

        Raises:
            NoGradient: the loss does not depend on the parameters.
        """
        with torch.no_grad():
            self.flat.theta.copy_(theta)
        loss = self._mean_loss(batch)
        if not loss.requires_grad:
            raise NoGradient(
                "the loss has no gradient: argmax, detach(), no_grad() or a comparison lies "
                "between the weights and it; make the loss differentiable to train a path"
            )
        parts = torch.autograd.grad(loss, self._parameters, materialize_grads=True)
        torch.cat([part.reshape(-1) for part in parts], out=gradient)
        return loss.detach()

    def _outputs(self, batch: Batch) -> Outputs:
        """The model's outputs for a batch.

        Raises:
            ValueError: BatchNorm has but one value to make statistics of.
        """
        try:
            return self._problem.forward(self.flat.module, batch)
        except ValueError as error:
            if self._normalised and "more than 1 value per channel" in str(error):
                raise ValueError(
                    "a batch must give BatchNorm two values of each channel or more, got one; "
                    "train the path with a larger batch"
                ) from error
            raise

    def _mean_loss(self, batch: Batch) -> Tensor:
        outputs = self._outputs(batch)
        loss = as_value("loss", self._problem.loss(outputs, batch))
        if isinstance(loss, tuple):
            total, number = loss
            count = torch.as_tensor(number, device=total.device)
            return total / count.masked_fill(count == 0, 1)  # what counts nothing pulls nowhere
        return loss.mean()
