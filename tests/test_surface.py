"""The laws of a surface, asserted on the analysis of planes and lines."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

from explorer.analysis import line, surface
from explorer.analysis.directions.directions import direction_rows
from explorer.analysis.objective.flat_model import FlatModel
from explorer.analysis.objective.objective import Objective
from explorer.kinds.line import Line, LineSettings
from explorer.kinds.objective_settings import ObjectiveSettings
from explorer.kinds.surface import Surface, SurfaceSettings
from explorer.problem import Problem

CPU = torch.device("cpu")
DOUBLE = ObjectiveSettings(precision="float64")
SMALL = SurfaceSettings(x_count=7, y_count=5, y_max=0.5, precision="float64")


def answered(problem: Problem, settings: SurfaceSettings, done: frozenset = frozenset()) -> list:
    point = problem.model.state_dict()
    return list(surface.answer(problem, [point], settings, done, CPU))


def surface_of(problem: Problem, settings: SurfaceSettings) -> Surface:
    return Surface.from_pieces(settings, answered(problem, settings))


def loss_at(problem: Problem, settings: Any, x: float, y: float = 0.0) -> float:
    """An independent evaluation: a copy of the model moved parameter by parameter."""
    flat = FlatModel(problem.model, torch.float64, CPU)
    vectors = direction_rows(flat, settings, 2)
    moved = flat.theta + x * vectors[0] + y * vectors[1]
    objective = Objective(problem, replace(DOUBLE, split=settings.split), CPU)
    objective.flat.theta.copy_(moved)
    return objective.means()["loss"]


@pytest.mark.parametrize("precision", ["float32", "float64"])
def test_centre_is_the_stand_alone_loss(problem: Problem, precision: str) -> None:
    """Law 1: the centre cell equals the model's stand-alone loss, to the last bit."""
    settings = replace(SMALL, precision=precision, y_max=1.0)
    surface_answer = surface_of(problem, settings)
    assert surface_answer.loss[2, 3] == surface_answer.facts.stand_alone["loss"]
    assert surface_answer.values["accuracy"][2, 3] == surface_answer.facts.stand_alone["accuracy"]


@pytest.mark.parametrize("shape", [(7, 5), (4, 6), (2, 9), (1 + 8 * 2, 3)])
def test_every_value_at_its_own_coordinate(problem: Problem, shape: tuple[int, int]) -> None:
    """Law 7: rectangular grids, even counts and one-sided ranges hold each value at its place."""
    settings = SurfaceSettings(
        x_min=-0.3,
        x_max=1.1,
        x_count=shape[0],
        y_min=0.2,
        y_max=0.9,
        y_count=shape[1],
        precision="float64",
    )
    surface_answer = surface_of(problem, settings)
    assert surface_answer.loss.shape == (shape[1], shape[0]) and surface_answer.computed.all()
    assert (
        surface_answer.x[0],
        surface_answer.x[-1],
        surface_answer.y[0],
        surface_answer.y[-1],
    ) == (-0.3, 1.1, 0.2, 0.9)
    for j, i in ((0, 0), (shape[1] - 1, 0), (0, shape[0] - 1), (1, 1)):
        wanted = loss_at(problem, settings, surface_answer.x[i], surface_answer.y[j])
        # one addmv against two separate additions: a rounding of theta each
        assert surface_answer.loss[j, i] == pytest.approx(wanted, rel=1e-12)


