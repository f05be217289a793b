"""Ways to train a sample: optimisers and schedules against what is known of them in closed form."""

import math
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor, nn
from torch.optim import SGD

from sample_models import FOLDER, read_sample, sample_named
from sample_models.__main__ import TOLERANCE, main
from sample_models.measurement import deviation, load_problem, measure, one_thread, problem_module
from sample_models.optimisers import make_optimiser
from sample_models.optimisers.sam import SAM
from sample_models.schedules import make_schedule
from sample_models.training import train

CURVATURES = torch.tensor([4.0, 1.0], dtype=torch.float64)


class Weights(nn.Module):
    """Two weights that are their own output."""

    def __init__(self, start: tuple[float, float]) -> None:
        super().__init__()
        self.weights = nn.Parameter(torch.tensor(start, dtype=torch.float64))


def closure(model: Weights, loss: Callable[[Tensor], Tensor]) -> Callable[[], Tensor]:
    """What optimisers ask for the loss and its gradient."""

    def taken() -> Tensor:
        model.zero_grad()
        value = loss(model.weights)
        value.backward(retain_graph=True)
        return value

    return taken


def bowl(weights: Tensor) -> Tensor:
    return (CURVATURES * weights.square()).sum() / 2


def saddle(weights: Tensor) -> Tensor:
    """The strict saddle x^2/2 - .05 y^2 + y^4/4 of science/phenomena.md."""
    x, y = weights
    return x**2 / 2 - 0.05 * y**2 + y**4 / 4


@pytest.mark.parametrize("adaptive", [False, True])
def test_sam_takes_the_gradient_at_its_radius(adaptive: bool) -> None:
    """On a quadratic of Hessian H the step is -lr H (w + e), e = rho T^2 g / |T g|."""
    model, lr, rho = Weights((3.0, -2.0)), 0.1, 0.5
    start = model.weights.detach().clone()
    scale = start.abs() + 0.01 if adaptive else torch.ones(2, dtype=torch.float64)
    slopes = CURVATURES * start
    move = rho * scale**2 * slopes / (scale * slopes).norm()
    SAM(model, rho=rho, adaptive=adaptive, lr=lr).step(closure(model, bowl))
    torch.testing.assert_close(model.weights.data, start - lr * CURVATURES * (start + move))


def test_sam_leaves_batchnorm_statistics_to_the_first_pass() -> None:
    """They are those of one pass at the weights before the step, as without SAM."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4))
        inputs = torch.randn(8, 3)
    expected = nn.BatchNorm1d(4)
    expected(model[0](inputs))
    optimiser = SAM(model, rho=1.0, lr=0.1)

    def loss() -> Tensor:
        model.zero_grad()
        value = model(inputs)[:, 0].pow(3).mean()
        value.backward()
        return value

    optimiser.step(loss)
    torch.testing.assert_close(model[1].running_mean, expected.running_mean)
    assert model[1].num_batches_tracked == 1


def test_saddle_free_newton_leaves_a_saddle_that_newton_s_method_finds() -> None:
    """From (1, .001) it is past |y| = .3 in 8 steps, as in science/phenomena.md, and at a minimum.

    Rate 1 and no damping; the minima are at y^2 = .1, f = -.0025.
    """
    model = Weights((1.0, 1e-3))
    optimiser = make_optimiser("SaddleFreeNewton", model, {"lr": 1.0, "damping": 0.0})
    steps = 0
    while abs(model.weights[1].item()) <= 0.3:
        optimiser.step(closure(model, saddle))  # type: ignore[arg-type]
        steps += 1
    assert steps == 8
    for _ in range(5):
        optimiser.step(closure(model, saddle))  # type: ignore[arg-type]
    assert float(saddle(model.weights)) == pytest.approx(-0.0025, abs=1e-12)


def test_entropy_sgd_without_noise_goes_down_a_bowl() -> None:
    """Its inner mean on a quadratic is a known linear map of the weights, so is the step.

    Inner steps x <- x - a (H x - gamma (s - x)) from s, mean m <- .75 m + .25 x; then
    s <- s - lr gamma (s - m).
    """
    gamma, rate, lr, inner = 0.5, 0.1, 1.0, 4
    model = Weights((1.0, -1.0))
    start = model.weights.detach().clone()
    options = {"lr": lr, "gamma": gamma, "inner_steps": inner, "inner_lr": rate, "noise": 0.0}
    make_optimiser("EntropySGD", model, options).step(closure(model, bowl))  # type: ignore[arg-type]
    x, mean = start.clone(), start.clone()
    for _ in range(inner):
        x = x - rate * (CURVATURES * x - gamma * (start - x))
        mean = 0.75 * mean + 0.25 * x
    torch.testing.assert_close(model.weights.data, start - lr * gamma * (start - mean))


@pytest.mark.parametrize(
    ("name", "options", "expected"),
    [
        ("constant", {}, [1, 1, 1, 1, 1]),
        ("warm_up", {"until": 4}, [0.25, 0.5, 0.75, 1, 1]),
        ("decay", {"at": 3, "factor": 0.1}, [1, 1, 1, 0.1, 0.1]),
        ("triangle", {"period": 4, "lowest": 0.2}, [0.2, 0.6, 1, 0.6, 0.2]),
        ("cycles", {"after": 2, "period": 2, "lowest": 0.1}, [1, 1, 1, 0.1, 1]),
        ("cosine", {}, [(1 + math.cos(math.pi * step / 5)) / 2 for step in range(5)]),
    ],
)
def test_a_schedule_has_its_rates(
    name: str, options: dict[str, float], expected: list[float]
) -> None:
    """Rates at steps 0 to 4 are the formula's, from the start and when two are done before."""
    for done in (0, 2):
        optimiser = SGD([nn.Parameter(torch.zeros(1))], lr=1.0)
        schedule = make_schedule(name, optimiser, 5, options, done)
        rates = []
        for _ in range(done, 5):
            rates.append(schedule.get_last_lr()[0])
            optimiser.step()
            schedule.step()
        assert rates == pytest.approx(expected[done:])


