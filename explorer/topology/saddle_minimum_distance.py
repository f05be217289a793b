"""How high saddles lie above the minima beside them, on average: SMAD, in its variants by name."""

import numpy as np

from explorer.topology.merge_tree import NOWHERE, MergeTree

# What each is. The package of Chen et al. 2026 (1.3.1) offers all but the last. It takes the edges
# at minima of the contour tree, not of the merge tree: one also ends where the level set parts
# around a maximum, which is lower than where the minimum joins another.
# Its points are joined by an empty-region graph, and its basins are those of a Morse-Smale complex.
SMAD_VARIANTS = {
    "tree edges": "mean height of the edges from each minimum to the first saddle above it "
    "(Chen et al. 2026)",
    "normalised": "the same, each height divided by the range of all values (Chen et al. 2026)",
    "weighted": "the same, each height times the share of the points that lie in its basin "
    "(Chen et al. 2026)",
    "normalised, weighted": "both (Chen et al. 2026)",
    "finite bars": "mean length of the bars: by the elder rule a minimum counts up to where it "
    "joins a deeper one, and the deepest does not count (Edelsbrunner et al. 2002)",
}


@np.errstate(over="ignore", invalid="ignore")  # heights between the largest numbers are Inf
def saddle_minimum_distances(tree: MergeTree, values: np.ndarray) -> dict[str, float]:
    """SMAD in each of its variants; 0 where there is no saddle, as in a convex bowl.

    NaN where there is no basin at all: no value is finite.

    Source: Chen et al. 2026, arXiv:2602.07135, and `LossLandscape.smad` of its package, 1.3.1.

    Args:
        tree: whose basins count.
        values: that it is of.
    """
    if not len(tree):
        return dict.fromkeys(SMAD_VARIANTS, float("nan"))
    heights, shares = edge_heights(tree), basin_shares(tree)
    leaves = np.isfinite(heights)
    if not leaves.any():
        return dict.fromkeys(SMAD_VARIANTS, 0.0)
    heights, shares = heights[leaves], shares[leaves]
    span = float(np.ptp(values[np.isfinite(values)]))
    numbers = (
        heights.mean(),
        (heights / span).mean(),
        (heights * shares).mean(),
        (heights / span * shares).mean(),
        tree.persistence[tree.joins].mean(),
    )
    return dict(zip(SMAD_VARIANTS, map(float, numbers), strict=True))


def edge_heights(tree: MergeTree) -> np.ndarray:
    """From each minimum to the first saddle at which anything joins it, (N,); Inf for none."""
    first = tree.deaths.copy()
    joins = tree.joins
    np.minimum.at(first, tree.parents[joins], tree.deaths[joins])
    return np.asarray(first - tree.births)


def basin_shares(tree: MergeTree) -> np.ndarray:
    """The share of the grid's points that lie in each basin, (N,)."""
    inside = tree.basins[tree.basins != NOWHERE]
    return np.asarray(np.bincount(inside, minlength=len(tree)) / tree.basins.size)
