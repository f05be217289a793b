"""Grids: one float for one coordinate, and levels that nest and never need extrapolating."""

from fractions import Fraction

import numpy as np
import pytest

from explorer.kinds.grid import STRIDES, axis_values, coarse_to_fine, level_indices

RANGES = [(-1.0, 1.0), (-0.3, 1.1), (0.1, 0.7), (-1e30, 1e30), (1e-300, 3e-300), (5e-324, 1e30)]


@pytest.mark.parametrize(("low", "high"), RANGES)
@pytest.mark.parametrize("count", [2, 3, 11, 50, 101])
def test_axis_values_are_correctly_rounded(low: float, high: float, count: int) -> None:
    """Each value is the float nearest to the exact rational; no other float is nearer."""
    values = axis_values(low, high, count)
    assert (values[0], values[-1]) == (low, high)
    step = (Fraction(high) - Fraction(low)) / (count - 1)
    for k, value in enumerate(values):
        exact = Fraction(low) + k * step
        near = [np.nextafter(value, -np.inf), np.nextafter(value, np.inf)]
        away = abs(Fraction(float(value)) - exact)
        assert all(away <= abs(Fraction(float(other)) - exact) for other in near)


@pytest.mark.parametrize(("low", "high"), RANGES)
def test_a_coordinate_is_one_float_in_every_grid(low: float, high: float) -> None:
    """A grid whose steps are a whole part of another's has all its values, bit for bit."""
    for coarse, fine in ((11, 31), (25, 49), (51, 101), (8, 50)):
        part = (fine - 1) // (coarse - 1)
        assert (axis_values(low, high, coarse) == axis_values(low, high, fine)[::part]).all()


def test_a_symmetric_axis_is_symmetric() -> None:
    """The middle is exactly 0, without a sign, and the halves mirror each other."""
    for count in (3, 25, 51, 101):
        values = axis_values(-0.7, 0.7, count)
        assert values[count // 2] == 0 and not np.signbit(values[count // 2])
        assert (values == -values[::-1]).all()
    assert axis_values(-1, 3, 5).tolist() == [-1, 0, 1, 2, 3]


def test_the_longest_axis() -> None:
    """2,001 values, the most allowed, each larger than the one before, from end to end."""
    values = axis_values(-0.3, 1.1, 2001)
    assert len(values) == 2001 and (np.diff(values) > 0).all()
    assert (values[0], values[-1]) == (-0.3, 1.1)


@pytest.mark.parametrize("count", [*range(2, 40), 50, 51, 101])
def test_levels_nest_and_reach_both_ends(count: int) -> None:
    """Each level holds the ends, the middle and the coarser level, in steps of its stride."""
    coarser: set[int] = set()
    for stride in STRIDES:
        level = level_indices(count, stride)
        assert {0, (count - 1) // 2, count - 1} | coarser <= set(level.tolist())
        steps = np.diff(level)
        assert (steps > 0).all() and (steps <= stride).all() and (steps[1:-1] == stride).all()
        coarser = set(level.tolist())
    assert coarser == set(range(count))


@pytest.mark.parametrize("shape", [(25, 25), (51, 40), (2, 2), (9,), (3, 17, 6)])
def test_order_completes_level_after_level(shape: tuple[int, ...]) -> None:
    """The middle is first, each point comes once, and every level is a beginning of the order."""
    order = coarse_to_fine(shape)
    assert order.shape == (np.prod(shape), len(shape))
    assert len(np.unique(order, axis=0)) == len(order)
    assert (order[0] == (np.array(shape) - 1) // 2).all()
    for stride in STRIDES:
        levels = [level_indices(count, stride) for count in shape]
        begun = order[: np.prod([len(level) for level in levels])]
        assert all(np.isin(begun[:, axis], level).all() for axis, level in enumerate(levels))
    assert (coarse_to_fine(shape) == order).all()


def test_levels_of_25_points() -> None:
    """25 points: 5, 7, 13 and 25, so that the grid of 13 x 13 is known after 27 %."""
    assert [len(level_indices(25, stride)) for stride in STRIDES] == [5, 7, 13, 25]
    assert level_indices(25, 2).tolist() == list(range(0, 25, 2))
    assert level_indices(51, 8).tolist() == [0, 1, 9, 17, 25, 33, 41, 49, 50]
