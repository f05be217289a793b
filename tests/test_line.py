"""Lines along many directions and along the gradient: which they are, and what is told of them."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from torch.nn import functional

from explorer.analysis import line
from explorer.analysis.curvature.matrices import dense_matrix
from explorer.analysis.curvature.products import Curvature, hessian
from explorer.analysis.directions.directions import direction_rows
from explorer.analysis.objective.flat_model import FlatModel
from explorer.analysis.objective.objective import Objective
from explorer.kinds.line import Line, LineSettings, places, taken_over
from explorer.kinds.objective_settings import ObjectiveSettings
from explorer.kinds.piece import Piece
from explorer.problem import Problem, cross_entropy
from tests.networks import seeded

CPU = torch.device("cpu")
SMALL = LineSettings(x_count=7, precision="float64")
DOWN = replace(SMALL, direction="gradient", x_min=-1e-4, x_max=1e-4)


def answered(
    problem: Problem, settings: LineSettings, done: frozenset = frozenset()
) -> list[Piece]:
    point = problem.model.state_dict()
    return list(line.answer(problem, [point], settings, done, CPU))


def line_of(problem: Problem, settings: LineSettings) -> Line:
    return Line.from_pieces(settings, answered(problem, settings))


def loss_at(problem: Problem, step: torch.Tensor) -> float:
    """An independent evaluation: the loss of a copy of the model moved by a vector (D,)."""
    objective = Objective(problem, ObjectiveSettings(precision="float64"), CPU)
    objective.flat.theta += step
    return objective.means()["loss"]


def test_every_line_is_its_own_direction(problem: Problem) -> None:
    """Line k is point + x * direction k of the seed; the first is that of a single line."""
    settings = replace(SMALL, directions=4)
    line_answer = line_of(problem, settings)
    vectors = direction_rows(FlatModel(problem.model, torch.float64, CPU), settings, 4)
    assert line_answer.loss.shape == (4, 7) and line_answer.computed.all()
    for k, i in ((0, 0), (1, 6), (2, 1), (3, 5)):
        assert line_answer.loss[k, i] == pytest.approx(
            loss_at(problem, line_answer.x[i] * vectors[k]), rel=1e-12
        )
    assert line_answer.loss[0] == pytest.approx(line_of(problem, SMALL).loss[0], rel=1e-12)
    assert (line_answer.loss[:, 3] == line_answer.facts.stand_alone["loss"]).all()
    assert len({tuple(row) for row in line_answer.loss}) == 4
    assert [d.recipe["axis"] for d in line_answer.facts.directions] == [0, 1, 2, 3]


def test_lines_grow_together() -> None:
    """Each place along x is computed on all lines before the next, the coarse ones first."""
    settings = LineSettings(x_count=17, directions=3)
    k, i = places(settings)
    assert k[:6].tolist() == [0, 1, 2, 0, 1, 2]
    assert i[:3].tolist() == [8, 8, 8]
    assert (i[::3] == places(LineSettings(x_count=17))[1]).all()
    assert len({*zip(k.tolist(), i.tolist(), strict=True)}) == settings.units == 51


def test_resume_changes_nothing(problem: Problem) -> None:
    """Law 4: going on from anywhere gives the same bits."""
    settings = replace(SMALL, directions=3)
    whole = line_of(problem, settings)
    some = frozenset(np.random.default_rng(0).permutation(21)[:10].tolist())
    rest = Line.from_pieces(settings, answered(problem, settings, some))
    assert rest.computed.sum() == 11
    assert (rest.loss[rest.computed] == whole.loss[rest.computed]).all()


def test_mean_and_spread_are_over_lines() -> None:
    """By hand: mean and standard deviation (of n - 1) at each x; NaN where a line lacks it."""
    losses = np.array([[1.0, 2.0, 5.0], [3.0, 2.0, np.nan], [2.0, 2.0, 1.0]])
    computed = ~np.isnan(losses)
    line_answer = Line(np.array([0.0, 1.0, 2.0]), {"loss": losses}, computed)
    assert line_answer.mean("loss")[:2].tolist() == [2.0, 2.0]
    assert line_answer.spread("loss")[:2].tolist() == [1.0, 0.0]
    assert np.isnan(line_answer.mean("loss")[2])
    assert line_answer.complete.tolist() == [True, True, False]


def test_more_lines_take_over_what_fewer_have(problem: Problem) -> None:
    """The rows of three lines are the first of five, at the places that both have, in every bit."""
    few, many = replace(SMALL, directions=3), replace(SMALL, directions=5, x_count=13)
    pieces = answered(problem, few)
    old = {
        name: np.concatenate([piece.columns[name] for piece in pieces])
        for name in pieces[0].columns
    }
    line_answer = taken_over(many, old)
    k, i = places(many)
    assert len(line_answer["unit"]) == 3 * 7
    assert (line_answer["k"] == k[line_answer["unit"]]).all() and (
        line_answer["i"] == i[line_answer["unit"]]
    ).all()
    assert (line_answer["x"] == many.axis[line_answer["i"]]).all()
    assert sorted(line_answer["loss"]) == sorted(old["loss"])
    assert set(taken_over(SMALL, old)["k"]) == {0}


def test_a_finite_difference_has_the_gradient_s_slope(problem: Problem) -> None:
    """Along the gradient the loss falls at 0 with slope -norm(g) norm(theta), as told."""
    line_answer = line_of(problem, DOWN)
    slope = (line_answer.loss[0, 4] - line_answer.loss[0, 2]) / (
        line_answer.x[4] - line_answer.x[2]
    )
    assert line_answer.facts.slope < 0
    # third derivatives times the squared step: 1e-9 of the slope here
    assert slope == pytest.approx(line_answer.facts.slope, rel=1e-6)
    wanted = -line_answer.facts.gradient_norm * line_answer.facts.theta_norm
    assert line_answer.facts.slope == pytest.approx(wanted, rel=1e-12)


def test_the_gradient_is_autograd_s(problem: Problem) -> None:
    """An oracle: -grad of a plain loss of the whole split, scaled to the norm of the parameters."""
    objective = Objective(problem, ObjectiveSettings(precision="float64"), CPU)
    model = problem.model.eval()
    images, labels = problem.data["train"]
    loss = functional.cross_entropy(model(images), labels)
    parts = torch.autograd.grad(loss, list(model.parameters()))
    wanted = -torch.cat([part.flatten() for part in parts])
    wanted *= objective.flat.theta.norm() / wanted.norm()
    far = replace(DOWN, x_min=-0.5, x_max=1.0, x_count=4)
    line_answer = line_of(problem, far)
    for i in range(4):
        assert line_answer.loss[0, i] == pytest.approx(
            loss_at(problem, line_answer.x[i] * wanted), rel=1e-9
        )


def test_no_other_direction_falls_faster(problem: Problem) -> None:
    """The gradient's line is steeper at 0 than any random one of the same length."""
    slope = line_of(problem, DOWN).facts.slope
    theta = float(FlatModel(problem.model, torch.float64, CPU).theta.norm())
    generator = seeded(0)
    for _ in range(20):
        step = torch.randn(2_000, generator=generator, dtype=torch.float64)
        step = step[: sum(p.numel() for p in problem.model.parameters())]
        step *= 1e-5 * theta / step.norm()
        assert (loss_at(problem, step) - loss_at(problem, -step)) / 2e-5 > slope


