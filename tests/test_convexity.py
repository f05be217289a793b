"""The convexity map against dense eigenvalues and closed forms; its order and its resuming."""

import dataclasses
from pathlib import Path

import numpy as np
import pytest
import torch

from explorer.analysis import convexity as answered
from explorer.analysis.curvature.matrices import dense_matrix
from explorer.analysis.curvature.products import Curvature, hessian
from explorer.analysis.directions.directions import directions_with_facts
from explorer.analysis.objective.plane import objective_at
from explorer.ask import questions
from explorer.kinds.convexity import CONVEXITY, Convexity, ConvexitySettings, neighbours, ratio
from explorer.kinds.grid import STRIDES, level_indices
from explorer.pages import _running
from explorer.problem import Problem
from tests.filling import add_answer, add_tiny, new_catalog, work
from tests.networks import of_weights, perceptron
from tests.screen import (
    badges,
    charts,
    fine,
    labels,
    opened,
    texts,
)

CPU = torch.device("cpu")
SMALL = ConvexitySettings(x_count=3, y_count=3, precision="float64", tolerance=1e-6)


def answer(problem: Problem, settings: ConvexitySettings, done=frozenset()) -> list:
    subject = problem.model.state_dict()
    return list(answered.answer(problem, [subject], settings, done, CPU))


def mapped(problem: Problem, settings: ConvexitySettings) -> Convexity:
    return Convexity.from_pieces(settings, answer(problem, settings))


def test_every_point_agrees_with_the_whole_matrix() -> None:
    """Both ends are eigvalsh's at each of nine points, within the residuals stored beside them."""
    problem, _ = perceptron()
    convexity_map = mapped(problem, SMALL)
    objective = objective_at(problem, problem.model.state_dict(), SMALL, CPU)
    vectors, _ = directions_with_facts(objective.flat, SMALL, 2)
    base = objective.flat.theta.clone()
    for j, y in enumerate(convexity_map.y):
        for i, x in enumerate(convexity_map.x):
            objective.flat.theta.copy_(base + x * vectors[0] + y * vectors[1])
            exact = np.linalg.eigvalsh(dense_matrix(Curvature(objective, hessian)))
            for name, end in (("min", exact[0]), ("max", exact[-1])):
                value, residual = (
                    convexity_map.values[f"{n}_{name}"][j, i] for n in ("lambda", "residual")
                )
                scale = np.abs(exact).max()
                assert abs(value - end) <= residual + 1e-12 * scale
                assert residual <= 1e-6 * scale
            assert convexity_map.loss[j, i] == pytest.approx(objective.means()["loss"], rel=1e-12)
    low, high = convexity_map.values["lambda_min"], convexity_map.values["lambda_max"]
    assert convexity_map.values["ratio"] == pytest.approx(np.abs(low / high), rel=1e-15)
    assert convexity_map.converged.all() and convexity_map.has_eigenvalues.all()


def test_what_is_left_after_a_stop_is_the_same_to_the_last_bit() -> None:
    """With any first units stored, the others have the bits of an answer in one go."""
    problem, _ = perceptron()
    settings = dataclasses.replace(SMALL, precision="float32", tolerance=1e-3, x_count=5)
    whole = mapped(problem, settings)
    for cut in (1, 9):
        pieces = answer(problem, settings, frozenset(range(cut)))
        rest = Convexity.from_pieces(settings, pieces)
        assert rest.computed.sum() == settings.units - cut
        for name, values in whole.values.items():
            assert np.array_equal(values[rest.computed], rest.values[name][rest.computed]), name


def test_the_model_is_left_as_it_was() -> None:
    """Parameters and buffers of the model under study have the same bits after an answer."""
    problem, _ = perceptron()
    before = {name: value.clone() for name, value in problem.model.state_dict().items()}
    answer(problem, dataclasses.replace(SMALL, x_count=2, y_count=2))
    for name, value in problem.model.state_dict().items():
        assert torch.equal(value, before[name])


def test_the_symmetric_saddle_has_ratio_one() -> None:
    """(w1 w2 - 1)^2 / 2 at (0, 0) has eigenvalues -1 and 1."""
    problem = of_weights([0.0, 0.0], lambda w: (w[:, 0] * w[:, 1] - 1) ** 2 / 2)
    settings = dataclasses.replace(SMALL, x_count=3, y_count=3, normalisation="raw")
    convexity_map = mapped(problem, settings)
    assert convexity_map.x[1] == convexity_map.y[1] == 0
    assert convexity_map.values["lambda_min"][1, 1] == pytest.approx(-1, abs=1e-12)
    assert convexity_map.values["lambda_max"][1, 1] == pytest.approx(1, abs=1e-12)
    assert convexity_map.values["ratio"][1, 1] == pytest.approx(1, abs=1e-12)
    assert not convexity_map.convex[1, 1]


def test_a_bowl_has_its_inverse_condition_everywhere() -> None:
    """(w1^2 + 50 w2^2) / 2 has the ratio 1 / 50 at every point, and is convex at all of them."""
    scale = torch.tensor([1.0, 50.0], dtype=torch.float64)
    problem = of_weights([0.3, -0.7], lambda w: (w**2 * scale).sum(dim=1) / 2)
    convexity_map = mapped(problem, SMALL)
    assert convexity_map.values["ratio"] == pytest.approx(np.full((3, 3), 1 / 50), rel=1e-12)
    assert convexity_map.convex.all()