def test_order_batches_and_resume_change_nothing(
    problem: Problem, uneven: Callable[[int], None]
) -> None:
    """Law 4: resuming anywhere is bit-equal; another batch size agrees to 1e-12 in float64."""
    whole = surface_of(problem, SMALL)
    for seed in range(5):
        some = np.random.default_rng(seed).permutation(SMALL.units)[: SMALL.units // 2]
        rest = Surface.from_pieces(SMALL, answered(problem, SMALL, frozenset(some.tolist())))
        new = rest.computed
        assert new.sum() == SMALL.units - len(some)
        assert (rest.loss[new] == whole.loss[new]).all()
    uneven(70_000)
    assert surface_of(problem, SMALL).loss == pytest.approx(whole.loss, rel=1e-12)


def test_float32_stays_near_float64(problem: Problem) -> None:
    """Law 4: float32 agrees with float64 to 1e-4 of the loss on this net; the values differ."""
    single = surface_of(problem, replace(SMALL, precision="float32")).loss
    double = surface_of(problem, SMALL).loss
    assert (single != double).any()
    # 130 parameters a unit, 6e-8 each, amplified by logits of order 10
    assert single == pytest.approx(double, rel=1e-4)


def test_model_is_unchanged(problem: Problem) -> None:
    """Law 5: after a run, an exception, an abandoned run the model is byte for byte as before."""
    before = {n: t.clone() for n, t in problem.model.state_dict().items()}
    grads = [p.requires_grad for p in problem.model.parameters()]
    mode = problem.model.training
    answered(problem, SMALL)
    next(iter(surface.answer(problem, [before], SMALL, frozenset(), CPU)))

    def fails(outputs: torch.Tensor, batch: tuple) -> torch.Tensor:
        raise RuntimeError("user's loss")

    with pytest.raises(RuntimeError, match="user's loss"):
        answered(replace(problem, loss=fails), SMALL)
    for name, value in problem.model.state_dict().items():
        assert torch.equal(value, before[name]), name
    assert [p.requires_grad for p in problem.model.parameters()] == grads
    assert problem.model.training == mode


def test_evaluator_restores_after_an_exception(problem: Problem) -> None:
    """Law 5: a loss that fails midway leaves the evaluator on its base point."""
    calls: list[int] | None = None  # none are counted before the walk

    def fails_later(outputs: torch.Tensor, batch: tuple) -> torch.Tensor:
        if calls is not None:
            calls.append(1)
            if len(calls) > 3:
                raise RuntimeError("stop")
        return outputs.sum(dim=1)

    from explorer.analysis.objective.evaluator import Evaluator

    objective = Objective(replace(problem, loss=fails_later), DOUBLE, CPU)
    evaluator = Evaluator(objective, torch.ones(1, objective.flat.theta.numel()))
    base = objective.flat.theta.clone()
    calls = []
    with pytest.raises(RuntimeError, match="stop"):
        evaluator.values(np.linspace(1, 2, 9)[:, None])
    assert torch.equal(objective.flat.theta, base)


def test_nan_and_inf_are_kept(problem: Problem) -> None:
    """Law 8: a loss that overflows or is undefined is stored as it is, at its own place."""

    def broken(outputs: torch.Tensor, batch: tuple) -> torch.Tensor:
        size = outputs.abs().mean()
        value = torch.where(size > base * 1.2, float("inf"), outputs.square().sum(1))
        return torch.where(size < base * 0.9, float("nan"), value)

    with torch.no_grad():
        base = float(problem.model.eval()(problem.data["train"][0]).abs().mean())
    surface_answer = surface_of(replace(problem, loss=broken), replace(SMALL, y_max=1.0))
    assert np.isnan(surface_answer.loss).any() and np.isinf(surface_answer.loss).any()
    assert np.isfinite(surface_answer.loss[2, 3]) and surface_answer.computed.all()


def test_weight_decay_is_a_column_of_its_own(problem: Problem) -> None:
    """Law 11: norm(theta)^2 stands beside the loss, equal to the moved parameters' own."""
    surface_answer = surface_of(problem, SMALL)
    flat = FlatModel(problem.model, torch.float64, CPU)
    vectors = direction_rows(flat, SMALL, 2)
    moved = flat.theta + surface_answer.x[6] * vectors[0] + surface_answer.y[4] * vectors[1]
    assert surface_answer.values["squared_norm"][4, 6] == pytest.approx(
        float(moved @ moved), rel=1e-12
    )


def test_buffers_stay_those_of_the_centre(problem: Problem) -> None:
    """Frozen BatchNorm: running statistics are the checkpoint's, never moved along a direction."""
    changed = {n: t.clone() for n, t in problem.model.state_dict().items()}
    changed["norm.running_var"] *= 4
    one = Surface.from_pieces(SMALL, surface.answer(problem, [changed], SMALL, frozenset(), CPU))
    assert np.isfinite(one.loss).all()
    assert (one.loss != surface_of(problem, SMALL).loss).any()


def test_line_is_the_surface_s_first_axis(problem: Problem) -> None:
    """A line holds the same values as the row y = 0 of the surface of its seed."""
    settings = LineSettings(x_count=7, precision="float64")
    point = problem.model.state_dict()
    pieces = line.answer(problem, [point], settings, frozenset(), CPU)
    line_answer = Line.from_pieces(settings, pieces)
    row = surface_of(problem, replace(SMALL, y_max=1.0)).loss[2]
    assert line_answer.computed.all() and line_answer.loss[0] == pytest.approx(row, rel=1e-12)
    assert line_answer.loss[0, 3] == line_answer.facts.stand_alone["loss"]


def test_convex_loss_gives_a_convex_line() -> None:
    """An oracle in closed form: softmax regression is convex along every line."""
    model = torch.nn.Linear(5, 3).double()
    data = {"train": (torch.randn(40, 5).double(), torch.randint(0, 3, (40,)))}
    from explorer.problem import cross_entropy

    settings = LineSettings(x_count=33, precision="float64", x_min=-3, x_max=3)
    pieces = line.answer(
        Problem(model, data, cross_entropy), [model.state_dict()], settings, frozenset(), CPU
    )
    assert (np.diff(Line.from_pieces(settings, pieces).loss, 2) > -1e-12).all()


def test_quadratic_surface_in_closed_form() -> None:
    """An oracle in closed form: a linear model's squared error is the exact quadratic."""
    from explorer.problem import squared_error

    generator = torch.Generator().manual_seed(0)
    inputs = torch.randn(23, 4, generator=generator, dtype=torch.float64)
    targets = torch.randn(23, 2, generator=generator, dtype=torch.float64)
    model = torch.nn.Linear(4, 2).double()
    problem = Problem(model, {"train": (inputs, targets)}, squared_error)
    settings = replace(SMALL, normalisation="raw", ignore_1d=False)
    surface_answer = surface_of(problem, settings)
    vectors = direction_rows(FlatModel(model, torch.float64, CPU), settings, 2)
    weight, bias = model.weight.detach(), model.bias.detach()
    for j, i in ((0, 0), (4, 6), (1, 5)):
        step = surface_answer.x[i] * vectors[0] + surface_answer.y[j] * vectors[1]
        outputs = inputs @ (weight + step[:8].view(2, 4)).t() + bias + step[8:]
        wanted = float((outputs - targets).square().mean())
        assert surface_answer.loss[j, i] == pytest.approx(wanted, rel=1e-12)


def test_coarse_levels_come_first() -> None:
    """The middle comes first, then level after level; every point comes exactly once."""
    from explorer.kinds.grid import coarse_to_fine, level_indices

    for shape in ((51, 51), (17, 40), (2, 2), (9,)):
        order = coarse_to_fine(shape)
        assert len({tuple(place) for place in order}) == np.prod(shape) == len(order)
        assert (order[0] == (np.array(shape) - 1) // 2).all()
        strides = [
            [max(s for s in (8, 4, 2, 1) if k in level_indices(n, s)) for k in range(n)]
            for n in shape
        ]
        stride = [min(strides[axis][k] for axis, k in enumerate(place)) for place in order]
        assert (np.diff(stride) <= 0).all()
