"""What is set against the Hessian, and the escape direction, by dense float64 algebra."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy.linalg import subspace_angles
from torch import nn

from explorer.analysis import spectrum as analysis
from explorer.analysis import spectrum_fisher
from explorer.analysis.curvature.differentiable import CurvatureError
from explorer.kinds import Piece
from explorer.kinds.matrix import MatrixRole, SpectrumSettings
from explorer.kinds.spectrum import SpectrumLook, taken_over
from explorer.kinds.spectrum_fisher import relative_gap
from explorer.kinds.spectrum_result import Spectrum
from explorer.problem import Problem, cross_entropy, squared_error
from explorer.render.spectrum import draw

CPU = torch.device("cpu")
SETTINGS = SpectrumSettings(
    precision="float64", top=4, bottom=2, probes=0, tolerance=1e-9, covariance=3
)


@pytest.fixture
def classifier() -> Problem:
    """A small network on uneven data, 57 parameters."""
    generator = torch.Generator().manual_seed(4)
    inputs = torch.randn(23, 5, generator=generator, dtype=torch.float64)
    with torch.random.fork_rng():
        torch.manual_seed(1)
        model = nn.Sequential(nn.Linear(5, 6), nn.Tanh(), nn.Linear(6, 3)).double()
    return Problem(model, {"train": (inputs, torch.arange(23) % 3)}, cross_entropy)


def answered(problem: Problem, settings: SpectrumSettings) -> list[Piece]:
    """All pieces at the model's own point."""
    point = problem.model.state_dict()
    return list(analysis.answer(problem, [point], settings, frozenset(), CPU))


def gradients(problem: Problem) -> np.ndarray:
    """The gradient of each example, (N, D), by autograd one by one."""
    inputs, labels = problem.data["train"]
    parameters = list(problem.model.parameters())
    rows = []
    for n in range(len(inputs)):
        batch = (inputs[n : n + 1], labels[n : n + 1])
        loss = problem.loss(problem.model(inputs[n : n + 1]), batch).sum()
        slopes = torch.autograd.grad(loss, parameters)
        rows.append(torch.cat([slope.flatten() for slope in slopes]))
    return torch.stack(rows).numpy()


def hessian(problem: Problem) -> np.ndarray:
    """The Hessian of the mean loss, by torch.func."""
    inputs, labels = problem.data["train"]
    names = [name for name, _ in problem.model.named_parameters()]
    shapes = [p.shape for p in problem.model.parameters()]

    def loss(theta: torch.Tensor) -> torch.Tensor:
        parts = theta.split([shape.numel() for shape in shapes])
        views = {n: p.view(s) for n, p, s in zip(names, parts, shapes, strict=True)}
        outputs = torch.func.functional_call(problem.model, views, (inputs,))
        return problem.loss(outputs, (inputs, labels)).mean()

    theta = torch.cat([p.detach().flatten() for p in problem.model.parameters()])
    return torch.func.hessian(loss)(theta).numpy()


def test_the_gap_is_that_of_the_dense_matrices(classifier: Problem) -> None:
    """norm(H - F) / norm(H) of the empirical Fisher matrix, without any error."""
    each, whole = gradients(classifier), hessian(classifier)
    settings = replace(SETTINGS, fisher_gap="empirical_fisher", covariance=0)
    gap = Spectrum.from_pieces(settings, answered(classifier, settings)).fisher_gap
    expected = np.linalg.norm(whole - each.T @ each / len(each)) / np.linalg.norm(whole)
    assert gap is not None and gap.value == pytest.approx(expected, rel=1e-9)
    assert gap.low == gap.high == gap.value


