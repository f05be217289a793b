"""Paths between two points: the shapes there are, and how each is made of its control points.

Control points are both ends and the bends between them, in order; t runs from 0 to 1.
"""

import math

import numpy as np

STRAIGHT, SPHERICAL, LAYERS, CHAIN, BEZIER = "straight", "spherical", "layers", "chain", "bezier"
BENT_SHAPES = (CHAIN, BEZIER)  # that lead past bends
SHAPES = (STRAIGHT, SPHERICAL, LAYERS, *BENT_SHAPES)
MOST_BENDS = 64  # of a path
STRETCHES = 16  # over which a length is integrated, for each control point but one
NODES, NODE_WEIGHTS = np.polynomial.legendre.leggauss(12)  # of an integral over a short stretch


def control_weights(shape: str, count: int, t: np.ndarray, angle: float = 0.0) -> np.ndarray:
    """The weight of each control point at each place, (T, count) float64.

    At t = 0 and t = 1 they are exactly 1 and 0.

    Args:
        shape: of the path; one that is made layer by layer has no such weights.
        count: of control points, both ends included.
        t: places from 0 to 1, (T,).
        angle: between both ends, of a spherical path.

    Source: Garipov et al. 2018, arXiv:1802.10026, equations 1 and 2, for chain and Bezier curve;
    Shoemake 1985, doi:10.1145/325165.325242, for the spherical path.
    """
    t = np.asarray(t, dtype=np.float64)
    if shape == SPHERICAL:
        ends = np.stack([np.sin((1 - t) * angle), np.sin(t * angle)], axis=1)
        return np.asarray(ends / math.sin(angle))
    last = count - 1
    if shape == BEZIER:
        binomials = [math.comb(last, i) for i in range(count)]
        terms = [n * t**i * (1 - t) ** (last - i) for i, n in enumerate(binomials)]
        return np.stack(terms, axis=1)
    return np.asarray((1 - np.abs(t[:, None] * last - np.arange(count))).clip(min=0))


def weight_slopes(shape: str, count: int, t: np.ndarray, angle: float = 0.0) -> np.ndarray:
    """The derivative of each weight by t, (T, count); at a corner that of the stretch after it."""
    t = np.asarray(t, dtype=np.float64)
    if shape == SPHERICAL:
        ends = np.stack([-np.cos((1 - t) * angle), np.cos(t * angle)], axis=1)
        return np.asarray(ends * angle / math.sin(angle))
    last = count - 1
    if shape == BEZIER:
        lower = control_weights(BEZIER, last, t)
        none = np.zeros((len(t), 1))
        return np.asarray(last * (np.hstack([none, lower]) - np.hstack([lower, none])))
    stretch = np.minimum((t * last).astype(np.int64), last - 1)
    slopes = np.zeros((len(t), count))
    slopes[np.arange(len(t)), stretch] = -last
    slopes[np.arange(len(t)), stretch + 1] = last
    return slopes


def arc_lengths(shape: str, gram: np.ndarray, t: np.ndarray, angle: float = 0.0) -> np.ndarray:
    """The length of the path from t = 0 to each place, (T,), in norms of the parameters.

    Args:
        shape: of the path, as for `control_weights`.
        gram: inner products of the control points, (count, count).
        t: places from 0 to 1, (T,), in any order.
        angle: as for `control_weights`.
    """
    count = len(gram)
    knots = np.linspace(0, 1, 1 + STRETCHES * (count - 1))  # a chain's corners are among them
    stops = np.unique(np.concatenate([knots, np.asarray(t, dtype=np.float64)]))
    half = np.diff(stops) / 2
    middles = (stops[:-1] + stops[1:]) / 2
    nodes = middles[:, None] + half[:, None] * NODES
    slopes = weight_slopes(shape, count, nodes.ravel(), angle)
    speeds = np.sqrt(np.einsum("km,mn,kn->k", slopes, gram, slopes).clip(min=0))
    stretches = (speeds.reshape(nodes.shape) @ NODE_WEIGHTS) * half
    reached = np.concatenate([[0.0], np.cumsum(stretches)])
    return np.asarray(reached[np.searchsorted(stops, t)])


def layer_shares(count: int, t: np.ndarray) -> np.ndarray:
    """How far each layer has moved where one layer is moved after the other, (T, count)."""
    t = np.asarray(t, dtype=np.float64)
    return np.asarray((t[:, None] * count - np.arange(count)).clip(0, 1))
