"""Regular grids: the values along an axis, and the order in which points are worth computing."""

import numpy as np

COARSEST_STRIDE = 8


def axis_values(low: float, high: float, count: int) -> np.ndarray:
    """`count` evenly spaced values (count,): exact at the ends, exactly 0 in an odd middle."""
    steps = np.arange(count, dtype=np.float64)
    values = ((count - 1 - steps) * low + steps * high) / (count - 1)
    values[0], values[-1] = low, high
    return values


def coarse_to_fine(shape: tuple[int, ...]) -> np.ndarray:
    """Indices of all points of a grid, coarse levels first, (P, len(shape)); row u places unit u.

    Levels are strides 8, 4, 2, 1 counted from the middle point, which comes first.
    """
    places = np.indices(shape).reshape(len(shape), -1).T
    offsets = np.abs(places - (np.array(shape) - 1) // 2)
    level = np.zeros(len(places), dtype=int)
    stride = COARSEST_STRIDE
    while stride > 1:
        level += (offsets % stride != 0).any(axis=1)
        stride //= 2
    from_middle = offsets.sum(axis=1) > 0
    return places[np.lexsort((np.arange(len(places)), from_middle, level))]
