"""Many minima: numbers of all pairs, the tree of their lowest ways, and a plane of distances."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

LOSS_NUMBER = "saddle"  # the number by which ways are compared: the highest loss on one
DISTANCE_NUMBER = "distance"
LOWEST_PASS = "lowest_pass"  # of two minima: the least saddle over all ways by other minima
PairValues = Mapping[tuple[int, int], Mapping[str, float]]  # first < second -> number by name


@dataclass(frozen=True)
class Way:
    """The answer about two minima that a tree holds."""

    first: int
    second: int
    saddle: float  # highest loss on it


@dataclass(frozen=True)
class Merge:
    """Two groups of minima that become one where the loss may be that high."""

    saddle: float
    left: int  # a minimum's place; or the count of minima plus the place of an earlier merge
    right: int
    leaves: tuple[int, ...]  # all minima of the two groups, in the order of the tree


@dataclass(frozen=True)
class Minima:
    """Minima of one loss and what is known of the ways between them.

    A number that is not finite is kept: such a way joins nothing.
    """

    names: tuple[str, ...]  # (N,)
    losses: np.ndarray  # (N,) of each by itself; NaN where unknown
    pairs: PairValues  # what is answered

    def __len__(self) -> int:
        """How many minima there are."""
        return len(self.names)

    def matrix(self, number: str) -> np.ndarray:
        """A number of each pair, symmetric, (N, N); NaN where unknown, and on the diagonal.

        Args:
            number: of the answers, or `LOWEST_PASS`.
        """
        if number == LOWEST_PASS:
            return self.passes
        matrix = np.full((len(self), len(self)), np.nan)
        for (first, second), values in self.pairs.items():
            matrix[first, second] = matrix[second, first] = values.get(number, math.nan)
        return matrix

    @property
    def number_names(self) -> list[str]:
        """The numbers that some pair has, in the order of the answers."""
        return list(dict.fromkeys(name for values in self.pairs.values() for name in values))

    @property
    def not_finite(self) -> list[tuple[int, int]]:
        """The pairs on whose way the loss is NaN or infinite."""
        return [
            pair
            for pair, values in self.pairs.items()
            if not math.isfinite(values.get(LOSS_NUMBER, math.nan))
        ]

    @cached_property
    def ways(self) -> tuple[Way, ...]:
        """The minimum spanning tree over the saddle losses, lowest first.

        One tree for each group of minima that finite ways join.

        Source: Draxler et al. 2018, arXiv:1803.00885, section 3.3; Kruskal's algorithm by scipy.
        """
        from scipy.sparse import coo_array
        from scipy.sparse.csgraph import minimum_spanning_tree

        saddles = self.matrix(LOSS_NUMBER)
        first, second = np.nonzero(np.triu(np.isfinite(saddles), 1))
        heights = saddles[first, second]
        order = np.argsort(heights, kind="stable")
        # Ranks in the place of losses: scipy reads a weight of 0 as no edge, and losses may be 0.
        ranks = np.empty(len(order))
        ranks[order] = np.arange(1, len(order) + 1)
        shape = (len(self), len(self))
        tree = minimum_spanning_tree(coo_array((ranks, (first, second)), shape).tocsr()).tocoo()
        kept = sorted(zip(tree.data, *map(list, tree.coords), strict=True))
        return tuple(Way(int(i), int(j), float(saddles[i, j])) for _, i, j in kept)

    @cached_property
    def merges(self) -> tuple[Merge, ...]:
        """The disconnectivity tree: which groups become one at which loss, lowest first.

        It is the single linkage of the saddle losses.

        Source: Becker and Karplus 1997; Wales et al. 1998, doi:10.1038/29487.
        """
        group = list(range(len(self)))  # the node whose leaf each minimum is
        leaves: dict[int, tuple[int, ...]] = {place: (place,) for place in group}
        merges: list[Merge] = []
        for way in self.ways:
            pair = sorted(
                (group[way.first], group[way.second]), key=lambda n: self._rank(leaves[n])
            )
            node = len(self) + len(merges)
            leaves[node] = leaves[pair[0]] + leaves[pair[1]]
            for place in leaves[node]:
                group[place] = node
            merges.append(Merge(way.saddle, pair[0], pair[1], leaves[node]))
        return tuple(merges)

    def _rank(self, leaves: Sequence[int]) -> tuple[float, int]:
        """By what groups stand side by side: the lowest minimum first."""
        losses = [self.losses[place] for place in leaves if math.isfinite(self.losses[place])]
        return min(losses, default=math.inf), min(leaves)

    @cached_property
    def groups(self) -> tuple[tuple[int, ...], ...]:
        """The minima that finite ways join, each group in the order of the tree."""
        by_place: dict[int, tuple[int, ...]] = {place: (place,) for place in range(len(self))}
        for merge in self.merges:
            by_place |= dict.fromkeys(merge.leaves, merge.leaves)
        return tuple(sorted(set(by_place.values()), key=self._rank))

    @property
    def order(self) -> list[int]:
        """All minima in the order of the tree."""
        return [place for group in self.groups for place in group]

    @cached_property
    def passes(self) -> np.ndarray:
        """The lowest pass between any two: the least loss at which they are joined, (N, N).

        NaN where no finite way joins them, and from a minimum to itself.
        """
        passes = np.full((len(self), len(self)), np.nan)
        sides: dict[int, tuple[int, ...]] = {place: (place,) for place in range(len(self))}
        for number, merge in enumerate(self.merges):
            left, right = sides[merge.left], sides[merge.right]
            passes[np.ix_(left, right)] = merge.saddle
            passes[np.ix_(right, left)] = merge.saddle
            sides[len(self) + number] = merge.leaves
        return passes


def height(values: Mapping[str, float]) -> float:
    """The highest loss on a way by its numbers; infinite where it is not known to be a number."""
    saddle = values.get(LOSS_NUMBER, math.nan)
    return math.inf if math.isnan(saddle) else saddle


@dataclass(frozen=True)
class DistancePlane:
    """Points of a plane whose distances are as near as they can be to those in weight space."""

    places: np.ndarray  # (N, 2)
    share: float  # of the squared distances that the plane holds, 0 to 1
    guessed: int  # pairs whose distance was not known: the shortest way by known ones


def distance_plane(distances: np.ndarray) -> DistancePlane | None:
    """Classical scaling of distances (N, N) to a plane; None where they do not join all points.

    Source: Torgerson 1952, doi:10.1007/BF02288916; missing distances as in Tenenbaum et al. 2000.
    """
    from scipy.sparse.csgraph import csgraph_from_dense, shortest_path

    direct = np.where(np.isfinite(distances), distances, np.inf)
    np.fill_diagonal(direct, np.inf)
    filled = shortest_path(csgraph_from_dense(direct, null_value=np.inf), directed=False)
    missing = np.triu(~np.isfinite(direct), 1)
    filled = np.where(np.isfinite(direct), direct, filled)
    np.fill_diagonal(filled, 0.0)
    if not np.isfinite(filled).all():
        return None
    squares = filled**2
    means = squares.mean(axis=0)
    inner = -(squares - means - means[:, None] + squares.mean()) / 2
    values, vectors = np.linalg.eigh(inner)
    values, vectors = np.maximum(values[::-1], 0.0), vectors[:, ::-1]
    places = np.zeros((len(squares), 2))
    kept = min(2, len(values))
    places[:, :kept] = vectors[:, :kept] * np.sqrt(values[:kept])
    # An eigenvector's sign is arbitrary: the largest part of each axis is positive.
    signs = np.sign(places[np.abs(places).argmax(axis=0), np.arange(2)])
    places *= np.where(signs == 0, 1, signs)
    total = values.sum()
    share = float(values[:kept].sum() / total) if total else 1.0
    return DistancePlane(places, share, int(missing.sum()))
