"""How far two barcodes are apart."""

import sys

import numpy as np


def bottleneck_distance(first: np.ndarray, second: np.ndarray) -> float:
    """The bottleneck distance of two barcodes, in the values' unit.

    The least, over all ways to pair bars, of the most that a birth or a death differs in a pair; a
    bar may also be paired with one of length 0. It is at most the largest difference of the values
    that the barcodes are of.

    Source: Cohen-Steiner, Edelsbrunner and Harer 2007, Main Theorem (stability).

    Args:
        first: birth and death of each finite bar, (N, 2).
        second: the same, (M, 2).
    """
    import gudhi  # here: the app must not wait for it at its start

    distance = float(gudhi.bottleneck_distance(first, second))
    return distance if distance > sys.float_info.min else 0.0  # its 0 is a number just above
