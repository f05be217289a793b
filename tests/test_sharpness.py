"""Measures of sharpness against plain computations on models whose whole Hessian is known."""

import io
import itertools
import math
from dataclasses import replace
from typing import Any

import numpy as np
import pyarrow.parquet
import pytest
import torch
from scipy.optimize import minimize
from torch import nn
from torch.func import functional_call
from torch.nn import functional

from explorer.analysis import sharpness
from explorer.analysis.measures import average_case as noise
from explorer.analysis.measures import rescaling
from explorer.analysis.measures.norms import least, normalised_sharpness, relative_flatness
from explorer.analysis.measures.point_measures import MeasuredPoint
from explorer.analysis.measures.sigma_basin import clopper_pearson
from explorer.analysis.objective.plane import objective_at
from explorer.kinds.measures import (
    MEASURE_PLACES,
    MEASURES,
    MISSING_REASONS,
    NO,
    STANDARD,
    YES,
)
from explorer.kinds.piece import Piece
from explorer.kinds.setting import setting_field
from explorer.kinds.sharpness import SHARPNESS, taken_over
from explorer.kinds.sharpness_comparison import ranks, unequal_losses
from explorer.kinds.sharpness_result import (
    MeasureRole,
    RescalingFacts,
    Sharpness,
    SharpnessFacts,
    Value,
)
from explorer.kinds.sharpness_settings import SharpnessSettings
from explorer.problem import Problem, accuracy, cross_entropy, squared_error
from explorer.render import sharpness as render
from explorer.render.export import table
from explorer.render.export.views import whole_spec
from tests.conftest import small_problem
from tests.drawing import drawn_sharpness, small_picture
from tests.networks import seeded

CPU = torch.device("cpu")
EVERY = tuple(MEASURE_PLACES)
QUICK = SharpnessSettings(
    precision="float64", ascent=8, draws=6, restarts=2, sphere_draws=8, measures=EVERY
)
SMALL_NOISE = replace(QUICK, noise=1e-5, draws=100)  # no rectifier has its kink so near


def trained(bias: bool = False, steps: int = 60, spread: float = 1.0) -> Problem:
    """A 4-5-4-3 rectifier net in float64, a little trained on 31 examples; labels are noisy."""
    with torch.random.fork_rng():
        torch.manual_seed(1)
        layers = [nn.Linear(4, 5, bias), nn.ReLU(), nn.Linear(5, 4, bias), nn.ReLU()]
        model = nn.Sequential(*layers, nn.Linear(4, 3, bias)).double()
    inputs = torch.randn(31, 4, generator=seeded(2), dtype=torch.float64) * spread
    labels = (inputs[:, :3] + torch.randn(31, 3, generator=seeded(3))).argmax(dim=1)
    optimiser = torch.optim.Adam(model.parameters(), 0.02)
    for _ in range(steps):
        optimiser.zero_grad()
        functional.cross_entropy(model(inputs), labels).backward()
        optimiser.step()
    optimiser.zero_grad()
    return Problem(model, {"train": (inputs, labels)}, cross_entropy, {"accuracy": accuracy})


@pytest.fixture(scope="module")
def net() -> Problem:
    return trained()


def answered(
    problem: Problem,
    settings: SharpnessSettings = QUICK,
    done: frozenset = frozenset(),
    start: Any = None,
) -> list[Piece]:
    point = problem.model.state_dict()
    subjects = [point, start or point]
    return list(sharpness.answer(problem, subjects, settings, done, CPU))


def sharpness_answer(
    problem: Problem, settings: SharpnessSettings = QUICK, start: Any = None
) -> Sharpness:
    return Sharpness.from_pieces(settings, answered(problem, settings, start=start))


def standing(problem: Problem, settings: SharpnessSettings = QUICK) -> MeasuredPoint:
    return MeasuredPoint(objective_at(problem, problem.model.state_dict(), settings, CPU), settings)


@pytest.fixture(scope="module")
def whole(net: Problem) -> Sharpness:
    """All measures, at the point and at one rescaled by layers, from another start."""
    return sharpness_answer(
        net, replace(QUICK, rescaling="layer"), trained(steps=0).model.state_dict()
    )


@pytest.fixture(scope="module")
def by_neurons(net: Problem) -> list[Piece]:
    """All measures, at the point and at one rescaled by neurons."""
    return answered(net, replace(QUICK, rescaling="neuron"))


def is_exact(value: Value) -> bool:
    return value.low == value.high


def theta_of(problem: Problem) -> torch.Tensor:
    return torch.cat([p.detach().reshape(-1) for p in problem.model.parameters()])


def mean_loss(problem: Problem, theta: torch.Tensor, reduction: str = "mean") -> torch.Tensor:
    """An independent evaluation of the loss at parameters (D,), by names and slices."""
    named, place = {}, 0
    for name, value in problem.model.named_parameters():
        named[name] = theta[place : place + value.numel()].view(value.shape)
        place += value.numel()
    inputs, labels = problem.data["train"]
    outputs = functional_call(problem.model, named, (inputs,))
    return functional.cross_entropy(outputs, labels, reduction=reduction)


def hessian(problem: Problem) -> torch.Tensor:
    """The whole Hessian (D, D) by torch's own function."""
    return torch.autograd.functional.hessian(
        lambda theta: mean_loss(problem, theta), theta_of(problem)
    )


def slope(problem: Problem) -> torch.Tensor:
    theta = theta_of(problem).requires_grad_()
    return torch.autograd.grad(mean_loss(problem, theta), theta)[0]


def test_every_measure_has_an_answer(whole: Sharpness) -> None:
    """All have a finite value within its interval, and every one of the list is computed."""
    assert set(sharpness.COMPUTED) == set(MEASURE_PLACES)
    for measure in MEASURES:
        value = whole.of(measure.name)
        assert value.why == "" and math.isfinite(value.value), measure.name
        assert value.low <= value.value <= value.high, measure.name
    assert whole.computed.all()