def test_an_unknown_optimiser_or_schedule_is_refused() -> None:
    """A recipe with a misspelt word trains nothing."""
    with pytest.raises(ValueError, match="got Sgd"):
        make_optimiser("Sgd", Weights((0.0, 0.0)), {})
    optimiser = SGD([nn.Parameter(torch.zeros(1))], lr=1.0)
    with pytest.raises(ValueError, match="got cosin"):
        make_schedule("cosin", optimiser, 5, {})


def test_a_split_run_sets_out_from_the_other_run_s_snapshot() -> None:
    """It begins at step 100 with the very weights of that snapshot, and goes on from there."""
    sample = sample_named("split_b100")
    with one_thread():
        problem = load_problem(sample)
        steps = train(sample, problem)
        assert next(steps) == 100
        measured = measure(problem)
        assert next(steps) == 101
    point = next(p for p in sample_named("split_a").checkpoints if p.step == 100)
    assert deviation(measured, point.measured) <= TOLERANCE


def test_a_loss_ends_a_training(tmp_path: Path) -> None:
    """Trained anew, true_labels ends at a loss of .001 long before its recipe's last step.

    The step is within a tenth of the shipped one: rounding moves the step at which a loss passes.
    """
    assert main(["train", "true_labels", "--folder", str(tmp_path)]) == 0
    anew, shipped = (
        read_sample(folder / "recipes/true_labels.json") for folder in (tmp_path, FOLDER)
    )
    assert anew.steps == pytest.approx(shipped.steps, rel=0.1)
    assert 0.0009 < anew.measured["train"]["loss"] <= 0.001


def test_deep_linear_snapshots_are_critical_points() -> None:
    """At each of the 42 the gradient is 0, their losses fall, and only the last is a minimum.

    The number of ways down is that of negative eigenvalues of the exact Hessian (36, 36). 1e-12:
    float64 rounding of losses and slopes of about 1.
    """
    sample = sample_named("deep_linear")
    module = problem_module(sample)
    problem = load_problem(sample)
    inputs, targets = problem.data["train"]  # type: ignore[misc]

    def loss(weights: Tensor) -> Tensor:
        first, second = weights[:18].reshape(3, 6), weights[18:].reshape(6, 3)
        outputs = inputs @ first.T @ second.T
        mean: Tensor = module.half_squared_error(outputs, (inputs, targets)).mean()
        return mean

    losses, ways_down = [], []
    for point in sample.checkpoints:
        state = load_file(point.path)
        weights = torch.cat([state["first.weight"].flatten(), state["second.weight"].flatten()])
        assert torch.func.grad(loss)(weights).abs().max() < 1e-12
        values = torch.linalg.eigvalsh(torch.func.hessian(loss)(weights))
        losses.append(float(loss(weights)))
        ways_down.append(int((values < -1e-9).sum()))
    assert len(losses) == 42
    assert losses == sorted(losses, reverse=True)
    assert [place for place, ways in enumerate(ways_down) if ways == 0] == [41]
    assert max(ways_down) == 18


def test_linear_regression_is_at_the_normal_equation() -> None:
    """Its weights solve least squares. 1e-6: where the optimiser stops, on a loss of about 1."""
    sample = sample_named("linear_regression")
    inputs, targets = load_problem(sample).data["train"]  # type: ignore[misc]
    solution = torch.linalg.lstsq(torch.cat([inputs, torch.ones(len(inputs), 1)], dim=1), targets)
    state = load_file(sample.weights)
    weights = torch.cat([state["weight"].flatten(), state["bias"]])
    torch.testing.assert_close(weights, solution.solution.flatten(), rtol=0, atol=1e-6)


def test_the_average_is_of_the_last_run_and_has_its_own_statistics() -> None:
    """swa_bn and swa_stale share all weights and differ in BatchNorm's statistics alone."""
    fresh, stale = (
        load_file(FOLDER / f"weights/{name}.safetensors") for name in ("swa_bn", "swa_stale")
    )
    differing = {name for name in fresh if not torch.equal(fresh[name], stale[name])}
    assert differing
    assert all("running" in name or "tracked" in name for name in differing)