@pytest.mark.parametrize("policy", ["frozen", "recalibrated", "batch"])
def test_the_gradient_leaves_the_point_as_it_was(problem: Problem, policy: str) -> None:
    """Law 5, and law 1: under each policy the centre is the stand-alone loss to the last bit."""
    before = {n: t.clone() for n, t in problem.model.state_dict().items()}
    line_answer = line_of(problem, replace(DOWN, batchnorm=policy, batchnorm_batch=32))
    assert line_answer.loss[0, 3] == line_answer.facts.stand_alone["loss"]
    assert line_answer.loss[0, 3 + 1] < line_answer.loss[0, 3]
    for name, value in problem.model.state_dict().items():
        assert torch.equal(value, before[name]), name


def test_batch_statistics_are_the_same_on_every_core(problem: Problem) -> None:
    """The same point on several lanes has the same loss, of each batch's own statistics."""
    settings = replace(SMALL, batchnorm="batch", batchnorm_batch=32, directions=8)
    line_answer = line_of(problem, settings)
    assert len(set(line_answer.loss[:, 3])) == 1
    assert line_answer.loss[0, 3] != line_of(problem, SMALL).loss[0, 3]


def linear(factor: float) -> Problem:
    """A linear model whose loss is its output times a factor: constant, or beyond all bounds."""
    model = torch.nn.Linear(2, 1).double()
    data = {"train": (torch.ones(3, 2, dtype=torch.float64), torch.zeros(3))}
    return Problem(model, data, lambda outputs, batch: outputs[:, 0] * factor)