def test_spectral_measures_are_the_dense_hessian_s(net: Problem, whole: Sharpness) -> None:
    """Eigenvalue, trace, norm, scaled ones and effective dimension against torch's own Hessian."""
    matrix, weights = hessian(net), theta_of(net).abs()
    values = torch.linalg.eigvalsh(matrix)
    scaled = weights[:, None] * matrix * weights
    kept = values.clamp(min=0)
    for name, wanted in {
        "trace": matrix.trace(),
        "frobenius": matrix.norm(),
        "scaled_trace": (weights**2) @ matrix.diag(),
        "effective_dimension": (kept / (kept + QUICK.z)).sum(),
    }.items():
        assert whole.of(name).value == pytest.approx(float(wanted), rel=1e-9), name  # rounding
        assert is_exact(whole.of(name))
    for name, top in {
        "lambda_max": values[-1],
        "scaled_lambda_max": torch.linalg.eigvalsh(scaled)[-1],
    }.items():
        value = whole.of(name)
        assert value.low <= float(top) <= value.high, name
        assert value.high - value.low <= 2.001e-3 * abs(value.value), name


def test_probes_agree_with_the_dense_hessian(net: Problem) -> None:
    """Where the matrix is too large to be made, the 95 % intervals of the probes hold the truth."""
    settings = replace(QUICK, probes=9, steps=5, seed=4)  # 45 products for 47 parameters
    point = standing(net, settings)
    assert not point.is_small
    matrix, weights = hessian(net), theta_of(net).abs()
    values = torch.linalg.eigvalsh(matrix).clamp(min=0)
    for name, wanted in {
        "trace": matrix.trace(),
        "frobenius": matrix.norm(),
        "scaled_trace": (weights**2) @ matrix.diag(),
        "effective_dimension": (values / (values + 1)).sum(),
    }.items():
        value = sharpness.COMPUTED[name](point)
        assert value.low < float(wanted) < value.high, name
        assert value.high - value.low < 3 * abs(float(wanted)), name


def test_relative_flatness_by_probes_is_unbiased(net: Problem) -> None:
    """Over 60 seeds the mean of two probes is the exact value, within 3 standard errors."""
    drawn, objective = [], standing(net).objective
    for seed in range(60):
        settings = replace(QUICK, probes=2, steps=5, seed=seed)
        measurement = relative_flatness(MeasuredPoint(objective, settings))
        assert measurement.low < measurement.high
        drawn.append(measurement.value)
    exact = flatness(net, hessian(net))
    assert abs(np.mean(drawn) - exact) < 3 * np.std(drawn, ddof=1) / 60**0.5 < exact


def flatness(problem: Problem, matrix: torch.Tensor) -> float:
    """Relative flatness by its definition: a sum over pairs of rows of the last layer."""
    weight = problem.model[4].weight.detach()
    rows, inputs = weight.shape
    block = matrix[-rows * inputs :, -rows * inputs :].reshape(rows, inputs, rows, inputs)
    traces = torch.einsum("sjtj->st", block)
    return float((weight @ weight.t() * traces).sum())


def test_relative_flatness_is_its_definition(net: Problem, whole: Sharpness) -> None:
    """The sum over pairs of rows, from the dense Hessian's block."""
    wanted = flatness(net, hessian(net))
    assert whole.of("relative_flatness").value == pytest.approx(wanted, rel=1e-9)
    assert is_exact(whole.of("relative_flatness"))


def test_fisher_rao_has_a_closed_form(net: Problem, whole: Sharpness) -> None:
    """For a rectifier net without biases w'Fw = D^2 mean (f . dl/df)^2, D layers; to 5 digits."""
    inputs, labels = net.data["train"]
    outputs = net.model(inputs).detach()
    by_outputs = outputs.softmax(dim=1) - functional.one_hot(labels, 3)
    wanted = 9 * float((by_outputs * outputs).sum(dim=1).square().mean())
    assert whole.of("fisher_rao").value == pytest.approx(wanted, rel=1e-5)


def test_one_steps_are_by_hand(net: Problem, whole: Sharpness) -> None:
    """SAM and ASAM against rho g / norm(g) and rho T^2 g / norm(T g) written out."""
    theta, steep = theta_of(net), slope(net)
    loss = mean_loss(net, theta)
    for name, scale, rho in (
        ("sam", torch.ones_like(theta), 0.05),
        ("asam", theta.abs() + 0.01, 0.5),
        ("asam_0", theta.abs(), 0.5),
    ):
        step = rho * scale**2 * steep / (scale * steep).norm()
        wanted = float(mean_loss(net, theta + step) - loss)
        assert whole.of(name).value == pytest.approx(wanted, rel=1e-9), name
        at, losses = whole.along(name)
        assert len(at) == 21 and at[10] == 0
        assert losses[10] == pytest.approx(float(loss), rel=1e-12)
        assert at[-1] == pytest.approx(1.5 * float(step.norm()))
        past = float(mean_loss(net, theta + 1.5 * step))
        assert losses[-1] == pytest.approx(past, rel=1e-12)


def test_m_sharpness_of_one_batch_is_sam(net: Problem, whole: Sharpness) -> None:
    """With all examples in a batch it is SAM; batches of one are each example's own step."""
    assert whole.of("m_sharpness").value == pytest.approx(whole.of("sam").value, rel=1e-9)
    value = sharpness.COMPUTED["m_sharpness"](standing(net, replace(QUICK, batch_examples=1)))
    rises, (inputs, labels) = [], net.data["train"]
    for n in range(31):
        one = replace(net, data={"train": (inputs[n : n + 1], labels[n : n + 1])})
        theta, steep = theta_of(net), slope(one)
        steep = torch.nan_to_num(steep / steep.norm())  # an example that the net is dead for
        rise = mean_loss(one, theta + 0.05 * steep) - mean_loss(one, theta)
        rises.append(float(rise))
    assert value.value == pytest.approx(np.mean(rises), rel=1e-9)
    half = 2.0423 * np.std(rises, ddof=1) / 31**0.5  # t of 30 degrees of freedom
    assert value.high - value.value == pytest.approx(half, rel=1e-4)


