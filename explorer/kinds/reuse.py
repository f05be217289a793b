"""Rows of an old answer that a new one can have: those at points of its own."""

from collections.abc import Mapping, Sequence

import numpy as np

Columns = Sequence[tuple[str, str]]  # index and coordinate of a row along each axis
PLANE: Columns = (("i", "x"), ("j", "y"))


def on_grid(
    old: Mapping[str, np.ndarray],
    axes: Sequence[np.ndarray],
    order: Sequence[np.ndarray],
    columns: Columns = PLANE,
) -> dict[str, np.ndarray]:
    """The rows of an old answer that stand on a grid, as rows of that grid, by unit.

    A row stands on the grid when each of its coordinates equals one of an axis exactly: the
    loss near a point is not the loss there. All other columns stay as they are.

    Args:
        old: columns of the old answer, (R,) each.
        axes: coordinates along each axis.
        order: index along each axis of each unit of work, (P,) each.
        columns: of the answer that hold a row's index and coordinate, for each axis; those of a
            plane that are too many are left out. An axis that is counted has the same for both.
    """
    equal = np.ones(len(old["unit"]), dtype=bool)
    indices = []
    for (_, coordinate), axis in zip(columns, axes, strict=False):
        values, first = np.unique(axis, return_index=True)
        place = np.searchsorted(values, old[coordinate]).clip(max=len(values) - 1)
        equal &= values[place] == old[coordinate]
        indices.append(first[place])
    units = np.empty([len(axis) for axis in axes], dtype=np.int64)
    units[tuple(order)] = np.arange(units.size)
    rows = np.flatnonzero(equal)
    # Steps below the resolution of floats make two rows of one point; a unit has one row.
    unit, first_rows = np.unique(units[tuple(indices)][rows], return_index=True)
    rows = rows[first_rows]
    grid_rows = {name: values[rows] for name, values in old.items()} | {"unit": unit}
    for (name, coordinate), axis, index in zip(columns, axes, indices, strict=False):
        grid_rows |= {name: index[rows], coordinate: axis[index[rows]]}
    return grid_rows