def test_of_a_linear_model_gauss_newton_is_the_hessian() -> None:
    """A squared error of linear outputs has no other second derivatives: the gap is 0."""
    inputs = torch.randn(9, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    model = nn.Linear(3, 2).double()
    problem = Problem(model, {"train": (inputs, inputs[:, :2])}, squared_error)
    settings = replace(SETTINGS, fisher_gap="gauss_newton", covariance=0)
    gap = Spectrum.from_pieces(settings, answered(problem, settings)).fisher_gap
    assert gap is not None and gap.value < 1e-12


def test_the_gap_of_a_large_model_has_an_interval(
    classifier: Problem, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By twenty common vectors: the interval holds the dense value, and is narrower than it."""
    settings = replace(SETTINGS, fisher_gap="empirical_fisher", covariance=0)
    exact = Spectrum.from_pieces(settings, answered(classifier, settings)).fisher_gap
    monkeypatch.setattr(spectrum_fisher, "MAX_DENSE_PARAMETERS", 0)
    gap = Spectrum.from_pieces(settings, answered(classifier, settings)).fisher_gap
    assert exact is not None and gap is not None and gap.probes == 20
    assert gap.low < exact.value < gap.high
    assert gap.high - gap.low < exact.value


def test_intervals_of_the_gap_hold_as_often_as_they_say() -> None:
    """Of 400 draws of twenty vectors on a matrix of known gap: 91 %, as ratios are skewed."""
    generator = np.random.RandomState(0)
    basis, _ = np.linalg.qr(generator.standard_normal((60, 60)))
    whole = basis @ np.diag(1 / np.arange(1, 61)) @ basis.T
    difference = basis @ np.diag(0.3 * generator.standard_normal(60)) @ basis.T
    truth = np.linalg.norm(difference) / np.linalg.norm(whole)
    held = 0
    for _ in range(400):
        signs = generator.choice([-1.0, 1.0], size=(20, 60))
        squares = [((signs @ matrix) ** 2).sum(axis=1) for matrix in (difference, whole)]
        gap = relative_gap(squares[0], squares[1], exact=False)
        assert gap is not None
        held += gap.low < truth < gap.high
    assert held / 400 == pytest.approx(0.92, abs=0.04)  # 3 standard errors


def test_the_covariance_is_that_of_the_examples_gradients(classifier: Problem) -> None:
    """Its eigenvalues are those of numpy's; overlaps are the mean squared cosines of the angles."""
    settings = replace(SETTINGS, fisher_gap="gauss_newton")
    pieces = answered(classifier, settings)
    alignment = Spectrum.from_pieces(settings, pieces).alignment
    values, vectors = np.linalg.eigh(np.cov(gradients(classifier).T, bias=True))
    _, own = np.linalg.eigh(hessian(classifier))
    assert alignment is not None
    assert alignment.values == pytest.approx(values[::-1][:3], rel=1e-9)
    assert alignment.residuals.max() < 1e-12
    for k in (1, 2, 3):
        cosines = np.cos(subspace_angles(vectors[:, -k:], own[:, -k:]))
        assert alignment.overlaps[k - 1] == pytest.approx((cosines**2).mean(), rel=1e-7)
        assert alignment.by_chance[k - 1] == pytest.approx(k / 57)
    draw(Spectrum.from_pieces(settings, pieces), SpectrumLook(picture="covariance")).to_dict()


def test_lanczos_finds_the_same_covariance(
    classifier: Problem, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is too large to be made whole has the same values and overlap, within its residuals."""
    exact = Spectrum.from_pieces(SETTINGS, answered(classifier, SETTINGS)).alignment
    monkeypatch.setattr(spectrum_fisher, "MAX_DENSE_PARAMETERS", 0)
    searched = Spectrum.from_pieces(SETTINGS, answered(classifier, SETTINGS)).alignment
    assert exact is not None and searched is not None
    assert searched.values == pytest.approx(exact.values, rel=1e-6)
    assert searched.overlap == pytest.approx(exact.overlap, rel=1e-4)


def test_a_loss_without_examples_has_no_covariance(classifier: Problem) -> None:
    """A sum and a count tells no example's gradient: it is refused in one sentence."""

    def summed(outputs: torch.Tensor, batch: tuple) -> tuple[torch.Tensor, int]:
        return cross_entropy(outputs, batch).sum(), len(outputs)

    problem = Problem(classifier.model, classifier.data, summed)
    with pytest.raises(CurvatureError, match="one value"):
        answered(problem, SETTINGS)


def test_more_probes_keep_what_is_set_against_the_hessian(classifier: Problem) -> None:
    """With other numbers of probes and batches its rows move to their new units unchanged."""
    few = replace(SETTINGS, fisher_gap="gauss_newton")
    many = replace(few, probes=2, steps=10, batches=1, batch_examples=8)
    old, new = (
        {n: np.concatenate([p.columns[n] for p in answered(classifier, s)]) for n in COLUMNS}
        for s in (few, many)
    )
    given = taken_over(many, old)
    last = [many.unit_of(MatrixRole.GAP), many.unit_of(MatrixRole.COVARIANCE)]
    assert sorted(set(given["unit"])) == [0, *last] and last[1] == many.units - 1
    kept = np.isin(new["unit"], given["unit"])
    for name in COLUMNS:
        assert given[name].tobytes() == new[name][kept].tobytes(), name


COLUMNS = ("unit", "role", "i", "value", "weight")


def test_signs_are_counted_by_the_tolerance(classifier: Problem) -> None:
    """Negative, zero and positive eigenvalues are all of them, as dense algebra counts them."""
    spectrum = Spectrum.from_pieces(SETTINGS, answered(classifier, SETTINGS))
    values = np.linalg.eigvalsh(hessian(classifier))
    signs = spectrum.exact_signs
    assert signs["negative"] == int((values < -spectrum.tolerance).sum()) == spectrum.index
    assert signs["positive"] == int((values > spectrum.tolerance).sum())
    assert sum(signs.values()) == 57
    numbers = spectrum.numbers
    counts = [numbers[name].value for name in ("negative", "zero", "positive")]
    assert sum(counts) == pytest.approx(57) and counts[0] <= signs["negative"]


def test_the_escape_direction_is_brought(classifier: Problem) -> None:
    """A unit eigenvector of the lowest eigenvalue, downhill, and a lower point along it."""
    piece = answered(classifier, replace(SETTINGS, covariance=0))[0]
    direction, escaped = piece.points
    assert direction.is_direction and direction.label == "escape direction"
    names = [name for name, _ in classifier.model.named_parameters()]
    vector = np.concatenate([direction.tensors[name].ravel() for name in names])
    values, vectors = np.linalg.eigh(hessian(classifier))
    assert abs(vector @ vectors[:, 0]) == pytest.approx(1, abs=1e-9) and values[0] < 0
    assert vector @ gradients(classifier).mean(axis=0) <= 0
    inputs, labels = classifier.data["train"]
    loss = [
        float(cross_entropy(model(inputs), (inputs, labels)).mean().detach())
        for model in (classifier.model, moved(classifier.model, escaped.tensors))
    ]
    assert not escaped.is_direction and loss[1] < loss[0]


def moved(model: nn.Module, tensors: dict[str, np.ndarray]) -> nn.Module:
    """The model at other parameters."""
    other = nn.Sequential(nn.Linear(5, 6), nn.Tanh(), nn.Linear(6, 3)).double()
    other.load_state_dict({name: torch.from_numpy(value) for name, value in tensors.items()})
    return other
