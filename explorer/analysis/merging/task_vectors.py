"""Merges of task vectors: what fine-tuning has added to a base, trimmed, thinned out and summed.

A task vector is the difference of a fine-tuned point and the base, (D,).
"""

from collections.abc import Callable, Iterable, Iterator

import numpy as np
import torch
from torch import Tensor

EachVector = Callable[[], Iterable[Tensor]]  # the task vectors in order, made anew at each call
STREAM = 11  # of the entries that are dropped, beside the seed


def summed(vectors: Iterable[Tensor]) -> Tensor:
    """The sum of task vectors (D,).

    Source: Ilharco et al. 2023, arXiv:2212.04089, section 2: the base plus a scale times this.

    Raises:
        ValueError: there are none.
    """
    total = None
    for vector in vectors:
        total = vector.clone() if total is None else total.add_(vector)
    if total is None:
        raise ValueError("there must be task vectors, got none")
    return total


def trimmed(vector: Tensor, keep: float) -> Tensor:
    """The vector (D,) with all but a share of its entries, those of largest size, set to 0.

    Entries that are as large as the smallest that is kept are kept too.

    Source: Yadav et al. 2023, arXiv:2306.01708, section 4.1, step 1.
    """
    count = max(1, round(keep * len(vector)))
    threshold = vector.abs().kthvalue(len(vector) - count + 1).values
    return torch.where(vector.abs() >= threshold, vector, 0.0)


def ties_merged(each: EachVector, keep: float) -> Tensor:
    """Trimmed task vectors in one (D,): of each entry the mean of those that have its sign.

    The sign of an entry is that of the sum of the trimmed vectors; where the sum is 0, so is the
    entry. What is 0 counts for neither sign.

    Source: Yadav et al. 2023, arXiv:2306.01708, section 4.1, algorithm 1.
    """

    def trimmed_vectors() -> Iterator[Tensor]:
        return (trimmed(vector, keep) for vector in each())

    signs = summed(trimmed_vectors()).sign()
    totals, counts = torch.zeros_like(signs), torch.zeros_like(signs)
    for vector in trimmed_vectors():
        agrees = (vector.sign() == signs) & (vector != 0)
        totals += torch.where(agrees, vector, 0.0)
        counts += agrees
    return totals / counts.clamp(min=1)


def thinned(vector: Tensor, drop: float, seed: int, number: int) -> Tensor:
    """The vector (D,) with entries dropped at random, the others divided by 1 - `drop`.

    Its expectation is the vector itself.

    Args:
        vector: a task vector.
        drop: the probability of each entry to become 0.
        seed: of the random numbers.
        number: of the vector among all, each of which drops entries of its own.

    Source: Yu et al. 2024, arXiv:2311.03099, section 3.2.
    """
    generator = np.random.RandomState([seed, STREAM, number])
    kept = torch.from_numpy(generator.random_sample(len(vector)) >= drop)
    return torch.where(kept, vector / (1 - drop), 0.0)


def dare_merged(vectors: Iterable[Tensor], drop: float, seed: int) -> Tensor:
    """The sum (D,) of task vectors from each of which entries are dropped.

    Source: Yu et al. 2024, arXiv:2311.03099, section 3.2, with task arithmetic.
    """
    return summed(thinned(vector, drop, seed, number) for number, vector in enumerate(vectors))
