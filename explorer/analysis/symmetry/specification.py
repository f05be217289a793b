"""Which permutations of a model's channels leave its function, and their application."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from explorer.analysis.objective.named_tensors import Tensors


@dataclass(frozen=True)
class Group:
    """Channels that may change places; or blocks of channels, and those within each block."""

    name: str  # the layers that make them
    channels: np.ndarray  # (n,) numbers, of blocks where there are any within
    inner: tuple[np.ndarray, ...] = ()  # kinds of channels within the blocks, (n, m) each

    @property
    def count(self) -> int:
        """How many change places."""
        return len(self.channels)

    @property
    def log10_permutations(self) -> float:
        """log10 of how many permutations there are."""
        log = math.lgamma(self.count + 1)
        log += sum(self.count * math.lgamma(inner.shape[1] + 1) for inner in self.inner)
        return log / math.log(10)


@dataclass(frozen=True)
class FixedAxis:
    """An axis of a parameter along which not all channels may change places."""

    tensor: str
    axis: int
    positions: int  # that are fixed
    why: str


@dataclass(frozen=True)
class Specification:
    """Which channels stand along the axes of each parameter and buffer, and how they may move.

    A permutation is an array (E,) over all channels: the channel that comes to the place of each.
    """

    axes: Mapping[str, tuple[np.ndarray | None, ...]]  # of a tensor: channels (L,) along each axis
    groups: tuple[Group, ...]
    fixed: tuple[FixedAxis, ...]
    channels: int

    @property
    def identity(self) -> np.ndarray:
        """The permutation that leaves everything."""
        return np.arange(self.channels)

    @property
    def log10_permutations(self) -> float:
        """log10 of how many permutations leave the function."""
        return sum(group.log10_permutations for group in self.groups)

    def random(self, generator: np.random.Generator, everywhere: bool = False) -> np.ndarray:
        """A permutation, each of them equally likely.

        Args:
            generator: of the draw.
            everywhere: no group, and no kind within blocks, stays as it is: then not all are
                equally likely.
        """
        permutation = self.identity
        for group in self.groups:
            order = generator.permutation(group.count)
            if everywhere and (order == np.arange(group.count)).all():
                order = np.roll(order, 1)
            permutation[group.channels] = group.channels[order]
            for inner in group.inner:
                moved = generator.permuted(inner[order], axis=1)
                if everywhere and (moved == inner[order]).all():
                    moved = np.roll(moved, 1, axis=1)
                permutation[inner] = moved
        return permutation

    def swap(self, group: int, first: int, second: int) -> np.ndarray:
        """The permutation in which two of a group change places, blocks with all they hold."""
        permutation, own = self.identity, self.groups[group]
        for numbers in (own.channels, *own.inner):
            permutation[numbers[first]] = numbers[second]
            permutation[numbers[second]] = numbers[first]
        return permutation


def inverse(permutation: np.ndarray) -> np.ndarray:
    """The permutation that undoes another, (E,)."""
    return np.argsort(permutation)


def composed(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """The permutation that does the first and then the second, (E,)."""
    return first[second]


def sources(numbers: np.ndarray, permutation: np.ndarray) -> np.ndarray:
    """Where values along an axis (L,) come from; at a channel's k-th place the other's k-th."""
    order = np.argsort(numbers, kind="stable")
    ranked = numbers[order]
    starts = np.searchsorted(ranked, ranked)
    rank = np.empty_like(order)
    rank[order] = np.arange(len(order)) - starts
    return order[np.searchsorted(ranked, permutation[numbers]) + rank]


def permuted(value: Tensor, axes: Sequence[np.ndarray | None], permutation: np.ndarray) -> Tensor:
    """A tensor whose channels have changed places along its axes."""
    for axis, numbers in enumerate(axes):
        if numbers is not None and (permutation[numbers] != numbers).any():
            places = torch.from_numpy(sources(numbers, permutation)).to(value.device)
            value = value.index_select(axis, places)
    return value


def permute(
    tensors: Tensors, specification: Specification, permutation: np.ndarray
) -> dict[str, Tensor]:
    """Parameters and buffers whose channels have changed places; the others as they are.

    Raises:
        ValueError: the permutation is of another specification.
    """
    if len(permutation) != specification.channels:
        raise ValueError(
            f"the permutation must be of {specification.channels:,} channels, got "
            f"{len(permutation):,}"
        )
    return {
        name: permuted(value, specification.axes.get(name, ()), permutation)
        for name, value in tensors.items()
    }


def group_numbers(specification: Specification, permutation: np.ndarray) -> list[list[int]]:
    """For each group, and each kind within its blocks, which of them comes to each place."""
    lists = []
    for group in specification.groups:
        for numbers in (group.channels, *group.inner):
            flat = numbers.ravel()
            place = dict(zip(flat.tolist(), range(len(flat)), strict=True))
            lists.append([place[channel] for channel in permutation[flat].tolist()])
    return lists
