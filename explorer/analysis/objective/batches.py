"""Batches: tensors, or tuples and dicts of them, that share their first dimension."""

from collections.abc import Callable, Mapping
from operator import itemgetter

import torch
from torch import Tensor

from explorer.problem import Batch


def map_tensors(batch: Batch, function: Callable[[Tensor], Tensor]) -> Batch:
    """The batch with the function applied to each of its tensors.

    What has names keeps them: a named tuple, or a dict of a class of its own, whose entries may be
    attributes, stays what it is. Lists become tuples.
    """
    if isinstance(batch, Tensor):
        return function(batch)
    if isinstance(batch, Mapping):
        return _as_class_of(
            batch, {name: map_tensors(value, function) for name, value in batch.items()}
        )
    values = [map_tensors(value, function) for value in batch]
    return type(batch)(*values) if hasattr(batch, "_fields") else tuple(values)


def _as_class_of(batch: Mapping[str, Batch], values: dict[str, Batch]) -> Mapping[str, Batch]:
    """The values as the class of the batch where that can be made of a dict, else as a dict."""
    if type(batch) is dict:
        return values
    try:
        converted = type(batch)(values)  # type: ignore[call-arg]
        faithful = len(converted) == len(values) and all(
            converted[name] is v for name, v in values.items()
        )
    except Exception:  # whatever a class of the user's says to a dict
        return values
    return converted if faithful else values


def tensors_of(batch: Batch) -> list[Tensor]:
    """The tensors of a batch in a fixed order."""
    tensors: list[Tensor] = []
    map_tensors(batch, lambda t: tensors.append(t) or t)  # type: ignore[func-returns-value]
    return tensors


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
            f"{' and '.join(map(str, sizes))}; cut them to one length, or, where they are parts of "
            "one thing such as a graph, make that the only example: tensor.unsqueeze(0) of each, "
            "and [0] in forward and loss"
        )
    return sizes[0]


def slice_examples(data: Batch, start: int, stop: int) -> Batch:
    """Examples from start to stop, as views."""
    return map_tensors(data, itemgetter(slice(start, stop)))


def to_device(data: Batch, dtype: torch.dtype, device: torch.device) -> Batch:
    """The batch on the device; numbers with a fraction as `dtype`.

    Whole numbers keep their type: uint8 images stay small; the problem's `forward` scales them.
    """

    def to_its_place(tensor: Tensor) -> Tensor:
        kind = dtype if tensor.is_floating_point() else None
        return tensor.to(device=device, dtype=kind, non_blocking=tensor.is_pinned())

    return map_tensors(data, to_its_place)


def channels_last(batch: Batch) -> Batch:
    """The batch with the channels of its images last in memory."""

    def laid_out(tensor: Tensor) -> Tensor:
        images = tensor.dim() == 4
        return tensor.contiguous(memory_format=torch.channels_last) if images else tensor

    return map_tensors(batch, laid_out)
