"""Axes that the user gives: differences of points and stored directions, in lines and planes."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from explorer.analysis import line, projection, surface
from explorer.analysis.objective.plane import objective_at
from explorer.kinds.line import Line, LineSettings
from explorer.kinds.objective_settings import ObjectiveSettings
from explorer.kinds.projection import Projection, ProjectionSettings
from explorer.kinds.surface import Surface, SurfaceSettings
from explorer.problem import Problem

CPU = torch.device("cpu")
DOUBLE = ObjectiveSettings(precision="float64")
PLANE = SurfaceSettings(
    direction="given", precision="float64", x_count=3, y_count=3, x_min=0, y_min=0
)
Point = dict[str, Tensor]


def loss_at(problem: Problem, point: Point) -> float:
    """The loss of a point by itself."""
    return objective_at(problem, point, DOUBLE, CPU).means()["loss"]


def moved(point: Point, seed: int, size: float = 0.3) -> Point:
    """Another point, a random step away."""
    generator = torch.Generator().manual_seed(seed)
    return {
        name: value + size * torch.randn(value.shape, generator=generator, dtype=value.dtype)
        for name, value in point.items()
    }


@pytest.fixture
def corners(small: Problem) -> list[Point]:
    """Three points of one model."""
    first = {name: value.clone() for name, value in small.model.state_dict().items()}
    return [first, moved(first, 1), moved(first, 2)]


def plane_of(problem: Problem, settings: SurfaceSettings, subjects: list[Point]) -> Surface:
    """The answer about these subjects."""
    return Surface.from_pieces(
        settings, surface.answer(problem, subjects, settings, frozenset(), CPU)
    )


def vector(point: Point) -> np.ndarray:
    """All parameters in one row."""
    return torch.cat([value.reshape(-1).double() for value in point.values()]).numpy()


def test_a_plane_goes_through_three_points(small: Problem, corners: list[Point]) -> None:
    """At (0, 0), (1, 0) and (0, 1) it has the losses of the points themselves, which it marks."""
    first, second, third = corners
    plane = plane_of(small, PLANE, [first, first, second, first, third])
    own = [loss_at(small, point) for point in corners]
    assert [plane.loss[0, 0], plane.loss[0, 2], plane.loss[2, 0]] == pytest.approx(own, rel=1e-12)
    marks = [(m.subject, m.x, m.y, m.out, m.loss) for m in plane.facts.marks]
    assert marks[0] == pytest.approx((2, 1, 0, 0, own[1]), abs=1e-9)
    assert marks[1] == pytest.approx((4, 0, 1, 0, own[2]), abs=1e-9)
    halfway = {n: (second[n] + third[n]) / 2 for n in first}
    assert plane.loss[1, 1] == pytest.approx(loss_at(small, halfway), rel=1e-12)


def test_orthogonal_units_are_those_of_gram_and_schmidt(
    small: Problem, corners: list[Point]
) -> None:
    """With unit scaling coordinates are distances, and marks are where the points then lie."""
    first, second, third = corners
    settings = replace(PLANE, orthogonal=True, scaling="unit")
    plane = plane_of(small, settings, [first, first, second, first, third])
    u, v = vector(second) - vector(first), vector(third) - vector(first)
    along = u / np.linalg.norm(u)
    rest = v - (v @ along) * along
    wanted = [(np.linalg.norm(u), 0.0), (v @ along, np.linalg.norm(rest))]
    assert [(m.x, m.y) for m in plane.facts.marks] == [
        pytest.approx(place, abs=1e-9) for place in wanted
    ]
    assert [m.out for m in plane.facts.marks] == pytest.approx([0, 0], abs=1e-9)
    assert plane.facts.axes_cosine == pytest.approx(0, abs=1e-12)
    assert plane.facts.direction_norms == pytest.approx((1, 1), rel=1e-12)
    there = vector(first) + along
    assert plane.loss[0, 2] == pytest.approx(loss_at(small, as_point(first, there)), rel=1e-10)


def as_point(like: Point, values: np.ndarray) -> Point:
    """A row of parameters under their names."""
    point, start = {}, 0
    for name, value in like.items():
        part = torch.from_numpy(values[start : start + value.numel()])
        point[name] = part.view(value.shape).to(value.dtype)
        start += value.numel()
    return {name: value.double() for name, value in point.items()}


def test_a_difference_of_two_models_starts_anywhere(small: Problem, corners: list[Point]) -> None:
    """From a third point it is the same step; both ends are marked beside the line."""
    first, second, third = corners
    settings = LineSettings(direction="given", precision="float64", x_count=3, x_min=-1, x_max=1)
    pieces = line.answer(small, [first, second, third], settings, frozenset(), CPU)
    answered = Line.from_pieces(settings, pieces)
    for x, loss in zip((-1, 0, 1), answered.loss[0], strict=True):
        there = {n: first[n] + x * (third[n] - second[n]) for n in first}
        assert loss == pytest.approx(loss_at(small, there), rel=1e-12)
    step = vector(third) - vector(second)
    for mark, point in zip(answered.facts.marks, (second, third), strict=True):
        way = vector(point) - vector(first)
        x = way @ step / (step @ step)
        assert (mark.x, mark.out) == pytest.approx((x, np.linalg.norm(way - x * step)), rel=1e-9)
        assert mark.loss == pytest.approx(loss_at(small, point), rel=1e-12)


def test_a_filter_of_a_given_axis_has_the_norm_of_the_models(
    small: Problem, corners: list[Point]
) -> None:
    """Each row of a difference that is scaled by filters is as long as the model's own."""
    first, second, _ = corners
    settings = LineSettings(
        direction="given", scaling="filter", precision="float64", x_count=3, x_min=-1, x_max=1
    )
    pieces = line.answer(small, [first, first, second], settings, frozenset(), CPU)
    answered = Line.from_pieces(settings, pieces)
    there = {}
    for name, value in first.items():
        step = (second[name] - value).double()
        rows = step.reshape(step.shape[0], -1) if step.dim() > 1 else step.reshape(1, -1)
        own = value.double().reshape(rows.shape)
        scaled = rows * (own.norm(dim=1) / rows.norm(dim=1))[:, None]
        there[name] = value.double() + scaled.view(value.shape)
    assert answered.loss[0, 2] == pytest.approx(loss_at(small, there), rel=1e-10)