def test_worst_cases_keep_within_their_sets(net: Problem, whole: Sharpness) -> None:
    """Directions found lie in the box, the ellipsoid or the ball, and reach what is told."""
    point = standing(net)
    theta = point.theta
    for name, size in (
        ("keskar", lambda d: (d.abs() / (theta.abs() + 1)).max() / 1e-3),
        ("keskar_half", lambda d: (d.abs() / (theta.abs() + 1)).max() / 5e-4),
        ("adaptive_max", lambda d: (d / theta).abs().max() / 0.01),
        ("adaptive_euclid", lambda d: (d / theta).norm() / 0.5),
        ("ball_worst", lambda d: d.norm() / 0.5),
    ):
        value = sharpness.COMPUTED[name](point)
        assert value.value == whole.of(name).value > 0
        assert 0.5 < float(size(value.direction)) <= 1 + 1e-12, name
        assert whole.of(name).is_bound
        rise = float(mean_loss(net, theta + value.direction) - mean_loss(net, theta))
        if name == "ball_worst":
            assert rise == pytest.approx(value.value, rel=1e-9)
        if name.startswith("keskar"):
            rise = 100 * rise / (1 + float(mean_loss(net, theta)))
            assert rise == pytest.approx(value.value, rel=1e-9)


def test_projected_ascent_finds_the_first_order_worst_case(net: Problem) -> None:
    """In a tiny set the loss is linear: the worst rises are the dual norms of the gradient."""
    small = replace(QUICK, max_rho=1e-5, euclid_rho=1e-5, box=1e-5)
    point = standing(net, small)
    theta = theta_of(net).requires_grad_()
    inputs, labels = net.data["train"]
    w1, w2, w3 = (
        part.view(p.shape)
        for part, p in zip(theta.split([20, 20, 12]), net.model.parameters(), strict=True)
    )
    logits = torch.relu(torch.relu(inputs @ w1.t()) @ w2.t()) @ w3.t()
    divided = logits / (logits.var(dim=1, unbiased=False, keepdim=True) + 1e-12).sqrt()
    (steep,) = torch.autograd.grad(functional.cross_entropy(divided, labels), theta)
    across = (steep * theta).detach()
    # second-order terms are a share 1e-5 of these
    largest = 1e-5 * float(across.abs().sum())
    assert sharpness.COMPUTED["adaptive_max"](point).value == pytest.approx(largest, rel=1e-3)
    longest = 1e-5 * float(across.norm())
    assert sharpness.COMPUTED["adaptive_euclid"](point).value == pytest.approx(longest, rel=1e-3)
    plain = slope(net).abs() @ (theta.detach().abs() + 1)
    wanted = 100 * 1e-5 * float(plain) / (1 + point.loss)
    assert sharpness.COMPUTED["keskar"](point).value == pytest.approx(wanted, rel=1e-3)
    drawn = torch.from_numpy(np.random.RandomState([0, 20]).standard_normal((52, 52)))
    own = torch.linalg.lstsq(drawn.t(), theta.detach()[:, None]).solution[:, 0]
    wanted = 100 * 1e-5 * float((drawn @ slope(net)).abs() @ (own.abs() + 1)) / (1 + point.loss)
    value = sharpness.COMPUTED["keskar_subspace"](point).value
    assert value == pytest.approx(wanted, rel=5e-3)  # 52 steps in each coordinate: second order


def test_the_random_subspace_is_searched_to_its_corners(monkeypatch: pytest.MonkeyPatch) -> None:
    """A convex quadratic is largest at a corner of the box of y: the best of all is found.

    In a subspace of 4 of 9 directions there are 16; half the box has a smaller rise.
    """
    monkeypatch.setattr("explorer.analysis.measures.worst_case.SUBSPACE", 4)
    with torch.random.fork_rng():
        torch.manual_seed(3)
        inputs, wanted = torch.randn(31, 3).double(), torch.randn(31, 3).double()
        model = nn.Linear(3, 3, bias=False).double()
    problem = Problem(model, {"train": (inputs, wanted)}, squared_error)
    point = standing(problem, replace(QUICK, restarts=20, box=0.3))
    drawn = np.random.RandomState([0, 20]).standard_normal((4, 9))
    theta = model.weight.detach().numpy().ravel()
    own = np.linalg.pinv(drawn.T) @ theta

    def rise(y: np.ndarray) -> float:
        weights = torch.from_numpy((theta + y @ drawn).reshape(3, 3))
        losses = squared_error(inputs @ weights.t(), (inputs, wanted))
        return 100 * (float(losses.mean()) - point.loss) / (1 + point.loss)

    for name, box in (("keskar_subspace", 0.3), ("keskar_subspace_half", 0.15)):
        corners = itertools.product((-1.0, 1.0), repeat=4)
        largest = max(rise(np.array(signs) * box * (np.abs(own) + 1)) for signs in corners)
        measurement = sharpness.COMPUTED[name](point)
        assert measurement.value == pytest.approx(largest, rel=1e-9)
        assert rise(np.linalg.lstsq(drawn.T, measurement.direction.numpy(), rcond=None)[0]) == (
            pytest.approx(largest, rel=1e-9)
        )


def test_small_noise_sees_the_trace(net: Problem) -> None:
    """For small rho the average case is rho^2 tr(C H C) / 2, within its interval."""
    matrix, weights = hessian(net), theta_of(net)
    point = standing(net, SMALL_NOISE)
    for name, wanted in (
        ("average", matrix.trace()),
        ("adaptive_average", (weights**2) @ matrix.diag()),
    ):
        value = sharpness.COMPUTED[name](point)
        wanted = 0.5e-10 * float(wanted)
        assert value.low < wanted < value.high, name
        assert value.high - value.low < wanted / 2, name


