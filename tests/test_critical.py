"""The search for critical points: closed forms, a linear autoencoder, gradient-flat places."""

import dataclasses
import itertools
import math
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from explorer.analysis import critical
from explorer.analysis.curvature.matrices import dense_matrix
from explorer.analysis.curvature.products import Curvature, CurvatureError, hessian
from explorer.analysis.objective.plane import objective_at
from explorer.ask import questions
from explorer.kinds.critical import CRITICAL, taken_over
from explorer.kinds.critical_result import END_WORDS, Critical, EndReason
from explorer.kinds.critical_settings import METHODS, CriticalSettings
from explorer.kinds.facts import AnswerFacts
from explorer.kinds.look import SubjectName
from explorer.kinds.quadrature import Quadrature
from explorer.pages import _running
from explorer.problem import Problem
from explorer.render.critical_rows import start_labels
from explorer.render.export.views import whole_spec
from tests.drawing import drawn_critical, small_picture
from tests.filling import add_answer, add_tiny, new_catalog
from tests.networks import of_weights, perceptron, seeded
from tests.screen import (
    badges,
    charts,
    fine,
    opened,
    texts,
)

CPU = torch.device("cpu")
every_method = pytest.mark.parametrize("method", METHODS)


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """Operations here are too small for more: threads would wait for each other."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def settings_for(count: int = 1, **others) -> CriticalSettings:
    return CriticalSettings(lengths=(count,), **{"starts": 1, **others})


def answer(problem: Problem, points: list, settings: CriticalSettings, done=frozenset()) -> list:
    return list(critical.answer(problem, points, settings, done, CPU))


def found_from(problem: Problem, points: list | None = None, **settings) -> Critical:
    """Searches from points, or from the model itself."""
    points = points or [problem.model.state_dict()]
    settings = settings_for(len(points), **settings)
    return Critical.from_pieces(settings, answer(problem, points, settings))


def hyperbola(start: list[float]) -> Problem:
    return of_weights(start, lambda w: (w[:, 0] * w[:, 1] - 1) ** 2 / 2)


@every_method
def test_a_start_near_the_origin_ends_at_the_saddle(method: str) -> None:
    """(w1 w2 - 1)^2 / 2 has a saddle of index 1 with eigenvalues -1 and 1 at (0, 0)."""
    critical_points = found_from(hyperbola([0.1, 0.05]), method=method)
    assert (critical_points.end_words, critical_points.classes) == (["critical"], ["saddle"])
    values = {name: float(value[0]) for name, value in critical_points.values.items()}
    assert values["lambda_min"] == pytest.approx(-1, abs=1e-6)
    assert values["lambda_max"] == pytest.approx(1, abs=1e-6)
    assert values["index"] == values["index_bound"] == 1 and critical_points.exact
    assert values["loss"] == pytest.approx(0.5, abs=1e-12)
    assert values["start_loss"] == pytest.approx((0.1 * 0.05 - 1) ** 2 / 2, rel=1e-12)
    assert values["distance"] == pytest.approx(np.hypot(0.1, 0.05), rel=1e-6)
    assert values["gradient"] <= 1e-8 < values["start_gradient"]


@every_method
def test_a_start_near_the_minima_ends_on_their_curve(method: str) -> None:
    """w1 w2 = 1 is a curve of degenerate minima: eigenvalues 0 and w1^2 + w2^2, index 0."""
    critical_points = found_from(hyperbola([1.9, 0.45]), method=method)
    assert (critical_points.end_words, critical_points.classes) == (
        ["critical"],
        ["degenerate minimum"],
    )
    assert critical_points.values["index"][0] == 0
    assert critical_points.values["loss"][0] == pytest.approx(0, abs=1e-15)
    assert critical_points.values["lambda_min"][0] == pytest.approx(0, abs=1e-7)


def test_a_start_at_a_critical_point_stays() -> None:
    """At (2, .5) and at (0, 0) no step is taken and nothing moves; eigenvalues are exact."""
    points = [
        {"weight": torch.tensor([start], dtype=torch.float64)} for start in ([2, 0.5], [0, 0])
    ]
    critical_points = found_from(hyperbola([1.0, 1.0]), points)
    assert critical_points.end_words == ["critical"] * 2
    assert critical_points.classes == ["degenerate minimum", "saddle"]
    assert (
        not critical_points.values["steps"].any() and not critical_points.values["distance"].any()
    )
    assert critical_points.values["lambda_max"] == pytest.approx([4.25, 1.0], abs=1e-12)
    assert critical_points.values["lambda_min"] == pytest.approx([0.0, -1.0], abs=1e-12)


SCALES = torch.tensor([2.0, 1.2, 0.7], dtype=torch.float64)


def autoencoder() -> tuple[Problem, np.ndarray, np.ndarray]:
    """A linear 3-2-3 autoencoder on Gaussian data, and their principal variances and vectors."""
    inputs = torch.randn(40, 3, generator=seeded(0), dtype=torch.float64) * SCALES
    with torch.random.fork_rng():
        torch.manual_seed(0)
        layers = (nn.Linear(3, 2, bias=False), nn.Linear(2, 3, bias=False))
        model = nn.Sequential(*layers).double()

    def loss(outputs: torch.Tensor, batch: tuple[torch.Tensor, ...]) -> torch.Tensor:
        return (outputs - batch[0]).square().sum(dim=1)

    values, vectors = np.linalg.eigh((inputs.T @ inputs / len(inputs)).numpy())
    return Problem(model, {"train": (inputs,)}, loss), values[::-1], vectors[:, ::-1]


def known_points(variances: np.ndarray, vectors: np.ndarray) -> dict[tuple[int, ...], dict]:
    """A critical point for each set of at most two principal components (Baldi, Hornik 1989)."""
    points_of_components = {}
    for chosen in itertools.chain(*(itertools.combinations(range(3), k) for k in range(3))):
        onto = np.zeros((2, 3))
        onto[: len(chosen)] = vectors[:, list(chosen)].T
        first, second = torch.from_numpy(onto), torch.from_numpy(onto.T.copy())
        points_of_components[chosen] = {"0.weight": first, "1.weight": second}
    return points_of_components


def index_of(chosen: tuple[int, ...]) -> int:
    """Larger components left out for each chosen one, and all left out for each idle unit."""
    out = [n for n in range(3) if n not in chosen]
    return sum(o < c for o in out for c in chosen) + (2 - len(chosen)) * len(out)


def test_all_that_is_called_critical_is_known_in_closed_form() -> None:
    """Each has one of the seven losses to 1e-6 and its index; starts find several indices.

    A point's loss is the variance that its components leave out. The index of each, as counted, is
    that of the dense Hessian at the point written down.
    """
    problem, variances, vectors = autoencoder()
    exact_losses = {}
    for chosen, point in known_points(variances, vectors).items():
        objective = objective_at(problem, point, settings_for(), CPU)
        every = np.linalg.eigvalsh(dense_matrix(Curvature(objective, hessian)))
        assert (every < -1e-9).sum() == index_of(chosen)
        exact_losses[chosen] = variances.sum() - variances[list(chosen)].sum()
        assert objective.means()["loss"] == pytest.approx(exact_losses[chosen], rel=1e-12)
    starts = [
        {
            "0.weight": torch.randn(2, 3, generator=seeded(10 * seed), dtype=torch.float64) / scale,
            "1.weight": torch.randn(3, 2, generator=seeded(seed), dtype=torch.float64) / scale,
        }
        for seed in (2, 3, 4)
        for scale in (1, 2, 8)
    ]
    critical_points = found_from(problem, starts, steps=20)
    assert critical_points.is_critical.sum() >= 6
    indices = set()
    for unit in np.flatnonzero(critical_points.is_critical):
        loss, index = critical_points.loss[unit], critical_points.values["index"][unit]
        (chosen,) = [c for c, value in exact_losses.items() if abs(loss - value) < 1e-6]
        assert index == index_of(chosen)
        assert (critical_points.classes[unit] == "saddle") == (index > 0)
        indices.add(int(index))
    assert len(indices) >= 3 and critical_points.levels >= 3
    for unit in np.flatnonzero(~critical_points.is_critical):
        assert critical_points.classes[unit] == "not critical"


@every_method
def test_a_gradient_flat_place_is_no_critical_point(method: str) -> None:
    """w1^3 / 3 + w1 + w2^2 / 2 has no critical point; norm(g) is least, 1, where w1 is 0."""
    problem = of_weights([2.0, 1.0], lambda w: w[:, 0] ** 3 / 3 + w[:, 0] + w[:, 1] ** 2 / 2)
    critical_points = found_from(problem, method=method)
    assert (critical_points.end_words, critical_points.classes) == (
        ["gradient-flat"],
        ["not critical"],
    )
    assert critical_points.values["gradient"][0] == pytest.approx(1, abs=1e-3)
    assert critical_points.values["hessian_gradient"][0] < 1e-4
    assert not critical_points.is_critical[0]


def test_a_loss_that_levels_off_has_no_critical_point() -> None:
    """exp(-w1) + w2^2 falls for ever: a gradient below the target is none of a critical point."""
    critical_points = found_from(
        of_weights([2.0, 1.0], lambda w: torch.exp(-w[:, 0]) + w[:, 1] ** 2)
    )
    assert critical_points.values["gradient"][0] <= 1e-8
    assert (critical_points.end_words, critical_points.classes) == (
        ["levelling off"],
        ["not critical"],
    )
    assert critical_points.values["ahead"][0] == pytest.approx(1, rel=1e-3)  # of each Newton step


def test_too_few_steps_are_told() -> None:
    """A search that is cut short is not called critical, whatever its eigenvalues."""
    critical_points = found_from(hyperbola([30.0, -20.0]), steps=5)
    assert (critical_points.end_words, critical_points.classes) == (
        ["steps used up"],
        ["not critical"],
    )
    assert critical_points.values["steps"][0] == 5


class Weight(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.tensor([2.0], dtype=torch.float64))

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        return inputs * self.weight


def of_one(loss) -> Problem:
    data = {"train": (torch.ones(3, 1, dtype=torch.float64),)}
    return Problem(Weight(), data, lambda outputs, batch: loss(outputs[:, 0]))


def test_one_parameter_is_enough() -> None:
    """(w^2 - 1)^2 from 2 ends at its minimum 1, where the curvature is 8."""
    critical_points = found_from(of_one(lambda w: (w**2 - 1) ** 2))
    assert (critical_points.end_words, critical_points.classes) == (["critical"], ["minimum"])
    assert critical_points.values["lambda_min"][0] == critical_points.values["lambda_max"][0]
    assert critical_points.values["lambda_max"][0] == pytest.approx(8, rel=1e-6)


def test_a_loss_that_is_not_finite_is_told() -> None:
    """NaN at one start: stored as it is, with no eigenvalues; the start after it is searched."""
    problem = hyperbola([1.0, 1.0])
    lost = {"weight": torch.tensor([[np.nan, 1.0]], dtype=torch.float64)}
    good = {"weight": torch.tensor([[0.1, 0.05]], dtype=torch.float64)}
    critical_points = found_from(problem, [lost, good])
    assert critical_points.end_words == ["not finite", "critical"] and critical_points.classes == [
        "",
        "saddle",
    ]
    assert critical_points.computed.all() and np.isnan(critical_points.loss[0])
    assert np.isnan(critical_points.values["lambda_min"][0]) and np.isnan(
        critical_points.values["index"][0]
    )


def test_a_hessian_of_zero_is_told() -> None:
    """A linear loss is gradient-flat everywhere; a constant one is flat, and critical."""
    slope = found_from(of_weights([1.0, 2.0], lambda w: w.sum(dim=1)))
    assert (slope.end_words, slope.classes) == (["gradient-flat"], ["not critical"])
    assert slope.values["left"][0] == 1 and not slope.values["steps"][0]
    level = found_from(of_weights([1.0, 2.0], lambda w: 0 * w.sum(dim=1) + 3))
    assert (level.end_words, level.classes) == (["critical"], ["flat"])


def test_a_model_that_draws_random_numbers_is_refused() -> None:
    """Dropout that is always on makes no second derivatives, and the sentence names it."""

    def dropped(model: nn.Module, batch: tuple[torch.Tensor, ...]) -> torch.Tensor:
        return nn.functional.dropout(model(batch[0]), 0.5, training=True)

    problem, points = perceptron()
    noisy = Problem(problem.model, problem.data, problem.loss, {}, dropped)
    with torch.random.fork_rng(), pytest.raises(CurvatureError, match="as dropout does"):
        answer(noisy, points[:1], settings_for())


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"precision": "bf16"}, "precision must be one of float32, float64"),
        ({"precision": "float16"}, "precision must be one of"),
        ({"batchnorm": "batch"}, "batchnorm must be one of frozen"),
        ({"method": "adam"}, "method must be one of newton_mr, gradient_norm"),
        ({"noise": 0.0}, "noise must be above 0"),
        ({"target": 0.0}, "target must be above 0"),
        ({"target": math.inf}, "target must be finite"),
    ],
)
def test_what_ends_nowhere_is_refused(given: dict, words: str) -> None:
    """A setting that allows no search is refused in a sentence."""
    with pytest.raises(ValueError, match=words):
        CriticalSettings(**given)


def test_a_search_by_itself_has_the_same_bits() -> None:
    """The last copy and snapshot alone have the bits that they have after the others."""
    problem, points = perceptron()
    settings = settings_for(3, starts=2, steps=5, products=20, precision="float32")
    whole = Critical.from_pieces(settings, answer(problem, points, settings))
    done = frozenset({0, 1})
    rest = Critical.from_pieces(settings, answer(problem, points, settings, done))
    assert rest.computed.tolist() == [False, False, True, True]
    for name, values in whole.values.items():
        assert np.array_equal(values[2:], rest.values[name][2:], equal_nan=True), name


def test_copies_are_as_far_as_they_are_told() -> None:
    """The noise is a share of each tensor's root mean square; another copy has another."""
    problem, points = perceptron()
    settings = settings_for(noise=0.3, starts=3)
    objective = objective_at(problem, points[0], settings, CPU)
    base, seen = objective.flat.theta.clone(), []
    for copy in (1, 2, 1):
        objective.load(points[0])
        critical._perturb(objective, settings, copy)
        seen.append(objective.flat.theta.clone())
        for block in objective.flat.blocks[:1]:  # 30 values: their spread is known to 1 / sqrt(60)
            moved = block.layer(seen[-1]) - block.layer(base)
            assert float(moved.norm() / block.layer(base).norm()) == pytest.approx(0.3, rel=0.4)
    assert torch.equal(seen[0], seen[2]) and not torch.equal(seen[0], seen[1])


