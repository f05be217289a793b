"""Paths between two points: their shapes, lengths and ends, and the losses along them."""

import math
from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest
import torch

from explorer.analysis import interpolation
from explorer.analysis.objective.named_tensors import Tensors
from explorer.analysis.objective.objective import Objective
from explorer.analysis.paths.evaluators import layers_of, path_evaluator
from explorer.kinds.interpolation import Interpolation, InterpolationSettings
from explorer.kinds.objective_settings import ObjectiveSettings
from explorer.kinds.path_shape import (
    BENT_SHAPES,
    BEZIER,
    CHAIN,
    LAYERS,
    SHAPES,
    SPHERICAL,
    arc_lengths,
    control_weights,
    weight_slopes,
)
from explorer.problem import Problem
from tests.conftest import small_problem
from tests.networks import perceptron, seeded

CPU = torch.device("cpu")
T = np.linspace(0, 1, 9)
DOUBLE = InterpolationSettings(precision="float64", x_min=0.0, x_max=1.0, x_count=9)
WITH_WEIGHTS = tuple(shape for shape in SHAPES if shape != LAYERS)


def points(count: int, size: int = 5) -> np.ndarray:
    """Random control points, (count, size)."""
    return np.random.default_rng(count).standard_normal((count, size))


@pytest.mark.parametrize("count", [2, 3, 7])
@pytest.mark.parametrize("shape", BENT_SHAPES)
def test_weights_of_control_points(shape: str, count: int) -> None:
    """They sum to 1 everywhere, none is negative, and each end is its point in every bit."""
    weights = control_weights(shape, count, T)
    assert weights.sum(axis=1) == pytest.approx(np.ones(len(T)), abs=1e-14)
    assert (weights >= 0).all()
    assert weights[0].tolist() == [1.0, *[0.0] * (count - 1)]
    assert weights[-1].tolist() == [*[0.0] * (count - 1), 1.0]


def test_a_chain_passes_its_bends_and_a_bezier_curve_is_that_of_de_casteljau() -> None:
    """Closed forms: hat functions at the knots; repeated interpolation for the curve."""
    control = points(4)
    knots = np.linspace(0, 1, 4)
    assert control_weights(CHAIN, 4, knots) @ control == pytest.approx(control, abs=1e-12)
    for t, place in zip(T, control_weights(BEZIER, 4, T) @ control, strict=True):
        level = control
        while len(level) > 1:
            level = (1 - t) * level[:-1] + t * level[1:]
        assert place == pytest.approx(level[0], abs=1e-12)


def test_an_arc_keeps_the_norm_and_turns_evenly() -> None:
    """Between two points on a sphere around 0 all places lie on it, at equal angles."""
    first, last = np.array([2.0, 0, 0]), np.array([0, 1.2, 1.6])
    arc = control_weights(SPHERICAL, 2, T, math.pi / 2) @ np.stack([first, last])
    assert np.linalg.norm(arc, axis=1) == pytest.approx(np.full(len(T), 2.0), abs=1e-12)
    angles = np.arccos((arc @ first / 4).clip(-1, 1))
    assert angles == pytest.approx(T * math.pi / 2, abs=1e-7)
    assert (arc[0] == first).all() and (arc[-1] == last).all()


@pytest.mark.parametrize("shape", WITH_WEIGHTS)
def test_slopes_are_the_differences_of_weights(shape: str) -> None:
    """A central difference over a short way, away from corners."""
    count, inner, step = (2 if shape in ("straight", SPHERICAL) else 4), T[1:-1] + 0.013, 1e-6
    around = [control_weights(shape, count, inner + d, 1.1) for d in (-step, step)]
    difference = (around[1] - around[0]) / (2 * step)
    assert weight_slopes(shape, count, inner, 1.1) == pytest.approx(difference, abs=1e-6)