def test_ball_average_sees_the_trace(net: Problem) -> None:
    """The mean over a small ball is r^2 tr(H) / (2 (D + 2)), within its interval."""
    point = standing(net, replace(QUICK, radius=1e-4, draws=100))
    wanted = 1e-8 * float(hessian(net).trace()) / (2 * (point.size + 2))
    value = sharpness.COMPUTED["ball_average"](point)
    assert value.low < wanted < value.high
    assert value.high - value.low < wanted / 2


def test_noise_of_gradients_is_their_covariance(net: Problem, whole: Sharpness) -> None:
    """tr(Sigma) / norm(g)^2 and norm(g) from each example's gradient, one by one."""
    theta = theta_of(net).requires_grad_()
    losses = mean_loss(net, theta, "none")
    each = torch.stack([torch.autograd.grad(x, theta, retain_graph=True)[0] for x in losses])
    mean = each.mean(dim=0)
    trace = float(torch.cov(each.t()).trace())
    assert whole.of("gradient_norm").value == pytest.approx(float(mean.norm()), rel=1e-10)
    wanted = trace / float(mean.square().sum())
    assert whole.of("noise_scale").value == pytest.approx(wanted, rel=1e-9)


def test_gradients_without_a_batching_rule(net: Problem) -> None:
    """A model that vmap refuses has its examples one by one, with the same result."""

    class Picky(nn.Module):
        def __init__(self, inner: nn.Module) -> None:
            super().__init__()
            self.inner = inner

        def forward(self, inputs: torch.Tensor) -> torch.Tensor:
            if torch._C._functorch.is_batchedtensor(inputs):
                raise RuntimeError("no batching rule")
            return self.inner(inputs)

    picky = replace(net, model=Picky(net.model))
    wanted = sharpness.COMPUTED["noise_scale"](standing(net)).value
    value = sharpness.COMPUTED["noise_scale"](standing(picky)).value
    assert value == pytest.approx(wanted, rel=1e-12)


def test_normalised_sharpness_is_the_least(net: Problem, whole: Sharpness) -> None:
    """The closed-form sweeps end where a general minimiser does; summed over the three layers."""
    rng = np.random.default_rng(0)
    curved, weights = rng.exponential(size=(3, 4)), rng.exponential(size=(3, 4))

    def value(scales: np.ndarray) -> float:
        grid = scales[:3, None] + scales[None, 3:]
        return float((curved * np.exp(grid) + weights * np.exp(-grid)).sum())

    wanted = minimize(value, np.zeros(7), options={"gtol": 1e-9}).fun
    assert least(curved, weights) == pytest.approx(wanted, rel=1e-8)
    diagonal, theta, total = hessian(net).diag(), theta_of(net), 0.0
    place = 0
    for part in net.model.parameters():  # in a rectifier net the diagonals of H and GN are equal
        span = slice(place, place + part.numel())
        here = diagonal[span].view(part.shape).clamp(min=0)
        total += least(here.numpy(), theta[span].view(part.shape).square().numpy())
        place += part.numel()
    assert whole.of("normalised_sharpness").value == pytest.approx(total, rel=1e-6)


@pytest.mark.parametrize("loss", [cross_entropy, squared_error])
def test_the_gauss_newton_diagonal_by_probes(net: Problem, loss: Any) -> None:
    """With many draws the estimate comes to the exact one, for both losses it is known for."""
    if loss is squared_error:
        inputs = net.data["train"][0]
        net = replace(net, data={"train": (inputs, inputs[:, :3])}, loss=loss, metrics={})
    exact = normalised_sharpness(standing(net)).value
    drawn = normalised_sharpness(standing(net, replace(QUICK, probes=2, steps=5, draws=300)))
    assert drawn.value == pytest.approx(exact, rel=0.058)  # 1 / sqrt(300)
    assert drawn.low < drawn.value < drawn.high


def test_pac_bayes_sigma_is_where_accuracy_falls(net: Problem, whole: Sharpness) -> None:
    """At the sigma found the mean accuracy of the draws has fallen by 0.1, beyond it by more."""
    inputs, labels = net.data["train"]
    theta = theta_of(net)

    def drop(sigma: float, scale: torch.Tensor) -> float:
        right = []
        for n in range(QUICK.draws):
            drawn = np.random.RandomState([0, 18, n]).standard_normal(len(theta))
            moved, place = {}, 0
            for name, p in net.model.named_parameters():
                step = torch.from_numpy(drawn[place : place + p.numel()])
                here = scale[place : place + p.numel()]
                moved[name] = p.detach() + (sigma * here * step).view(p.shape)
                place += p.numel()
            outputs = functional_call(net.model, moved, (inputs,))
            right.append(float((outputs.argmax(dim=1) == labels).double().mean()))
        plain = float((net.model(inputs).argmax(dim=1) == labels).double().mean())
        return plain - float(np.mean(right))

    for name, scale in (
        ("pac_bayes", torch.ones_like(theta)),
        ("pac_bayes_magnitude", theta.abs()),
    ):
        value = whole.of(name)
        sigma = value.value**-0.5
        # the accuracy of 6 draws of 31 examples moves in steps of 1/186
        assert drop(sigma, scale) <= 0.1 < drop(sigma * 1.001, scale) + 1e-9, name
        assert value.low <= value.value <= value.high


