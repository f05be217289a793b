"""Averages of points as vectors: the mean, and places on the great circle of two."""

import math
from collections.abc import Iterable

import torch
from torch import Tensor

SMALLEST_SINE = 1e-6  # of an angle by which to divide: below, the arc is a straight line


def mean_vector(vectors: Iterable[Tensor]) -> Tensor:
    """The mean of vectors (D,), each seen once.

    Source: Wortsman et al. 2022, arXiv:2203.05482, the uniform soup; over the snapshots of one run
    Izmailov et al. 2018, arXiv:1803.05407, algorithm 1 (SWA).

    Raises:
        ValueError: there are none.
    """
    total, count = None, 0
    for vector in vectors:
        total = vector.clone() if total is None else total.add_(vector)
        count += 1
    if total is None:
        raise ValueError("there must be vectors to average, got none")
    return total / count


def angle_between(first: Tensor, second: Tensor) -> float:
    """The angle of two vectors (D,) in radians; NaN where one of them is 0."""
    lengths = float(first.norm() * second.norm())
    if lengths == 0:
        return math.nan
    return math.acos(max(-1.0, min(1.0, float(first @ second) / lengths)))


def slerp(first: Tensor, second: Tensor, fraction: float) -> Tensor:
    """The vector (D,) at a fraction of the angle from the first to the second.

    Of vectors of different lengths it is the same combination, so that the length goes from one to
    the other. Where both point the same way it is the straight line, to which it tends.

    Source: Shoemake 1985, doi:10.1145/325165.325242, section 3.3.

    Raises:
        ValueError: they point in opposite ways, so that there is no one circle, or one is 0.
    """
    angle = angle_between(first, second)
    if math.isnan(angle):
        raise ValueError("SLERP must be of two vectors that are not 0, got one; take the mean")
    if math.sin(angle) < SMALLEST_SINE:
        if angle < 1:
            return torch.lerp(first, second, fraction)
        raise ValueError(
            "SLERP must be of two vectors that do not point in opposite ways; turn about another "
            "origin, or take the mean"
        )
    shares = [math.sin(share * angle) / math.sin(angle) for share in (1 - fraction, fraction)]
    return shares[0] * first + shares[1] * second