def test_one_axis_may_be_random(small: Problem, corners: list[Point]) -> None:
    """It is the second random direction of the seed, as on a plane of two random ones."""
    first, second, _ = corners
    settings = replace(PLANE, y_axis="random", seed=5)
    plane = plane_of(small, settings, [first, first, second])
    random = replace(PLANE, direction="random", seed=5)
    assert plane.loss[:, 0] == pytest.approx(plane_of(small, random, [first]).loss[:, 0], rel=1e-12)
    assert plane.loss[0, 2] == pytest.approx(loss_at(small, second), rel=1e-12)
    assert replace(PLANE, seed=5) == PLANE  # where nothing is drawn a seed is no other question


def test_a_stored_direction_is_an_axis_of_another_model(
    small: Problem, corners: list[Point]
) -> None:
    """What a line along an eigenvector brings is stepped along from any point of the model."""
    first, second, _ = corners
    eigen_line = LineSettings(direction="eigenvector", precision="float64", x_count=3)
    piece, *_ = line.answer(small, [first], eigen_line, frozenset(), CPU)
    (brought,) = piece.points
    assert brought.is_direction and brought.unit == 0
    direction = {name: torch.from_numpy(value) for name, value in brought.tensors.items()}
    assert np.linalg.norm(vector(direction)) == pytest.approx(1, rel=1e-6)
    given = LineSettings(
        direction="given", x_axis="stored", precision="float64", x_count=3, x_min=-1, x_max=1
    )
    pieces = line.answer(small, [second, direction], given, frozenset(), CPU)
    answered = Line.from_pieces(given, pieces)
    there = {n: second[n].double() + direction[n].double() for n in second}
    assert answered.loss[0, 2] == pytest.approx(loss_at(small, there), rel=1e-10)


