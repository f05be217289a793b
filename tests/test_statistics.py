"""The 95 % intervals: by hand where that is possible, and by how often they hold on real losses."""

from pathlib import Path

import numpy as np
import pytest
import safetensors.torch
import scipy  # loads scipy.stats when it is first used
import torch

from explorer.analysis.directions.directions import direction_rows
from explorer.analysis.model.problems import load_problem
from explorer.analysis.objective.evaluator import Evaluator
from explorer.analysis.objective.examples import subset_indices
from explorer.analysis.objective.objective import Objective
from explorer.kinds.line import LineSettings
from explorer.kinds.objective_settings import ObjectiveSettings
from explorer.kinds.statistics import interval, interval_words, loss_interval
from explorer.problem import Problem
from tests.conftest import small_problem

CPU = torch.device("cpu")
SAMPLES = Path(__file__).parents[1] / "sample_models"
SEEDS, COUNT = 500, 200
# Twice the standard deviation of the share of 500 intervals that hold, if each does with 0.95.
BAND = 2 * (0.95 * 0.05 / SEEDS) ** 0.5


def losses(name: str, split: str = "train", x: float = 0.0) -> np.ndarray:
    """The loss of each example of a digits MLP, x along its first random direction."""
    problem = load_problem(SAMPLES / "digits_mlp.py", {}).problem
    objective = Objective(problem, ObjectiveSettings(split=split), CPU)
    objective.load(safetensors.torch.load_file(SAMPLES / "weights" / f"{name}.safetensors"))
    evaluator = Evaluator(objective, direction_rows(objective.flat, LineSettings(), 1))
    return evaluator.losses(np.array([[x]]))[0]


def held(rows: np.ndarray, count: int, corrected: bool = True) -> float:
    """Share of random subsets (as the app draws them) whose interval holds the mean of all."""
    subsets = [
        ObjectiveSettings(subset="random", examples=count, examples_seed=seed)
        for seed in range(SEEDS)
    ]
    parts = np.stack([rows[subset_indices(len(rows), settings)] for settings in subsets])
    return share_held(parts, rows.mean(), len(rows), corrected)


def share_held(
    parts: np.ndarray, mean: float, available: int | None, corrected: bool = True
) -> float:
    """Share of the samples, a row each, whose interval holds the mean."""
    skewness = scipy.stats.skew(parts, axis=1) if corrected else 0.0
    errors = scipy.stats.sem(parts, axis=1)
    low, high = interval(parts.mean(axis=1), errors, parts.shape[1], available, skewness)
    return float(np.mean((low <= mean) & (mean <= high)))


@pytest.mark.parametrize(
    ("split", "x", "count"),
    [("train", 0.0, 200), ("train", 0.5, 200), ("train", 1.0, 200), ("test", 0.0, 180)],
)
def test_95_of_100_intervals_hold(split: str, x: float, count: int) -> None:
    """Coverage of the loss of the whole split: 0.95 within the binomial error of 500 seeds.

    Also at the trained minimum, where a few examples carry most of the loss.
    """
    share = held(losses("mlp_b", split, x), count)
    print(f"\n{split} at {x}, {count} examples: {share:.3f} hold")
    assert abs(share - 0.95) <= BAND


@pytest.mark.parametrize(("x", "least"), [(0.0, 0.95 - BAND), (0.25, 0.8), (1.0, 0.95 - BAND)])
def test_95_of_100_paired_intervals_hold(x: float, least: float) -> None:
    """Coverage of the difference of two models on the same examples, at both minima and off them.

    A quarter of the way a few examples carry most of the difference: too few intervals hold, as
    `Difference.paired_interval` tells.
    """
    rows = losses("mlp_a", "train", x) - losses("mlp_b", "train", x)
    share = held(rows, COUNT, corrected=False)
    print(f"\ndifference at {x}: {share:.3f} hold, with its skewness {held(rows, COUNT):.3f}")
    assert least <= share <= 0.95 + BAND


def test_without_the_skewness_too_few_would_hold() -> None:
    """At the trained minimum Student's t alone holds clearly less often; this is why it is bent."""
    rows = losses("mlp_b")
    plain = held(rows, COUNT, corrected=False)
    print(f"\nStudent's t alone: {plain:.3f} hold")
    assert plain < 0.95 - 2 * BAND < held(rows, COUNT)


