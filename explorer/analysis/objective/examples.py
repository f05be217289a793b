"""The examples that settings choose, and the batches that they are cut into."""

import itertools
from typing import cast

import numpy as np
import torch

from explorer.analysis.objective.batches import count_examples, map_tensors, slice_examples
from explorer.analysis.objective.dataset import PROBE_EXAMPLES, Examples, Span, is_dataset
from explorer.kinds.objective_settings import ObjectiveSettings
from explorer.problem import Batch, Problem

MOST_PERMUTED = 1 << 28  # examples among which some are drawn by a permutation of all: 2 GiB
Source = Batch | Examples  # tensors of all examples, or a data set that gives them one by one


def split_of(problem: Problem, split: str) -> Source:
    """The examples of a split.

    Raises:
        ValueError: there is no such split.
    """
    if split not in problem.data:
        raise ValueError(f"split must be one of {', '.join(problem.data)}, got {split!r}")
    data = problem.data[split]
    if isinstance(data, Examples):
        return data
    return Examples(data, split) if is_dataset(data) else cast(Batch, data)


def size_of(source: Source) -> int:
    """The number of examples.

    Raises:
        ValueError: there is none, or tensors disagree about it.
    """
    return len(source) if isinstance(source, Examples) else count_examples(source)


def examples_at(source: Source, chosen: np.ndarray | None) -> Source:
    """The examples at these indices (n,); all for None."""
    if isinstance(source, Examples):
        return source.subset(chosen)
    return source if chosen is None else rows_at(source, chosen)


def rows_at(batch: Batch, chosen: np.ndarray) -> Batch:
    """The examples of a batch at these indices (n,)."""
    index = torch.from_numpy(chosen)
    return map_tensors(batch, lambda tensor: tensor[index.to(tensor.device)])


def examples_of_settings(problem: Problem, settings: ObjectiveSettings) -> Source:
    """The examples that the settings choose, where they lie.

    Raises:
        ValueError: there is no such split, it is empty or ragged, or smaller than the subset.
    """
    source = split_of(problem, settings.split)
    return examples_at(source, subset_indices(size_of(source), settings, problem.batch_size))


def head_of(source: Source, batch_size: int | None = None) -> Batch:
    """The first few examples as tensors, for measuring and trying; whole batches of that size."""
    one = batch_size or 1
    many = min(-(-PROBE_EXAMPLES // one) * one, size_of(source))
    if not isinstance(source, Examples):
        return slice_examples(source, 0, many)
    return source.head if many <= PROBE_EXAMPLES else source.batch(range(many))


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
    indices = np.empty(0, dtype=np.int64)
    while len(indices) < wanted:
        indices = np.append(indices, generator.randint(0, count, wanted, dtype=np.int64))
        indices = indices[np.sort(np.unique(indices, return_index=True)[1])]  # the first of each
    return np.sort(indices[:wanted])
