"""The examples of a split, resident on a device: one subset, one precision, cut into batches."""

from collections.abc import Callable, Mapping
from operator import itemgetter

import numpy as np
import torch
from torch import Tensor

from explorer.kinds.settings import ObjectiveSettings
from explorer.problem import Batch, Problem


def mapped(batch: Batch, function: Callable[[Tensor], Tensor]) -> Batch:
    """The batch with the function applied to each of its tensors."""
    if isinstance(batch, Tensor):
        return function(batch)
    if isinstance(batch, Mapping):
        return {name: mapped(value, function) for name, value in batch.items()}
    return tuple(mapped(value, function) for value in batch)


def tensors_of(batch: Batch) -> list[Tensor]:
    """The tensors of a batch in a fixed order."""
    found: list[Tensor] = []
    mapped(batch, lambda t: found.append(t) or t)  # type: ignore[func-returns-value]
    return found


def count_examples(data: Batch) -> int:
    """The common first dimension of the tensors of a split.

    Raises:
        ValueError: there is no example, or the tensors disagree.
    """
    sizes = sorted({len(tensor) for tensor in tensors_of(data)})
    if not sizes or 0 in sizes:
        raise ValueError("there must be at least one example, got none; leave the split out")
    if len(sizes) > 1:
        raise ValueError(
            "all tensors of a split must share a first dimension, one entry per example, got "
            f"{' and '.join(map(str, sizes))}; cut them to one length"
        )
    return sizes[0]


def part(data: Batch, start: int, stop: int) -> Batch:
    """Examples from start to stop, as views."""
    return mapped(data, itemgetter(slice(start, stop)))


def resident(
    problem: Problem, settings: ObjectiveSettings, dtype: torch.dtype, device: torch.device
) -> Batch:
    """The examples that the settings choose, on the device; numbers with a fraction as `dtype`.

    Whole numbers keep their type: uint8 images stay small; the problem's `forward` scales them.

    Raises:
        ValueError: there is no such split, it is empty or ragged, or smaller than the subset.
    """
    if settings.split not in problem.data:
        raise ValueError(f"split must be one of {', '.join(problem.data)}, got {settings.split!r}")
    data = problem.data[settings.split]
    chosen = chosen_examples(count_examples(data), settings)

    def placed(tensor: Tensor) -> Tensor:
        if chosen is not None:
            tensor = tensor[torch.from_numpy(chosen).to(tensor.device)]
        return tensor.to(device=device, dtype=dtype if tensor.is_floating_point() else None)

    return mapped(data, placed)


def chosen_examples(count: int, settings: ObjectiveSettings) -> np.ndarray | None:
    """Indices of the examples of a subset, sorted, (n,); None for all `count` of them.

    Random ones are drawn without replacement by NumPy's RandomState, frozen by NEP 19, so that a
    seed means the same examples for good.

    Raises:
        ValueError: the subset is larger than the split.
    """
    if settings.subset == "all":
        return None
    if settings.examples > count:
        raise ValueError(
            f"examples must be at most the {count:,} of split {settings.split!r}, "
            f"got {settings.examples:,}"
        )
    if settings.subset == "first":
        return np.arange(settings.examples)
    order = np.random.RandomState(settings.examples_seed).permutation(count)
    return np.sort(order[: settings.examples])