def test_bounds_are_by_hand(net: Problem, whole: Sharpness) -> None:
    """Both formulas against numbers worked out apart, and the inverse of the binary entropy."""
    # sqrt((10 + ln(2 * 10 / 0.05)) / 200) = sqrt(15.991464 / 200) = 0.2827673
    assert noise.mcallester(0.1, 10.0, 100, 0.05) == pytest.approx(0.1 + 0.2827673, abs=1e-7)
    assert noise.mcallester(0.9, 1e9, 100, 0.05) == 1.0
    # kl(0, q) = -ln(1 - q): with (KL + ln(m / delta)) / (m - 1) = (10 + ln 2000) / 99 = 0.17778689
    assert noise.dziugaite(0.0, 10.0, 100, 0.05) == pytest.approx(1 - math.exp(-0.17778689), 1e-7)
    q = noise.inverse_entropy(0.1, 0.05)
    assert q > 0.1
    assert 0.1 * math.log(0.1 / q) + 0.9 * math.log(0.9 / (1 - q)) == pytest.approx(0.05, rel=1e-9)
    sigma, share = noise.prior_width(0.5)
    assert 0.5 * math.exp(-0.1) < sigma <= 0.5
    place = round(10 * math.log(100 / sigma))
    assert share == pytest.approx(6 / (math.pi * place) ** 2)
    start = theta_of(trained(steps=0))
    width, share = noise.prior_width(whole.of("pac_bayes").value ** -0.5)
    divergence = float((theta_of(net) - start).square().sum()) / (2 * width**2)
    least_room = math.sqrt((divergence + math.log(2 * math.sqrt(31) / (0.05 * share))) / 62)
    assert least_room < whole.of("bound_mcallester").value or least_room >= 1
    assert 0 < whole.of("bound_dziugaite").value <= 1


@pytest.mark.parametrize("way", ["layer", "neuron"])
def test_rescaling_moves_what_it_should(
    whole: Sharpness, by_neurons: list[Piece], way: str
) -> None:
    """Outputs agree to rounding; invariant measures have ratio 1, SAM and the others do not."""
    settings = replace(QUICK, rescaling=way)
    answer = whole if way == "layer" else Sharpness.from_pieces(settings, by_neurons)
    assert answer.facts.rescaling.pairs == "0 and 2, 2 and 4"
    assert answer.facts.rescaling.gap < 1e-14
    for measure in MEASURES:
        ratio = answer.ratios.get(measure.name)
        if measure.name.startswith("bound"):
            continue  # at most 1, and for so few examples there
        assert ratio is not None, measure.name
        if measure.invariant == YES or (measure.invariant == "layer-wise" and way == "layer"):
            # an eigenvalue is known to 1e-3; all else to rounding
            assert ratio == pytest.approx(1, abs=1e-3 if "lambda" in measure.name else 1e-6)
        elif measure.name in ("sam", "lambda_max", "trace", "frobenius", "average", "keskar"):
            assert abs(ratio - 1) > 0.2, measure.name
    assert answer.moved_measures(settings) == []
    flat = answer.ratios["relative_flatness"]
    assert (flat == pytest.approx(1, abs=1e-6)) == (way == "layer")


def test_rescaling_knows_batchnorm_biases_and_convolutions() -> None:
    """Each pair of a net with BatchNorm, flattening, a tied layer and tanh is found or left out."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = nn.Sequential(
            nn.Conv2d(1, 3, 3, padding=1),
            nn.BatchNorm2d(3),
            nn.ReLU(),
            nn.MaxPool2d(2),
            nn.Flatten(),
            nn.Linear(12, 5),
            nn.ReLU(),
            nn.Linear(5, 4),
            nn.Tanh(),
            nn.Linear(4, 3),
        ).double()
    images = torch.randn(11, 1, 4, 4, generator=seeded(0), dtype=torch.float64)
    model.train()(images)
    labels = torch.arange(11) % 3
    problem = Problem(model.eval(), {"train": (images, labels)}, cross_entropy)
    settings = replace(QUICK, rescaling="neuron")
    objective = objective_at(problem, model.state_dict(), settings, CPU)
    before = objective.flat.theta.clone()
    other = rescaling.rescale_point(objective, settings)
    assert other is not None
    assert other.pairs == (("1", "5"), ("5", "7"))
    assert other.gap < 1e-13
    assert torch.equal(objective.flat.theta, before)
    assert (other.theta != before).sum() == 3 + 60 + 5 + 20  # the norm's biases are 0
    tied = small_problem()  # its rectifiers: before a transposed layer, and in a tied pair
    other = rescaling.rescale_point(
        objective_at(tied, tied.model.state_dict(), settings, CPU), settings
    )
    assert other is None


def test_what_does_not_apply_says_why(net: Problem) -> None:
    """Regression, a loss by sums, no last layer, no start, no gradient: NaN and a sentence."""
    inputs = net.data["train"][0]
    regression = replace(
        net, data={"train": (inputs, inputs[:, :3])}, loss=squared_error, metrics={}
    )
    answer = sharpness_answer(regression, replace(QUICK, rescaling="layer"))
    assert "no metric named accuracy" in answer.of("pac_bayes").why
    assert "No initial parameters" in answer.of("bound_mcallester").why
    assert math.isfinite(answer.of("adaptive_max").value)
    assert math.isfinite(answer.of("normalised_sharpness").value)

    class Shifted(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.first = nn.Linear(4, 3, bias=False).double()

        def forward(self, inputs: torch.Tensor) -> torch.Tensor:
            return torch.tanh(self.first(inputs)) + 1

    def summed(outputs: torch.Tensor, batch: Any) -> tuple[torch.Tensor, int]:
        return functional.cross_entropy(outputs, batch[1], reduction="sum"), len(outputs)

    other = sharpness_answer(
        Problem(Shifted(), net.data, summed), replace(QUICK, rescaling="neuron", probes=2, steps=5)
    )
    assert "one loss per example" in other.of("fisher_rao").why
    assert "one loss per example" in other.of("noise_scale").why
    assert "last linear layer" in other.of("relative_flatness").why
    assert "more parameters than" in other.of("normalised_sharpness").why
    assert "no pair of layers" in other.of("sam", rescaled=True).why
    assert other.facts.rescaling == RescalingFacts(pairs="")
    assert math.isfinite(other.of("sam").value)


@pytest.mark.parametrize(("value", "words"), [(math.nan, "not finite"), (0.0, "gradient is zero")])
def test_bad_points_say_why(net: Problem, value: float, words: str) -> None:
    """Weights of NaN have no measure at all; of 0 no step up the gradient; nothing crashes."""
    point = {name: torch.full_like(v, value) for name, v in net.model.state_dict().items()}
    pieces = list(sharpness.answer(net, [point, point], QUICK, set(), CPU))
    answer = Sharpness.from_pieces(QUICK, pieces)
    assert words in answer.of("sam").why
    assert math.isnan(answer.of("sam").value)
    if math.isnan(value):
        assert {answer.of(measure.name).why for measure in MEASURES} == {MISSING_REASONS[1]}
        assert answer.facts.loss is None


def test_resume_and_seed(net: Problem, by_neurons: list[Piece]) -> None:
    """Units that are done are skipped, the others have the same bits; another seed has others."""
    settings, first = replace(QUICK, rescaling="neuron"), by_neurons
    assert [piece.units for piece in first] == [{n} for n in range(settings.units)]
    done = frozenset(range(0, settings.units, 2))
    rest = answered(net, settings, done)
    assert [unit for piece in rest for unit in piece.units] == list(range(1, settings.units, 2))
    assert rest[0].facts == first[0].facts
    for piece in rest:
        (unit,) = piece.units
        for name, column in piece.columns.items():
            np.testing.assert_array_equal(column, first[unit].columns[name])
    other = sharpness_answer(net, replace(QUICK, seed=4, measures=("average", "sam")))
    here = Sharpness.from_pieces(settings, first)
    assert other.of("average").value != here.of("average").value
    assert other.of("sam").value == here.of("sam").value


def test_the_model_is_left_alone(net: Problem, whole: Sharpness) -> None:
    """All measures, and the user's model has every bit and flag it was trained to."""
    assert whole.computed.all()
    untouched = trained().model
    before = untouched.state_dict()
    flags = [p.requires_grad for p in untouched.parameters()]
    assert all(torch.equal(before[n], v) for n, v in net.model.state_dict().items())
    assert [p.requires_grad for p in net.model.parameters()] == flags
    assert all(p.grad is None or not p.grad.any() for p in net.model.parameters())