def test_the_model_is_left_as_it_was() -> None:
    """The parameters of the model under study have the same bits after a search."""
    problem, points = perceptron()
    before = {name: value.clone() for name, value in problem.model.state_dict().items()}
    answer(problem, points[:1], settings_for(steps=5, starts=2, products=20))
    for name, value in problem.model.state_dict().items():
        assert torch.equal(value, before[name])


def test_starts_are_snapshots_then_copies() -> None:
    """Of two runs every second snapshot from the end, then each run's copies."""
    settings = CriticalSettings(lengths=(4, 1), starts=3, every=2)
    assert settings.search_starts == [(1, 0), (3, 0), (4, 0), (3, 1), (4, 1), (3, 2), (4, 2)]
    assert settings.units == 7 and CriticalSettings(starts=1).units == 1
    assert CriticalSettings(starts=1, noise=0.1) == CriticalSettings(starts=1)


def test_more_starts_keep_what_is_known() -> None:
    """Rows of fewer copies and snapshots get the numbers that they have among more."""
    few = CriticalSettings(lengths=(3,), starts=2, every=2)
    many = CriticalSettings(lengths=(3,), starts=3)
    places = np.array(few.search_starts).T
    old = {"unit": np.arange(3), "snapshot": places[0], "copy": places[1], "loss": np.arange(3.0)}
    taken = taken_over(many, old)
    assert [many.search_starts[unit] for unit in taken["unit"]] == few.search_starts
    assert taken["loss"].tolist() == [0.0, 1.0, 2.0]
    back = taken_over(dataclasses.replace(few, starts=1), old)
    assert back["unit"].tolist() == [0, 1] and back["loss"].tolist() == [0.0, 1.0]


