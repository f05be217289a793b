"""Layers that see the data alone are superposed where that is right, and nowhere else."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.utils.flop_counter import FlopCounterMode

from explorer.analysis.objective.choice_checks import checked_choice, use_or_fall_back
from explorer.analysis.objective.evaluation_mode import evaluation_mode
from explorer.analysis.objective.evaluator import Evaluator
from explorer.analysis.objective.objective import Objective
from explorer.analysis.paths.evaluators import Chord
from explorer.kinds.execution import Choice
from explorer.kinds.objective_settings import ObjectiveSettings
from explorer.problem import Problem, cross_entropy
from tests.networks import seeded

CPU = torch.device("cpu")
STEPS = np.array([[0.0, 0.0, 0.0], [0.3, -0.2, 0.1], [-1.0, 0.5, 2.0], [0.7, 0.7, 0.0]])


class Network(nn.Module):
    """A first layer, wide enough to be superposed, and what a test makes of it."""

    def __init__(self, forward: Callable[["Network", Tensor], Tensor], inputs: int = 48) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.ones(inputs))
        self.first, self.last = nn.Linear(inputs, inputs), nn.Linear(inputs, 3)
        self.rule = forward

    def forward(self, rows: Tensor) -> Tensor:
        return self.last(torch.tanh(self.rule(self, rows)))


def usual(network: Network, rows: Tensor) -> Tensor:
    return network.first(rows)


def changed_in_place(network: Network, rows: Tensor) -> Tensor:
    return network.first(rows).relu_()


def twice(network: Network, rows: Tensor) -> Tensor:
    return network.first(torch.tanh(network.first(rows)))


def of_scaled(network: Network, rows: Tensor) -> Tensor:
    return network.first(rows * network.scale)


def of_scaled_in_secret(network: Network, rows: Tensor) -> Tensor:
    return network.first(rows * network.scale.detach())


def tied(network: Network, rows: Tensor) -> Tensor:
    return functional.linear(torch.tanh(network.first(rows)), network.first.weight.t())


def often_in_some_batches(network: Network, rows: Tensor) -> Tensor:
    outputs = network.first(rows)
    return network.first(outputs) if float(rows[0, 0]) > 5 else outputs


def gated(network: Network, rows: Tensor) -> Tensor:
    return network.first(rows * (network.scale > 0.5))


def later_in_secret(network: Network, rows: Tensor) -> Tensor:
    return network.first(torch.where(rows > 8, rows * network.scale.detach(), rows))


def changed_later(network: Network, rows: Tensor) -> Tensor:
    rows = rows * 1.0
    outputs = network.first(rows)
    return outputs + rows.clamp_(max=8)


def clamped_in_place(network: Network, rows: Tensor) -> Tensor:
    return network.first(rows) * network.scale.clamp_(-1, 1)


def through_numpy(network: Network, rows: Tensor) -> Tensor:
    return network.first(rows) * float(np.asarray(network.scale).sum())


def problem_of(rule: Callable[[Network, Tensor], Tensor], **named: object) -> Problem:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = Network(rule)
    rows = torch.randn(50, 48, generator=seeded(1))
    rows[40, 0] = 9.0  # the first of the last batch of 20
    labels = torch.randint(0, 3, (50,), generator=seeded(2))
    return Problem(model, {"train": (rows, labels)}, cross_entropy, **named)  # type: ignore[arg-type]


def evaluator_of(problem: Problem, precision: str = "float64") -> Evaluator:
    objective = Objective(problem, ObjectiveSettings(precision=precision), CPU)
    directions = torch.randn(3, objective.flat.theta.numel(), generator=seeded(3)) * 0.3
    return Evaluator(objective, directions)


@pytest.mark.parametrize("rule", [usual, tied, changed_in_place])
@pytest.mark.parametrize("way", [{}, {"traced": True, "lanes": 2}, {"stacked": 3}])
@pytest.mark.parametrize("moved", [None, ["first.weight", "last.*"]])
def test_superposed_is_rounding(rule: Callable, way: dict, moved: list[str] | None) -> None:
    """In uneven batches, all axes or none, again and again: the plain way's losses."""
    evaluator = evaluator_of(problem_of(rule, parameters=moved))
    plain = evaluator.values(STEPS)["loss"]
    evaluator.use(Choice(batch=20, superposed=True, **way))
    assert evaluator.objective.choice.superposed and evaluator.objective.superposed
    for axes in (3, 0, 3):
        losses = evaluator.values(STEPS[:, :axes])["loss"]
        np.testing.assert_allclose(losses, plain if axes else plain[0], rtol=1e-12)