@pytest.mark.parametrize("shape", WITH_WEIGHTS)
def test_lengths_are_those_of_many_short_chords(shape: str) -> None:
    """The length so far at each place, in any order, is that of 20,000 straight steps."""
    count = 2 if shape in ("straight", SPHERICAL) else 5
    control, angle = points(count), 0.0
    if shape == SPHERICAL:
        a, b = control
        angle = math.acos(a @ b / np.linalg.norm(a) / np.linalg.norm(b))
    fine = np.linspace(0, 1, 20_001)
    places = control_weights(shape, count, fine, angle) @ control
    steps = np.linalg.norm(np.diff(places, axis=0), axis=1)
    expected = np.concatenate([[0], np.cumsum(steps)])
    wanted = np.array([1.0, 0.25, 0.0, 0.6])
    lengths = arc_lengths(shape, control @ control.T, wanted, angle)
    assert lengths == pytest.approx(np.interp(wanted, fine, expected), rel=1e-6, abs=1e-9)


@pytest.fixture
def ends() -> tuple[Problem, list[Tensors]]:
    """A problem with BatchNorm, and four of its points: both ends, then two bends."""
    problem = small_problem()
    start = {name: value.clone() for name, value in problem.model.state_dict().items()}
    points_moved = []
    for n in range(4):
        moved = {}
        for name, value in start.items():
            noise = torch.randn(value.shape, generator=seeded(n), dtype=torch.float64)
            learned = not name.startswith("norm.") and value.is_floating_point()
            moved[name] = value + 0.4 * noise if learned else value
        moved["third.weight"] = moved["second.weight"]  # these two are one tensor
        points_moved.append(moved)
    return problem, points_moved


def profile_of(
    problem: Problem, subjects: list[Tensors], settings: InterpolationSettings
) -> Interpolation:
    """The whole answer."""
    pieces: Iterator = interpolation.answer(problem, subjects, settings, frozenset(), CPU)
    return Interpolation.from_pieces(settings, pieces)


def loss_at(problem: Problem, tensors: Tensors) -> float:
    """The loss of a point by itself."""
    objective = Objective(problem, ObjectiveSettings(precision="float64"), CPU)
    objective.load(tensors)
    return objective.means()["loss"]


@pytest.mark.parametrize("shape", BENT_SHAPES)
def test_losses_are_those_of_the_weighted_points(shape: str) -> None:
    """At every t the loss is that of a plain model with the weighted sum of the tensors."""
    problem, (first, last, bend) = perceptron()
    settings = replace(DOUBLE, shape=shape).with_further(1)
    profile = profile_of(problem, [first, last, bend], settings)
    control = [first, bend, last]
    rows = control_weights(shape, 3, settings.axis)
    for row, loss in zip(rows, profile.loss, strict=True):
        summed = {
            name: sum(w * point[name] for w, point in zip(row, control, strict=True))
            for name in first
        }
        assert loss == pytest.approx(loss_at(problem, summed), rel=1e-9)
    flat = [torch.cat([value.reshape(-1) for value in point.values()]) for point in control]
    gram = (torch.stack(flat) @ torch.stack(flat).t()).numpy()
    expected = arc_lengths(shape, gram, settings.axis)
    assert profile.values["arc_length"] == pytest.approx(expected, rel=1e-9)
    assert profile.facts.arc_length == pytest.approx(expected[-1], rel=1e-9)
    squared = np.einsum("km,mn,kn->k", rows, gram, rows)
    assert profile.values["squared_norm"] == pytest.approx(squared, rel=1e-9)


