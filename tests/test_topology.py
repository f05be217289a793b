"""Merge trees, barcodes, SMAD and distances against closed forms, gudhi and a plain union-find."""

import itertools
import math

import gudhi
import numpy as np
import pytest

from explorer.kinds.surface import Surface
from explorer.kinds.topology import grid_topology
from explorer.pages._surface_topology import FLOOR, _rungs
from explorer.topology.bottleneck import bottleneck_distance
from explorer.topology.merge_tree import NOWHERE, merge_tree
from explorer.topology.saddle_minimum_distance import saddle_minimum_distances

AXIS = np.linspace(-2, 2, 41)  # holds -1, 0 and 1
X, Y = np.meshgrid(AXIS, AXIS)
BOWL = X**2 + 3 * Y**2 - X * Y
DOUBLE_WELL = X**4 - 2 * X**2 + Y**2 + 5  # minima 4 at (-1, 0) and (1, 0), saddle 5 at (0, 0)
FOUR_WELL = X**4 - 2 * X**2 + 2 * (Y**4 - 2 * Y**2) + 5  # minima 2, saddles 3 (x = 0), 4 (y = 0)


def random_grids() -> list[np.ndarray]:
    """Grids of one to three axes with ties, walls, or neither."""
    rng = np.random.default_rng(0)
    grids = []
    for shape, sort in itertools.product([(30,), (7, 9), (21, 16), (4, 5, 6)], range(4)):
        grid = rng.normal(size=shape) if sort % 2 else rng.integers(0, 5, shape).astype(float)
        if sort > 1:
            grid[rng.random(shape) < 0.25] = np.nan
            grid[rng.random(shape) < 0.05] = np.inf
        grids.append(grid)
    return grids


def gudhi_bars(grid: np.ndarray, cells: str) -> tuple[np.ndarray, int]:
    """Finite bars that have a length, sorted, and how many basins never end, by gudhi."""
    cubes = gudhi.CubicalComplex(**{cells: np.where(np.isfinite(grid), grid, np.inf)})
    cubes.persistence()
    bars = cubes.persistence_intervals_in_dimension(0)
    bars = bars[np.isfinite(bars[:, 0])]
    finite = bars[np.isfinite(bars[:, 1]) & (bars[:, 1] > bars[:, 0])]
    return in_order(finite), int(np.isinf(bars[:, 1]).sum())


def in_order(bars: np.ndarray) -> np.ndarray:
    return bars[np.lexsort(bars.T)]


def union_find_bars(grid: np.ndarray, diagonal: bool) -> np.ndarray:
    """Finite bars of a plane by adding its points one by one, with four neighbours or eight."""
    flat, columns = grid.ravel(), grid.shape[1]
    roots: dict[int, int] = {}
    bars = []

    def root(point: int) -> int:
        while roots[point] != point:
            point = roots[point]
        return point

    for point in np.argsort(flat, kind="stable").tolist():
        roots[point] = point
        j, i = divmod(point, columns)
        for down, right in itertools.product((-1, 0, 1), repeat=2):
            beside = (j + down, i + right)
            near = abs(down) + abs(right) == 1 or (diagonal and (down or right))
            inside = 0 <= beside[0] < grid.shape[0] and 0 <= beside[1] < columns
            if not (near and inside and beside[0] * columns + beside[1] in roots):
                continue
            ends = {root(point), root(beside[0] * columns + beside[1])}
            if len(ends) == 2:
                older, younger = sorted(ends, key=lambda place: (flat[place], place))
                roots[younger] = older
                if flat[point] > flat[younger]:
                    bars.append((flat[younger], flat[point]))
    return in_order(np.array(bars).reshape(-1, 2))


def test_a_convex_bowl_has_one_basin_and_an_empty_barcode() -> None:
    """The essential class is no bar, and every variant of SMAD is 0."""
    tree = merge_tree(BOWL)
    assert len(tree) == 1 and tree.bars.shape == (0, 2)
    assert (tree.basins == 0).all()
    assert set(saddle_minimum_distances(tree, BOWL).values()) == {0.0}


def test_a_double_well_has_one_bar_of_the_height_of_its_barrier() -> None:
    """From 4 to 5; the basins are the half planes, the saddle and the minima where they are."""
    tree = merge_tree(DOUBLE_WELL)
    np.testing.assert_allclose(tree.bars, [[4, 5]])
    assert {tuple(np.round((X.flat[p], Y.flat[p]), 9)) for p in tree.minima} == {(-1, 0), (1, 0)}
    assert (X.flat[tree.saddles[1]], Y.flat[tree.saddles[1]]) == pytest.approx((0, 0))
    for half in (X < 0, X > 0):
        assert len(set(tree.basins[half])) == 1


