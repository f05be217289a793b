"""Outputs of several models averaged, batch by batch, and how much the models differ."""

import functools
import math
from collections.abc import Callable, Mapping

import torch
from torch import Tensor

from explorer.problem import (
    PerBatch,
    cross_entropy,
    pixel_cross_entropy,
    token_cross_entropy,
)

# The losses of `explorer.problem` that take logits -> the axis of these that the classes are along.
CLASS_AXES: Mapping[PerBatch, int] = {
    cross_entropy: 1,
    pixel_cross_entropy: 1,
    token_cross_entropy: -1,
}
MOST_BYTES = 2 << 30  # of what is kept of the outputs of all examples


def class_axis(loss: PerBatch) -> int | None:
    """The axis of a ready loss's logits that the classes are along; None of any other loss."""
    plain: Callable[..., object] = loss.func if isinstance(loss, functools.partial) else loss
    return next((axis for ready, axis in CLASS_AXES.items() if ready is plain), None)


def require_tensor(outputs: object) -> Tensor:
    """Outputs that can be averaged.

    Raises:
        ValueError: they are no single tensor of numbers with a fraction.
    """
    if not isinstance(outputs, Tensor) or not outputs.is_floating_point():
        what = outputs.dtype if isinstance(outputs, Tensor) else type(outputs).__name__
        raise ValueError(
            "outputs must be one tensor of numbers with a fraction to be averaged, got "
            f"{what}; have the problem's forward return the logits or predictions alone"
        )
    return outputs


def working_precision(outputs: Tensor) -> torch.dtype:
    """float64, or float32 on a device that has none."""
    return torch.float32 if outputs.device.type == "mps" else torch.float64


class PooledProbabilities:
    """The mean of the softmax probabilities of several models on one batch, and their votes.

    They are kept as logarithms, which a cross-entropy takes for logits: it gives minus the
    logarithm of the mean probability of the label.

    Source: Lakshminarayanan et al. 2017, arXiv:1612.01474, section 2.4.
    """

    diversity = "disagreement"

    def __init__(self, axis: int) -> None:
        """The classes are along that axis of the outputs."""
        self._axis = axis
        self._members = 0
        self._sums = self._votes = torch.empty(0)  # like the first model's outputs

    def add(self, outputs: Tensor) -> None:
        """One more model's outputs.

        Raises:
            ValueError: they have no axis of classes.
        """
        if outputs.dim() < 2:
            raise ValueError(
                "outputs must have one logit per class, (B, C), for probabilities, got shape "
                f"{tuple(outputs.shape)}; average the outputs themselves"
            )
        logarithms = outputs.to(working_precision(outputs)).log_softmax(self._axis)
        votes = torch.zeros_like(outputs, dtype=torch.int16)
        votes.scatter_(self._axis, outputs.argmax(self._axis, keepdim=True), 1)
        if self._members == 0:
            self._sums, self._votes = (
                torch.full_like(logarithms, -math.inf),
                torch.zeros_like(votes),
            )
        torch.logaddexp(self._sums, logarithms, out=self._sums)
        self._votes += votes
        self._members += 1

    def outputs(self, like: Tensor) -> Tensor:
        """The logarithms of the mean probabilities, in the precision of `like`."""
        return (self._sums - math.log(self._members)).to(like.dtype)

    @property
    def difference(self) -> tuple[float, int]:
        """Sum over the examples of the share of pairs that choose different classes, and count.

        Source: Fort et al. 2019, arXiv:1912.02757, section 4 (disagreement of predictions).
        """
        votes = self._votes.to(self._sums.dtype)
        agreeing = (votes * (votes - 1)).sum(self._axis)
        pairs = self._members * (self._members - 1)
        shares = 1 - agreeing / pairs if pairs else torch.full_like(agreeing, torch.nan)
        return float(shares.sum()), shares.numel()


class PooledOutputs:
    """The mean of the outputs of several models on one batch, and how far they scatter.

    Source: Welford 1962, Technometrics 4, 419 (the sum of squared deviations).
    """

    diversity = "spread"

    def __init__(self) -> None:
        self._members = 0
        self._mean = torch.empty(0)  # like the first model's outputs
        self._squares = 0.0  # sum of squared deviations from the mean

    def add(self, outputs: Tensor) -> None:
        """One more model's outputs."""
        wide = outputs.to(working_precision(outputs))
        self._members += 1
        if self._members == 1:
            self._mean = wide.clone()
            return
        before = wide - self._mean
        self._mean += before / self._members
        self._squares += float((before * (wide - self._mean)).sum())

    def outputs(self, like: Tensor) -> Tensor:
        """The mean outputs, in the precision of `like`."""
        return self._mean.to(like.dtype)

    @property
    def difference(self) -> tuple[float, int]:
        """Sum of the variances of the outputs over the members, and how many outputs they are."""
        alone = self._members < 2
        return (torch.nan if alone else self._squares / self._members), self._mean.numel()


Pooled = PooledProbabilities | PooledOutputs
