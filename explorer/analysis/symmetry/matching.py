"""The permutation that makes one model most like another: coordinate descent over groups.

Source: Ainsworth, Hayase and Srinivasa 2023, arXiv:2209.04836, Algorithm 1 and its objective (2);
their matching by activations is that of section 3.1.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from scipy.optimize import linear_sum_assignment

from explorer.analysis.symmetry.specification import Group, Specification

MOST_SWEEPS = 100  # over all groups; a matching ends after some 5 to 20
RISE = 1e-12  # of the objective's size: a smaller one is rounding


class Likeness(Protocol):
    """What a matching increases: how alike the first model and the permuted second one are."""

    def value(self, permutation: np.ndarray) -> float:
        """How alike they are under a permutation (E,)."""

    def rise(self, before: np.ndarray, after: np.ndarray) -> float:
        """How much more alike they are under one permutation than under another."""

    def gains(self, channels: np.ndarray, permutation: np.ndarray) -> np.ndarray:
        """What is gained if channel j of the second comes to the place of i, (n, n).

        Args:
            channels: n of them, all that may change places now.
            permutation: of all others, (E,).
        """


@dataclass(frozen=True)
class Matching:
    """Where coordinate descent ended."""

    permutation: np.ndarray  # (E,) of the second model's channels
    value: float  # of what was increased
    sweeps: int  # over all groups, the last without a change


def matched(
    likeness: Likeness,
    specification: Specification,
    generator: np.random.Generator,
    start: np.ndarray | None = None,
    watch: Callable[[], None] = lambda: None,
) -> Matching:
    """The permutation from which no single group can be improved.

    Args:
        likeness: what is increased.
        specification: which channels may change places.
        generator: of the order in which groups are looked at, another in each sweep.
        start: the permutation to begin with; the identity unless given.
        watch: is called before each group.
    """
    permutation = specification.identity if start is None else start.copy()
    smallest = RISE * abs(likeness.value(permutation))
    sights = [_sight(specification, group) for group in specification.groups]
    looked_at: dict[int, np.ndarray] = {}  # what a group saw when it was looked at last
    sweeps, improved = 0, True
    while improved and sweeps < MOST_SWEEPS:
        sweeps, improved = sweeps + 1, False
        for place in generator.permutation(len(specification.groups)):
            watch()
            seen = permutation[sights[place].beside]
            if place in looked_at and np.array_equal(looked_at[place], seen):
                continue  # it would be assigned as it is
            looked_at[place] = seen
            changed, gain = improved_group(likeness, specification.groups[place], permutation)
            if not sights[place].is_linear:
                gain = likeness.rise(permutation, changed)
            if gain > smallest:
                permutation, improved = changed, True
    return Matching(permutation, likeness.value(permutation), sweeps)


@dataclass(frozen=True)
class _Sight:
    """What the gains of a group depend on."""

    beside: np.ndarray  # channels whose places they depend on
    is_linear: bool  # whether they are none of its own, so that gains add up


def _sight(specification: Specification, group: Group) -> _Sight:
    """The channels that stand in one tensor with those of a group."""
    own = np.zeros(specification.channels, dtype=bool)
    for numbers in (group.channels, *group.inner):
        own[numbers.ravel()] = True
    beside, is_linear = np.zeros_like(own), True
    for axes in specification.axes.values():
        along = [numbers for numbers in axes if numbers is not None]
        with_own = [numbers for numbers in along if own[numbers].any()]
        is_linear = is_linear and len(with_own) < 2
        for numbers in along if with_own else ():
            beside[numbers] = True
    return _Sight(np.flatnonzero(beside & ~own if is_linear else beside), is_linear)


def improved_group(
    likeness: Likeness, group: Group, permutation: np.ndarray
) -> tuple[np.ndarray, float]:
    """The permutation with the best assignment within a group, all others as they are; its gain.

    Blocks are assigned by what each pair of them gains with the best assignment within. The gain
    is exact where no tensor has the group's channels along two axes.
    """
    changed = permutation.copy()
    own = likeness.gains(group.channels, permutation)
    total, matrices, inner_orders = own.copy(), [own], []
    for inner in group.inner:
        blocks, size = inner.shape
        matrices.append(likeness.gains(inner.ravel(), permutation))
        gains = matrices[-1].reshape(blocks, size, blocks, size)
        orders = np.empty((blocks, blocks, size), dtype=np.int64)
        for i in range(blocks):
            for j in range(blocks):
                orders[i, j] = best_assignment(gains[i, :, j])
                total[i, j] += gains[i, np.arange(size), j, orders[i, j]].sum()
        inner_orders.append(orders)
    order = best_assignment(total)
    changed[group.channels] = group.channels[order]
    for inner, orders in zip(group.inner, inner_orders, strict=True):
        for i, j in enumerate(order):
            changed[inner[i]] = inner[j, orders[i, j]]
    parts = zip((group.channels, *group.inner), matrices, strict=True)
    return changed, sum(_gain(gains, n.ravel(), permutation, changed) for n, gains in parts)


def _gain(gains: np.ndarray, channels: np.ndarray, before: np.ndarray, after: np.ndarray) -> float:
    """What is gained from one permutation of channels to another, by their matrix (n, n)."""
    rows = np.arange(len(channels))
    rank = np.empty(int(channels.max()) + 1, dtype=np.int64)
    rank[channels] = rows
    new, old = (gains[rows, rank[order[channels]]].sum() for order in (after, before))
    return float(new - old)


def best_assignment(gains: np.ndarray) -> np.ndarray:
    """For each row the column of the assignment with the largest sum, (n,)."""
    _, columns = linear_sum_assignment(gains, maximize=True)
    return np.asarray(columns)
