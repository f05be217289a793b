"""The solution manifold: closed forms, ranks, a walk that stays on it, resuming, refusals."""

import math
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from explorer.analysis import manifold
from explorer.analysis.curvature.matrices import dense_matrix
from explorer.analysis.curvature.output_constraints import OutputConstraints
from explorer.analysis.curvature.products import Curvature, gauss_newton
from explorer.analysis.objective.plane import objective_at
from explorer.contracts.checkpoint import Checkpoint
from explorer.kinds.manifold import MANIFOLD, place_text
from explorer.kinds.manifold_result import KEPT_OUTPUTS, KEPT_TARGETS, Manifold
from explorer.kinds.manifold_settings import ManifoldSettings
from explorer.kinds.piece import Piece
from explorer.kinds.progress import Progress, Record
from explorer.pages import _running
from explorer.problem import Problem, cross_entropy, squared_error
from store import Catalog
from tests.filling import add_answer, add_model, add_tiny, new_catalog
from tests.networks import perceptron, seeded
from tests.screen import computes, fine, opened, texts
from tests.tiny import checkpoint, problem_file

CPU = torch.device("cpu")


class Kept(Progress):
    """What pieces leave to go on from, as a job's folder keeps it."""

    def __init__(self, pieces: list[Piece]) -> None:
        self._states = [piece.state for piece in pieces if piece.state]

    def records(self, unit: int) -> "list[Record]":  # type: ignore[override]
        parts = [state.arrays for state in self._states if state.unit == unit]
        return [{name: values[0] for name, values in part.items()} for part in parts]


class Product(nn.Module):
    """Two numbers, whose product is the output."""

    def __init__(self, values: list[float]) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.tensor(values, dtype=torch.float64))

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        return inputs * self.weight[0] * self.weight[1]


def hyperbola(values: list[float]) -> Problem:
    """The squared error of w1 w2 from 1, one example of one output."""
    one = torch.ones(1, 1, dtype=torch.float64)
    return Problem(Product(values), {"train": (one, one)}, squared_error)


def linear(examples: int, inputs: int, outputs: int = 1) -> Problem:
    """Linear regression without a bias, solved exactly."""
    with torch.random.fork_rng():
        torch.manual_seed(4)
        model = nn.Linear(inputs, outputs, bias=False).double()
    x = torch.randn(examples, inputs, generator=seeded(1), dtype=torch.float64)
    y = model(x).detach()
    return Problem(model, {"train": (x, y)}, squared_error)


def regression(width: int = 8, examples: int = 5, outputs: int = 2) -> Problem:
    """A tanh network that fits its targets exactly: they are its own outputs."""
    with torch.random.fork_rng():
        torch.manual_seed(6)
        model = nn.Sequential(nn.Linear(3, width), nn.Tanh(), nn.Linear(width, outputs)).double()
    x = torch.randn(examples, 3, generator=seeded(2), dtype=torch.float64)
    return Problem(model, {"train": (x, model(x).detach())}, squared_error)


def pieces_of(problem: Problem, done: frozenset = frozenset(), **settings) -> list[Piece]:
    point = problem.model.state_dict()
    return list(manifold.answer(problem, [point], ManifoldSettings(**settings), done, CPU))


def walk_of(problem: Problem, **settings) -> Manifold:
    return Manifold.from_pieces(ManifoldSettings(**settings), pieces_of(problem, **settings))


def end_of(pieces: list[Piece]) -> np.ndarray:
    """The parameters of the point that a walk brings."""
    (point,) = [point for piece in pieces for point in piece.points]
    return np.concatenate([values.ravel() for values in point.tensors.values()])


