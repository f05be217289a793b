"""The merge tree of values on a grid: where basins begin, and where each joins a deeper one."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

NOWHERE = -1  # the basin of a wall, and the saddle and parent of a basin that joins none


@dataclass(frozen=True)
class MergeTree:
    """Basins from the deepest on, each until it joins a deeper one as the level rises.

    This is the join tree of the sublevel sets in its branch decomposition: at a saddle the basin
    with the higher lowest point ends (the elder rule). The deepest basin of each connected part of
    the grid never ends: that is the essential class, and no bar of the barcode.

    Source: Edelsbrunner, Letscher and Zomorodian 2002, section 4 (elder rule); Carr, Snoeyink and
    Axen 2003, section 4 (join tree).
    """

    minima: np.ndarray  # (N,) flat index of each basin's lowest point
    births: np.ndarray  # (N,) value there, rising
    saddles: np.ndarray  # (N,) flat index of the point at which it joins; NOWHERE for never
    deaths: np.ndarray  # (N,) value there; Inf for never
    parents: np.ndarray  # (N,) place of the basin that it joins; NOWHERE for none
    basins: np.ndarray  # of the grid's shape: place of each point's basin; NOWHERE for walls

    def __len__(self) -> int:
        """How many basins there are."""
        return len(self.minima)

    @property
    def joins(self) -> np.ndarray:
        """Which basins join a deeper one, (N,) bool: those that have a finite bar."""
        return np.asarray(self.parents != NOWHERE)

    @property
    def persistence(self) -> np.ndarray:
        """How far the level rises before each basin joins, (N,); Inf for never."""
        with np.errstate(over="ignore"):
            return np.asarray(self.deaths - self.births)

    @property
    def bars(self) -> np.ndarray:
        """Birth and death of the basins that join, (M, 2): the barcode of dimension 0."""
        return np.column_stack((self.births, self.deaths))[self.joins]

    def above(self, threshold: float) -> "MergeTree":
        """The tree of the basins that persist for more; the others are part of what they join."""
        kept = ~self.joins | (self.persistence > threshold)
        survivor = np.where(kept, np.arange(len(self)), self.parents)
        for place in np.flatnonzero(~kept):  # a parent is deeper: it comes before
            survivor[place] = survivor[survivor[place]]
        new_place = np.cumsum(kept) - 1
        new_place_of = np.append(new_place[survivor], NOWHERE)  # the last is that of NOWHERE
        return MergeTree(
            self.minima[kept],
            self.births[kept],
            self.saddles[kept],
            self.deaths[kept],
            new_place_of[self.parents[kept]],
            new_place_of[self.basins],
        )


def merge_tree(values: np.ndarray) -> MergeTree:
    """The merge tree of a grid whose points are joined to those beside them along each axis.

    So of a plane each point has four neighbours, and the sublevel sets are those of the cubical
    complex with the values on its vertices. What is NaN or infinite is a wall: it belongs to no
    basin, and nothing joins through it. Of equal values the one that comes first counts as lower;
    what persists for 0, as parts of a plateau do, is no basin.

    Args:
        values: of any number of axes.
    """
    rank = _ranks(values)
    lowest = _lowest_points(rank)
    minima = np.unique(lowest[rank.ravel() < rank.size])
    minima = minima[np.argsort(rank.ravel()[minima])]
    place_of = np.full(rank.size, NOWHERE)
    place_of[minima] = np.arange(len(minima))
    basins = np.where(rank.ravel() < rank.size, place_of[lowest], NOWHERE).reshape(values.shape)
    point_of_rank = np.argsort(rank, axis=None, kind="stable")
    saddles = np.full(len(minima), NOWHERE)
    parents = saddles.copy()
    survivors = list(range(len(minima)))
    for height, first, second in _passes(rank, basins).tolist():
        older, younger = sorted((_survivor(survivors, first), _survivor(survivors, second)))
        if older != younger:
            survivors[younger] = parents[younger] = older
            saddles[younger] = point_of_rank[height]
    flat = values.ravel()
    deaths = np.where(parents == NOWHERE, np.inf, flat[saddles] if len(flat) else np.inf)
    return MergeTree(minima, flat[minima].astype(float), saddles, deaths, parents, basins).above(0)


def _ranks(values: np.ndarray) -> np.ndarray:
    """Place of each value in their order, all different; that of walls is the number of points."""
    walls = ~np.isfinite(values)
    order = np.argsort(np.where(walls, np.inf, values), axis=None, kind="stable")
    rank = np.empty(values.size, dtype=np.int64)
    rank[order] = np.arange(values.size)
    rank[walls.ravel()] = values.size
    return rank.reshape(values.shape)


def _neighbours(array: np.ndarray) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Views of all pairs of neighbours, an axis each: the first of each pair, and the second."""
    for axis in range(array.ndim):
        along = np.moveaxis(array, axis, 0)
        yield along[:-1], along[1:]


def _lowest_points(rank: np.ndarray) -> np.ndarray:
    """Flat index of the point that the steepest descent from each point ends at, (P,)."""
    index = np.arange(rank.size).reshape(rank.shape)
    next_point, best = index.copy(), rank.copy()
    views = (_neighbours(array) for array in (rank, index, next_point, best))
    for ranks, places, nexts, bests in zip(*views, strict=True):
        for here, there in ((0, 1), (1, 0)):
            lower = ranks[there] < bests[here]
            nexts[here][lower] = places[there][lower]
            bests[here][lower] = ranks[there][lower]
    ends = next_point.ravel()
    while not np.array_equal(further := ends[ends], ends):
        ends = further
    return ends


def _passes(rank: np.ndarray, basins: np.ndarray) -> np.ndarray:
    """The lowest way from each basin to each beside it: its rank and both, (W, 3), rising."""
    rows = [np.empty((0, 3), dtype=np.int64)]
    views = zip(_neighbours(rank), _neighbours(basins), strict=True)
    for (rank_here, rank_there), (here, there) in views:
        between = (here != there) & (here != NOWHERE) & (there != NOWHERE)
        pairs = np.sort(np.column_stack((here[between], there[between])), axis=1)
        heights = np.maximum(rank_here, rank_there)[between]
        rows.append(np.column_stack((heights, pairs)))
    passes = np.concatenate(rows)
    passes = passes[np.argsort(passes[:, 0], kind="stable")]
    _, firsts = np.unique(passes[:, 1:], axis=0, return_index=True)
    return np.asarray(passes[np.sort(firsts)])


def _survivor(survivors: list[int], place: int) -> int:
    """The deepest basin of those that a basin has joined so far."""
    while survivors[place] != place:
        survivors[place] = survivors[survivors[place]]
        place = survivors[place]
    return place
