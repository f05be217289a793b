"""The tree of the lowest ways between minima: by hand, by brute force, beside scipy's linkage."""

import itertools
import math

import numpy as np
import pytest
from scipy.cluster.hierarchy import cophenet, linkage
from scipy.spatial.distance import squareform

from explorer.kinds.minima import LOWEST_PASS, Minima, distance_plane


def minima(saddles: dict[tuple[int, int], float], losses: list[float]) -> Minima:
    """Minima with these losses, and ways with these saddles between them."""
    names = tuple("abcdefghijklmnopqrstuvwxyz"[: len(losses)])
    pairs = {pair: {"saddle": saddle} for pair, saddle in saddles.items()}
    return Minima(names, np.array(losses), pairs)


def random_minima(seed: int, count: int, share: float = 1.0) -> Minima:
    """Random saddles above random losses, some of them unknown."""
    rng = np.random.default_rng(seed)
    losses = rng.normal(size=count)
    saddles = {
        (i, j): float(max(losses[i], losses[j]) + rng.exponential())
        for i, j in itertools.combinations(range(count), 2)
        if rng.random() < share
    }
    return minima(saddles, losses.tolist())


def test_a_tree_solved_by_hand() -> None:
    """Of 0-1 (1), 1-2 (2), 0-2 (3), 2-3 (2.5) the tree leaves out 0-2, which goes by 1."""
    one = minima({(0, 1): 1.0, (1, 2): 2.0, (0, 2): 3.0, (2, 3): 2.5}, [0.5, 0.0, 0.2, 0.1])
    assert [(way.first, way.second) for way in one.ways] == [(0, 1), (1, 2), (2, 3)]
    assert [merge.saddle for merge in one.merges] == [1.0, 2.0, 2.5]
    passes = one.matrix(LOWEST_PASS)
    assert passes[0, 2] == 2.0 and passes[0, 3] == passes[1, 3] == 2.5
    assert np.isnan(np.diag(passes)).all()
    assert one.order == [1, 0, 2, 3]  # the lowest minimum first, each group together


def test_a_tree_is_also_that_of_losses_of_zero_and_below() -> None:
    """Saddles of 0 and below 0 are ways as any others, not missing ones."""
    one = minima({(0, 1): 0.0, (1, 2): -2.0, (0, 2): 1.0}, [-3.0, -4.0, -5.0])
    assert [(way.first, way.second, way.saddle) for way in one.ways] == [(1, 2, -2), (0, 1, 0)]


@pytest.mark.parametrize("seed", range(5))
def test_merges_are_the_single_linkage_of_scipy(seed: int) -> None:
    """Heights of the merges and the lowest pass of each pair, for 20 minima."""
    one = random_minima(seed, 20)
    flat = squareform(one.matrix("saddle"), checks=False)
    shift = flat.min() - 1  # distances must be positive there
    scipy_tree = linkage(flat - shift, method="single")
    heights = [merge.saddle for merge in one.merges]
    np.testing.assert_allclose(heights, scipy_tree[:, 2] + shift, rtol=1e-12)
    passes = squareform(np.nan_to_num(one.passes), checks=False)
    np.testing.assert_allclose(passes, cophenet(scipy_tree) + shift, rtol=1e-12)


@pytest.mark.parametrize("seed", range(8))
def test_the_lowest_pass_is_the_least_over_all_ways(seed: int) -> None:
    """Brute force over each way by other minima, for up to 6, some pairs unknown."""
    one = random_minima(seed, 3 + seed % 4, share=0.6)
    saddles = np.where(np.isnan(one.matrix("saddle")), np.inf, one.matrix("saddle"))
    for i, j in itertools.combinations(range(len(one)), 2):
        others = [k for k in range(len(one)) if k not in (i, j)]
        by = itertools.chain.from_iterable(
            itertools.permutations(others, length) for length in range(len(others) + 1)
        )
        stops = ((i, *middle, j) for middle in by)
        best = min(max(saddles[a, b] for a, b in itertools.pairwise(way)) for way in stops)
        assert one.passes[i, j] == best or (best == math.inf and math.isnan(one.passes[i, j]))


def test_each_minimum_stands_once_in_the_order_and_groups_together() -> None:
    """Every merge's minima are neighbours in the order, so that a tree has no crossing lines."""
    one = random_minima(3, 20)
    assert sorted(one.order) == list(range(20))
    for merge in one.merges:
        places = sorted(one.order.index(leaf) for leaf in merge.leaves)
        assert places == list(range(places[0], places[0] + len(places)))


@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_what_is_not_finite_joins_nothing_and_is_told(bad: float) -> None:
    """A way on which the loss is NaN or infinite stays in the matrix and out of the tree."""
    one = minima({(0, 1): 1.0, (1, 2): bad}, [0.0, 0.0, 0.0])
    assert len(one.ways) == 1 and one.groups == ((0, 1), (2,))
    assert one.not_finite == [(1, 2)]
    np.testing.assert_equal(one.matrix("saddle")[1, 2], bad)
    assert math.isnan(one.passes[0, 2])


def test_one_minimum_and_no_answers() -> None:
    """Without any way each minimum is a group of its own."""
    alone = minima({}, [0.3, 0.1])
    assert alone.ways == alone.merges == () and alone.groups == ((1,), (0,))


def test_a_plane_of_distances_is_exact_for_points_of_a_plane() -> None:
    """Distances of points in a plane come out as they went in, and the plane holds all of them."""
    points = np.random.default_rng(0).normal(size=(7, 2))
    distances = np.linalg.norm(points[:, None] - points, axis=2)
    plane = distance_plane(distances)
    assert plane is not None and plane.guessed == 0
    again = np.linalg.norm(plane.places[:, None] - plane.places, axis=2)
    np.testing.assert_allclose(again, distances, atol=1e-12)  # rounding of the eigenvectors
    assert plane.share == pytest.approx(1.0)


def test_a_plane_of_distances_guesses_what_is_missing_and_says_how_much() -> None:
    """Equally far points lie 2/(N-1) in a plane; a missing distance is the way by others."""
    equal = np.ones((4, 4))
    plane = distance_plane(equal)
    assert plane is not None and plane.share == pytest.approx(2 / 3)
    line = np.array([[0.0, 1.0, np.nan], [1.0, 0.0, 2.0], [np.nan, 2.0, 0.0]])
    plane = distance_plane(line)
    assert plane is not None and plane.guessed == 1
    assert np.linalg.norm(plane.places[0] - plane.places[2]) == pytest.approx(3.0)
    assert distance_plane(np.full((3, 3), np.nan)) is None
