"""The trace by the Hessian's two parts: roots of losses, forms, errors, and where there is none."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.func import hessian as hessian_of
from torch.nn import functional

from explorer.analysis.curvature import group_gradients, linear_maps
from explorer.analysis.curvature.differentiable import DifferentiableModel
from explorer.analysis.curvature.matrices import (
    dense_matrix,
    map_maker_of,
    matrix_of_settings,
)
from explorer.analysis.curvature.output_roots import NoRootError, root_and_count
from explorer.analysis.curvature.products import Curvature
from explorer.analysis.curvature.trace import krylov_trace
from explorer.analysis.objective.objective import Objective
from explorer.analysis.spectrum import answer
from explorer.analysis.spectrum_ends import STREAM
from explorer.analysis.spectrum_trace import SplitForms
from explorer.kinds.matrix import SpectrumSettings
from explorer.kinds.statistics import student_quantile
from explorer.problem import (
    Batch,
    Problem,
    cross_entropy,
    pixel_cross_entropy,
    squared_error,
    token_cross_entropy,
)
from tests.benchmarks.models import digits

pytestmark = pytest.mark.usefixtures("one_thread")
CPU, EXAMPLES, CLASSES = torch.device("cpu"), 41, 4
Loss = Callable[[Tensor, Batch], object]


def drawn(*shape: int, seed: int = 0) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(*shape, generator=generator, dtype=torch.float64)


def classifier(loss: Loss = cross_entropy, labels: Tensor | None = None) -> Problem:
    """A network of 5-6-4 with a smooth activation on 41 examples."""
    model = nn.Sequential(nn.Linear(5, 6), nn.Tanh(), nn.Linear(6, CLASSES)).double()
    for number, parameter in enumerate(model.parameters()):
        parameter.data = drawn(*parameter.shape, seed=10 + number)
    labels = torch.arange(EXAMPLES) % CLASSES if labels is None else labels
    return Problem(model, {"train": (drawn(EXAMPLES, 5), labels)}, loss)


SETTINGS = SpectrumSettings(precision="float64")


def prepared(
    problem: Problem, settings: SpectrumSettings, point: Mapping[str, Tensor] | None = None
) -> tuple[Curvature, Objective]:
    objective = Objective(problem, settings, CPU)
    objective.load(point or problem.model.state_dict())
    return Curvature(objective, map_maker_of(settings)), objective


def smoothed(outputs: Tensor, batch: Batch) -> Tensor:
    weights = torch.linspace(0.5, 2, CLASSES, dtype=outputs.dtype)
    return functional.cross_entropy(
        outputs, batch[1], weight=weights, label_smoothing=0.1, reduction="none"
    )


def yes_or_no(outputs: Tensor, batch: Batch) -> Tensor:
    wanted = functional.one_hot(batch[1], CLASSES).to(outputs)
    return functional.binary_cross_entropy_with_logits(outputs, wanted, reduction="none")


ROOTED = {
    "classes": (cross_entropy, (6, CLASSES), torch.arange(6) % CLASSES),
    "a text of classes": (cross_entropy, (6, CLASSES, 3), torch.arange(18).view(6, 3) % CLASSES),
    "one's own": (smoothed, (6, CLASSES), torch.arange(6) % CLASSES),
    "tokens": (
        partial(token_cross_entropy, ignored=1),
        (6, 3, CLASSES),
        torch.arange(18).view(6, 3) % CLASSES,
    ),
    "pixels": (
        partial(pixel_cross_entropy, ignored=0),
        (2, CLASSES, 3, 3),
        torch.arange(18).view(2, 3, 3) % CLASSES,
    ),
    "errors": (squared_error, (6, 3), drawn(6, 3, seed=1)),
    "yes or no": (yes_or_no, (6, CLASSES), torch.arange(6) % CLASSES),
}


@pytest.mark.parametrize(("loss", "shape", "labels"), ROOTED.values(), ids=ROOTED)
@pytest.mark.parametrize("scale", [1.0, 12.0])
def test_the_root_of_a_loss(
    loss: Loss, shape: tuple[int, ...], labels: Tensor, scale: float
) -> None:
    """L L' is torch's own Hessian by the outputs, also where the model is nearly certain."""
    outputs = scale * drawn(*shape, seed=2)
    problem = classifier(loss)
    _, objective = prepared(classifier(), SETTINGS)
    model = DifferentiableModel(objective)
    model.problem = problem

    wanted = hessian_of(lambda flat: _without_checks(loss, flat.view(shape), labels))(
        outputs.flatten()
    )
    with model.with_derivatives():
        root, _ = root_and_count(model, outputs, (outputs, labels))
    columns = torch.stack([root(unit.view(shape)).flatten() for unit in torch.eye(wanted.shape[0])])
    assert torch.allclose(columns.T @ columns, wanted, rtol=1e-9, atol=1e-12 * wanted.abs().max())


def _without_checks(loss: Loss, outputs: Tensor, labels: Tensor) -> Tensor:
    """The summed loss as `DifferentiableModel.loss` has it."""
    value = loss(outputs, (outputs, labels))
    if isinstance(value, tuple):
        return value[0]
    return value.flatten(1).mean(1).sum() if value.dim() > 1 else value.sum()


@pytest.mark.parametrize(
    "loss",
    [
        lambda outputs, batch: outputs.square().sum(1).square(),
        lambda outputs, batch: (outputs - outputs.mean(0)).square().sum(1),
        lambda outputs, batch: -cross_entropy(outputs, batch),
    ],
    ids=["joint", "across examples", "downwards"],
)
def test_a_loss_without_a_root_is_seen(loss: Loss) -> None:
    """One of all outputs together, one that joins examples, one with negative curvature."""
    whole, objective = prepared(classifier(loss), SETTINGS)
    with pytest.raises(NoRootError):
        SplitForms(whole, objective, SETTINGS)


def test_without_a_root_all_products_are_of_the_matrix() -> None:
    """Outputs that are several tensors: the answer is that of the Krylov space and vectors."""
    problem = classifier(lambda outputs, batch: cross_entropy(outputs["logits"], batch))
    problem = replace(problem, forward=lambda model, batch: {"logits": model(batch[0])})
    settings = replace(SETTINGS, trace_products=10, probes=0)
    pieces = answer(problem, [problem.model.state_dict()], settings, {0}, CPU)
    columns = next(iter(pieces)).columns
    whole, _ = prepared(problem, settings)
    plain = krylov_trace(whole, 10, settings.seed, STREAM["trace"])
    assert (columns["value"][0], columns["weight"][0]) == (plain.value, plain.error)
    assert (columns["i"][0], whole.products) == (5, 10)


@pytest.mark.parametrize("loss", [cross_entropy, squared_error])
def test_the_two_parts_are_the_hessian(loss: Loss) -> None:
    """Gauss-Newton and the residual add up, by a dense matrix of each."""
    labels = drawn(EXAMPLES, CLASSES, seed=3) if loss is squared_error else None
    whole, objective = prepared(classifier(loss, labels), SETTINGS)
    parts = [
        dense_matrix(Curvature(objective, maker))
        for maker in (linear_maps.gauss_newton, linear_maps.residual)
    ]
    assert np.abs(parts[1]).max() > 1e-2 * np.abs(parts[0]).max()
    assert sum(parts) == pytest.approx(dense_matrix(whole), abs=1e-12)


@pytest.mark.parametrize(
    ("settings", "vectorised"),
    [
        (SETTINGS, True),
        (SETTINGS, False),
        (replace(SETTINGS, matrix="scaled_hessian"), True),
        (replace(SETTINGS, layer="2.weight"), False),
        (replace(SETTINGS, matrix="gauss_newton"), True),
    ],
    ids=["at once", "one by one", "scaled", "a layer", "gauss_newton"],
)
def test_the_trace_has_no_bias_and_an_honest_error(
    settings: SpectrumSettings, vectorised: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """100 seeds: mean and size of the error, and how often Student's intervals hold the truth."""
    if not vectorised:
        monkeypatch.setattr(group_gradients, "SHORT_BYTES", 0)
    whole, objective = prepared(classifier(), settings)
    matrix = matrix_of_settings(whole, objective, settings)
    truth = float(np.trace(dense_matrix(matrix)))
    forms = SplitForms(whole, objective, settings)
    assert bool(forms._gradients._vectorised) == vectorised
    drawn_traces = [krylov_trace(matrix, 12, 5, seed, forms=forms) for seed in range(100)]
    errors = np.array([one.value - truth for one in drawn_traces])
    told = np.array([one.error for one in drawn_traces])
    freedom = drawn_traces[0].vectors - 1
    size = np.sqrt(np.mean(errors**2))
    assert abs(errors.mean()) < 3 * size / np.sqrt(100)
    assert 1 / 1.3 < np.sqrt(np.mean(told**2)) / size < 1.3
    held = np.abs(errors) <= student_quantile(freedom) * told
    assert held.mean() == pytest.approx(0.95, abs=0.065)  # 3 standard errors


def test_a_trained_classifier_takes_a_tenth_of_the_vectors() -> None:
    """24 products: within 1 % of the trace, for which 535 signs of the parameters are needed."""
    case = digits()
    whole, objective = prepared(case.problem, SpectrumSettings(split=case.split), case.point)
    forms = SplitForms(whole, objective, SpectrumSettings(split=case.split))
    traces = [krylov_trace(whole, 24, seed, forms=forms) for seed in range(20)]
    assert whole.products == 20 * 24
    truth = 4.559157  # the sum over the whole matrix's diagonal, in 3,466 products
    errors = [one.value / truth - 1 for one in traces]
    assert np.sqrt(np.mean(np.square(errors))) < 0.0115  # 0.0085 of 100; 0.029 by products alone
    again = krylov_trace(
        whole, 24, 0, forms=SplitForms(whole, objective, SpectrumSettings(split=case.split))
    )
    assert again == traces[0]
