"""The permutation that makes one model most like another: coordinate descent over groups.

Source: Ainsworth, Hayase and Srinivasa 2023, arXiv:2209.04836, Algorithm 1 and its objective (2);
their matching by activations is that of section 3.1.
"""

from collections.abc import Callable, Sequence
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
    value = likeness.value(permutation)
    sweeps, improved = 0, True
    while improved and sweeps < MOST_SWEEPS:
        sweeps, improved = sweeps + 1, False
        for place in generator.permutation(len(specification.groups)):
            watch()
            changed = improved_group(likeness, specification.groups[place], permutation)
            if likeness.rise(permutation, changed) > RISE * abs(value):
                permutation, improved = changed, True
    return Matching(permutation, likeness.value(permutation), sweeps)


def improved_group(likeness: Likeness, group: Group, permutation: np.ndarray) -> np.ndarray:
    """The permutation with the best assignment within a group, all others as they are.

    Blocks are assigned by what each pair of them gains with the best assignment within.
    """
    changed = permutation.copy()
    total = likeness.gains(group.channels, permutation)
    inner_orders = []
    for inner in group.inner:
        blocks, size = inner.shape
        gains = likeness.gains(inner.ravel(), permutation).reshape(blocks, size, blocks, size)
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
    return changed


def best_assignment(gains: np.ndarray) -> np.ndarray:
    """For each row the column of the assignment with the largest sum, (n,)."""
    _, columns = linear_sum_assignment(gains, maximize=True)
    return np.asarray(columns)


def agreement(permutations: Sequence[np.ndarray], best: np.ndarray) -> float:
    """The share of permutations that are the same as the best one."""
    return float(np.mean([np.array_equal(one, best) for one in permutations]))
