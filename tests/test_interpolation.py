"""The laws of the straight line between two points, and of the heights on it."""

import math
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

from explorer.analysis import interpolation
from explorer.analysis.objective import batchnorm
from explorer.analysis.objective.flat_model import FlatModel
from explorer.analysis.objective.named_tensors import Tensors
from explorer.analysis.objective.objective import Objective
from explorer.analysis.paths.evaluators import Chord
from explorer.kinds.execution import Choice, EarlierChoice
from explorer.kinds.facts import ChordFacts
from explorer.kinds.interpolation import Interpolation, InterpolationSettings
from explorer.kinds.objective_settings import ObjectiveSettings
from explorer.kinds.piece import Piece
from explorer.problem import Problem, accuracy, cross_entropy
from tests.conftest import small_problem
from tests.networks import seeded

CPU = torch.device("cpu")
DOUBLE = InterpolationSettings(precision="float64", x_count=13)
# A mean of 101 losses over another split of batches, and BatchNorm folded or not.
SAME = {"float64": 1e-12, "float32": 1e-6}
Pair = tuple[Problem, Tensors, Tensors]  # a problem and two points of it


@pytest.fixture
def pair() -> Pair:
    """A problem and two points of it that differ in parameters and running statistics."""
    problem = small_problem()
    first = {name: value.clone() for name, value in problem.model.state_dict().items()}
    with torch.no_grad():
        for n, parameter in enumerate(problem.model.parameters()):
            noise = torch.randn(parameter.shape, generator=seeded(n), dtype=torch.float64)
            parameter.add_(0.3 * noise)
        problem.model.train()
        for _ in range(20):
            problem.model(problem.data["train"][0] * 1.5)
    return problem, first, dict(problem.model.state_dict())


def answered(
    problem: Problem,
    subjects: list[Tensors],
    settings: InterpolationSettings,
    done: frozenset = frozenset(),
) -> Iterator[Piece]:
    return interpolation.answer(problem, subjects, settings, done, CPU)


def line_of(
    problem: Problem, subjects: list[Tensors], settings: InterpolationSettings
) -> Interpolation:
    return Interpolation.from_pieces(settings, answered(problem, subjects, settings))


def alone(problem: Problem, point: Tensors, settings: ObjectiveSettings) -> dict[str, float]:
    """The values of a point through a plain objective."""
    objective = Objective(problem, settings, CPU)
    objective.load(point)
    return objective.means()


@pytest.mark.parametrize("precision", ["float64", "float32"])
def test_ends_are_the_two_checkpoints(pair: Pair, precision: str) -> None:
    """Law 3: a=0 and a=1 reproduce both stand-alone values, with each point's own statistics."""
    problem, first, second = pair
    settings = replace(DOUBLE, precision=precision, x_min=0.0, x_max=1.0)
    profile = line_of(problem, [first, second], settings)
    for place, point in ((0, first), (-1, second)):
        wanted = alone(problem, point, ObjectiveSettings(precision=precision))
        for name in ("loss", "accuracy"):
            assert profile.values[name][place] == pytest.approx(wanted[name], rel=SAME[precision])
        assert profile.facts.own[place] == wanted
    assert abs(profile.loss[0] - profile.loss[-1]) > 0.01  # or the test could not fail
    assert [end["loss"] for end in profile.facts.alone] == [profile.loss[0], profile.loss[-1]]


@pytest.mark.parametrize("precision", ["float64", "float32"])
def test_the_parameters_at_the_ends_are_those_of_the_points(pair: Pair, precision: str) -> None:
    """Each end has its point's parameters in every bit, whatever the distance."""
    problem, first, second = pair
    objective = Objective(problem, ObjectiveSettings(precision=precision), CPU)
    objective.load(first)
    other = FlatModel(problem.model, objective.flat.theta.dtype, CPU)
    other.load(second)
    chord = Chord(objective, 1e3 * other.theta)
    theta = torch.empty_like(other.theta)
    for a, wanted in ((0.0, objective.flat.theta), (1.0, 1e3 * other.theta)):
        chord.place(theta, torch.tensor([a], dtype=theta.dtype))
        assert torch.equal(theta, wanted)
    several = torch.empty(2, len(theta), dtype=theta.dtype)
    chord.place(several, torch.tensor([[0.0], [1.0]], dtype=theta.dtype))
    assert torch.equal(several[1], 1e3 * other.theta)
    assert torch.equal(several[0], objective.flat.theta)