def test_layers_move_one_after_the_other(ends: tuple[Problem, list[Tensors]]) -> None:
    """At k of L the first k layers are the second point's, weights and biases together."""
    problem, (first, last, *_) = ends
    objective = Objective(problem, ObjectiveSettings(precision="float64"), CPU)
    layers = layers_of(objective.flat.blocks)
    names = [name for name, _ in problem.model.named_parameters()]
    modules = list(dict.fromkeys(name.rpartition(".")[0] for name in names))
    assert len(layers) == len(modules)
    settings = replace(DOUBLE, shape=LAYERS, x_count=len(layers) + 1)
    profile = profile_of(problem, [first, last], settings)
    for moved, loss in enumerate(profile.loss):
        is_moved = {name: name.rpartition(".")[0] in modules[:moved] for name in first}
        is_moved["third.weight"] = is_moved["second.weight"]  # these two are one tensor
        mixed = {name: last[name] if is_moved[name] else first[name] for name in first}
        assert loss == pytest.approx(loss_at(problem, mixed), rel=1e-9)


@pytest.mark.parametrize("shape", SHAPES)
def test_each_path_ends_at_both_points_in_every_bit(
    shape: str, ends: tuple[Problem, list[Tensors]]
) -> None:
    """Its parameters at t = 0 and t = 1 are theirs, one at a time and several together."""
    problem, tensors_of_points = ends
    objective = Objective(problem, ObjectiveSettings(), CPU)
    flats = []
    for tensors in (*tensors_of_points[1:], tensors_of_points[0]):
        objective.load(tensors)
        flats.append(objective.flat.theta.clone())
    last, *bends, first = flats
    between = bends if shape in BENT_SHAPES else []
    evaluator = path_evaluator(objective, shape, (first, *between, last))
    steps = torch.as_tensor(evaluator.coordinates(np.array([0.0, 1.0])), dtype=torch.float32)
    for step, point in zip(steps, (first, last), strict=True):
        theta = torch.empty_like(first)
        evaluator.place(theta, step)
        assert torch.equal(theta, point)
    both = torch.empty(2, len(first))
    evaluator.place(both, steps)
    assert torch.equal(both, torch.stack([first, last]))
    evaluator.place(both, torch.zeros_like(steps))  # what is left out stands at the start
    assert torch.equal(both, torch.stack([first, first]))


def test_a_path_with_bends_needs_some() -> None:
    """One sentence says so; a straight line takes none, whoever brings some."""
    with pytest.raises(ValueError, match="the bends of a chain path must be 1 or more, got 0"):
        InterpolationSettings(x_min=0.0, x_max=1.0, shape=CHAIN).with_further(0)
    assert InterpolationSettings().with_further(2).further_subjects == ()


def test_only_the_straight_line_goes_on_beyond_its_ends() -> None:
    """A place beyond an end of a bent path is refused by its setting's name."""
    with pytest.raises(ValueError, match="x_max must be from 0 to 1 on such a path"):
        InterpolationSettings(shape=BEZIER, x_min=0.0)
    with pytest.raises(ValueError, match="x_min must be from 0 to 1"):
        InterpolationSettings(shape=CHAIN, x_max=1.0)


def test_bad_bends_are_one_sentence(ends: tuple[Problem, list[Tensors]]) -> None:
    """NaN in a bend is refused before work, by the bend's number."""
    problem, (first, last, bend, _) = ends
    settings = replace(DOUBLE, shape=CHAIN).with_further(1)
    name = next(iter(bend))
    wrong = {**bend, name: torch.full_like(bend[name], math.nan)}
    with pytest.raises(ValueError, match="bend 1 of the path must have finite parameters"):
        profile_of(problem, [first, last, wrong], settings)


@pytest.mark.parametrize("shape", [SPHERICAL, CHAIN, BEZIER])
def test_ends_that_weigh_in_everywhere_must_be_finite(
    ends: tuple[Problem, list[Tensors]], shape: str
) -> None:
    """Infinity in an end is said of it, not of the angle between both."""
    problem, (first, last, bend, _) = ends
    bends = [] if shape == SPHERICAL else [bend]
    settings = replace(DOUBLE, shape=shape).with_further(len(bends))
    name = next(iter(last))
    wrong = {**last, name: torch.full_like(last[name], math.inf)}
    with pytest.raises(ValueError, match="the second point must have finite parameters"):
        profile_of(problem, [first, wrong, *bends], settings)


