"""Curves of several answers as one: their middle at each x, and how far they spread around it."""

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from explorer.kinds.summaries import summary_of


@dataclass(frozen=True)
class Profile:
    """The values of an answer along an axis."""

    x: np.ndarray  # (X,)
    y: np.ndarray  # (X,)
    computed: np.ndarray  # (X,) bool


@dataclass(frozen=True)
class Profiles:
    """Those of several answers by name, and what they are of."""

    by_name: Mapping[str, Profile]
    value: str  # what y is
    x_title: str
    floor: float = -math.inf  # what is lower is drawn there
    signed: bool = False  # whether 0 and less mean something: they have no log scale


@dataclass(frozen=True)
class GroupProfile:
    """The middle of several profiles, and the ends of their band; NaN where one is not finite."""

    x: np.ndarray  # (X,)
    middle: np.ndarray  # (X,)
    low: np.ndarray  # (X,)
    high: np.ndarray  # (X,)
    computed: np.ndarray  # (X,) bool: of all of them
    count: int
    not_finite: int  # places where one that is computed is NaN or infinite


def group_profile(profiles: Mapping[str, Profile], summary: str) -> GroupProfile:
    """Several profiles as one.

    The standard deviation is the sample's (n - 1 degrees of freedom); one profile alone has no
    band. Nothing is left out: where a value is NaN the middle is, and an infinite one makes the
    mean infinite.

    Args:
        profiles: by name, at least one.
        summary: one of `summaries.SUMMARIES`.

    Raises:
        ValueError: they are at different x.
    """
    first = next(iter(profiles.values()))
    others = [name for name, one in profiles.items() if not _same_places(one.x, first.x)]
    if others:
        raise ValueError(
            f"the curves of a group must be at the same x, and {', '.join(others)} is at others "
            f"than {next(iter(profiles))}; compute them along one axis, or group otherwise"
        )
    values = np.array([one.y for one in profiles.values()], dtype=np.float64)
    computed = np.asarray(np.all([one.computed for one in profiles.values()], axis=0))
    with np.errstate(all="ignore"):  # what is not finite stays so
        middle, low, high = summary_of(values, summary)
    not_finite = int((computed & ~np.isfinite(values).all(axis=0)).sum())
    return GroupProfile(first.x, middle, low, high, computed, len(values), not_finite)


def _same_places(x: np.ndarray, other: np.ndarray) -> bool:
    """Whether two axes are one, but for rounding."""
    return x.shape == other.shape and bool(np.allclose(x, other, rtol=1e-9, atol=1e-12))
