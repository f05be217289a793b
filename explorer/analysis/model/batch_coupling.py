"""Whether an example's values depend on the others of its batch, or on how large that is."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from explorer.analysis.objective import model_copies
from explorer.analysis.objective.batches import (
    count_examples,
    map_tensors,
    slice_examples,
    to_device,
)
from explorer.analysis.objective.dataset import Examples
from explorer.analysis.objective.evaluation_mode import evaluation_mode
from explorer.analysis.objective.example_values import Count, Value
from explorer.analysis.objective.examples import Source, rows_at, size_of
from explorer.analysis.objective.flat_model import FlatModel
from explorer.analysis.objective.forward_cost import forward_cost
from explorer.analysis.objective.losses import LossAndMetrics
from explorer.analysis.objective.memory import is_out_of_memory
from explorer.problem import Batch, Problem

EXAMPLES, LEAST = 64, 8  # that show it, and where a model is slow
MOST = 512  # at an import: what chooses the worst hundred of a batch shows in larger ones alone
# Of operations' outputs in one trial, and of weights times examples: about two seconds on two cores
# for the eight trials (measured: a ResNet-20 puts out 2.4 MB an example).
MOST_BYTES, MOST_WEIGHTS = 512 << 20, 5_000_000_000
CUT = 3  # examples of the smaller part: odd, so that pairs of neighbours are parted
# Relative. In other company an example takes part in the same operations of the same shapes, and
# only sums over a batch are rounded in another order; a smaller or larger batch may be computed by
# other kernels, to a few bits of bfloat16 where the model computes in it.
COMPANY, SIZE = 1e-4, 2e-2


def examples_of(source: Source, many: int = EXAMPLES) -> Batch:
    """Examples from all over a split, an even number of them; one where there is but one.

    Of sorted data the first ones would be of one class, and alike.
    """
    count = size_of(source)
    many = min(many, count)
    places = np.linspace(0, count - 1, max(1, many - many % 2)).astype(int)
    if isinstance(source, Examples):
        return source.batch(places.tolist())
    return rows_at(source, places)


def affordable_examples(problem: Problem, flat: FlatModel, source: Source, most: int) -> int:
    """How many examples are tried: by shapes alone, so that each machine finds the same."""
    few = to_device(examples_of(source, LEAST), flat.theta.dtype, flat.theta.device)
    if count_examples(few) < LEAST:
        return count_examples(few)
    each, _ = forward_cost(flat, problem, few)
    return max(LEAST, min(most, MOST_BYTES // each, MOST_WEIGHTS // flat.theta.numel()))


def why_coupled(problem: Problem, flat: FlatModel, batch: Batch) -> str:
    """What of the loss and the metrics depends on the batch, and how; nothing where none does.

    Each example must keep its value, or a batch its share of sum and count, beside other examples,
    in another order, and in a smaller batch.

    Args:
        problem: loss, metrics and forward.
        flat: the model at a point.
        batch: an even number of examples, where they lie.
    """
    count = count_examples(batch)
    batch = to_device(batch, flat.theta.dtype, flat.theta.device)
    few = slice_examples(batch, 0, min(model_copies.FEW, count))
    if count < 2 or model_copies.draws_random_numbers(flat, problem, few):
        return ""  # random numbers are dealt with by themselves
    trial = _Trial(problem, flat, batch)
    values_together = trial.values(trial.whole)
    if not _alike(values_together, trial.values(trial.whole), COMPANY):
        return ""  # not even steady, which is told elsewhere
    for said, other, within in trial.others():
        for name, one, two in zip(["loss", *problem.metrics], values_together, other, strict=True):
            if not _alike([one], [two], within):
                return f"{name} {said} ({_value_words(one)} becomes {_value_words(two)})"
    return trial.failure


@dataclass
class _Trial:
    """The same examples put together in several ways."""

    problem: Problem
    flat: FlatModel
    batch: Batch
    failure: str = ""  # of a smaller batch

    @property
    def whole(self) -> list[int]:
        """The examples in their order."""
        return list(range(count_examples(self.batch)))

    def values(self, examples: list[int]) -> list[Value]:
        """Each term of a batch of these examples, in float64."""

        def rows_of(tensor: Tensor) -> Tensor:
            return tensor[torch.tensor(examples, device=tensor.device)]

        batch = map_tensors(self.batch, rows_of)
        with self.flat.at_theta(), evaluation_mode():
            outputs = self.problem.forward(self.flat.module, batch)
            term_values = LossAndMetrics(self.problem).values(outputs, batch)
        return [_exact(value, len(examples)) for value in term_values]

    def others(self) -> list[tuple[str, list[Value], float]]:
        """What is said of a difference, the values that the whole must have, and how nearly."""
        numbers = self.whole
        count, half = len(numbers), len(numbers) // 2
        first, second = numbers[:half], numbers[half:]
        beside = self._joined_values(first + first, second + second, _halves)
        cut = CUT if count > 2 * CUT else 1
        comparisons = [
            ("of an example depends on the others of its batch", beside, COMPANY),
            (
                "of an example depends on its place in the batch",
                [_reversed_value(value) for value in self.values(numbers[::-1])],
                SIZE,
            ),
        ]
        try:
            parts = self._joined_values(numbers[:cut], numbers[cut:], _joined_value)
        except Exception as error:  # whatever the user's code raises
            if is_out_of_memory(error):
                return comparisons
            if cut > 1:
                words = " ".join(str(error).split())[:200]
                self.failure = (
                    f"loss and metrics of {count} examples can be computed, but not of {cut} "
                    f"({type(error).__name__}: {words})"
                )
            return comparisons
        return [*comparisons, ("of an example depends on how many are in its batch", parts, SIZE)]

    def _joined_values(
        self, one: list[int], other: list[int], join: Callable[[Value, Value], Value]
    ) -> list[Value]:
        pairs = zip(self.values(one), self.values(other), strict=True)
        return [join(first, second) for first, second in pairs]


def _exact(value: Value, examples: int) -> Value:
    """The value in float64: (B,) where there is one per example, else (sum, count)."""
    if isinstance(value, tuple):
        return _number(value[0]), _number(value[1])
    value = value.detach().to("cpu").to(torch.float64)
    if value.shape[-1] == examples:
        return value
    return value.sum(), torch.tensor(float(value.shape[-1]), dtype=torch.float64)


def _number(value: Count) -> Tensor:
    return torch.as_tensor(value).detach().to("cpu").to(torch.float64)


def _joined_value(one: Value, other: Value) -> Value:
    """The value of two batches together."""
    if isinstance(one, tuple) and isinstance(other, tuple):
        return one[0] + other[0], one[1] + other[1]
    if isinstance(one, tuple) or isinstance(other, tuple):
        raise ValueError("one value per example in some batches, sum and count in others")
    return torch.cat([one, other])


def _halves(one: Value, other: Value) -> Value:
    """The value of a batch whose halves two batches hold twice each."""
    if isinstance(one, Tensor) and isinstance(other, Tensor):
        half = len(one) // 2
        return torch.cat([one[:half], other[half:]])
    total, count = _joined_value(one, other)
    return total / 2, count / 2


def _reversed_value(value: Value) -> Value:
    return value if isinstance(value, tuple) else value.flip(0)


def _alike(one: list[Value], other: list[Value], within: float) -> bool:
    """Whether values are equal but for so much of their mean size."""
    return all(_close(a, b, within) for a, b in zip(one, other, strict=True))


def _close(one: Value, other: Value, within: float) -> bool:
    if isinstance(one, tuple) or isinstance(other, tuple):
        pair = isinstance(one, tuple) and isinstance(other, tuple)
        means = pair and _near(one[0] / one[1], other[0] / other[1], within)
        return means and _near(_number(one[1]), _number(other[1]), within)
    return _near(one, other, within)


def _near(one: Tensor, other: Tensor, within: float) -> bool:
    if one.shape != other.shape:
        return False
    finite = one[one.isfinite()].abs()
    scale = float(finite.mean()) if finite.numel() else 0.0
    return torch.allclose(one, other, rtol=within, atol=within * scale, equal_nan=True)


def _value_words(value: Value) -> str:
    """The mean, and how many a pair of sum and count says that it is over."""
    if isinstance(value, tuple):
        return f"{float(value[0] / value[1]):.6g} with a count of {float(value[1]):g}"
    return f"{float(value.mean()):.6g}"