def test_another_rescaling_takes_over_the_rest(net: Problem, whole: Sharpness) -> None:
    """All measures at the point itself go to a question with another rescaling; no others do."""
    rows = taken_over(replace(QUICK, rescaling="neuron"), whole.rows)
    assert set(rows["unit"]) == set(range(len(MEASURES)))
    again = Sharpness.from_pieces(QUICK, [Piece(rows)])
    assert again.computed.all()
    assert again.of("trace") == whole.of("trace")


def test_some_measures_alone_are_as_among_all(net: Problem, whole: Sharpness) -> None:
    """Chosen in any order, they are their own units with the same values; others are not there."""
    some = replace(QUICK, rescaling="layer", measures=("sam", "keskar", "gradient_norm"))
    assert some.chosen == ("keskar", "sam", "gradient_norm")
    assert some.units == 6
    part = sharpness_answer(net, some)
    assert part.computed.all()
    for name in some.chosen:
        assert part.of(name) == whole.of(name)
        assert part.of(name, rescaled=True) == whole.of(name, rescaled=True)
    assert part.of("trace").why == "Not asked for."
    assert part.along("sam")[1].tolist() == whole.along("sam")[1].tolist()


def test_a_choice_takes_over_what_is_known(whole: Sharpness) -> None:
    """Rows of an answer of all measures become units of one of some, and the other way."""
    some = replace(QUICK, measures=("trace", "sam"))
    rows = taken_over(some, whole.rows)
    part = Sharpness.from_pieces(some, [Piece(rows)])
    assert part.computed.all()
    assert part.of("trace") == whole.of("trace")
    back = Sharpness.from_pieces(QUICK, [Piece(taken_over(QUICK, rows))])
    assert back.computed.sum() == 2
    assert back.of("sam") == whole.of("sam")


def test_the_standard_measures_are_the_question_that_they_were() -> None:
    """Naming none or the 29 that there were is one question, whose key does not know of newer ones.

    So a stored answer of them stays whole, and one of all takes its measures over.
    """
    assert len(STANDARD) == 29 and EVERY[:29] == STANDARD
    assert SharpnessSettings(measures=STANDARD) == SharpnessSettings()
    assert SharpnessSettings().units == 29
    assert SharpnessSettings(measures=EVERY).units == len(MEASURES) > 29
    assert {"measures", "sphere", "sphere_draws"} <= set(SHARPNESS.later)
    assert setting_field(SharpnessSettings, "measures").setting.where_none == "the standard ones"
    with pytest.raises(ValueError, match="measures must be one of"):
        SharpnessSettings(measures=("flatness",))


def quadratic(diagonal: list[float], centre: list[float]) -> Problem:
    """The loss sum_i h_i (w_i - c_i)^2 / 2 at w = 0: a linear model of scaled unit inputs."""
    size = len(diagonal)
    inputs = torch.diag(torch.tensor([h * size / 2 for h in diagonal]).double().sqrt())
    wanted = inputs @ torch.tensor(centre).double()[:, None]
    model = nn.Linear(size, 1, bias=False).double()
    nn.init.zeros_(model.weight)
    return Problem(model, {"train": (inputs, wanted)}, squared_error)