def test_no_arc_leads_between_points_on_one_line_through_zero(
    ends: tuple[Problem, list[Tensors]],
) -> None:
    """A point and its double have no angle between them; the sentence names the other paths."""
    problem, (first, *_) = ends
    own = {*dict(problem.model.named_parameters()), "third.weight"}
    double = {n: 2 * v if n in own else v for n, v in first.items()}
    with pytest.raises(ValueError, match="do not lie on one line through 0"):
        profile_of(problem, [first, double], replace(DOUBLE, shape=SPHERICAL))


def test_verdicts_by_each_criterion(ends: tuple[Problem, list[Tensors]]) -> None:
    """Near-zero ends fail the relative criterion alone; a NaN between them leaves it open."""
    settings = InterpolationSettings(x_min=0.0, x_max=1.0, x_count=3)
    x = settings.axis

    def profile(losses: list[float], accuracies: list[float]) -> Interpolation:
        values = {"loss": np.array(losses), "accuracy": np.array(accuracies)}
        return Interpolation(x, values, np.ones(3, bool))

    near_zero = profile([0.001, 0.004, 0.001], [1, 1, 1])
    assert near_zero.connected == {"absolute": True, "relative": False, "accuracy": True}
    assert near_zero.height_ratio == pytest.approx(4)
    high = profile([1.0, 1.05, 1.0], [0.7, 0.66, 0.7])
    assert high.connected == {"absolute": False, "relative": True, "accuracy": False}
    assert high.midpoint_rise == pytest.approx(0.05) and high.barrier == high.midpoint_rise
    unknown = profile([1.0, math.nan, 1.0], [0.7, 0.7, 0.7])
    assert unknown.connected == {"absolute": None, "relative": None, "accuracy": True}


def test_repaired_activations_have_the_spread_between_that_of_both_ends() -> None:
    """Halfway, each hidden channel's mean and deviation are the means of the ends'; ends stay.

    An oracle in plain torch: the repaired parameters are not asked for, their loss is; a network
    of one hidden layer is repaired by hand.
    """
    problem, (first, last, _) = perceptron()
    settings = replace(DOUBLE, x_count=3, repair=True)
    profile = profile_of(problem, [first, last], settings)
    inputs, labels = problem.data["train"]

    def hidden(point: Tensors) -> torch.Tensor:
        return inputs @ point["0.weight"].t() + point["0.bias"]

    middle = {name: (first[name] + last[name]) / 2 for name in first}
    means = [hidden(point).mean(0) for point in (first, last, middle)]
    spreads = [hidden(point).std(0, correction=0) for point in (first, last, middle)]
    goal_mean, goal_spread = (means[0] + means[1]) / 2, (spreads[0] + spreads[1]) / 2
    repaired = (hidden(middle) - means[2]) / spreads[2] * goal_spread + goal_mean
    outputs = torch.tanh(repaired) @ middle["2.weight"].t() + middle["2.bias"]
    expected = torch.nn.functional.cross_entropy(outputs, labels)
    assert profile.loss[1] == pytest.approx(float(expected), rel=1e-9)
    plain = profile_of(problem, [first, last], replace(settings, repair=False))
    assert abs(profile.loss[1] - plain.loss[1]) > 1e-4  # or the test could not fail
    assert profile.loss[[0, 2]] == pytest.approx(plain.loss[[0, 2]], rel=1e-12)


def test_what_repair_cannot_do_is_one_sentence(ends: tuple[Problem, list[Tensors]]) -> None:
    """A model with BatchNorm is told what does the same there; only straight lines are repaired."""
    problem, (first, last, *_) = ends
    with pytest.raises(ValueError, match="recalibrate its statistics instead"):
        profile_of(problem, [first, last], replace(DOUBLE, repair=True))
    assert not InterpolationSettings(shape=CHAIN, x_min=0.0, x_max=1.0, repair=True).repair