@pytest.mark.parametrize(("factor", "norm"), [(0.0, "0.0"), (float("inf"), "nan|inf")])
def test_a_gradient_without_direction_is_refused(factor: float, norm: str) -> None:
    """A zero or infinite gradient: one sentence, with the norm and the way out."""
    must = rf"must be finite and above 0 to give a direction, got ({norm}); choose a random"
    with pytest.raises(ValueError, match=must):
        answered(linear(factor), replace(DOWN, x_min=-1.0, x_max=1.0))


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"directions": 0}, "directions must be from 1 to 64, got 0"),
        ({"directions": 65}, "directions must be from 1 to 64, got 65"),
        (
            {"direction": "up"},
            "direction must be one of random, gradient, eigenvector, given, got 'up'",
        ),
        ({"direction": "gradient", "directions": 2}, "must be 1 along the gradient, got 2"),
    ],
)
def test_impossible_settings_are_refused(values: dict[str, Any], words: str) -> None:
    """Each in one sentence."""
    with pytest.raises(ValueError, match=words):
        LineSettings(**values)


def test_a_random_part_has_the_interval_of_a_finite_population(problem: Problem) -> None:
    """Of random examples the band is for the split's own loss, of all or the first it is not."""
    part = replace(SMALL, subset="random", examples=40)
    line_answer = line_of(problem, part)
    assert line_answer.available == 101
    first = line_of(problem, replace(part, subset="first"))
    assert first.available is None
    widths = [np.diff(np.array(one.interval), axis=0).mean() for one in (line_answer, first)]
    assert widths[0] < widths[1]  # by about sqrt(1 - 40 / 101)
    assert line_of(problem, replace(SMALL, subset="random", examples=101)).interval is not None


def test_a_loss_of_sums_has_no_interval(problem: Problem) -> None:
    """Without one value per example there is no standard error, and no band."""

    def summed(outputs: torch.Tensor, batch: tuple) -> tuple[torch.Tensor, int]:
        return cross_entropy(outputs, batch).sum(), len(outputs)

    line_answer = line_of(replace(problem, loss=summed, metrics={}), SMALL)
    assert line_answer.interval is None
    assert "loss_se" not in line_answer.values


def test_along_the_top_eigenvector(small: Problem) -> None:
    """Unit length, downhill at first, curved by the largest eigenvalue of the dense Hessian."""
    settings = replace(SMALL, direction="eigenvector", x_min=-1e-3, x_max=1e-3)
    line_answer = line_of(small, settings)
    objective = Objective(small, ObjectiveSettings(precision="float64"), CPU)
    values = np.linalg.eigvalsh(dense_matrix(Curvature(objective, hessian)))
    facts = line_answer.facts
    assert abs(facts.eigenvalue - values[-1]) <= facts.residual + 1e-12
    assert facts.residual <= 1e-3 * abs(values).max()
    assert facts.direction_norms == pytest.approx([1.0])
    assert facts.slope <= 0
    low, middle, high = line_answer.loss[0, [2, 3, 4]]
    step = line_answer.x[4]
    curved = (low - 2 * middle + high) / step**2
    # differences of losses of about 1 in float64 over t^2 = 1e-7, and the vector's own residual
    assert curved == pytest.approx(facts.eigenvalue, rel=1e-2)
    assert (high - low) / (2 * step) == pytest.approx(facts.slope, rel=1e-2, abs=1e-6)


def test_an_eigenvector_needs_an_exact_objective() -> None:
    """It is one question without a seed; recomputed statistics and low precision are refused."""
    assert replace(SMALL, direction="eigenvector", seed=5) == replace(
        SMALL, direction="eigenvector"
    )
    for values in ({"batchnorm": "batch"}, {"precision": "tf32"}, {"directions": 2}):
        with pytest.raises(ValueError, match="must be"):
            LineSettings(direction="eigenvector", **values)
