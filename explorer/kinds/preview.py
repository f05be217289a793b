"""What a growing surface looks like between its computed points: for looking at, never stored."""

from dataclasses import dataclass

import numpy as np

from explorer.kinds.grid import finest_complete, level, level_indices

NEIGHBOURHOOD = np.ones((3, 3))
MOST_POINTS, MOST_CELLS = 1200, 10_000  # that scattered points take about 0.1 s to reach


@dataclass(frozen=True)
class Preview:
    """Values at all places of a grid: computed, interpolated, or else the nearest computed one."""

    values: np.ndarray  # (Y, X) computed values as they came, NaN and Inf too
    uncertainty: np.ndarray  # (Y, X) in the values' unit; 0: computed, inf: the nearest stands in
    computed: np.ndarray  # (Y, X) bool
    stride: int | None  # of the finest complete level; None: none is, so nothing is interpolated
    log: bool  # the logarithms of the values were interpolated

    @property
    def interpolated(self) -> np.ndarray:
        """Which values are neither computed nor those of a neighbour, (Y, X) bool."""
        return np.asarray(~self.computed & np.isfinite(self.uncertainty))


def preview(values: np.ndarray, computed: np.ndarray) -> Preview:
    """The values of an evenly spaced grid with its gaps filled once a level is complete.

    Through all known points runs a polyharmonic spline: of the logarithm where all known values
    are positive, else of the value itself. Where it would take too long, or has too few points, a
    bicubic spline runs through those of the level, and through points beyond it wherever their row
    has all columns of the level.

    The uncertainty is how far the spline through the next coarser level is from it: the root mean
    square over the cell and those of its eight neighbours that are not computed, as two splines
    may cross anywhere. It is an estimate, no bound: on six surfaces of two trained networks,
    13 x 13 of 25 x 25 points, it covered 97 to 100 % of the errors, but 52 to 97 % at 7 x 7.

    Between a point of the level that is not finite and the points around it nothing is
    interpolated: there, and everywhere before a level is complete, stands the nearest computed
    value.

    Args:
        values: (Y, X).
        computed: (Y, X) bool; all other values count for nothing.
    """
    stride = finest_complete(computed)
    uncertainty = np.where(computed, 0.0, np.inf)
    if not computed.any():
        return Preview(np.full(values.shape, np.nan), uncertainty, computed, None, False)
    filled_values = values[nearest_computed(computed)]
    usable = computed & np.isfinite(values)
    if stride is None or computed.all() or not usable.any():
        return Preview(filled_values, uncertainty, computed, stride, False)
    log = bool((values[usable] > 0).all())
    unit = 1.0 if log else float(np.abs(values[usable]).max()) or 1.0
    with np.errstate(all="ignore"):  # what overflows is not shown
        heights = np.log(values) if log else values / unit
        interpolated_values, change = _interpolate(heights, usable, computed, stride)
        interpolated_values = np.exp(interpolated_values) if log else interpolated_values * unit
        change = interpolated_values * np.expm1(change) if log else change * unit
    gap = (
        ~computed
        & ~_is_near_bad(~usable, stride)
        & np.isfinite(interpolated_values)
        & np.isfinite(change)
    )
    filled_values, uncertainty = (
        np.where(gap, interpolated_values, filled_values),
        np.where(gap, change, uncertainty),
    )
    return Preview(filled_values, uncertainty, computed, stride, log)


def preview_words(preview: Preview) -> str:
    """How much is computed and how far the rest is settled, for a page; empty when complete."""
    computed, gap = preview.computed, preview.interpolated
    if computed.all():
        return ""
    source = f"preview from {computed.sum():,} of {computed.size:,} points"
    if not gap.any():
        return f"{source}: every place shows the nearest computed value"
    finite_values = preview.values[computed & np.isfinite(preview.values)]
    scale = np.abs(preview.values[gap]) if preview.log else float(np.ptp(finite_values)) or 1.0
    percent = 100 * np.quantile(preview.uncertainty[gap] / scale, 0.95)
    text = f"{percent:,.0f} %" if percent >= 10 else f"{max(percent, 0.01):.2g} %"
    text += "" if preview.log else " of the range"
    return (
        f"{source}: 95 % of the interpolated cells change by less than {text} from the level before"
    )


