"""Curvature and noise along a run: the edge of stability, plain loops, resuming, the page."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from explorer.analysis import stability
from explorer.analysis.curvature import gradient_noise
from explorer.analysis.curvature.gradient import gradient
from explorer.analysis.curvature.matrices import dense_matrix
from explorer.analysis.curvature.products import Curvature, hessian
from explorer.analysis.measures.noise_scale import noise_scale
from explorer.analysis.measures.point_measures import MeasuredPoint
from explorer.analysis.objective.plane import objective_at
from explorer.ask import questions
from explorer.contracts.checkpoint import Checkpoint
from explorer.kinds.sharpness_settings import SharpnessSettings
from explorer.kinds.stability import STABILITY, StabilityLook
from explorer.kinds.stability_result import Stability, StabilityFacts
from explorer.kinds.stability_settings import StabilitySettings
from explorer.kinds.stability_threshold import temperature, threshold
from explorer.pages import _running
from explorer.problem import Problem, cross_entropy, squared_error
from explorer.render.stability import draw
from store import Catalog
from tests.conftest import small_problem
from tests.filling import add_answer, add_model, new_catalog
from tests.networks import Snapshots, chebyshev, chebyshev_slopes, perceptron, seeded
from tests.screen import (
    charts,
    fine,
    opened,
    texts,
)
from tests.tiny import checkpoint, problem_file

CPU = torch.device("cpu")


def answer(problem: Problem, points: Snapshots, settings, done=frozenset()) -> list:
    return list(stability.answer(problem, points, settings, done, CPU))


def settings_for(count: int, **others) -> StabilitySettings:
    return StabilitySettings(lengths=(count,), **{"precision": "float64", **others})


def trained(rate: float, momentum: float, steps: int) -> tuple[Problem, Snapshots]:
    """A tanh network after full-batch steps on a Chebyshev polynomial."""
    problem = chebyshev(50)
    weights = [parameter.detach().numpy() for parameter in problem.model.parameters()]
    velocities = [np.zeros_like(weight) for weight in weights]
    for _ in range(steps):
        for weight, slope, velocity in zip(
            weights, chebyshev_slopes(problem), velocities, strict=True
        ):
            velocity *= momentum
            velocity += slope
            weight -= rate * velocity
    return problem, [problem.model.state_dict()]


def test_the_steps_of_the_training_are_along_the_gradient() -> None:
    """The slopes by hand are those of autograd, to rounding."""
    problem = chebyshev(50)
    inputs = problem.data["train"]
    loss = problem.loss(problem.model(inputs[0]), inputs).mean()
    exact = torch.autograd.grad(loss, list(problem.model.parameters()))
    for slope, gradient_of_one in zip(chebyshev_slopes(problem), exact, strict=True):
        assert slope == pytest.approx(gradient_of_one.numpy(), rel=1e-12, abs=1e-14)


@pytest.mark.parametrize(
    ("rate", "momentum", "steps", "within"),
    [
        (0.4, 0.0, 4500, 0.01),  # on some processors 5.06 after 3,000 steps, coming down
        (0.2, 0.9, 4500, 0.02),
        pytest.param(0.4, 0.0, 12000, 0.01, marks=pytest.mark.campaign),
        pytest.param(0.2, 0.0, 12000, 0.01, marks=pytest.mark.campaign),
        pytest.param(0.1, 0.0, 12000, 0.01, marks=pytest.mark.campaign),
        pytest.param(0.2, 0.9, 12000, 0.02, marks=pytest.mark.campaign),
    ],
)
def test_training_ends_at_the_edge_of_stability(
    rate: float, momentum: float, steps: int, within: float
) -> None:
    """The largest eigenvalue settles at 2 / rate; with momentum .9 and rate .2 at 19.0."""
    problem, points = trained(rate, momentum, steps)
    settings = settings_for(1, probes=2)
    stability_answer = Stability.from_pieces(settings, answer(problem, points, settings))
    optimiser = "heavy ball" if momentum else "gradient descent"
    edge = threshold(optimiser, rate, momentum)
    assert edge == pytest.approx({0.0: 2 / rate, 0.9: 19.0}[momentum], rel=1e-12)
    assert stability_answer.values["lambda_max"][0] == pytest.approx(edge, rel=within)


def test_curvature_is_that_of_the_whole_matrix() -> None:
    """Eigenvalue to its residual; trace and squares, with as many probes, to their intervals."""
    problem, points = perceptron()
    settings = settings_for(3, probes=200)
    stability_answer = Stability.from_pieces(settings, answer(problem, points, settings))
    low, high = stability_answer.trace_interval
    for number, point in enumerate(points):
        objective = objective_at(problem, point, settings, CPU)
        exact = np.linalg.eigvalsh(dense_matrix(Curvature(objective, hessian)))
        error = abs(stability_answer.values["lambda_max"][number] - exact[-1])
        assert error <= stability_answer.values["residual"][number] + 1e-12
        assert low[number] <= exact.sum() <= high[number]
        assert stability_answer.values["squares"][number] == pytest.approx(
            (exact**2).sum(), rel=0.15
        )
        rank = exact.sum() ** 2 / (exact**2).sum()
        assert stability_answer.effective_rank[number] == pytest.approx(rank, rel=0.2)
        assert stability_answer.loss[number] == pytest.approx(objective.means()["loss"], rel=1e-12)


def plain_noise(problem: Problem, point: dict[str, torch.Tensor]) -> tuple[float, float]:
    """tr(Sigma) and norm(g) by a loop over examples."""
    inputs, labels = problem.data["train"]
    own = {name: value.clone().requires_grad_() for name, value in point.items()}
    rows = []
    for x, y in zip(inputs, labels, strict=True):
        outputs = torch.func.functional_call(problem.model, own, (x.unsqueeze(0),))
        loss = nn.functional.cross_entropy(outputs, y.unsqueeze(0))
        rows.append(torch.cat([g.reshape(-1) for g in torch.autograd.grad(loss, own.values())]))
    every = torch.stack(rows)
    mean = every.mean(dim=0)
    return float(((every - mean) ** 2).sum() / len(every)), float(mean.norm())


@pytest.mark.parametrize("preconditioned", [False, True])
def test_critical_sharpness_is_the_curvature_along_the_update(preconditioned: bool) -> None:
    """Of a quadratic u'Hu / g'u, u = g or P^-1 g, within 1e-4; what is not asked is no column."""
    inputs = torch.randn(20, 3, generator=seeded(1), dtype=torch.float64) * torch.tensor([1, 3, 9])
    wanted = torch.randn(20, 1, generator=seeded(2), dtype=torch.float64)
    model = nn.Linear(3, 1, bias=False).double()
    problem = Problem(model, {"train": (inputs, wanted)}, squared_error)
    point, diagonal = model.state_dict(), torch.tensor([[0.5, 2.0, torch.inf]]).double()
    moments = ()
    if preconditioned:
        point, moments = {**point, "preconditioner/weight": diagonal}, ("1" * 64,)
    settings = settings_for(1, critical=True, preconditioned=preconditioned, moments=moments)
    result = Stability.from_pieces(settings, answer(problem, [point], settings))
    matrix = 2 * inputs.T @ inputs / 20
    slope = 2 * inputs.T @ (inputs @ model.weight.detach().T - wanted) / 20
    update = slope / diagonal.T if preconditioned else slope
    expected = float(update.T @ matrix @ update / (slope.T @ update))
    found = result.numbers["critical_sharpness"].value
    assert found == pytest.approx(expected, rel=1e-4)
    assert found < float(result.values["lambda_max"][0]) * (1 + 1e-3)
    plain = replace(settings, critical=False)
    without = Stability.from_pieces(plain, answer(problem, [point], plain))
    assert "critical_sharpness" not in without.numbers
    assert "critical_sharpness" not in without.values
    assert "critical" in STABILITY.later  # so that stored answers are to the question as it was
    drawn = [len(draw(one, StabilityLook(), ()).vconcat) for one in (result, without)]
    assert drawn[0] == drawn[1] + 1


def test_critical_sharpness_below_rounding_is_not_told() -> None:
    """At a minimum up to rounding the shortest step that can be told goes up: no number, not 0.

    The loss there is 1 and its gradient 1e-9; its curvature is 2, and rounding allows steps of 1e5.
    """
    inputs, wanted = torch.tensor([[1.0], [-1.0]]).double(), torch.ones(2, 1).double()
    model = nn.Linear(1, 1, bias=False).double()
    with torch.no_grad():
        model.weight.fill_(5e-10)
    problem = Problem(model, {"train": (inputs, wanted)}, squared_error)
    settings = settings_for(1, critical=True, tolerance=1e-2)
    result = Stability.from_pieces(settings, answer(problem, [model.state_dict()], settings))
    assert float(result.values["lambda_max"][0]) == pytest.approx(2)
    assert np.isnan(result.values["critical_sharpness"][0])


def test_noise_is_that_of_a_loop_over_examples(monkeypatch: pytest.MonkeyPatch) -> None:
    """tr(Sigma), gradient norm and noise scale agree to 1e-10, all at once and a few at a time."""
    problem, points = perceptron()
    settings = settings_for(3, probes=2)
    for bytes_together in (1 << 20, 53 * 8 * 5):  # all 33; five at a time, and three at the end
        monkeypatch.setattr(gradient_noise, "TOGETHER_BYTES", bytes_together)
        stability_answer = Stability.from_pieces(settings, answer(problem, points, settings))
        for number, point in enumerate(points):
            scatter, norm = plain_noise(problem, point)
            assert stability_answer.values["noise"][number] == pytest.approx(scatter, rel=1e-10)
            assert stability_answer.values["gradient_norm"][number] == pytest.approx(
                norm, rel=1e-10
            )
            assert stability_answer.noise_scale[number] == pytest.approx(
                scatter * 33 / 32 / norm**2, rel=1e-9
            )


def test_the_noise_scale_is_that_of_the_sharpness_page() -> None:
    """Both pages show one number for a point: Sigma over N - 1; of one example there is none."""
    problem, points = perceptron()
    settings = settings_for(1, probes=2)
    along = Stability.from_pieces(settings, answer(problem, points[:1], settings))
    objective = objective_at(problem, points[0], settings, CPU)
    alone = noise_scale(MeasuredPoint(objective, SharpnessSettings(precision=settings.precision)))
    assert along.noise_scale[0] == pytest.approx(alone.value, rel=1e-12)
    one_example = replace(
        along, facts=StabilityFacts(examples=1), values={**along.values, "noise": 0.0}
    )
    assert np.isnan(one_example.noise_scale[0])


def test_one_example_at_a_time_gives_the_same_noise() -> None:
    """A model that cannot be vectorised over examples has the noise of one that can."""

    def forward(model: nn.Module, batch: tuple[torch.Tensor, ...]) -> torch.Tensor:
        outputs = model(batch[0])
        if float(outputs.detach().sum()) > 1e9:  # a decision that vmap refuses
            raise AssertionError
        return outputs

    problem = small_problem(17)
    stubborn = Problem(problem.model, problem.data, problem.loss, {}, forward)
    traces = []
    for each in (problem, stubborn):
        settings = settings_for(1)
        objective = objective_at(each, problem.model.state_dict(), settings, CPU)
        traces.append(gradient_noise.covariance_trace(objective, gradient(objective)))
    assert traces[0] == pytest.approx(traces[1], rel=1e-10) and traces[0] > 0


def test_a_loss_of_a_sum_and_a_count_has_no_noise() -> None:
    """Per-token losses leave the noise unknown, and all else is there."""
    problem, points = perceptron()

    def summed(outputs: torch.Tensor, batch: tuple[torch.Tensor, ...]) -> tuple:
        return cross_entropy(outputs, batch).sum(), len(outputs)

    counted = Problem(problem.model, problem.data, summed)
    settings = settings_for(1, probes=2)
    stability_answer = Stability.from_pieces(settings, answer(counted, points[:1], settings))
    assert (
        np.isnan(stability_answer.values["noise"]).all()
        and np.isnan(stability_answer.noise_scale).all()
    )
    assert np.isfinite(stability_answer.values["lambda_max"]).all()
    assert np.isfinite(stability_answer.values["gradient_norm"]).all()


def test_what_is_left_after_a_stop_is_the_same_to_the_last_bit() -> None:
    """The last snapshot by itself has the bits that it has after the others."""
    problem, points = perceptron()
    settings = settings_for(3, precision="float32", probes=3)
    whole = Stability.from_pieces(settings, answer(problem, points, settings))
    rest = Stability.from_pieces(settings, answer(problem, points, settings, frozenset({0, 1})))
    assert rest.computed.tolist() == [False, False, True]
    for name, values in whole.values.items():
        assert values[2] == rest.values[name][2], name


def test_a_snapshot_without_a_loss_has_no_curvature() -> None:
    """A diverged snapshot is NaN and computed; those before it are as they are."""
    problem, points = perceptron()
    lost = {name: value * np.nan for name, value in points[0].items()}
    settings = settings_for(2, probes=2)
    stability_answer = Stability.from_pieces(settings, answer(problem, [points[0], lost], settings))
    assert (
        stability_answer.computed.all()
        and np.isnan(stability_answer.loss[1])
        and np.isfinite(stability_answer.loss[0])
    )
    assert np.isfinite(stability_answer.values["lambda_max"][0])
    assert np.isnan(stability_answer.values["lambda_max"][1]) and np.isnan(
        stability_answer.values["noise"][1]
    )


def test_thresholds_are_the_published_ones() -> None:
    """2 / rate, (2 + 2 beta) / rate, that over 1 + 2 beta, and 38 / rate for Adam."""
    assert threshold("gradient descent", 0.1) == pytest.approx(20)
    assert threshold("heavy ball", 0.1, 0.9) == pytest.approx(38)
    assert threshold("Nesterov", 0.1, 0.9) == pytest.approx(38 / 2.8)
    assert threshold("Adam", 0.01, 0.9) == pytest.approx(3800)
    assert threshold("heavy ball", 0.3) == threshold("Nesterov", 0.3) == threshold("Adam", 0.3)
    for given, words in (((0.0,), "rate must be above 0"), ((0.1, 1.0), "momentum must be")):
        with pytest.raises(ValueError, match=words):
            threshold("heavy ball", *given)


@pytest.mark.parametrize("optimiser", ["gradient descent", "heavy ball", "Nesterov"])
def test_a_quadratic_converges_below_the_threshold_and_not_above(optimiser: str) -> None:
    """Steps on lambda w^2 / 2 shrink at 0.99 of the threshold and grow at 1.01 of it."""
    rate, momentum = 0.1, 0.0 if optimiser == "gradient descent" else 0.7
    for share, shrinks in ((0.99, True), (1.01, False)):
        curvature = share * threshold(optimiser, rate, momentum)
        weight = torch.ones(1, dtype=torch.float64, requires_grad=True)
        nesterov = optimiser == "Nesterov"
        steps = torch.optim.SGD([weight], lr=rate, momentum=momentum, nesterov=nesterov)
        for _ in range(2000):
            weight.grad = curvature * weight.detach()
            steps.step()
        assert (float(weight.detach().abs()) < 1) == shrinks


def test_temperature_and_regulariser_follow_their_formulas() -> None:
    """Numbers by hand; without noise where a batch is all examples."""
    assert temperature(0.1, 10) == pytest.approx(0.005)
    assert temperature(0.1, 10, 0.9) == pytest.approx(0.05)
    values = {"gradient_norm": np.array([2.0]), "noise": np.array([3.0])}
    stability_answer = Stability((1,), 2, values, np.array([True]), StabilityFacts(available=21))
    assert stability_answer.regulariser(0.4, 21) == pytest.approx([0.4])
    assert stability_answer.regulariser(0.4, 5) == pytest.approx(
        [0.4 + 0.4 * 16 / (4 * 5 * 20) * 3]
    )


def test_a_run_is_asked_by_its_model_and_shown(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Worker, store and page do a run's snapshots; the training's settings change no key."""
    catalog = new_catalog(tmp_path / "catalog")
    files = [
        Checkpoint(file=checkpoint(tmp_path / f"s{k}.safetensors", seed=k), step=k * 10)
        for k in range(4)
    ]
    problem = problem_file(tmp_path / "problem")
    facts = {"learning_rate": 0.05, "momentum": 0.9, "batch_size": 8}
    model = add_model(catalog, problem, files, "several", **facts)
    question = add_answer(catalog, STABILITY, StabilitySettings(), (model, ""))
    assert question.title == "Curvature along a run of several"
    stored_answer = questions.result_of(catalog, question)
    assert stored_answer.computed.all() and np.isfinite(stored_answer.values["lambda_max"]).all()
    assert catalog.check_integrity() == []
    catalog.close()
    monkeypatch.setenv("EXPLORER_CATALOG", str(tmp_path / "catalog"))
    app = fine(opened(STABILITY.page, model="several"))
    assert charts(app) == 1
    said = " ".join(texts(app, "caption"))
    assert "Threshold of heavy ball: 76 " in said and "those of 8 of 40 settle" in said
    assert "Temperature of the noise: 0.0313" in said
    (optimiser,) = [box for box in app.selectbox if box.label == "Optimiser"]
    app = fine(optimiser.set_value("Adam").run())
    assert "record it by Recorder(..., optimizer_state=True)" in " ".join(texts(app, "caption"))
    assert charts(app) == 1
    recorded = {
        "trained_by": {"class": "SGD", "momentum": 0.5, "nesterov": True},
        "curves": {"learning_rate": [[0, 0.1], [10, 0.05], [20, 0.05], [30, 0.0]]},
        "hyperparameters": {"lr": 7.0, "batch_size": 40},
    }
    catalog = Catalog(tmp_path / "catalog")
    catalog.add_import(models=[replace(model, facts={**model.facts, "run": recorded})])
    app = fine(opened(STABILITY.page, model="several"))
    said = " ".join(texts(app, "caption"))
    assert "Threshold of Nesterov: 15 to 30, as recorded (Cohen et al. 2021)" in said
    assert next(box.value for box in app.number_input if box.label == "Learning rate") is None
    _running.stop_apps()