def test_four_wells_join_over_their_lowest_saddles() -> None:
    """Two pairs over 3, then both over 4: SMAD of the tree's edges is 1, of the bars 4/3."""
    tree = merge_tree(FOUR_WELL)
    np.testing.assert_allclose(sorted(tree.deaths[tree.joins]), [3, 3, 4])
    np.testing.assert_allclose(tree.births, 2)
    numbers = saddle_minimum_distances(tree, FOUR_WELL)
    span = np.ptp(FOUR_WELL)
    expected = {
        "tree edges": 1.0,
        "normalised": 1 / span,
        "weighted": 1 / 4,  # the shares of four basins add up to 1
        "normalised, weighted": 1 / 4 / span,
        "finite bars": 4 / 3,
    }
    assert numbers == pytest.approx(expected)
    assert len(tree.above(1.5)) == 2


@pytest.mark.parametrize("grid", random_grids())
def test_bars_are_gudhi_s(grid: np.ndarray) -> None:
    """As of its cubical complex on vertices, with ties and with walls, in one to three axes."""
    tree = merge_tree(grid)
    bars, never = gudhi_bars(grid, "vertices")
    np.testing.assert_array_equal(in_order(tree.bars), bars)
    assert (~tree.joins).sum() == never
    assert ((tree.basins == NOWHERE) == ~np.isfinite(grid)).all()


@pytest.mark.parametrize("ties", [False, True])
def test_points_have_four_neighbours(ties: bool) -> None:
    """Bars are those of a union-find with four neighbours; with eight they are another complex's.

    Eight neighbours are gudhi's complex on cells: the test can tell the two apart.
    """
    rng = np.random.default_rng(3)
    grid = rng.integers(0, 6, (15, 18)).astype(float) if ties else rng.normal(size=(15, 18))
    four, eight = (union_find_bars(grid, diagonal) for diagonal in (False, True))
    np.testing.assert_array_equal(in_order(merge_tree(grid).bars), four)
    np.testing.assert_array_equal(gudhi_bars(grid, "top_dimensional_cells")[0], eight)
    assert len(eight) < len(four)


def test_a_monotone_change_of_the_values_moves_the_levels_alone() -> None:
    """Shifted or through exp: the same minima, saddles, parents and basins; levels as changed."""
    grid = np.random.default_rng(1).normal(size=(20, 23))
    tree = merge_tree(grid)
    for change in (lambda v: v + 7.5, np.exp):
        other = merge_tree(change(grid))
        for name in ("minima", "saddles", "parents", "basins"):
            np.testing.assert_array_equal(getattr(other, name), getattr(tree, name))
        np.testing.assert_array_equal(other.bars, change(tree.bars))


def test_a_wall_keeps_basins_apart_and_a_gap_in_it_joins_them() -> None:
    """NaN between two wells: two parts that never join; through a gap they join at its level."""
    grid = DOUBLE_WELL.copy()
    grid[:, 20] = np.nan
    parts = merge_tree(grid)
    assert len(parts) == 2 and not parts.joins.any()
    grid[5, 20] = DOUBLE_WELL[5, 20]
    assert merge_tree(grid).bars[0, 1] == pytest.approx(DOUBLE_WELL[5, 20])
    nothing = merge_tree(np.full((3, 4), np.nan))
    assert len(nothing) == 0 and nothing.bars.shape == (0, 2)


def test_parts_of_a_plateau_are_no_basins() -> None:
    """A flat grid has one basin; so has a flat floor of any shape in a higher plane."""
    assert len(merge_tree(np.zeros((6, 7)))) == 1
    floor = np.ones((9, 9))
    floor[2, 1:8] = floor[6, 1:8] = floor[2:7, 1] = floor[2:7, 7] = 0.0  # a ring
    assert len(merge_tree(floor)) == 1


@pytest.mark.parametrize("nothing", [np.nan, np.inf, -np.inf])
def test_what_has_no_finite_value_has_no_height_of_saddles(nothing: float) -> None:
    """No basin, and NaN for SMAD and persistence: a 0 would say that there is a bowl."""
    grid = np.full((3, 3), nothing)
    numbers = grid_topology({"loss": grid}, np.ones(grid.shape, dtype=bool)).numbers
    assert numbers["basins"].value == 0
    assert np.isnan([numbers["smad"].value, numbers["total_persistence"].value]).all()


