"""Lanczos on matrices whose spectra are known: extreme pairs, residuals, quadrature, traces."""

import numpy as np
import pytest
import torch
from torch import Tensor

from explorer.analysis.curvature.eigenpairs import Pairs, eigenpairs
from explorer.analysis.curvature.lanczos import Lanczos, asymmetry, quadrature
from explorer.analysis.curvature.products import CurvatureError
from explorer.analysis.curvature.random_vectors import random_normal, random_signs
from explorer.analysis.curvature.trace import krylov_trace
from explorer.kinds.estimates import Estimate
from explorer.kinds.matrix import MatrixRole, SpectrumSettings
from explorer.kinds.piece import Piece
from explorer.kinds.spectrum_result import Spectrum, SpectrumFacts

pytestmark = pytest.mark.usefixtures("one_thread")


class Matrix:
    """A matrix by its products, counted."""

    def __init__(self, entries: Tensor) -> None:
        self.entries, self.size, self.like = entries, len(entries), entries.new_empty(0)
        self.products = 0

    def __call__(self, vector: Tensor) -> Tensor:
        self.products += 1
        return self.entries @ vector


def with_spectrum(values: np.ndarray, seed: int = 0, dtype: torch.dtype = torch.float64) -> Matrix:
    """A matrix with these eigenvalues in a random basis."""
    normal = np.random.default_rng(seed).standard_normal((len(values), len(values)))
    basis, _ = np.linalg.qr(normal)
    return Matrix(torch.from_numpy(basis * values @ basis.T).to(dtype))


def bulk(count: int, seed: int = 1) -> np.ndarray:
    return np.random.default_rng(seed).uniform(-1, 1, count)


def test_ends_of_nearly_equal_size() -> None:
    """{10, -9.9, bulk}: both ends are found, where power iteration converges to neither."""
    matrix = with_spectrum(np.array([10, -9.9, *bulk(398)]))
    pairs = eigenpairs(matrix, random_normal(matrix, 0), top=1, bottom=1)
    assert pairs.values == pytest.approx([10, -9.9], abs=1e-3)
    assert (pairs.residuals < 1e-3 * 10).all() and pairs.converged


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_each_eigenvalue_comes_once(dtype: torch.dtype) -> None:
    """Nine outliers over noise, 100 steps: no copies, as come without re-orthogonalising."""
    wanted = np.array([100.0, 80, 60, 40, 20, 15, 12, 10, 8])
    matrix = with_spectrum(np.concatenate([wanted, bulk(491)]), dtype=dtype)
    lanczos = Lanczos(matrix, random_normal(matrix, 3), 100)
    while not lanczos.is_over:
        lanczos.step()
    values, _ = lanczos.ritz()
    assert lanczos.steps == 100
    assert values[values > 2][::-1] == pytest.approx(wanted, rel=1e-5)
    basis = lanczos.basis.double()
    gap = basis @ basis.T - torch.eye(100, dtype=torch.float64)
    assert gap.abs().max() < 20 * torch.finfo(dtype).eps


def test_residuals_are_true_and_bound_the_error() -> None:
    """Each residual equals norm(Av - av) computed apart, and no value is farther off than that."""
    values = np.concatenate([np.linspace(5, 9, 8), bulk(300)])
    matrix = with_spectrum(values)
    pairs = eigenpairs(matrix, random_normal(matrix, 1), top=6, bottom=2, tolerance=1e-2)
    true = np.sort(values)
    for value, residual, vector in zip(pairs.values, pairs.residuals, pairs.vectors, strict=True):
        assert float(torch.linalg.vector_norm(vector)) == pytest.approx(1, abs=1e-12)
        apart = float(torch.linalg.vector_norm(matrix.entries @ vector - value * vector))
        assert residual == pytest.approx(apart, rel=1e-9)
        assert np.abs(true - value).min() <= residual + 1e-12
    assert pairs.values == pytest.approx([*true[::-1][:6], true[1], true[0]], abs=1e-2 * 9)


def test_a_limit_of_steps_is_said() -> None:
    """Too few steps for the tolerance: not converged, with the residuals as they are."""
    matrix = with_spectrum(bulk(400))
    pairs = eigenpairs(matrix, random_normal(matrix, 1), top=5, tolerance=1e-8, most_steps=12)
    assert not pairs.converged and pairs.steps == 12
    assert pairs.residuals.max() > 1e-8


@pytest.mark.parametrize("size", [4, 5])
def test_more_pairs_than_dimensions_are_refused(size: int) -> None:
    """The number that there are is named; as many as there are is right."""
    matrix = with_spectrum(np.arange(1.0, 5.0))
    start = random_normal(matrix, 0)
    if size == 4:
        assert eigenpairs(matrix, start, size).values == pytest.approx([4, 3, 2, 1])
        return
    with pytest.raises(ValueError, match="from 1 to 4, the number of parameters, got 5"):
        eigenpairs(matrix, start, size)


