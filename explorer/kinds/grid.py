"""Regular grids: the values along an axis, and the order in which points are worth computing."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from fractions import Fraction

import numpy as np

from explorer.kinds.axes import PointsAlongX, XFrom, XTo, check_axis
from explorer.kinds.objective_settings import ObjectiveSettings
from explorer.kinds.require import require
from explorer.kinds.reuse import on_grid

STRIDES = (8, 4, 2, 1)  # of the levels, coarse to fine; each level holds the one before
COARSEST_STRIDE = STRIDES[0]
MAX_POINTS = 1_000_000


class OnGrid:
    """Settings of a plane on a regular grid; `x_count` and `y_count` are their fields."""

    x_count: int
    y_count: int

    @property
    def shape(self) -> tuple[int, int]:
        """Rows (y) and columns (x) of the grid."""
        return self.y_count, self.x_count

    @property
    def units(self) -> int:
        """Points of the grid; one unit of work each."""
        return self.x_count * self.y_count

    @property
    def size_words(self) -> str:
        """How many points there are along each axis."""
        return f"{self.x_count}×{self.y_count}"

    @property
    def places(self) -> tuple[np.ndarray, np.ndarray]:
        """Column i and row j of each unit of work, (P,) each."""
        order = coarse_to_fine(self.shape)
        return order[:, 1], order[:, 0]

    def require_few_points(self) -> None:
        """Refuse more points than anybody waits for.

        Raises:
            ValueError: there are more.
        """
        require(
            self.units <= MAX_POINTS,
            f"a grid must have at most {MAX_POINTS:,} points",
            f"{self.units:,}",
        )

    def columns(
        self, axes: tuple[np.ndarray, np.ndarray]
    ) -> tuple[np.ndarray, Callable[[np.ndarray], dict[str, np.ndarray]]]:
        """Coordinates (P, 2) of all units, and the index and place of any of them as columns."""
        (x, y), (column, row) = axes, self.places
        place = {"i": column, "j": row, "x": x[column], "y": y[row]}
        coordinates = np.stack([place["x"], place["y"]], axis=1)
        return coordinates, lambda units: {n: along[units] for n, along in place.items()}


@dataclass(frozen=True, kw_only=True)
class OnLine(ObjectiveSettings):
    """Settings of evenly spaced points on a line, whose kind gives the axis its defaults."""

    x_min: XFrom
    x_max: XTo
    x_count: PointsAlongX

    def __post_init__(self) -> None:
        """Refuse what makes no axis."""
        super().__post_init__()
        check_axis("x", self.x_min, self.x_max)

    @property
    def distinguishing_words(self) -> tuple[str, ...]:
        """How many points there are, then the words of all its like."""
        return (self.size_words, *super().distinguishing_words)

    @property
    def units(self) -> int:
        """Points on the line; one unit of work each."""
        return self.x_count

    @property
    def size_words(self) -> str:
        """How many points there are."""
        return f"{self.x_count} points"

    @property
    def axis(self) -> np.ndarray:
        """Values along x, shape (X,)."""
        return axis_values(self.x_min, self.x_max, self.x_count)

    @property
    def places(self) -> np.ndarray:
        """Index i of each unit of work, shape (P,)."""
        return coarse_to_fine((self.x_count,))[:, 0]


def taken_over_on_line(settings: OnLine, old: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """The rows of another answer that stand on this line's axis, as rows of this one."""
    return on_grid(old, (settings.axis,), (settings.places,))


def axis_values(low: float, high: float, count: int) -> np.ndarray:
    """`count` evenly spaced values (count,), each the float nearest to the exact one.

    So the ends and a middle of 0 are exact, and a coordinate is the same float in every grid of
    the same range that has it.
    """
    ends = Fraction(float(low)), Fraction(float(high))
    scale = max(end.denominator for end in ends)  # powers of two: the larger suits both
    first, last = (int(end * scale) for end in ends)
    steps = count - 1
    # Python divides whole numbers of any size with one rounding, and faster than it adds fractions.
    exact = (((steps - k) * first + k * last) / (steps * scale) for k in range(count))
    return np.fromiter(exact, dtype=np.float64, count=count)


def level_indices(count: int, stride: int) -> np.ndarray:
    """Indices (n,) of a level along an axis: every `stride`-th from the middle, and both ends.

    With the ends no level has to be extrapolated; the last step before them may be shorter.
    """
    middle = (count - 1) // 2
    return np.unique([0, *range(middle % stride, count, stride), count - 1])


def level(shape: tuple[int, ...], stride: int) -> tuple[np.ndarray, ...]:
    """Index of all points of a level of a grid: those in `level_indices` along each axis."""
    return np.ix_(*(level_indices(count, stride) for count in shape))


def finest_complete(computed: np.ndarray) -> int | None:
    """Stride of the finest level that is computed whole; None before the coarsest one is."""
    complete = (s for s in reversed(STRIDES) if computed[level(computed.shape, s)].all())
    return next(complete, None)


def coarse_to_fine(shape: tuple[int, ...]) -> np.ndarray:
    """Indices of all points of a grid, level by level, (P, len(shape)); row u places unit u.

    The middle point comes first.
    """
    rank = np.zeros(shape, dtype=int)
    for stride in STRIDES[:-1]:
        beyond = np.ones(shape, dtype=bool)
        beyond[level(shape, stride)] = False
        rank += beyond
    rank[tuple((count - 1) // 2 for count in shape)] = -1
    order = np.argsort(rank.ravel(), kind="stable")
    return np.stack(np.unravel_index(order, shape), axis=-1)