def test_a_hyperbola_is_walked_along() -> None:
    """w1 w2 = 1 has dimension 1, one zero mode, and every place of the walk is on it."""
    problem = hyperbola([0.5, 2.0])
    pieces = pieces_of(problem, steps=12, step_length=0.1)
    walk = Manifold.from_pieces(ManifoldSettings(steps=12, step_length=0.1), pieces)
    assert walk.facts.kept == KEPT_TARGETS and walk.facts.constraints == 1
    assert walk.expected_dimension == 1 and (walk.dimensions == 1).all()
    assert walk.values["zero_modes"][[0, 6, 12]].tolist() == [1, 1, 1]
    assert walk.values["loss"].max() <= 1e-16 < walk.values["loss_before"][1:].min()
    first, second = end_of(pieces)
    assert first * second == pytest.approx(1, abs=1e-8)  # the target is a mean square of 1e-16
    away = float(np.hypot(first - 0.5, second - 2.0))
    assert walk.numbers["walk_distance"].value == pytest.approx(away, rel=1e-12)
    # A curve is longer than its chord, and each step is about as long as asked.
    length = walk.values["path_length"][-1]
    assert away < length <= 12 * 0.1 * math.hypot(0.5, 2.0) * 1.01


def test_a_walk_along_a_line_is_straight() -> None:
    """A linear model with fewer examples than weights: dimension p - n, loss 0, no correction."""
    problem = linear(examples=4, inputs=9)
    walk = walk_of(problem, steps=6)
    assert (walk.dimensions == 5).all() and walk.expected_dimension == 5
    assert walk.numbers["zero_modes"].value == 5
    np.testing.assert_allclose(walk.values["distance"], walk.values["path_length"], rtol=1e-9)
    assert walk.values["loss"].max() < 1e-25 and (walk.values["corrections"] == 0).all()
    norm = float(problem.model.weight.detach().norm())  # type: ignore[operator, union-attr]
    np.testing.assert_allclose(walk.values["path_length"], 0.05 * norm * np.arange(7), rtol=1e-9)


def test_a_network_has_at_least_as_many_zero_modes_as_parameters_beyond_constraints() -> None:
    """A tanh regression of p = 50, n C = 10: rank 10, the Hessian has p - n C zeros or more."""
    walk = walk_of(regression(), steps=5)
    assert walk.facts.parameters == 50 and walk.facts.constraints == 10
    assert (walk.values["rank"] == 10).all()
    zeros = walk.values["zero_modes"][[0, 2, 5]]
    assert (zeros >= 40).all() and walk.expected_dimension == 40
    assert walk.values["loss"].max() <= 1e-15 and walk.values["distance"][-1] > 0.1
    assert walk.values["gradient_norm"].max() < 1e-6


def test_factors_are_those_of_the_gauss_newton_matrix() -> None:
    """2 J'J / (n C) is the Gauss-Newton matrix of the squared error, by rows and by columns."""
    for problem in (regression(), regression(width=2, examples=20)):  # wide, then tall
        objective = objective_at(problem, problem.model.state_dict(), ManifoldSettings(), CPU)
        constraints = OutputConstraints(objective)
        factors = constraints.factors(0.0)
        scaled = factors.scale * factors.values[: factors.rank]
        count = factors.left.shape[0]
        ours = 2 / count * (factors.right.T * scaled**2) @ factors.right
        dense = dense_matrix(Curvature(objective, gauss_newton))
        np.testing.assert_allclose(ours, dense, atol=1e-12 * np.abs(dense).max())


def test_a_least_norm_change_changes_the_outputs_as_asked() -> None:
    """J times the change is the part of the request that can be reached; it has no null part."""
    problem = regression()
    objective = objective_at(problem, problem.model.state_dict(), ManifoldSettings(), CPU)
    factors = OutputConstraints(objective).factors(1e-12)
    wanted = np.random.default_rng(0).normal(size=10)
    change = factors.least_norm(wanted)
    jacobian = (factors.left * factors.scale * factors.values[: factors.rank]) @ factors.right
    np.testing.assert_allclose(jacobian @ change, factors.reachable(wanted), atol=1e-10)
    np.testing.assert_allclose(factors.null_part(change), 0, atol=1e-12 * np.abs(change).max())


def test_a_near_solution_is_corrected_first() -> None:
    """From a loss below the most that is allowed, the first place has the target's loss."""
    problem = hyperbola([0.5, 2.01])
    walk = walk_of(problem, steps=2)
    assert walk.facts.start_loss == pytest.approx(0.005**2, rel=1e-9)
    assert walk.values["loss_before"][0] == walk.facts.start_loss
    assert walk.values["loss"][0] <= 1e-16 and walk.values["corrections"][0] >= 1
    assert 0 < walk.values["distance"][0] < 0.01