def test_matrices_of_low_rank() -> None:
    """Zero and rank one: the space ends, the values are right, nothing is invented."""
    zero = Matrix(torch.zeros(50, 50, dtype=torch.float64))
    pairs = eigenpairs(zero, random_normal(zero, 0), top=2, bottom=1)
    assert pairs.ended and not pairs.values.any() and not pairs.residuals.any()
    direction = torch.ones(50, dtype=torch.float64) / 50**0.5
    one = Matrix(3 * torch.outer(direction, direction))
    pairs = eigenpairs(one, random_normal(one, 0), top=1, bottom=1)
    assert pairs.ended and pairs.values == pytest.approx([3, 0], abs=1e-12)


def test_a_product_that_is_no_number() -> None:
    """NaN in the matrix: a sentence instead of a spectrum."""
    entries = torch.eye(20)
    entries[3, 4] = torch.nan
    matrix = Matrix(entries)
    with pytest.raises(CurvatureError, match="not finite"):
        eigenpairs(matrix, random_normal(matrix, 0), 1)


def wishart(size: int, ratio: float) -> Matrix:
    """X'X / N of N = size / ratio standard normal rows."""
    drawn = np.random.default_rng(5).standard_normal((round(size / ratio), size))
    return Matrix(torch.from_numpy(drawn.T @ drawn / len(drawn)))


def test_quadrature_of_a_wishart_matrix() -> None:
    """N = 1000, q = .5, 8 probes of 40 steps: edges .0858 and 2.914, moments 1, 1.5, 2.75."""
    matrix = wishart(1000, 0.5)
    nodes, weights = [], []
    for number in range(8):
        lanczos = Lanczos(matrix, random_signs(matrix, 0, number), 40)
        while not lanczos.is_over:
            lanczos.step()
        nodes_with_weights = quadrature(lanczos)
        nodes.append(nodes_with_weights[0])
        weights.append(nodes_with_weights[1])
        assert nodes_with_weights[1].sum() == pytest.approx(1, abs=1e-12)
    low, high = min(n.min() for n in nodes), max(n.max() for n in nodes)
    assert low == pytest.approx(0.0858, abs=0.02) and high == pytest.approx(2.914, rel=0.015)
    for power, wanted in ((1, 1.0), (2, 1.5), (3, 2.75)):
        moment = np.mean([w @ n**power for n, w in zip(nodes, weights, strict=True)])
        assert moment == pytest.approx(wanted, rel=0.015)


def spectrum_of(matrix: Matrix, pairs: Pairs, seed: int, probes: int, steps: int) -> Spectrum:
    """What a spectrum's answer holds of pairs and probes."""
    values_with_residuals = zip(pairs.values, pairs.residuals, strict=True)
    rows = [
        (0, MatrixRole.PAIR, n, value, residual)
        for n, (value, residual) in enumerate(values_with_residuals)
    ]
    for number in range(probes):
        lanczos = Lanczos(matrix, random_signs(matrix, seed, 1, number), steps)
        while not lanczos.is_over:
            lanczos.step()
        nodes = enumerate(zip(*quadrature(lanczos), strict=True))
        rows += [(1 + number, MatrixRole.NODE, n, node, weight) for n, (node, weight) in nodes]
    names = ("unit", "role", "i", "value", "weight")
    columns = {n: np.array(c) for n, c in zip(names, zip(*rows, strict=True), strict=True)}
    facts = SpectrumFacts(size=matrix.size, epsilon=torch.finfo(matrix.like.dtype).eps)
    settings = SpectrumSettings(probes=probes)
    return Spectrum(settings, columns, np.ones(settings.units, dtype=bool), facts)


@pytest.mark.slow
@pytest.mark.parametrize(
    "values",
    [np.concatenate([[30.0, 20, 10], bulk(147)]), 1 / np.arange(1.0, 151.0)],
    ids=["outliers over a bulk", "power law"],
)
def test_the_interval_of_a_trace_covers_it(values: np.ndarray) -> None:
    """100 seeds of 10 probes: the 95 % interval holds the trace in 95 % of them, by the binomial.

    By the probes alone it is longer: a few large eigenvalues make their forms spread and skewed.
    """
    matrix = with_spectrum(values)
    pairs = eigenpairs(matrix, random_normal(matrix, 0), top=10, bottom=3)
    held, alone = 0, 0
    for seed in range(100):
        spectrum = spectrum_of(matrix, pairs, seed, probes=10, steps=9)
        trace = spectrum.trace
        assert trace is not None
        held += trace.low <= values.sum() <= trace.high
        raw = Estimate.of(np.array([nodes @ weights for nodes, weights in spectrum.probes]) * 150)
        alone += raw.high - raw.low < trace.high - trace.low
    assert abs(held / 100 - 0.95) <= 1.96 * np.sqrt(0.95 * 0.05 / 100)
    assert alone < 5  # what is known makes nearly every interval shorter


