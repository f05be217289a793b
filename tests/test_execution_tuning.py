"""Ways of evaluating that were remembered: taken where they are right, forgotten where not."""

import copy
from dataclasses import replace
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from explorer.analysis import difference, interpolation, line, run, surface
from explorer.analysis.objective import device as devices
from explorer.analysis.objective.choice_checks import checked_choice, use_or_fall_back
from explorer.analysis.objective.evaluator import Evaluator
from explorer.analysis.objective.objective import Objective
from explorer.codec import from_json
from explorer.kinds.difference import DifferenceSettings
from explorer.kinds.execution import Choice, EarlierChoice, Timing
from explorer.kinds.interpolation import InterpolationSettings
from explorer.kinds.line import LineSettings
from explorer.kinds.objective_settings import ObjectiveSettings
from explorer.kinds.run import RunSettings
from explorer.kinds.surface import SurfaceSettings
from explorer.problem import Problem, accuracy, cross_entropy
from tests.networks import seeded

CPU = torch.device("cpu")
KINDS: dict[str, tuple[ModuleType, Any, int]] = {  # with how many points each is about
    "surface": (surface, SurfaceSettings(x_count=3, y_count=3), 1),
    "line": (line, LineSettings(x_count=5), 1),
    "interpolation": (interpolation, InterpolationSettings(x_count=5), 2),
    "difference": (difference, DifferenceSettings(x_count=5), 2),
    "run": (run, RunSettings(x_count=3, y_count=3), 3),
}
WAYS = {  # by whether the model has BatchNorm
    False: [{"traced": True, "lanes": 2}, {"stacked": 2}, {"folded": True}, {"graph": True}],
    True: [{"traced": True, "lanes": 2}, {"folded": True}],
}


def perceptron(norm: bool) -> Problem:
    with torch.random.fork_rng():
        torch.manual_seed(3)
        inner = nn.BatchNorm1d(6) if norm else nn.Identity()
        model = nn.Sequential(nn.Linear(4, 6), inner, nn.ReLU(), nn.Linear(6, 3)).eval()
    data = (
        torch.randn(20, 4, generator=seeded(1)),
        torch.randint(0, 3, (20,), generator=seeded(2)),
    )
    return Problem(model, {"train": data}, cross_entropy, {"accuracy": accuracy})


def points_of(problem: Problem, count: int) -> list[dict[str, torch.Tensor]]:
    drawn, points = seeded(5), []
    for _ in range(count):
        state = copy.deepcopy(problem.model.state_dict())
        for value in state.values():
            if value.is_floating_point():
                value += 0.1 * torch.rand(value.shape, generator=drawn)
        points.append(state)
    return points


def answered(problem: Problem, kind: str, choices: Any) -> tuple[np.ndarray, dict[str, Any]]:
    module, settings, count = KINDS[kind]
    points = points_of(problem, count)
    pieces = list(module.answer(problem, points, settings, frozenset(), CPU, choices))
    column = "loss" if "loss" in pieces[0].columns else "difference"
    return np.concatenate([piece.columns[column] for piece in pieces]), dict(pieces[0].facts)


def remembered(choice: Choice) -> dict[str, EarlierChoice]:
    """What a kind is told of another's work on this device."""
    earlier = EarlierChoice(choice=choice, timing=Timing(seconds={"a": 1e-4}))
    return {devices.device_title(CPU): earlier}


@pytest.mark.parametrize("norm", [False, True])
@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_after_any_way(kind: str, norm: bool) -> None:
    """A way remembered from another kind is taken or forgotten; values are the same."""
    problem = perceptron(norm)
    wanted, _ = answered(problem, kind, {})
    for way in WAYS[norm]:
        earlier_facts = remembered(Choice(batch=20, **way))
        losses, facts = answered(problem, kind, earlier_facts)
        # float32: another order of sums
        assert losses == pytest.approx(wanted, rel=1e-4, abs=1e-6), way
        assert facts["chosen"].startswith(("by shapes", "by the clock")), way


def test_every_kind_after_another() -> None:
    """Each kind goes by what the one before it chose."""
    problem = perceptron(norm=False)
    _, facts = answered(problem, "run", {})
    for kind in KINDS:
        losses, facts = answered(problem, kind, remembered(from_json(Choice, facts["choice"])))
        assert np.isfinite(losses).all(), kind


def test_a_record_that_fails_for_all_examples_is_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where a few examples can be recorded and all cannot, points run as Python."""
    problem = perceptron(norm=False)
    objective = Objective(problem, ObjectiveSettings(), CPU)
    evaluator = Evaluator(objective, torch.randn(1, objective.flat.theta.numel()))
    usual = checked_choice(evaluator)

    class Failing:
        def __init__(self, *given: Any) -> None:
            raise ValueError("the record of a point gives other values than the point")

    monkeypatch.setattr("explorer.analysis.objective.evaluator.TracedPoints", Failing)
    taken = use_or_fall_back(evaluator, replace(usual, traced=True))
    assert not taken.traced and evaluator.objective.choice == taken
    assert np.isfinite(evaluator.base_values()["loss"])