def nearest_computed(computed: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Row and column of the nearest known place of each place, two arrays (Y, X)."""
    if computed.all():
        here = np.indices(computed.shape)
        return here[0], here[1]
    from scipy.ndimage import distance_transform_edt  # a whole surface need not wait for SciPy

    rows, columns = distance_transform_edt(~computed, return_distances=False, return_indices=True)
    return rows, columns


def _interpolate(
    heights: np.ndarray, usable: np.ndarray, computed: np.ndarray, stride: int
) -> tuple[np.ndarray, np.ndarray]:
    """Heights between the usable ones, and their typical change from the coarser level."""
    from scipy.ndimage import convolve  # half a second that a whole surface need not pay

    filled = heights[nearest_computed(usable)]
    rows, columns = (level_indices(count, stride) for count in heights.shape)
    coarser = [_coarser_indices(count, stride) for count in heights.shape]
    few = usable.sum() <= MOST_POINTS and usable.size <= MOST_CELLS
    if few and min(len(indices) for indices in coarser) > 3:
        rest = np.zeros_like(usable)
        rest[np.ix_(*coarser)] = usable[np.ix_(*coarser)]
        fine, coarse = (_polyharmonic(heights, points) for points in (usable, rest))
    else:
        fine = _bicubic(filled, usable, np.flatnonzero(computed[:, columns].all(axis=1)))
        rows, columns = coarser
        coarse = _bicubic(filled, usable & np.isin(np.arange(heights.shape[1]), columns), rows)
    gap = ~computed
    squares = np.where(gap, (fine - coarse) ** 2, 0)
    sums, counts = (
        convolve(a, NEIGHBOURHOOD, mode="constant") for a in (squares, gap.astype(float))
    )
    return fine, np.sqrt(sums / counts)


def _polyharmonic(heights: np.ndarray, points: np.ndarray) -> np.ndarray:
    """A polynomial of degree 2 and cubes of distances through all points, (Y, X).

    Source: Duchon 1977, "Splines minimizing rotation-invariant semi-norms in Sobolev spaces".
    """
    from scipy.interpolate import RBFInterpolator  # as above

    places = np.argwhere(np.ones_like(points)).astype(float)
    through = RBFInterpolator(places[points.ravel()], heights[points], kernel="cubic", degree=2)
    return np.asarray(through(places)).reshape(heights.shape)


def _bicubic(heights: np.ndarray, points: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """Cubic splines along each of the rows through its points and both ends, then across the rows.

    Where the points of all rows stand in the same columns this is the bicubic tensor product.

    Source: de Boor 1978, A Practical Guide to Splines, chapter XVII.
    """
    points = points[rows]
    points[:, [0, -1]] = True
    along = np.empty((len(rows), heights.shape[1]))
    patterns, which = np.unique(points, axis=0, return_inverse=True)
    for number, pattern in enumerate(patterns):  # few: the rows of a level are alike
        alike = which == number
        at = np.flatnonzero(pattern)
        along[alike] = _spline(at, heights[np.ix_(rows[alike], at)].T, heights.shape[1]).T
    return _spline(rows, along, heights.shape[0])


def _spline(at: np.ndarray, heights: np.ndarray, count: int) -> np.ndarray:
    """The spline through (N, ...) at 0 to count - 1: cubic, of less degree below four points."""
    from scipy.interpolate import make_interp_spline  # as above

    spline = make_interp_spline(at, heights, k=min(3, len(at) - 1))
    return np.asarray(spline(np.arange(count)))


def _coarser_indices(count: int, stride: int) -> np.ndarray:
    """Indices of the next level with fewer points along the axis; after the last, its two ends."""
    indices = level_indices(count, 2 * stride)
    same = len(indices) == len(level_indices(count, stride))
    return np.array([0, count - 1]) if same else indices


def _is_near_bad(bad: np.ndarray, stride: int) -> np.ndarray:
    """Whether each place is less than a step of the level from one of its bad points, (Y, X)."""
    bad_of_level = bad[level(bad.shape, stride)]
    if not bad_of_level.any():
        return np.zeros_like(bad)
    down, across = (_shares(count, stride) for count in bad.shape)
    return np.asarray(down.T @ bad_of_level.astype(float) @ across > 0)


def _shares(count: int, stride: int) -> np.ndarray:
    """Share of each level index in a linear interpolation at each index, (N, count)."""
    at = level_indices(count, stride)
    return np.array([np.interp(np.arange(count), at, unit) for unit in np.eye(len(at))])