def test_a_point_without_a_loss_has_no_eigenvalues() -> None:
    """Where the loss is NaN the values are NaN, computed, not converged; the others are there."""
    problem = of_weights([1.0, 1.0], lambda w: (w[:, 0] + 0.5).sqrt() + w[:, 1] ** 2)
    convexity_map = mapped(problem, dataclasses.replace(SMALL, x_min=-8.0, x_max=8.0, x_count=4))
    lost = np.isnan(convexity_map.loss)
    assert convexity_map.computed.all() and lost.any() and not lost.all()
    assert (
        np.isnan(convexity_map.values["ratio"][lost]).all()
        and not convexity_map.has_eigenvalues[lost].any()
    )
    assert convexity_map.has_eigenvalues[~lost].all()


def test_a_linear_model_is_flat() -> None:
    """A zero Hessian has eigenvalues 0 and no ratio; nothing is divided in silence."""
    problem = of_weights([1.0, 2.0], lambda w: w.sum(dim=1))
    convexity_map = mapped(problem, dataclasses.replace(SMALL, x_count=2, y_count=2))
    assert (
        not convexity_map.values["lambda_max"].any()
        and not convexity_map.values["lambda_min"].any()
    )
    assert np.isnan(convexity_map.values["ratio"]).all()
    assert np.isnan(ratio(np.zeros(1), np.zeros(1)))[0]


@pytest.mark.parametrize("shape", [(13, 13), (5, 9), (2, 2), (1, 17), (20, 3)])
def test_each_search_begins_at_a_neighbour_of_the_coarser_level(shape: tuple[int, int]) -> None:
    """The neighbour is computed before, lies on the next coarser level, and is a nearest one."""
    settings = object.__new__(ConvexitySettings)
    for name, count in zip(("y_count", "x_count"), shape, strict=True):
        object.__setattr__(settings, name, count)
    column, row = settings.places
    starts = neighbours(shape, (column, row))
    assert starts[0] == -1 and (starts[1:] >= 0).all() and (starts < np.arange(len(row))).all()

    def is_on(unit: int, stride: int) -> bool:
        js, is_ = (level_indices(count, stride) for count in shape)
        return row[unit] in js and column[unit] in is_

    for unit in range(1, len(row)):
        finest = next(n for n, stride in enumerate(STRIDES) if is_on(unit, stride))
        assert finest == 0 or is_on(starts[unit], STRIDES[finest - 1])
        reach = STRIDES[max(finest - 1, 0)]
        if finest:
            assert abs(row[unit] - row[starts[unit]]) <= reach / 2
            assert abs(column[unit] - column[starts[unit]]) <= reach / 2


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"tolerance": 0.0}, "tolerance must be between 0 and 1"),
        ({"room": 5}, "room must be from 10 to 2,000"),
        ({"precision": "bf16"}, "precision must be one of float32, float64"),
        ({"batchnorm": "batch"}, "batchnorm must be one of frozen"),
    ],
)
def test_what_has_no_eigenvalues_is_refused(given: dict, words: str) -> None:
    """A setting that allows no second derivative, or no search, is refused in a sentence."""
    with pytest.raises(ValueError, match=words):
        ConvexitySettings(**given)


def test_a_map_is_asked_and_shown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Worker, store and page do a small map; its chart, its words, its badge."""
    settings = ConvexitySettings(x_count=3, y_count=3)
    catalog = new_catalog(tmp_path / "catalog")
    model = add_tiny(catalog, tmp_path / "tiny", "tiny")
    question = add_answer(catalog, CONVEXITY, settings, (model, ""))
    convexity_map = questions.result_of(catalog, question)
    assert convexity_map.has_eigenvalues.all() and convexity_map.converged.all()
    assert catalog.check_integrity() == []
    catalog.close()
    monkeypatch.setenv("EXPLORER_CATALOG", str(tmp_path / "catalog"))
    app = fine(opened(CONVEXITY.page, model="tiny", x_count="3", y_count="3"))
    assert charts(app) == 1
    assert f"at {convexity_map.convex.sum()} of 9 points" in " ".join(texts(app, "caption"))
    assert "residuals within 0.001" in badges(app)
    assert not [label for label in labels(app) if label.startswith("Compute")]
    (value,) = [box for box in app.selectbox if box.label == "Value"]
    fine(value.set_value("smallest eigenvalue").run())
    (said,) = opened(CONVEXITY.page, model="tiny", precision="bf16").error
    assert "precision in the address must be one of float32, float64" in said.value
    _running.stop_apps()


def test_a_stopped_map_of_too_few_points_promises_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With a job the first points are on their way; stopped, its page says what goes on with it."""
    catalog = new_catalog(tmp_path / "catalog")
    model = add_tiny(catalog, tmp_path / "tiny", "tiny")
    questions.ask(catalog, CONVEXITY, model, ConvexitySettings(x_count=3, y_count=3))
    work(catalog, pieces=1)
    (question,), _ = catalog.questions()
    assert question.units_done < 4
    monkeypatch.setenv("EXPLORER_CATALOG", str(tmp_path / "catalog"))
    app = fine(opened(CONVEXITY.page, model="tiny", x_count="3", y_count="3"))
    assert "Too little is stored for a picture" in " ".join(texts(app, "info"))
    assert "on their way" not in " ".join(texts(app, "caption"))
    _running.stop_apps()