FLAT = 1 / np.arange(1.0, 301.0) ** 0.7  # a spectrum without an end to its large eigenvalues


@pytest.mark.parametrize(("values", "gain"), [(1 / np.arange(1.0, 301.0) ** 1.5, 10), (FLAT, 2.5)])
def test_the_trace_is_unbiased_and_knows_its_error(values: np.ndarray, gain: float) -> None:
    """100 seeds of 40 products: no bias, less error than Hutchinson's, its own bar is right."""
    matrix = with_spectrum(values)
    errors, told = [], []
    for seed in range(100):
        matrix.products = 0
        trace = krylov_trace(matrix, 40, seed)
        assert matrix.products == 40
        errors.append(trace.value - values.sum())
        told.append(trace.error)
    size = np.sqrt(np.mean(np.square(errors)))
    assert abs(np.mean(errors)) < 3 * size / np.sqrt(100)
    assert size < np.sqrt(2 * np.sum(values**2) / 40) / gain
    assert 1 / 1.3 < np.sqrt(np.mean(np.square(told))) / size < 1.3


@pytest.mark.parametrize("products", [4, 6])
def test_the_interval_of_the_trace_is_wide_enough_for_few_vectors(products: int) -> None:
    """Over 300 seeds it holds the trace as often as it says; with 1.96 it would not."""
    values = np.linspace(1.0, 2.0, 100)
    matrix, held, by_normal = with_spectrum(values), 0, 0
    for seed in range(300):
        estimate = krylov_trace(matrix, products, seed)
        row = (0, MatrixRole.TRACE, estimate.vectors, estimate.value, estimate.error)
        columns = dict(zip(("unit", "role", "i", "value", "weight"), row, strict=True))
        piece = Piece({name: np.array([one]) for name, one in columns.items()})
        trace = Spectrum.from_pieces(SpectrumSettings(), [piece]).trace
        assert trace is not None
        held += trace.low <= values.sum() <= trace.high
        by_normal += abs(estimate.value - values.sum()) <= 1.96 * estimate.error
    assert by_normal / 300 < 0.9
    assert held / 300 == pytest.approx(0.95, abs=0.033)  # 2.6 standard errors


@pytest.mark.parametrize(
    "values", [[3.0, -2, 1, *[0.0] * 47], [0.0] * 50, [2.0] * 50, [-1.0] * 49 + [5.0]]
)
def test_the_trace_is_exact_where_the_rest_is_all_alike(values: list[float]) -> None:
    """Low rank, zero, and a multiple of the identity: one error of rounding, in either type."""
    for dtype, rounding in ((torch.float64, 1e-11), (torch.float32, 1e-4)):
        trace = krylov_trace(with_spectrum(np.array(values), dtype=dtype), 16, 0)
        assert trace.value == pytest.approx(sum(values), abs=rounding)
        assert trace.error < rounding


@pytest.mark.parametrize("size", [1, 2, 5, 6])
def test_the_trace_of_few_rows_is_exact(size: int) -> None:
    """Where half of the products makes the whole space, none is left for random vectors."""
    values = np.arange(1.0, size + 1) - 2.5
    matrix = with_spectrum(values)
    trace = krylov_trace(matrix, 12, 0)
    assert trace.value == pytest.approx(values.sum(), abs=1e-12)
    assert (trace.error, trace.vectors, matrix.products) == (0, 0, size)


def test_what_is_not_symmetric_is_seen() -> None:
    """A matrix with a skew part of a percent; a symmetric one gives rounding alone."""
    matrix = with_spectrum(bulk(100))
    assert asymmetry(matrix) < 1e-14
    skew = torch.from_numpy(np.random.default_rng(0).standard_normal((100, 100)))
    assert asymmetry(Matrix(matrix.entries + 1e-2 * (skew - skew.T))) > 1e-4


def test_random_vectors_are_the_same_for_good() -> None:
    """A seed means the same vector in every process and version; another number another vector."""
    matrix = with_spectrum(bulk(6))
    assert random_signs(matrix, 3, 1).tolist() == [1, -1, -1, 1, -1, -1]
    assert random_normal(matrix, 3, 1)[:2].tolist() == pytest.approx([1.79195419, 1.43701953])
    assert not torch.equal(random_normal(matrix, 3, 1), random_normal(matrix, 3, 2))