def test_far_from_zero_loss_is_one_sentence() -> None:
    """A squared error above the most loss is refused, with what to do."""
    with pytest.raises(ValueError, match=r"the loss is 0\.25; .* at most 0\.001: train further"):
        pieces_of(hyperbola([0.5, 1.0]))
    assert walk_of(hyperbola([0.5, 1.0]), most_loss=1.0, steps=1).values["loss"][0] <= 1e-16


def test_too_large_a_model_is_one_sentence() -> None:
    """Beyond the parameters of which matrices are made whole."""
    with pytest.raises(ValueError, match=r"up to 5,000 parameters, got 5,001"):
        pieces_of(linear(examples=2, inputs=5001))


def test_cross_entropy_keeps_its_outputs() -> None:
    """No finite point has zero loss: the walk keeps outputs and with them the loss."""
    problem, (point, *_) = perceptron()
    few = problem.data["train"]
    assert isinstance(few, tuple)
    small = Problem(problem.model, {"train": tuple(part[:6] for part in few)}, cross_entropy)
    small.model.load_state_dict(point)
    walk = walk_of(small, steps=4)
    assert walk.facts.kept == KEPT_OUTPUTS and walk.facts.constraints == 18
    assert walk.expected_dimension == 53 - 18 and (walk.dimensions == 35).all()
    np.testing.assert_allclose(walk.values["loss"], walk.facts.start_loss, rtol=1e-7)
    assert walk.values["distance"][-1] > 0.1


def test_without_a_free_direction_there_is_no_walk() -> None:
    """More constraints than parameters: dimension 0 expected and found; the answer says why."""
    problem = linear(examples=12, inputs=3)
    pieces = pieces_of(problem, steps=5)
    walk = Manifold.from_pieces(ManifoldSettings(steps=5), pieces)
    assert len(pieces) == 1 and pieces[0].finished and not pieces[0].points
    assert walk.expected_dimension == 0 and walk.dimensions[0] == 0
    assert "no direction" in walk.facts.ended and walk.numbers["zero_modes"].value == 0


def test_a_walk_that_cannot_be_corrected_ends_and_says_so() -> None:
    """|w1| + |w2| = 1 in steps longer than its sides: the end is the last place on it."""

    class Diamond(Product):
        def forward(self, inputs: torch.Tensor) -> torch.Tensor:
            return inputs * torch.where(self.weight[0] < 0.2, 5.0, self.weight.sum())

    one = torch.ones(1, 1, dtype=torch.float64)
    problem = Problem(Diamond([0.5, 0.5]), {"train": (one, one)}, squared_error)
    for seed in range(2):  # one of them goes towards the jump
        pieces = pieces_of(problem, steps=40, step_length=0.05, seed=seed)
        walk = Manifold.from_pieces(ManifoldSettings(steps=40), pieces)
        if walk.facts.ended:
            break
    assert "could be corrected" in walk.facts.ended and pieces[-1].finished
    kinds = [{name: column.dtype.kind for name, column in p.columns.items()} for p in pieces]
    assert kinds[-1] == kinds[0]  # one column of a table holds all places
    assert end_of(pieces).sum() == pytest.approx(1) and end_of(pieces)[0] >= 0.2
    assert walk.numbers["walk_loss"].value <= 1e-16
    assert place_text(walk, 40).startswith("loss ")


@pytest.mark.parametrize("stop", [1, 3])
def test_a_walk_goes_on_where_it_was_stopped(stop: int) -> None:
    """With what its pieces left, and without: the same rows to the last bit."""
    problem = regression()
    settings = ManifoldSettings(steps=5)
    point = problem.model.state_dict()
    whole = pieces_of(problem, steps=5)
    done = frozenset(range(stop))
    for progress in (Kept(whole[:stop]), Progress()):
        rest = list(manifold.answer(problem, [point], settings, done, CPU, progress=progress))
        assert [sorted(piece.units) for piece in rest] == [[n] for n in range(stop, 6)]
        both = [Manifold.from_pieces(settings, each) for each in (whole, [*whole[:stop], *rest])]
        for name, values in both[0].values.items():
            np.testing.assert_array_equal(both[1].values[name], values, err_msg=name)
        np.testing.assert_array_equal(end_of(rest), end_of(whole))