def test_it_is_chosen_where_it_is_right() -> None:
    """The usual choice superposes, with the bits of the base, and leaves the product out."""
    evaluator = evaluator_of(problem_of(usual), "float32")
    own, products = evaluator.base_values()["loss"], operations_at_a_point(evaluator)
    choice = checked_choice(evaluator)
    assert choice.superposed
    evaluator.use(replace(choice, lanes=1, traced=False))
    assert evaluator.base_values()["loss"] == own
    assert products == 50 * 2 * 48 * (48 + 3)
    assert operations_at_a_point(evaluator) == 50 * 2 * 48 * 3


def operations_at_a_point(evaluator: Evaluator) -> int:
    """Floating point operations of matrix products."""
    objective = evaluator.objective
    with FlopCounterMode(display=False) as counter, evaluation_mode():
        objective.follow_parameters(torch.zeros(3))
        objective.write(objective.empty_values(1), 0)
    return counter.get_total_flops()


@pytest.mark.parametrize("rule", [twice, of_scaled, of_scaled_in_secret])
def test_it_is_not_chosen_where_inputs_move(rule: Callable) -> None:
    """A layer called twice, or whose inputs depend on parameters, also past a detach, is left."""
    assert not checked_choice(evaluator_of(problem_of(rule))).superposed


def test_a_batch_that_differs_ends_it() -> None:
    """Where a layer is called again in the last batch alone, all are evaluated the plain way."""
    evaluator = evaluator_of(problem_of(often_in_some_batches))
    plain = evaluator.values(STEPS)["loss"]
    choice = use_or_fall_back(evaluator, Choice(batch=20, superposed=True))
    assert not choice.superposed
    np.testing.assert_allclose(evaluator.values(STEPS)["loss"], plain, rtol=1e-12)


@pytest.mark.parametrize("way", [{}, {"stacked": 3}])
@pytest.mark.parametrize("rule", [gated, later_in_secret, changed_later])
def test_inputs_that_move_in_secret_are_seen(rule: Callable, way: dict) -> None:
    """At points where a layer sees something else than at the base, it computes by itself."""
    evaluator = evaluator_of(problem_of(rule))
    plain = evaluator.values(STEPS)["loss"]
    evaluator.use(Choice(batch=20, superposed=True, **way))
    assert evaluator.objective.superposed
    np.testing.assert_allclose(evaluator.values(STEPS)["loss"], plain, rtol=1e-12)


@pytest.mark.parametrize("rule", [clamped_in_place, through_numpy])
def test_what_needs_no_gradients_is_evaluated(rule: Callable) -> None:
    """A model that does what cannot be recorded for gradients is evaluated the plain way."""
    evaluator = evaluator_of(problem_of(rule))
    plain = evaluator.values(STEPS)["loss"]
    choice = use_or_fall_back(evaluator, checked_choice(evaluator))
    assert not choice.superposed
    np.testing.assert_allclose(evaluator.values(STEPS)["loss"], plain, rtol=1e-12)


def test_what_is_not_finite_is_not_superposed() -> None:
    """Infinity in the data, which tanh makes 1, gives no NaN."""
    problem = problem_of(usual)
    problem.data["train"][0][45, 3] = float("inf")  # type: ignore[index]
    evaluator = evaluator_of(problem)
    plain = evaluator.values(STEPS)["loss"]
    assert np.isfinite(plain).all()
    assert not use_or_fall_back(evaluator, checked_choice(evaluator)).superposed
    np.testing.assert_array_equal(evaluator.values(STEPS)["loss"], plain)


def test_a_bias_that_is_another_layers_moves() -> None:
    """A layer whose bias is in the vector under another name is left."""
    problem = problem_of(usual)
    problem.model.other = nn.Linear(48, 48)
    problem.model.first.bias = problem.model.scale
    assert not checked_choice(evaluator_of(problem)).superposed


def test_the_model_elsewhere_is_itself() -> None:
    """An objective whose evaluator superposes gives its own values at any other point."""
    problem = problem_of(usual)
    evaluator = evaluator_of(problem)
    evaluator.use(replace(evaluator.objective.choice, superposed=True))
    evaluator.values(STEPS)
    objective = evaluator.objective
    elsewhere = {name: 2 * value for name, value in problem.model.state_dict().items()}
    objective.load(elsewhere)
    fresh = Objective(problem, objective.settings, CPU)
    fresh.load(elsewhere)
    assert objective.means()["loss"] == pytest.approx(fresh.means()["loss"], rel=1e-14)


def test_paths_keep_their_ends() -> None:
    """On a path, which is exact at both ends, nothing is superposed."""
    objective = Objective(problem_of(usual), ObjectiveSettings(), CPU)
    assert not checked_choice(Chord(objective, objective.flat.theta + 1)).superposed