def test_critical_sharpness_of_a_quadratic_is_the_curvature_along_its_gradient() -> None:
    """sum(c_i^2 lambda_i) / sum(c_i^2) within a relative interval of 2e-4, below lambda_max."""
    curvatures, centre = [0.5, 3.0, 40.0], [2.0, -1.0, 0.05]
    point = standing(quadratic(curvatures, centre))
    slope = np.array(curvatures) * np.array(centre)
    assert point.loss == pytest.approx(0.5 * float(slope @ np.array(centre)))  # the oracle's own
    wanted = float(slope**2 @ np.array(curvatures) / (slope @ slope))
    value = sharpness.COMPUTED["critical_sharpness"](point)
    assert value.low <= wanted <= value.high < max(curvatures)
    assert value.high / value.low < 1 + 2e-4
    at_minimum = sharpness_answer(quadratic(curvatures, [0.0] * 3))
    assert at_minimum.of("critical_sharpness").why.startswith("The gradient is zero")


def test_a_loss_that_never_rises_again_has_no_critical_sharpness() -> None:
    """One example that is right: the loss falls along the gradient for ever, and that is said."""
    model = nn.Linear(1, 2, bias=False).double()
    with torch.no_grad():
        model.weight.copy_(torch.tensor([[1.0], [-1.0]]))
    inputs, labels = torch.ones(1, 1, dtype=torch.float64), torch.zeros(1, dtype=torch.int64)
    problem = Problem(model, {"train": (inputs, labels)}, cross_entropy)
    why = sharpness_answer(problem).of("critical_sharpness").why
    assert why.startswith("The loss does not rise again")


def test_sphere_draws_of_a_quadratic_at_its_minimum() -> None:
    """Mean within its interval of e^2 tr(H) / 2D; the worst between it and e^2 lambda_max / 2."""
    curvatures = [0.1, 0.5, 1.0, 2.0, 12.0]
    settings = replace(QUICK, sphere=0.3, sphere_draws=400)
    point = standing(quadratic(curvatures, [0.0] * 5), settings)
    mean, worst = (sharpness.COMPUTED[f"sphere_{name}"](point) for name in ("average", "worst"))
    assert mean.low < 0.3**2 * sum(curvatures) / 2 / 5 < mean.high
    assert mean.high - mean.low < mean.value
    assert mean.value < worst.value <= 0.3**2 * 12 / 2 and math.isinf(worst.high)
    assert float(worst.direction.norm()) == pytest.approx(0.3)


def test_the_plain_box_knows_no_sizes_of_parameters(net: Problem, whole: Sharpness) -> None:
    """In a tiny box eps norm_1(g) / (1 + L); in that of the settings no step is beyond it."""
    point = standing(net, replace(QUICK, box=1e-6))
    wanted = 1e-6 * float(slope(net).abs().sum()) / (1 + point.loss)
    assert sharpness.COMPUTED["keskar_plain"](point).value == pytest.approx(wanted, rel=1e-4)
    worst = sharpness.COMPUTED["keskar_plain"](standing(net))
    assert worst.value == whole.of("keskar_plain").value
    assert float(worst.direction.abs().max()) <= QUICK.box * (1 + 1e-12)
    assert 100 * worst.value < whole.of("keskar").value  # whose box is larger everywhere


def test_the_gradient_of_sam_is_by_hand(net: Problem, whole: Sharpness) -> None:
    """Norm and cosine with the plain one, by torch's own gradient at w + rho g / norm(g)."""
    plain = slope(net)
    theta = (theta_of(net) + 0.05 * plain / plain.norm()).requires_grad_()
    uphill = torch.autograd.grad(mean_loss(net, theta), theta)[0]
    assert whole.of("sam_gradient_norm").value == pytest.approx(float(uphill.norm()), rel=1e-9)
    cosine = float(plain @ uphill / plain.norm() / uphill.norm())
    assert whole.of("sam_gradient_cosine").value == pytest.approx(cosine, rel=1e-9)
    # of H = c 1 the gradient does not turn: it only grows by rho c
    point = standing(quadratic([2.0, 2.0], [3.0, 4.0]))
    assert sharpness.COMPUTED["sam_gradient_cosine"](point).value == pytest.approx(1)
    assert sharpness.COMPUTED["sam_gradient_norm"](point).value == pytest.approx(10 + 0.05 * 2)


def one_weight() -> Problem:
    """A logit w x against 0 with w = 1: right for all examples as long as w is above 0."""
    model = nn.Linear(1, 2, bias=False).double()
    with torch.no_grad():
        model.weight.copy_(torch.tensor([[1.0], [0.0]]))
    inputs, labels = torch.ones(8, 1, dtype=torch.float64), torch.zeros(8, dtype=torch.int64)
    return Problem(model, {"train": (inputs, labels)}, cross_entropy, {"accuracy": accuracy})


def test_the_sigma_basin_is_the_noise_that_half_of_the_draws_bear() -> None:
    """A draw (a, b) is borne while 1 + sigma a > sigma b: the median of 1 / (b - a), and its ends.

    Of 40 draws the Clopper-Pearson interval of a share is above 1/2 from 27 on and reaches it from
    14 on (as scipy's binomtest has it).
    """
    settings = replace(QUICK, draws=40, seed=28)
    point = standing(one_weight(), settings)
    apart = [float(z[1] - z[0]) for z in (point.normal("basin", n) for n in range(40))]
    borne = sorted((1 / d if d > 0.01 else math.inf for d in apart), reverse=True)
    value = sharpness.COMPUTED["sigma_basin"](point)
    near = {"rel": 1e-3}  # 16 halvings of 8 decades
    assert math.isfinite(borne[19])
    assert value.value == pytest.approx(borne[19], **near)
    assert value.low == pytest.approx(borne[26], **near)
    assert value.high == pytest.approx(borne[13], **near)
    # that none of five bears more is no proof that less than half would: 1 / 2^5 is above 2.5 %
    few = sharpness.COMPUTED["sigma_basin"](standing(one_weight(), replace(settings, draws=5)))
    assert few.low == 0 and few.high == math.inf
    # 5 of 10: 0.1871 to 0.8129, a textbook's
    ends = clopper_pearson(np.array([0, 5, 10]), 10)
    np.testing.assert_allclose(ends[0], [0, 0.1871, 0.6915], atol=1e-4)
    np.testing.assert_allclose(ends[1], [0.3085, 0.8129, 1], atol=1e-4)


