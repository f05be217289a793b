"""Basins of values on a grid above their noise: how many, how they join, how high saddles lie."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from explorer.kinds.numbers import ResultNumber
from explorer.topology.merge_tree import MergeTree, merge_tree
from explorer.topology.saddle_minimum_distance import saddle_minimum_distances

AT_NOISE_FLOOR = -1.0  # the threshold that is the noise floor
ROUNDING = 1e-6  # relative: losses are sums of float32
NUMBERS = ("basins", "smad", "total_persistence")


@dataclass(frozen=True)
class GridTopology:
    """The merge tree of values on a grid, and which of its basins count."""

    values: np.ndarray  # (...) that it is of
    whole: MergeTree  # of all basins, however shallow
    noise_floor: float  # in the values' unit
    from_errors: bool  # whether the floor is from standard errors, not from rounding alone
    threshold: float  # of persistence: basins that persist for less are parts of others
    tree: MergeTree  # of the basins above it

    @property
    def total_persistence(self) -> float:
        """Sum of the lengths of the bars above the threshold; NaN without any finite value."""
        if not len(self.tree):
            return float("nan")
        with np.errstate(over="ignore"):
            return float(self.tree.persistence[self.tree.joins].sum())

    @property
    def saddle_minimum_distances(self) -> dict[str, float]:
        """SMAD in each of its variants, of the basins above the threshold."""
        return saddle_minimum_distances(self.tree, self.values)

    @property
    def numbers(self) -> dict[str, ResultNumber]:
        """The three numbers that it comes down to, by `NUMBERS`."""
        smad = self.saddle_minimum_distances["tree edges"]
        values = (len(self.tree), smad, self.total_persistence)
        return {
            name: ResultNumber(float(value)) for name, value in zip(NUMBERS, values, strict=True)
        }


def grid_topology(
    values: Mapping[str, np.ndarray],
    computed: np.ndarray,
    name: str = "loss",
    threshold: float = AT_NOISE_FLOOR,
) -> GridTopology:
    """The basins of a grid's values that persist for more than the threshold.

    The noise floor is the median, over the saddles at which basins join, of the standard error of
    the loss there: a rise below it may be chance of which examples the mean is over. Where a value
    has no standard error it is a millionth of the median value there, which is rounding.

    Args:
        values: on a plane or a line by name, (...) each.
        computed: (...) bool.
        name: of the value.
        threshold: in the value's unit; below 0 it is the noise floor.

    Raises:
        ValueError: there is no such value, or not every point is computed yet.
    """
    if name not in values:
        raise ValueError(f"value must be one of {', '.join(values)}, got {name!r}")
    if not computed.all():
        raise ValueError(
            f"the topology must wait until all points are computed, {computed.sum():,} of "
            f"{computed.size:,} are"
        )
    tree = merge_tree(values[name])
    errors = values.get("loss_se") if name == "loss" else None
    floor, from_errors = _noise_floor(tree, errors)
    least = floor if threshold < 0 else threshold
    return GridTopology(values[name], tree, floor, from_errors, least, tree.above(least))


@np.errstate(over="ignore")
def _noise_floor(tree: MergeTree, errors: np.ndarray | None) -> tuple[float, bool]:
    """The floor, and whether it is from standard errors."""
    saddles = tree.saddles[tree.joins]
    if errors is not None:
        at_saddles = errors.ravel()[saddles]
        at_saddles = at_saddles[np.isfinite(at_saddles)]
        if len(at_saddles):
            return float(np.median(at_saddles)), True
    heights = np.abs(tree.deaths[tree.joins])
    return (ROUNDING * float(np.median(heights)) if len(heights) else 0.0), False


def basin_numbers(
    values: Mapping[str, np.ndarray], computed: np.ndarray
) -> Mapping[str, ResultNumber]:
    """The numbers that the loss on a grid comes down to at its noise floor; none until it is whole.

    Args:
        values: on a plane or a line by name, (...) each.
        computed: (...) bool.
    """
    return grid_topology(values, computed).numbers if computed.all() else {}