def test_paths_are_projected_on_given_axes(small: Problem, corners: list[Point]) -> None:
    """Models lie where least squares put them, with their own losses."""
    first, second, third = corners
    fourth = moved(first, 3)
    settings = ProjectionSettings(direction="given", precision="float64", lengths=(1, 1))
    subjects = [first, first, second, first, third, second, fourth]
    pieces = projection.answer(small, subjects, settings, frozenset(), CPU)
    projected = Projection.from_pieces(settings, pieces)
    axes = np.stack([vector(second) - vector(first), vector(third) - vector(first)])
    way = vector(fourth) - vector(first)
    place, *_ = np.linalg.lstsq(axes.T, way, rcond=None)
    assert projected.values["x"] == pytest.approx([1, place[0]], rel=1e-6)
    assert projected.values["y"] == pytest.approx([0, place[1]], abs=1e-6)
    assert projected.values["out"][1] == pytest.approx(np.linalg.norm(way - place @ axes), rel=1e-6)
    assert projected.loss[1] == pytest.approx(loss_at(small, fourth), rel=1e-12)


@pytest.mark.parametrize(
    ("ends", "words"),
    [
        ((0, 0, 0, 1), "x must have a norm that is finite and above 0, got 0.0"),
        ((0, 1, 0, 1), "both axes lie along each other"),
    ],
)
def test_axes_that_span_nothing_are_refused(
    small: Problem, corners: list[Point], ends: tuple[int, ...], words: str
) -> None:
    """In one sentence, also where they are to be made orthogonal."""
    for orthogonal in (False, True):
        settings = replace(PLANE, orthogonal=orthogonal)
        subjects = [corners[0], *(corners[end] for end in ends)]
        with pytest.raises(ValueError, match=words):
            plane_of(small, settings, subjects)


def test_a_point_that_is_not_finite_makes_no_axis(small: Problem, corners: list[Point]) -> None:
    """Its difference has no length."""
    first, second, third = corners
    broken: dict[str, Any] = {n: torch.full_like(v, float("nan")) for n, v in second.items()}
    with pytest.raises(ValueError, match="x must have a norm that is finite"):
        plane_of(small, PLANE, [first, first, broken, first, third])


def test_an_axis_that_scaling_or_rounding_brings_to_nothing_is_refused(
    small: Problem, corners: list[Point]
) -> None:
    """Filters of a model of zeros are zero; a tiny step is zero in float32, a huge one infinite."""
    first, second, _ = corners
    zero = {n: torch.zeros_like(v) for n, v in first.items()}
    tiny, huge = ({n: torch.full_like(v, size) for n, v in first.items()} for size in (1e-60, 1e60))
    cases = [
        (LineSettings(direction="given", scaling="filter", precision="float64"), second, "got 0.0"),
        (LineSettings(direction="given"), tiny, "got 0.0"),
        (LineSettings(direction="given"), huge, "got inf"),
    ]
    for settings, end, words in cases:
        with pytest.raises(ValueError, match=f"x must have a norm .*{words} as it is scaled"):
            next(line.answer(small, [zero, zero, end], settings, frozenset(), CPU))


def test_what_does_not_move_keeps_a_point_beside_the_line(
    small: Problem, corners: list[Point]
) -> None:
    """Its distance is over the frozen parameters too, in which its own loss differs."""
    first, second, _ = corners
    frozen = replace(small, parameters=("2.*",))
    third = {n: v + 1 if n == "0.weight" else v.clone() for n, v in first.items()}
    fourth = {n: second[n] if n.startswith("2.") else v for n, v in third.items()}
    settings = LineSettings(direction="given", precision="float64", x_count=3, x_min=-1, x_max=1)
    pieces = line.answer(frozen, [first, third, fourth], settings, frozenset(), CPU)
    marks = Line.from_pieces(settings, pieces).facts.marks
    away = np.sqrt(first["0.weight"].numel())
    assert [(m.x, m.out) for m in marks] == [
        pytest.approx(p, abs=1e-6) for p in ((0, away), (1, away))
    ]