def test_every_point_is_between_parameters_and_statistics(pair: Pair) -> None:
    """An independent evaluation: each tensor by itself, buffers no further than the ends."""
    problem, first, second = pair
    profile = line_of(problem, [first, second], DOUBLE)
    for i in (0, 3, 6, 11, 12):
        a = profile.x[i]
        held = min(max(a, 0.0), 1.0)
        buffers = {name for name, _ in problem.model.named_buffers()}
        moved = {
            name: (1 - w) * first[name] + w * second[name]
            for name in first
            if first[name].is_floating_point()
            for w in [held if name in buffers else a]
        }
        wanted = alone(problem, {**first, **moved}, ObjectiveSettings(precision="float64"))
        assert profile.loss[i] == pytest.approx(wanted["loss"], rel=1e-12)


def test_lanes_stacks_and_resume_follow_the_statistics(pair: Pair) -> None:
    """However points are shared out, and from wherever it goes on, the values are the same."""
    problem, first, second = pair
    whole = line_of(problem, [first, second], DOUBLE)
    some = frozenset(range(0, 13, 2))
    pieces = answered(problem, [first, second], DOUBLE, some)
    rest = Interpolation.from_pieces(DOUBLE, pieces)
    assert rest.computed.sum() == 13 - len(some)
    assert (rest.loss[rest.computed] == whole.loss[rest.computed]).all()
    from explorer.analysis.objective import device as devices

    told = {devices.device_title(CPU): EarlierChoice(choice=Choice(batch=101, stacked=8))}
    pieces = interpolation.answer(problem, [first, second], DOUBLE, frozenset(), CPU, told)
    again = Interpolation.from_pieces(DOUBLE, pieces)
    assert again.facts.choice.stacked == 1  # one launch knows only one set of buffers
    assert again.loss == pytest.approx(whole.loss, rel=1e-12)


def test_both_ways_are_one_line(pair: Pair) -> None:
    """From A to B at a is from B to A at 1 - a; every height that has no direction is the same."""
    problem, first, second = pair
    there = line_of(problem, [first, second], DOUBLE)
    back = line_of(problem, [second, first], DOUBLE)
    assert there.loss == pytest.approx(back.loss[::-1], rel=1e-12)
    for name in ("barrier", "rise_above_mean", "error_rise", "saddle"):
        assert getattr(there, name) == pytest.approx(getattr(back, name), abs=1e-12)
    assert there.facts.distance == back.facts.distance > 0
    assert there.facts.points_cosine == pytest.approx(back.facts.points_cosine, rel=1e-12)


def test_from_a_point_to_itself_nothing_changes(pair: Pair) -> None:
    """The line from A to A is constant, flat and monotone."""
    problem, first, _ = pair
    profile = line_of(problem, [first, first], DOUBLE)
    assert np.ptp(profile.loss) == 0
    assert (profile.barrier, profile.rise_above_mean, profile.largest_rise) == (0, 0, 0)
    assert profile.monotone
    assert profile.facts.distance == 0
    assert profile.facts.points_cosine == pytest.approx(1)


def test_distance_and_cosine(pair: Pair) -> None:
    """The facts are those of all parameters as vectors; buffers do not count."""
    problem, first, second = pair
    names = [name for name, _ in problem.model.named_parameters()]
    one, other = (torch.cat([p[n].flatten() for n in names]).numpy() for p in (first, second))
    facts = line_of(problem, [first, second], DOUBLE).facts
    assert facts.distance == pytest.approx(np.linalg.norm(other - one), rel=1e-12)
    cosine = one @ other / np.linalg.norm(one) / np.linalg.norm(other)
    assert facts.points_cosine == pytest.approx(cosine, rel=1e-12)


def test_recalibrated_statistics_are_those_of_each_point(pair: Pair) -> None:
    """Recomputed at every point between the ends, which are the two models by themselves."""
    problem, first, second = pair
    settings = replace(DOUBLE, batchnorm="recalibrated", batchnorm_batch=32)
    profile = line_of(problem, [first, second], settings)
    own = alone(problem, second, ObjectiveSettings(precision="float64"))
    assert profile.facts.own[1] == own and profile.ends()[1] == own["loss"]
    assert profile.values["accuracy"][profile.x == 1] == own["accuracy"]
    again = ObjectiveSettings(precision="float64", batchnorm="recalibrated", batchnorm_batch=32)
    assert abs(alone(problem, second, again)["loss"] - own["loss"]) > 1e-3
    (half,) = np.flatnonzero(profile.x == 0.5)
    midpoint = {
        name: (first[name] + second[name]) / 2 if first[name].is_floating_point() else first[name]
        for name in first
    }
    expected = alone(problem, midpoint, again)["loss"]
    assert profile.loss[half] == pytest.approx(expected, rel=1e-9)
    assert profile.facts.statistics == "recomputed at every point"


