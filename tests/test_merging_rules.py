"""Averages of points and merges of task vectors: closed forms, and cases solved by hand."""

import math

import numpy as np
import pytest
import torch

from explorer.analysis.merging.averages import angle_between, mean_vector, slerp
from explorer.analysis.merging.task_vectors import (
    dare_merged,
    summed,
    thinned,
    ties_merged,
    trimmed,
)


def vector(*values: float) -> torch.Tensor:
    return torch.tensor(values, dtype=torch.float64)


def test_the_mean_is_that_of_its_entries() -> None:
    """Of three vectors, and of none a refusal; what it is of stays as it was."""
    vectors = [vector(0, 3), vector(1, 1), vector(5, -1)]
    assert mean_vector(vectors).tolist() == [2, 1]
    assert vectors[0].tolist() == [0, 3]
    with pytest.raises(ValueError, match="got none"):
        mean_vector([])


@pytest.mark.parametrize("fraction", [0.0, 0.3, 0.5, 1.0])
def test_slerp_of_unit_vectors_stays_on_their_circle(fraction: float) -> None:
    """At a fraction of the angle, at length 1: the point of the circle, by trigonometry."""
    first, second = vector(1, 0), vector(math.cos(2), math.sin(2))
    between = slerp(first, second, fraction)
    expected = [math.cos(2 * fraction), math.sin(2 * fraction)]
    np.testing.assert_allclose(between.numpy(), expected, atol=1e-15)
    assert angle_between(first, between) == pytest.approx(2 * fraction, abs=1e-7)


def test_slerp_goes_from_one_length_to_the_other() -> None:
    """At right angles halfway: sin(pi / 4) of both; at the ends the vectors themselves."""
    first, second = vector(3, 0), vector(0, 1)
    middle = slerp(first, second, 0.5)
    np.testing.assert_allclose(middle.numpy(), np.sqrt([4.5, 0.5]), rtol=1e-15)
    np.testing.assert_allclose(slerp(first, second, 0.0).numpy(), first.numpy(), atol=1e-15)
    np.testing.assert_allclose(slerp(first, second, 1.0).numpy(), second.numpy(), atol=1e-15)


def test_slerp_of_parallel_vectors_is_straight_and_of_opposite_ones_refused() -> None:
    """The limit of the formula, which divides by 0 there; and where no one circle leads."""
    assert slerp(vector(1, 1), vector(3, 3), 0.25).tolist() == [1.5, 1.5]
    with pytest.raises(ValueError, match="opposite"):
        slerp(vector(1, 1), vector(-2, -2), 0.5)
    with pytest.raises(ValueError, match="not 0"):
        slerp(vector(1, 1), vector(0, 0), 0.5)


def test_task_vectors_are_summed() -> None:
    """Ilharco et al. 2023: the base plus a scale times the sum."""
    assert summed([vector(1, 2), vector(-1, 5)]).tolist() == [0, 7]


def test_trimming_keeps_the_largest_entries() -> None:
    """40 % of five entries are the two of largest size, whatever their sign; all of 100 %."""
    long = vector(0.1, -3, 2, 0.5, -0.2)
    assert trimmed(long, 0.4).tolist() == [0, -3, 2, 0, 0]
    assert trimmed(long, 1.0).tolist() == long.tolist()
    assert trimmed(long, 0.01).tolist() == [0, -3, 0, 0, 0]


def test_ties_elects_a_sign_and_averages_those_that_have_it() -> None:
    """Solved by hand after algorithm 1 of Yadav et al. 2023, nothing trimmed.

    Entry 1: 4 + 1 - 2 > 0, the mean of 4 and 1. Entry 2: -6 outweighs 1 and 2. Entry 3: the sum is
    0, and so is the entry. Entry 4: a 0 counts for no sign and not in the mean.
    """
    tasks = [vector(4, 1, 1, 0), vector(1, 2, -1, 3), vector(-2, -6, 0, 5)]
    assert ties_merged(lambda: tasks, 1.0).tolist() == [2.5, -6, 0, 4]


def test_ties_trims_before_it_elects() -> None:
    """Of each vector the larger half: [0, 5] and [-4, 0] do not interfere any more."""
    tasks = [vector(3, 5), vector(-4, 1)]
    assert ties_merged(lambda: tasks, 0.5).tolist() == [-4, 5]
    assert ties_merged(lambda: tasks, 1.0).tolist() == [-4, 3]


def test_thinning_drops_a_share_and_keeps_the_expectation() -> None:
    """Entries are 0 or divided by 1 - p, a share p of them 0, each vector by draws of its own."""
    ones = torch.ones(200_000, dtype=torch.float64)
    thin = thinned(ones, 0.8, 3, 0)
    assert thin.unique().tolist() == pytest.approx([0.0, 5.0])
    # 6 standard errors of a share of 200,000 draws
    assert float((thin == 0).double().mean()) == pytest.approx(0.8, abs=6 * 0.4 / 447)
    assert float(thin.mean()) == pytest.approx(1.0, abs=6 * 2 / 447)
    assert torch.equal(thin, thinned(ones, 0.8, 3, 0))
    assert not torch.equal(thin, thinned(ones, 0.8, 3, 1))
    assert not torch.equal(thin, thinned(ones, 0.8, 4, 0))


def test_dare_without_dropping_is_task_arithmetic() -> None:
    """A drop rate of 0 leaves the sum; else each vector is thinned by its own number."""
    tasks = [vector(1, 2, 3), vector(-1, 5, 4)]
    assert dare_merged(tasks, 0.0, 7).tolist() == summed(tasks).tolist()
    by_hand = thinned(tasks[0], 0.5, 7, 0) + thinned(tasks[1], 0.5, 7, 1)
    assert dare_merged(tasks, 0.5, 7).tolist() == by_hand.tolist()