@pytest.mark.parametrize("height", [5e-324, 1e-200, 3e38, 1e308])
def test_thresholds_are_offered_for_the_smallest_and_largest_heights(height: float) -> None:
    """Rising ones that can be read again, also where heights overflow."""
    grid = height * np.array([[-1.0, 1.0, -1.0], [1.0, 1.0, 1.0]])
    topology = grid_topology({"loss": grid}, np.ones(grid.shape, dtype=bool))
    levels = [float(rung) for rung in _rungs(topology) if rung != FLOOR]
    assert len(topology.whole) == 2 and len(levels) > 1
    assert np.isfinite(levels).all() and (np.diff(levels) > 0).all()


def test_above_a_threshold_basins_become_parts_of_what_they_join() -> None:
    """Points move to the basin's ancestor alone, and what is left is the tree of longer bars."""
    grid = np.random.default_rng(5).normal(size=(25, 25))
    tree = merge_tree(grid)
    for threshold in (0.0, 0.3, 1.0, 10.0):
        kept = tree.above(threshold)
        assert (kept.persistence > threshold).all()
        assert len(kept) == 1 + (tree.persistence[tree.joins] > threshold).sum()
        assert (kept.parents[kept.joins] < np.flatnonzero(kept.joins)).all()
        new_place = {point: place for place, point in enumerate(kept.minima.tolist())}
        for place in range(len(tree)):
            ancestor = place
            while tree.minima[ancestor] not in new_place:
                ancestor = tree.parents[ancestor]
            inside = kept.basins[tree.basins == place]
            assert set(inside.tolist()) == {new_place[int(tree.minima[ancestor])]}


def test_edges_of_the_tree_end_at_the_first_saddle() -> None:
    """Of 0 4 1 3 2 9 7: edges 4, 2, 1, 2 and bars 4-1, 3-2, 9-7 (counted by hand)."""
    line = np.array([0.0, 4, 1, 3, 2, 9, 7])
    tree = merge_tree(line)
    assert sorted(map(tuple, tree.bars.tolist())) == [(1, 4), (2, 3), (7, 9)]
    numbers = saddle_minimum_distances(tree, line)
    assert numbers["tree edges"] == pytest.approx((4 + 2 + 1 + 2) / 4)
    assert numbers["normalised"] == pytest.approx((4 + 2 + 1 + 2) / 4 / 9)
    assert numbers["finite bars"] == pytest.approx((3 + 1 + 2) / 3)


def test_the_bottleneck_distance_is_stable() -> None:
    """0 to itself, half a bar's length to nothing, never above the largest difference of values."""
    assert bottleneck_distance(np.array([[1.0, 4.0]]), np.empty((0, 2))) == pytest.approx(1.5)
    rng = np.random.default_rng(2)
    grid = rng.normal(size=(15, 15))
    bars = merge_tree(grid).bars
    assert bottleneck_distance(bars, bars) == 0
    for size in (0.01, 0.1, 1.0):
        other = grid + rng.uniform(-size, size, grid.shape)
        distance = bottleneck_distance(bars, merge_tree(other).bars)
        assert 0 < distance <= np.abs(other - grid).max()


def test_the_threshold_is_the_noise_floor_unless_it_is_chosen() -> None:
    """The median standard error at saddles; without errors a millionth of the values there."""
    computed = np.ones(FOUR_WELL.shape, dtype=bool)
    errors = np.full(FOUR_WELL.shape, 0.5)
    errors[X == 0] = 3.0  # two of the three saddles: the wells in y alone stay apart
    values = {"loss": FOUR_WELL, "loss_se": errors, "accuracy": FOUR_WELL}
    at_floor = grid_topology(values, computed)
    assert at_floor.noise_floor == at_floor.threshold == 3.0 and at_floor.from_errors
    assert len(at_floor.whole) == 4 and len(at_floor.tree) == 1
    assert len(grid_topology(values, computed, threshold=1.5).tree) == 2
    other = grid_topology(values, computed, "accuracy")
    assert other.noise_floor == pytest.approx(1e-6 * 3) and not other.from_errors
    with pytest.raises(ValueError, match="wait until all points are computed, 1,680 of 1,681"):
        grid_topology(values, computed & ((X != 0) | (Y != 0)))


def test_a_surface_comes_down_to_its_basins_once_it_is_whole() -> None:
    """Numbers that Study and Compare set against others; a surface that grows has none of them."""
    computed = np.ones(DOUBLE_WELL.shape, dtype=bool)
    surface = Surface(AXIS, AXIS, {"loss": DOUBLE_WELL}, computed)
    numbers = {name: number.value for name, number in surface.numbers.items()}
    assert numbers["basins"] == 2 and numbers["smad"] == pytest.approx(1)
    assert numbers["total_persistence"] == pytest.approx(1)
    computed = computed & (X < 1.9)
    assert "basins" not in Surface(AXIS, AXIS, {"loss": DOUBLE_WELL}, computed).numbers
    assert math.isfinite(numbers["lowest_loss"])