def test_ranks() -> None:
    """The smallest value is first, equal ones share a place, one without a value has none."""
    values = {"a": Value(3.0), "b": Value(1.0), "c": Value(), "d": Value(3.0)}
    assert ranks(values) == {"a": 2, "b": 1, "d": 2}
    assert ranks({"a": Value(3.0), "c": Value()}) == {}


def test_unequal_losses_are_told(whole: Sharpness) -> None:
    """Two models of losses 0.012 and 0.34 are told apart; of equal ones nothing is said."""
    one, other = (replace(whole, facts=SharpnessFacts(loss=loss)) for loss in (0.012, 0.34))
    said = unequal_losses({"a": one, "b": other})
    assert said.startswith("Not at equal training loss: 0.012 (a) against 0.34 (b).")
    assert unequal_losses({"a": one, "b": one}) == ""
    assert unequal_losses({"a": one}) == ""


def test_pieces_may_be_missing(whole: Sharpness) -> None:
    """An answer without a measure has NaN there, and says that it is not computed yet."""
    kept = {name: values[whole.rows["unit"] > 5] for name, values in whole.rows.items()}
    part = Sharpness.from_pieces(replace(QUICK, rescaling="layer"), [Piece(kept)])
    assert part.computed.sum() == part.computed.size - 6
    assert math.isnan(part.of("sam").value) and part.of("sam").why == "Not computed yet."
    assert "sam" not in part.ratios


def test_a_measure_of_0_has_not_moved(whole: Sharpness) -> None:
    """Invariant measures are exactly 0 where the loss is flat: 0 twice is no move, 0 and 1 one."""
    settings, rows = replace(QUICK, rescaling="layer"), dict(whole.rows)
    invariant = [MEASURE_PLACES[m.name] for m in MEASURES if m.invariant == YES]
    is_value = (rows["role"] == MeasureRole.MEASURE) & np.isin(rows["i"], invariant)
    rows["value"] = np.where(is_value, 0.0, rows["value"])
    assert replace(whole, rows=rows).moved_measures(settings) == []
    rescaled = is_value & (rows["unit"] >= len(whole.chosen))
    rows["value"] = np.where(rescaled, 1.0, rows["value"])
    assert len(replace(whole, rows=rows).moved_measures(settings)) == len(invariant)


def test_definitions_are_one_line() -> None:
    """Each measure has a definition and a source in one line, and one of three badges."""
    assert len(MEASURE_PLACES) == len(MEASURES)
    for measure in MEASURES:
        assert measure.invariant in (YES, NO, "layer-wise")
        assert "\n" not in measure.definition + measure.source
        assert measure.definition and measure.source and measure.title


def test_charts_are_drawn(whole: Sharpness) -> None:
    """Values, ratios, a worst direction and the thumbnail are valid, with every value in them."""
    drawn = whole_spec(drawn_sharpness({"one": whole, "two": whole}))
    rows = [row for data in drawn["datasets"].values() for row in data]
    for name in ("one", "two"):
        titles = {row["measure"] for row in rows if row.get("model") == name}
        positive = {m.title for m in MEASURES if whole.of(m.name).value > 0}
        assert titles == positive
    assert all(row["low"] <= row["value"] <= row["high"] for row in rows)
    moved = whole_spec(drawn_sharpness(whole, picture="ratios"))
    shown = [r for data in moved["datasets"].values() for r in data if "measure" in r]
    assert {r["measure"]: r["value"] for r in shown} == {
        m.title: whole.ratios[m.name] for m in MEASURES if whole.ratios[m.name] > 0
    }
    whole_spec(drawn_sharpness({"one": whole}, picture="direction", measure="sam"))
    with pytest.raises(ValueError, match="worst direction of trace"):
        drawn_sharpness({"one": whole}, picture="direction", measure="trace")
    assert small_picture("sharpness", whole).startswith(b"\x89PNG")
    nothing = Sharpness.from_pieces(QUICK, [])
    for picture in ("values", "ratios"):
        whole_spec(drawn_sharpness(nothing, picture=picture))
    assert small_picture("sharpness", nothing).startswith(b"\x89PNG")


@pytest.mark.parametrize(
    ("numbers", "words"),
    [
        ((0.0123456, 0.0123456, 0.0123456), "0.01235"),
        ((2.0, 2.0, math.inf), "≥ 2"),
        ((3.0, 2.5, 3.5), "3 ± 0.5"),
        ((3.0, 2.5, 5.0), "3 (2.5 to 5)"),
        ((1.2345e-5, 1e-5, 1e-4), "1.23e-5 (1.00e-5 to 1.00e-4)"),
        ((3.0, 0.0, math.inf), "3 (0 to Inf)"),
        ((math.nan, math.nan, math.nan), ""),
    ],
)
def test_values_in_words(numbers: tuple[float, float, float], words: str) -> None:
    """Exact values, lower bounds, even and uneven intervals, small ones, and what is missing."""
    assert render.value_text(*numbers) == words


def test_numbers_can_be_taken_away(whole: Sharpness) -> None:
    """A row for each value and each place along a direction, bit for bit, also of a part."""
    file = pyarrow.parquet.read_table(io.BytesIO(table.to_parquet(whole)))
    assert file.column_names == [
        "unit",
        "role",
        "measure",
        "rescaled",
        "at",
        "high",
        "low",
        "value",
    ]
    assert file.num_rows == len(whole.rows["unit"])
    rows = [row for row in file.to_pylist() if row["role"] == 0]
    for row in rows:
        assert row["value"] == whole.of(row["measure"], bool(row["rescaled"])).value
    assert len(rows) == 2 * len(MEASURES)
    nothing = table.to_csv(Sharpness.from_pieces(QUICK, [])).decode()
    assert nothing.count("measure") == 1