def test_the_seed_chooses_the_way() -> None:
    """The same seed walks the same way, another one another; the model is left as it was."""
    problem = regression()
    before = {name: value.clone() for name, value in problem.model.state_dict().items()}
    ends = [end_of(pieces_of(problem, steps=3, seed=seed)) for seed in (0, 0, 1)]
    np.testing.assert_array_equal(ends[0], ends[1])
    assert np.abs(ends[0] - ends[2]).max() > 1e-3
    assert all(torch.equal(before[n], v) for n, v in problem.model.state_dict().items())


def test_the_end_is_brought_as_a_point_that_says_where_it_is() -> None:
    """One point with the last place, of the model's own tensors, on the manifold."""
    problem = regression()
    pieces = pieces_of(problem, steps=3)
    (point,) = pieces[-1].points
    assert point.unit == 3 and (point.name, point.label) == MANIFOLD.unit_point(3)
    assert point.tensors.keys() == problem.model.state_dict().keys()
    walk = Manifold.from_pieces(ManifoldSettings(steps=3), pieces)
    assert place_text(walk, 3).endswith(f"{walk.values['distance'][3]:.4g} away")


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A catalog with a model of 87 parameters, a walk from it, and a model that is too large."""
    place = tmp_path_factory.mktemp("manifold")
    catalog = new_catalog(place / "catalog")
    small = add_tiny(catalog, place, "small")
    wide = Checkpoint(file=checkpoint(place / "wide.safetensors", 0, 500))
    add_model(catalog, problem_file(place / "wide problem"), [wide], "wide", {"width": 500})
    settings = ManifoldSettings(steps=3, subset="first", examples=10)
    add_answer(catalog, MANIFOLD, settings, (small, ""))
    catalog.close()
    return catalog.folder


@pytest.fixture
def folder(filled: Path, nothing_left: None, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The filled catalog as the app's own; no supervisor may hire workers."""
    monkeypatch.setenv("EXPLORER_CATALOG", str(filled))
    monkeypatch.setattr(_running, "FIRST_SCREEN_SECONDS", 3600.0)
    return filled


def test_the_page_says_expected_and_found_dimension(folder: Path) -> None:
    """87 parameters, 30 constraints: at least 57 dimensions; the end can be asked about."""
    address = {"model": "small", "steps": "3", "subset": "first", "examples": "10"}
    app = fine(opened(MANIFOLD.page, **address))
    shown = {metric.label: metric.value for metric in app.metric}
    assert (shown["Parameters"], shown["Constraints"]) == ("87", "30")
    assert shown["Dimension expected"] == "57" and int(shown["Dimension found"]) >= 57
    assert "keeps all outputs" in " ".join(texts(app, "caption"))
    (point,) = Catalog(folder).answer_points()
    assert app.selectbox(key="end").value.startswith(point.label)


def test_a_walk_that_cannot_be_corrected_is_stored(tmp_path: Path) -> None:
    """The last row, which says that there is no step, fits the table of the others."""
    catalog = new_catalog(tmp_path / "catalog")
    model = add_tiny(catalog, tmp_path, "small")
    settings = ManifoldSettings(steps=2, target=1e-300, subset="first", examples=10)
    question = add_answer(catalog, MANIFOLD, settings, (model, ""))
    assert "could be corrected" in str(question.facts["ended"])
    catalog.close()


def test_the_page_of_too_large_a_model_says_what_to_do(folder: Path) -> None:
    """7,003 parameters: one sentence, and nothing that could be pressed to ask."""
    app = fine(opened(MANIFOLD.page, model="wide"))
    assert any("This model has 7,003 parameters" in text for text in texts(app, "info"))
    assert computes(app) == []