def test_new_data_of_the_same_kind() -> None:
    """Samples of a known distribution, as skewed as losses are: coverage of its own mean."""
    generator = np.random.default_rng(0)
    share = share_held(generator.lognormal(0, 1, size=(SEEDS, COUNT)), np.exp(0.5), None)
    print(f"\nlog-normal: {share:.3f} hold")
    assert abs(share - 0.95) <= BAND


def test_without_skewness_it_is_students() -> None:
    """An oracle: SciPy's own interval of the mean; a finite population's is sqrt(1 - f) of it."""
    rows = np.random.default_rng(1).normal(2, 3, size=37)
    mean, error = rows.mean(), scipy.stats.sem(rows)
    wanted = scipy.stats.t.interval(0.95, 36, mean, error)
    assert interval(mean, error, 37) == pytest.approx(wanted, rel=1e-12)
    low, high = interval(mean, error, 37, 100)
    assert (high - low) / (wanted[1] - wanted[0]) == pytest.approx((1 - 0.37) ** 0.5, rel=1e-12)
    assert (high + low) / 2 == pytest.approx(mean, rel=1e-12)


def test_a_long_tail_is_on_its_own_side() -> None:
    """Large losses that a sample may lack put the mean above more often: the upper end is further.

    The same tail below turns the interval round.
    """
    low, high = interval(1.0, 0.1, 200, None, 5.0)
    assert high - 1 > 1.3 * (1 - low) > 0
    assert interval(-1.0, 0.1, 200, None, -5.0) == pytest.approx((-high, -low), rel=1e-12)


def test_the_cubic_is_undone() -> None:
    """Each end is where Hall's cubic of the studentised mean has Student's quantile."""
    mean, error, count, whole, skewness = 1.0, 0.1, 200, 1437, 11.0
    f = count / whole
    scale = 6 * np.sqrt(count * (1 - f))
    a, b = (2 - f) * skewness / scale, (1 - 2 * f) * skewness / scale
    for end, sign in zip(interval(mean, error, count, whole, skewness), (1, -1), strict=True):
        t = (mean - end) / (error * np.sqrt(1 - f))
        quantile = scipy.stats.t.ppf(0.975, count - 1)
        assert t + a * t**2 + a**2 * t**3 / 3 + b == pytest.approx(sign * quantile, rel=1e-9)


def test_edges() -> None:
    """All examples seen: no uncertainty. No spread: none. NaN stays NaN, at its own place."""
    assert interval(2.0, 0.5, 10, 10, 3.0) == (2.0, 2.0)
    assert interval(2.0, 0.0, 10, None, np.nan) == (2.0, 2.0)
    low, high = interval(np.array([1.0, np.nan, np.inf]), np.array([0.1, np.nan, np.nan]), 10)
    assert np.isfinite([low[0], high[0]]).all()
    assert np.isnan([low[1], high[1], low[2], high[2]]).all()
    assert loss_interval({"loss": np.ones(3)}, 9, None) is None
    assert loss_interval({"loss": np.ones(3), "loss_se": np.ones(3)}, 0, None) is None
    assert "all 1,437 examples, from 200 of them" in interval_words(200, 1437)
    assert "unseen data" in interval_words(200, None)


@pytest.mark.parametrize("scale", [1.0, 1e-6, 1e6])
def test_error_and_skewness_are_those_of_the_losses(scale: float) -> None:
    """What the objective tells beside the mean is SciPy's, whatever the loss's unit."""
    problem = small_problem()
    plain = problem.loss
    scaled = Problem(
        problem.model, problem.data, lambda o, b: scale * plain(o, b).square(), problem.metrics
    )
    objective = Objective(scaled, ObjectiveSettings(precision="float64"), CPU)
    rows = Evaluator(objective, torch.zeros(1, len(objective.flat.theta))).losses(np.zeros((1, 1)))
    means = objective.means()
    assert means["loss_se"] == pytest.approx(scipy.stats.sem(rows[0]), rel=1e-12)
    assert means["loss_skewness"] == pytest.approx(scipy.stats.skew(rows[0]), rel=1e-9)
