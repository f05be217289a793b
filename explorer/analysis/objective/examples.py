"""The examples that settings choose, and whether they can stay on the device."""

import itertools

import numpy as np
import torch

from explorer.analysis.objective.batches import (
    count_examples,
    map_tensors,
    slice_examples,
    tensors_of,
    to_device,
)
from explorer.analysis.objective.dataset import PROBE_EXAMPLES, Examples, Span, is_dataset
from explorer.analysis.objective.device import free_bytes
from explorer.analysis.objective.reading import read_examples
from explorer.kinds.objective_settings import ObjectiveSettings
from explorer.problem import Batch, Problem

MOST_PERMUTED = 1 << 28  # examples among which some are drawn by a permutation of all: 2 GiB
RESIDENT_SHARE = 0.25  # of the free memory that a split may take to be kept there
Source = Batch | Examples  # tensors of all examples, or a data set that gives them one by one


def split_of(problem: Problem, split: str) -> Source:
    """The examples of a split.

    Raises:
        ValueError: there is no such split.
    """
    if split not in problem.data:
        raise ValueError(f"split must be one of {', '.join(problem.data)}, got {split!r}")
    data = problem.data[split]
    return Examples(data, split) if is_dataset(data) and not isinstance(data, Examples) else data


def size_of(source: Source) -> int:
    """The number of examples.

    Raises:
        ValueError: there is none, or tensors disagree about it.
    """
    return len(source) if isinstance(source, Examples) else count_examples(source)


def examples_at(source: Source, chosen: np.ndarray | None) -> Source:
    """The examples at these indices (n,); all for None."""
    if chosen is None or isinstance(source, Examples):
        return source.subset(chosen) if isinstance(source, Examples) else source
    index = torch.from_numpy(chosen)
    return map_tensors(source, lambda tensor: tensor[index.to(tensor.device)])


def examples_of_settings(problem: Problem, settings: ObjectiveSettings) -> Source:
    """The examples that the settings choose, where they lie.

    Raises:
        ValueError: there is no such split, it is empty or ragged, or smaller than the subset.
    """
    source = split_of(problem, settings.split)
    return examples_at(source, subset_indices(size_of(source), settings, problem.batch_size))


def fits_on_device(source: Source, dtype: torch.dtype, device: torch.device) -> bool:
    """Whether the examples may be kept on the device; tensors on the CPU's side are there."""
    streams = isinstance(source, Examples)
    if device.type == "cpu" and not streams:
        return True
    first = source.head if isinstance(source, Examples) else slice_examples(source, 0, 1)
    one = sum(
        tensor[0].numel() * (dtype.itemsize if tensor.is_floating_point() else tensor.itemsize)
        for tensor in tensors_of(first)
    )
    return one * size_of(source) <= RESIDENT_SHARE * free_bytes(device)


def resident_examples(source: Source, dtype: torch.dtype, device: torch.device) -> Batch:
    """The examples as tensors on the device."""
    data = read_examples(source, keep=True)[0] if isinstance(source, Examples) else source
    return to_device(data, dtype, device)


def head_of(source: Source, batch_size: int | None = None) -> Batch:
    """The first few examples as tensors, for measuring and trying; whole batches of that size."""
    one = batch_size or 1
    many = min(-(-PROBE_EXAMPLES // one) * one, size_of(source))
    if not isinstance(source, Examples):
        return slice_examples(source, 0, many)
    return source.head if many <= PROBE_EXAMPLES else source.batch(range(many))


def calibration_batches(
    problem: Problem, settings: ObjectiveSettings, dtype: torch.dtype, device: torch.device
) -> list[Batch]:
    """What statistics are recomputed on: the split's first examples, also beside a subset."""
    if settings.batchnorm != "recalibrated":
        return []
    source = split_of(problem, settings.split)
    seen = min(settings.batchnorm_examples, size_of(source))
    data = resident_examples(examples_at(source, np.arange(seen)), dtype, device)
    size = settings.batchnorm_batch
    # a last batch of one example has no variance
    return [slice_examples(data, a, min(a + size, seen)) for a in range(0, seen - 1, size)]


def batch_spans(
    count: int, size: int, settings: ObjectiveSettings, declared: int | None = None
) -> list[Span]:
    """First and last-but-one example of each batch.

    Batches of the size that the problem declares are consecutive, the last one may be smaller.
    Where a batch is normalised by its own statistics, sizes are equal but for one example, and a
    setting, not a choice.
    """
    if declared:
        bounds = [*range(0, count, declared), count]
    elif settings.batchnorm == "batch":
        parts = -(-count // settings.batchnorm_batch)
        bounds = [count * n // parts for n in range(parts + 1)]
    else:
        bounds = [*range(0, count, size), count]
    return list(itertools.pairwise(bounds))


def require_declared(name: str, got: int, declared: int) -> None:
    """Refuse a size of batches beside the one that the problem declares.

    Raises:
        ValueError: it is another.
    """
    if got != declared:
        raise ValueError(f"{name} must be {declared}, the problem's batch_size, got {got}")


def subset_indices(
    count: int, settings: ObjectiveSettings, batch_size: int | None = None
) -> np.ndarray | None:
    """Indices of the examples of a subset, sorted, (n,); None for all `count` of them.

    Of a problem that declares its batches, a subset is whole ones of them.

    Raises:
        ValueError: the subset is larger than the split, or cuts a batch.
    """
    if settings.subset == "all":
        return None
    if settings.examples > count:
        raise ValueError(
            f"examples must be at most the {count:,} of split {settings.split!r}, "
            f"got {settings.examples:,}"
        )
    if batch_size and settings.examples % batch_size:
        raise ValueError(
            f"examples must be a multiple of {batch_size}, the problem's batch_size, as an "
            f"example's loss depends on its batch, got {settings.examples:,}"
        )
    if settings.subset == "first":
        return np.arange(settings.examples)
    if batch_size:
        wanted = settings.examples // batch_size
        batches = random_example_indices(count // batch_size, wanted, settings.examples_seed)
        return (batches[:, None] * batch_size + np.arange(batch_size)).ravel()
    return random_example_indices(count, settings.examples, settings.examples_seed)


def random_example_indices(count: int, wanted: int, seed: int) -> np.ndarray:
    """Indices of `wanted` of `count` examples, drawn without replacement, sorted, (wanted,).

    NumPy's RandomState is frozen by NEP 19, so that a seed means the same examples for good.
    """
    generator = np.random.RandomState(seed)
    if count <= MOST_PERMUTED or wanted > count // 2:
        return np.sort(generator.permutation(count)[:wanted])
    drawn = np.empty(0, dtype=np.int64)
    while len(drawn) < wanted:
        drawn = np.append(drawn, generator.randint(0, count, wanted, dtype=np.int64))
        drawn = drawn[np.sort(np.unique(drawn, return_index=True)[1])]  # the first of each
    return np.sort(drawn[:wanted])
