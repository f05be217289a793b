"""Channels that may change places: which are one, and what tells them from each other."""

from dataclasses import dataclass, field
from typing import TypeAlias

import numpy as np

UNIFORM = ""  # of an axis along which all values are the same, so that any permutation leaves it
# Along an axis of a tensor: the channels at its positions, as an array with as many axes as the
# tensor, of size 1 along those that they do not depend on; or why its positions cannot move.
Axis: TypeAlias = np.ndarray | str


@dataclass(frozen=True)
class Labels:
    """What stands along each axis of a tensor."""

    shape: tuple[int, ...]
    axes: tuple[Axis, ...]

    @classmethod
    def fixed(cls, shape: tuple[int, ...], why: str) -> "Labels":
        """Of a tensor whose positions cannot move; the reason is that of all its axes."""
        return cls(shape, tuple(UNIFORM if size == 1 else why for size in shape))

    @property
    def channels(self) -> dict[int, np.ndarray]:
        """The axes that have channels."""
        return {k: axis for k, axis in enumerate(self.axes) if isinstance(axis, np.ndarray)}


@dataclass
class Channels:
    """All channels of a model, numbered, and what is known of them."""

    count: int = 0
    colours: int = 0  # given so far: channels may change places where all their colours agree
    joined: list[tuple[np.ndarray, np.ndarray]] = field(default_factory=list)  # pairs that are one
    coloured: list[tuple[np.ndarray, np.ndarray]] = field(default_factory=list)
    parents: list[tuple[np.ndarray, np.ndarray]] = field(default_factory=list)  # child, its block
    reasons: list[tuple[np.ndarray, str]] = field(default_factory=list)  # why they are fixed

    def new(self, shape: tuple[int, ...]) -> np.ndarray:
        """New channels, of a new colour, as an array of that shape."""
        count = int(np.prod(shape))
        numbers = np.arange(self.count, self.count + count).reshape(shape)
        self.count += count
        self.colour(numbers, np.zeros(shape, dtype=np.int64), 1)
        return numbers

    def colour(self, numbers: np.ndarray, places: np.ndarray, count: int) -> None:
        """Give channels one of `count` new colours each, the one that `places` says."""
        colours = np.broadcast_to(places, numbers.shape) + self.colours
        self.coloured.append((numbers.ravel(), colours.ravel()))
        self.colours += count

    def join(self, first: np.ndarray, second: np.ndarray) -> None:
        """Let channels be one with each other, place by place; the shapes may be broadcast."""
        one, other = np.broadcast_arrays(first, second)
        if one is not other and not np.array_equal(one, other):
            self.joined.append((one.ravel(), other.ravel()))

    def fix(self, labels: Labels, axis: int, why: str) -> None:
        """Tell channels along an axis from each other by their positions.

        Where they depend on other axes, those at the same position stay alike.
        """
        numbers = labels.axes[axis]
        if isinstance(numbers, np.ndarray):
            size = labels.shape[axis]
            places = np.arange(size).reshape([-1 if k == axis else 1 for k in range(numbers.ndim)])
            self.colour(numbers, places, size)
            self.reasons.append((np.unique(numbers), why))

    def fix_all(self, labels: Labels, why: str) -> None:
        """Tell channels along every axis from each other."""
        for axis in labels.channels:
            self.fix(labels, axis, why)