def test_an_estimated_index_holds_the_true_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the matrix is called too large, bound and interval are about the dense index."""
    problem, points = perceptron()
    settings = settings_for(probes=40, bottom=4)
    matrix = Curvature(objective_at(problem, points[0], settings, CPU), hessian)
    exact = critical.curvature_of(matrix, settings)
    assert exact["index"] == exact["index_low"] == exact["index_bound"] > 4
    monkeypatch.setattr(critical, "MAX_DENSE_PARAMETERS", 0)
    told = critical.curvature_of(matrix, settings)
    every = np.linalg.eigvalsh(dense_matrix(matrix))
    beyond = Quadrature(53, [(every, np.full(53, 1 / 53))], exact=True)
    wanted = beyond.sum_of(lambda nodes: nodes < -1e-3 * np.abs(every).max())
    assert told["index_bound"] == 4 and wanted
    assert told["index_low"] <= wanted.value <= told["index_high"]
    for name in ("lambda_min", "lambda_max"):
        assert abs(told[name] - exact[name]) <= told[name.replace("lambda", "residual")] + 1e-12


def drawn(*units: int) -> Critical:
    """Two runs' searches: critical, gradient-flat, not finite, and vanishing; some of them done."""
    settings = CriticalSettings(lengths=(2, 1), starts=2)
    count = settings.units
    ended = [
        EndReason.CRITICAL,
        EndReason.GRADIENT_FLAT,
        EndReason.NOT_FINITE,
        EndReason.VANISHING,
        EndReason.STEPS,
    ]
    values = {name: np.linspace(1, 2, count) for name in ("loss", "start_loss", "start_gradient")}
    values |= {name: np.full(count, 0.5) for name in ("lambda_max", "length", "residual_max")}
    values |= {"gradient": np.array([0.0, 1e-3, np.nan, 1e-9, 1e-2]), "index": np.arange(5.0)}
    values |= {"index_low": np.arange(5.0), "index_high": np.arange(5.0) + 2}
    values |= {"index_bound": np.zeros(5), "lambda_min": np.full(count, -0.2)}
    values |= {"sign_tolerance": np.full(count, 1e-6), "ended": np.array(ended, dtype=float)}
    values["index"][2] = np.nan
    computed = np.isin(np.arange(count), units)
    values = {name: np.where(computed, column, np.nan) for name, column in values.items()}
    return Critical(settings, values, computed, AnswerFacts(parameters=5000))