def test_variances_stay_positive_beyond_the_ends(pair: Pair) -> None:
    """Statistics are never extrapolated: far beyond both ends there is no NaN."""
    problem, first, second = pair
    smaller = {**second, "norm.running_var": first["norm.running_var"] * 0.1}
    far = replace(DOUBLE, x_min=-3.0, x_max=4.0)
    assert np.isfinite(line_of(problem, [first, smaller], far).loss).all()
    ends = {"norm.running_var": (first["norm.running_var"], smaller["norm.running_var"])}
    model = problem.model
    for step, wanted in ((-3.0, 0), (4.0, 1)):
        batchnorm.interpolate(model, ends, torch.tensor([step], dtype=torch.float64))
        assert torch.equal(model.norm.running_var, ends["norm.running_var"][wanted])


def softmax_regression() -> tuple[Problem, Tensors, Tensors]:
    """A convex problem and two of its points."""
    model = torch.nn.Linear(5, 3).double()
    inputs = torch.randn(40, 5, generator=seeded(1), dtype=torch.float64)
    labels = torch.randint(0, 3, (40,), generator=seeded(2))
    points = [
        {
            "weight": torch.randn(3, 5, generator=seeded(n), dtype=torch.float64),
            "bias": torch.randn(3, generator=seeded(n + 9), dtype=torch.float64),
        }
        for n in (3, 4)
    ]
    problem = Problem(model, {"train": (inputs, labels)}, cross_entropy, {"accuracy": accuracy})
    return problem, points[0], points[1]


def test_a_convex_loss_has_no_barrier() -> None:
    """An oracle in closed form: a convex function lies below its chord."""
    problem, first, second = softmax_regression()
    profile = line_of(problem, [first, second], replace(DOUBLE, x_count=61))
    assert profile.barrier == 0
    assert (np.diff(profile.loss, 2) > -1e-12).all()
    assert profile.saddle == max(profile.ends())


def a_line(losses: Any, x: Any = None, **facts: Any) -> Interpolation:
    losses = np.asarray(losses, dtype=float)
    x = np.linspace(0, 1, len(losses)) if x is None else np.asarray(x, dtype=float)
    return Interpolation(x, {"loss": losses}, np.ones(len(x), dtype=bool), ChordFacts(**facts))


def test_heights_by_hand() -> None:
    """Each definition on a curve small enough to see, with points beyond the ends left out."""
    profile = a_line([9, 1, 0.5, 4, 3, 2, 9], x=[-0.25, 0, 0.25, 0.5, 0.75, 1, 1.25])
    assert profile.ends() == (1, 2)
    assert profile.barrier == 4 - 1.5
    assert profile.rise_above_mean == 4 - 1.5
    assert profile.saddle == 4
    assert profile.largest_rise == 3.5
    assert not profile.monotone
    assert profile.error_rise is None
    slope = a_line([0, 4, 8, 3])
    assert slope.barrier == pytest.approx(8 - 2)
    assert slope.rise_above_mean == 8 - 1.5


def test_monotone_is_monotone_but_for_rounding() -> None:
    """A fall is monotone, also with a last digit up; a bump is not, nor is what is not finite."""
    assert a_line([3, 2, 1, 1 + 1e-7]).monotone
    assert not a_line([3, 2, 1, 1.01]).monotone
    assert not a_line([3, math.nan, 1]).monotone
    assert not a_line([3, math.inf, 1]).monotone
    assert not a_line([1, 2]).monotone
    assert a_line([2, 2]).monotone


def test_values_that_are_no_numbers_are_told() -> None:
    """A NaN between the points makes every height NaN, and an infinite loss an infinite one."""
    assert math.isnan(a_line([1, math.nan, 2]).barrier)
    assert math.isnan(a_line([1, math.nan, 2]).saddle)
    assert a_line([1, math.inf, 2]).barrier == math.inf


def test_ends_off_the_grid_are_those_computed_apart() -> None:
    """Where no point is an end the ends' own losses stand in; unknown ones are NaN."""
    facts = {"alone": [{"loss": 1.0}, {"loss": 3.0}]}
    profile = a_line([9, 5, 9], x=[-0.5, 0.5, 1.5], **facts)
    assert profile.ends() == (1, 3)
    assert profile.barrier == 5 - 2
    assert math.isnan(a_line([9, 5, 9], x=[-0.5, 0.5, 1.5]).barrier)


def test_accuracy_gives_the_error_s_rise() -> None:
    """Frankle's height: how far the error is above the mean of the ends' errors."""
    profile = a_line([1, 2, 1])
    profile = replace(profile, values={**profile.values, "accuracy": np.array([0.9, 0.5, 0.8])})
    assert profile.error_rise == pytest.approx(0.85 - 0.5)


def test_the_model_is_unchanged(pair: Pair) -> None:
    """Law 5: parameters, buffers and mode are as before, also after an abandoned run."""
    problem, first, second = pair
    before = {n: t.clone() for n, t in problem.model.state_dict().items()}
    line_of(problem, [first, second], DOUBLE)
    next(answered(problem, [first, second], DOUBLE))
    for name, value in problem.model.state_dict().items():
        assert torch.equal(value, before[name]), name
    assert problem.model.training
