"""Densities of random matrices against their closed forms and against sampled matrices."""

import numpy as np
import pytest
import torch

from explorer.analysis.curvature.lanczos import Lanczos, quadrature
from explorer.analysis.curvature.random_vectors import random_signs
from explorer.kinds.eigenvalues import outliers, summary
from explorer.kinds.estimates import Estimate
from explorer.kinds.random_matrices import (
    REFERENCE_NAMES,
    free_sum,
    marchenko_pastur,
    marchenko_pastur_edges,
    references,
    semicircle,
)


class Matrix:
    """A dense symmetric matrix as products."""

    def __init__(self, entries: np.ndarray) -> None:
        self.entries = torch.from_numpy(entries)
        self.size, self.like = len(entries), self.entries[0]

    def __call__(self, vector: torch.Tensor) -> torch.Tensor:
        return self.entries @ vector


def wishart(n: int, m: int, seed: int = 0) -> np.ndarray:
    drawn = np.random.default_rng(seed).standard_normal((n, m))
    return drawn @ drawn.T / m


def wigner(n: int, seed: int = 1) -> np.ndarray:
    drawn = np.random.default_rng(seed).standard_normal((n, n))
    return (drawn + drawn.T) / np.sqrt(2 * n)


def moments(grid: np.ndarray, density: np.ndarray, count: int = 3) -> list[float]:
    return [float(np.trapezoid(grid**k * density, grid)) for k in range(count + 1)]


def test_a_wishart_matrix_by_quadrature() -> None:
    """8 probes x 40 steps on n = 1000, q = .5: edges .0858 / 2.914, moments 1, 1.5, 2.75.

    The matrix has those moments within 1.5 %; 8 probes scatter by 1 to 3 % themselves, which their
    own 95 % intervals must say.
    """
    entries = wishart(1000, 2000, seed=1)
    matrix = Matrix(entries)
    nodes, weights = [], []
    for number in range(8):
        lanczos = Lanczos(matrix, random_signs(matrix, 0, number), 40)
        while not lanczos.is_over:
            lanczos.step()
        nodes_with_weights, own = quadrature(lanczos)
        nodes.append(nodes_with_weights)
        weights.append(own)
    every = np.concatenate(nodes)
    low, high = marchenko_pastur_edges(0.5, 1.0)
    assert (low, high) == pytest.approx((0.0858, 2.914), abs=5e-4)
    # n = 1000: samples of this size end 1 to 2 % within the limits, by the law of Tracy and Widom
    assert every.max() == pytest.approx(high, rel=0.02)
    assert every.min() == pytest.approx(low, abs=0.02)
    power = np.eye(1000)
    for k, expected in ((1, 1.0), (2, 1.5), (3, 2.75)):
        power = power @ entries
        exact = np.trace(power) / 1000
        assert exact == pytest.approx(expected, rel=0.015)
        told = Estimate.of(np.array([w @ x**k for x, w in zip(nodes, weights, strict=True)]))
        assert told.low < exact < told.high


def test_marchenko_pastur_has_its_moments() -> None:
    """Mass, mean, second and third moment 1, 1, 1.5, 2.75 of the density itself, scaled too."""
    grid = np.linspace(0, 3, 200_001)
    assert moments(grid, marchenko_pastur(grid, 0.5, 1.0)) == pytest.approx(
        [1, 1, 1.5, 2.75], rel=1e-4
    )
    wide = 3 * grid
    assert moments(wide, marchenko_pastur(wide, 0.5, 3.0), 1) == pytest.approx([1, 3], rel=1e-4)


def test_beyond_ratio_one_the_rest_is_zeros() -> None:
    """With twice as many rows as samples half of the eigenvalues are 0 and not in the density."""
    grid = np.linspace(0, 6, 200_001)
    density = marchenko_pastur(grid, 2.0, 1.0)
    assert moments(grid, density, 1) == pytest.approx([0.5, 1.0], rel=1e-3)
    laid = references(1.0, 2.5, 2.0)["Marchenko-Pastur"]
    assert (laid.nodes[-1], laid.weights[-1]) == (0.0, 0.5)


def test_the_semicircle_ends_at_two_deviations() -> None:
    """Nothing beyond mean -+ 2 deviations; mass 1 and the given mean and variance."""
    grid = np.linspace(-6, 8, 200_001)
    density = semicircle(grid, 1.0, 1.5)
    shown = grid[density > 0]
    assert (shown[0], shown[-1]) == pytest.approx((-2.0, 4.0), abs=1e-3)
    mass, mean, second, _ = moments(grid, density)
    assert (mass, mean, second - mean**2) == pytest.approx((1, 1, 2.25), rel=1e-4)


@pytest.mark.parametrize(("ratio", "deviation"), [(0.5, 0.4), (2.0, 0.3), (0.25, 1.0)])
def test_the_free_sum_is_the_spectrum_of_a_sampled_sum(ratio: float, deviation: float) -> None:
    """Eigenvalues of Wishart + Wigner, n = 600: their distribution function within 1.5 %."""
    n = 600
    values = np.linalg.eigvalsh(wishart(n, round(n / ratio)) + deviation * wigner(n))
    grid = np.linspace(values[0] - 0.5, values[-1] + 0.5, 1501)
    density = free_sum(grid, ratio, 1.0, deviation)
    whole = np.cumsum(density) * (grid[1] - grid[0])
    assert whole[-1] == pytest.approx(1, abs=5e-3)
    sampled = np.searchsorted(values, grid) / n
    assert np.abs(whole - sampled).max() < 0.015


def test_references_have_the_mean_and_variance_that_they_are_fitted_to() -> None:
    """The semicircle and the sum have both, Marchenko-Pastur's the mean; what cannot be is left."""
    reference_curves = references(1.0, 1.5, 0.5)
    assert list(reference_curves) == list(REFERENCE_NAMES)
    for name, curve in reference_curves.items():
        mass, mean, second = (curve.weights @ curve.nodes**k for k in range(3))
        assert (mass, mean) == pytest.approx((1, 1), rel=2e-3), name
        if name != "Marchenko-Pastur":
            assert second - mean**2 == pytest.approx(1.5, rel=5e-3), name
    assert REFERENCE_NAMES[2] not in references(1.0, 0.4, 0.5)
    assert list(references(-1.0, 1.0, 0.5)) == ["Wigner semicircle"]
    assert references(float("nan"), 1.0, 0.5) == {}


def test_a_summary_of_eigenvalues() -> None:
    """Numbers of -2, 1, 4; with an eigenvalue of 0 the determinant has no sign."""
    eigenvalue_summary = summary(np.array([-2.0, 1.0, 4.0]), 1e-9)
    assert eigenvalue_summary["condition number"] == 4
    assert (
        eigenvalue_summary["mean"],
        eigenvalue_summary["median"],
        eigenvalue_summary["trace"],
    ) == (1, 1, 3)
    assert (
        eigenvalue_summary["share negative"],
        eigenvalue_summary["sign of the determinant"],
    ) == (1 / 3, -1)
    flat = summary(np.array([-1.0, 0.0, 2.0]), 1e-9)
    assert (flat["condition number"], flat["sign of the determinant"]) == (np.inf, 0)


def test_outliers_stand_before_the_widest_gap() -> None:
    """Two of 100, 90, 9, 8, 7; none is told of two values."""
    assert outliers(np.array([100.0, 90, 9, 8, 7, -3]), 1e-3) == 2
    assert outliers(np.array([100.0, 90, -5]), 1e-3) is None