NAMES = (SubjectName("a", (10, 20)), SubjectName("b", ("x",)))


@pytest.mark.parametrize("units", [(), (0,), (2,), (0, 1, 2, 3, 4)])
@pytest.mark.parametrize("log", [False, True])
def test_charts_are_drawn_of_what_there_is(units: tuple[int, ...], log: bool) -> None:
    """Both charts and the picture are valid; critical ends are filled, all others hollow."""
    critical_points = drawn(*units)
    chart = whole_spec(drawn_critical(critical_points, NAMES, log=log))
    whole_spec(drawn_critical(critical_points, NAMES, picture="gradients"))
    assert small_picture("critical", critical_points).startswith(b"\x89PNG")
    fill = chart["layer"][1]["encoding"]["fill"]["scale"]
    looks = dict(zip(fill["domain"], fill["range"], strict=True))
    hollow = {words for words, colour in looks.items() if colour == "rgba(0,0,0,0)"}
    assert hollow == set(looks) - {"critical"}
    if len(units) == 5:
        assert set(looks) == set(END_WORDS.values()) - {"stalled", "not finite"}


def test_starts_have_names() -> None:
    """Steps, final points and copies, with the run's name where there are several."""
    critical_points = drawn()
    assert start_labels(critical_points, NAMES) == [
        *("a, step 10", "a, final", "b, final", "a, copy 1", "b, copy 1")
    ]
    assert start_labels(Critical.from_pieces(CriticalSettings(starts=2), [])) == ["final", "copy 1"]


def test_a_search_is_asked_and_shown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Worker, store and page do a model without snapshots; more copies keep those there are."""
    settings = CriticalSettings(starts=2, steps=5, products=10)
    catalog = new_catalog(tmp_path / "catalog")
    model = add_tiny(catalog, tmp_path / "tiny", "tiny")
    question = add_answer(catalog, CRITICAL, settings, (model, ""))
    critical_points = questions.result_of(catalog, question)
    assert critical_points.computed.all() and critical_points.settings.lengths == (1,)
    more = add_answer(catalog, CRITICAL, dataclasses.replace(settings, starts=3), (model, ""))
    again = questions.result_of(catalog, more)
    assert again.facts.taken_over.points == 2
    assert again.loss[:2].tolist() == critical_points.loss.tolist()
    assert catalog.check_integrity() == []
    catalog.close()
    monkeypatch.setenv("EXPLORER_CATALOG", str(tmp_path / "catalog"))
    app = fine(opened(CRITICAL.page, model="tiny", starts="2", steps="5", products="10"))
    assert charts(app) == 2
    assert f"{critical_points.is_critical.sum()} of 2 searches" in " ".join(texts(app, "markdown"))
    assert "exact index" in badges(app)
    assert app.dataframe[0].value["start"].tolist() == ["final", "copy 1"]
    (said,) = opened(CRITICAL.page, model="tiny", precision="bf16").error
    assert "must be one of float32, float64, got 'bf16'" in said.value
    _running.stop_apps()
