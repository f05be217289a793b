"""Trained paths: what they reach, how they go on, how a band's pivots move and are inserted."""

import math
import os
import signal
import warnings
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from explorer.analysis import connection
from explorer.analysis.objective.named_tensors import Tensors
from explorer.analysis.objective.objective import Objective
from explorer.analysis.paths.batch_gradient import BatchGradient
from explorer.analysis.paths.descent import BandDescent, evenly_spaced, tangent
from explorer.analysis.paths.minibatches import Minibatches
from explorer.ask import questions
from explorer.kinds.connection import CONNECTION
from explorer.kinds.connection_result import Connection
from explorer.kinds.connection_settings import BAND, LARGEST, ConnectionSettings
from explorer.kinds.objective_settings import ObjectiveSettings
from explorer.kinds.path_shape import BEZIER, CHAIN
from explorer.kinds.piece import Piece, PieceState
from explorer.kinds.progress import Progress, Record
from explorer.problem import Problem, cross_entropy
from sample_models import digits_mlp
from tests.conftest import small_problem
from tests.filling import add_answer, add_tiny, new_catalog
from tests.networks import of_weights, perceptron, seeded
from tests.tiny import imported, supervised, until, until_stored

CPU = torch.device("cpu")
WEIGHTS = Path(__file__).parents[1] / "sample_models" / "weights"
SHORT = ConnectionSettings(
    steps=40, every=10, t_count=5, batch_examples=16, tolerance=-1.0, precision="float64"
)


class Kept(Progress):
    """What one unit goes on from."""

    def __init__(self, state: PieceState | None = None) -> None:
        self._state = state

    def records(self, unit: int) -> Iterator[Record]:
        """The records of that unit."""
        if self._state is not None and self._state.unit == unit:
            arrays = self._state.arrays
            yield {name: rows[0] for name, rows in arrays.items()}


def pieces_of(
    problem: Problem,
    ends: list[Tensors],
    settings: ConnectionSettings,
    done: frozenset[int] = frozenset(),
    progress: Progress | None = None,
) -> list[Piece]:
    """The answer."""
    answer = connection.answer(problem, ends, settings, done, CPU, progress=progress or Kept())
    return list(answer)


def path_of(problem: Problem, ends: list[Tensors], settings: ConnectionSettings) -> Connection:
    """The result."""
    return Connection.from_pieces(settings, pieces_of(problem, ends, settings))


@pytest.fixture(scope="module")
def digits() -> tuple[Problem, list[Tensors]]:
    """The digits perceptron and two of its minima, 15 apart, with a barrier of .94 between them."""
    return digits_mlp.problem(), [load_file(WEIGHTS / f"mlp_{name}.safetensors") for name in "ab"]


@pytest.fixture(scope="module")
def pair() -> tuple[Problem, list[Tensors]]:
    """A small perceptron in float64 and two of its points."""
    problem, snapshots = perceptron()
    return problem, [snapshots[0], snapshots[-1]]


RECIPES = [
    {"shape": BEZIER},
    {"shape": CHAIN},
    {"minimised": LARGEST, "steps": 1000},
    {"minimised": BAND, "bends": 3, "steps": 1000},
]


@pytest.mark.parametrize("recipe", RECIPES, ids=lambda recipe: "-".join(map(str, recipe.values())))
def test_digits_minima_are_connected(
    digits: tuple[Problem, list[Tensors]], recipe: dict[str, object]
) -> None:
    """No loss along the path is above twice the larger end's + .02; accuracy is 99.5 % at least.

    The straight line between both goes up to .9. Source: science of Garipov et al. 2018, Draxler et
    al. 2018, on the small recipe of this program's own measurements.
    """
    problem, ends = digits
    settings = replace(ConnectionSettings(), **recipe)
    path = path_of(problem, ends, settings)
    assert path.last is not None
    assert path.highest[0] > 0.8
    assert path.highest[path.last] <= 2 * max(path.end_losses) + 0.02
    assert path.values["accuracy"][path.last].min() >= 0.995
    assert path.values["arc_length"][path.last, -1] > path.facts.distance
    if path.facts.good_enough_at is not None:
        assert path.highest[path.last] <= max(path.end_losses) + settings.tolerance
    own = [float(values["loss"]) for values in path.facts.own]
    assert path.end_losses == pytest.approx(own, rel=1e-5)


def test_the_first_measurement_is_the_straight_line(pair: tuple[Problem, list[Tensors]]) -> None:
    """Before a step the losses along the path are those of the weighted ends."""
    problem, (first, last) = pair
    path = path_of(problem, [first, last], SHORT)
    objective = Objective(problem, ObjectiveSettings(precision="float64"), CPU)
    for t, loss in zip(path.t, path.loss[0], strict=True):
        objective.load({name: (1 - t) * first[name] + t * last[name] for name in first})
        assert loss == pytest.approx(objective.means()["loss"], rel=1e-9)
    steps = path.training["step"]
    assert steps.tolist() == [0, 10, 20, 30, 40]


@pytest.mark.parametrize("stopped", [1, 3])
@pytest.mark.parametrize("minimised", ["expected", LARGEST, BAND])
def test_it_goes_on_from_the_last_piece_to_the_same_bits(
    pair: tuple[Problem, list[Tensors]], minimised: str, stopped: int
) -> None:
    """What follows a stop is what would have come without one: losses, bends, brought points."""
    problem, ends = pair
    settings = replace(SHORT, minimised=minimised, bends=2, most_bends=4)
    whole = pieces_of(problem, ends, settings)
    assert len(whole) == settings.units
    state = whole[stopped - 1].state
    assert state is not None and state.unit == stopped
    done = frozenset(range(stopped))
    rest = pieces_of(problem, ends, settings, done, Kept(state))
    again = pieces_of(problem, ends, settings, done)  # what was kept is lost: trained once more
    for resumed in (rest, again):
        assert [piece.units for piece in resumed] == [piece.units for piece in whole[stopped:]]
        for one, other in zip(resumed, whole[stopped:], strict=True):
            for name, column in other.columns.items():
                assert np.array_equal(one.columns[name], column), name
        bends = [[point.point_id for point in pieces[-1].points] for pieces in (resumed, whole)]
        assert bends[0] == bends[1] and len(bends[0]) >= 2


def test_a_convex_loss_is_good_enough_at_once() -> None:
    """On a convex problem the straight line has no barrier: the path ends before a step."""
    model = torch.nn.Linear(5, 3).double()
    inputs = torch.randn(40, 5, generator=seeded(1), dtype=torch.float64)
    labels = torch.randint(0, 3, (40,), generator=seeded(2))
    problem = Problem(model, {"train": (inputs, labels)}, cross_entropy)
    ends = [
        {
            "weight": torch.randn(3, 5, generator=seeded(n), dtype=torch.float64),
            "bias": torch.randn(3, generator=seeded(n + 9), dtype=torch.float64),
        }
        for n in (3, 4)
    ]
    settings = replace(SHORT, tolerance=0.0)
    (piece,) = pieces_of(problem, ends, settings)
    assert piece.finished and piece.facts["good_enough_at"] == 0
    path = Connection.from_pieces(settings, [piece])
    assert path.numbers["barrier"].value == pytest.approx(0, abs=1e-12)
    assert [point.label for point in piece.points] == ["bend 1"]


def test_one_point_twice_is_refused(pair: tuple[Problem, list[Tensors]]) -> None:
    """One sentence, and no piece."""
    problem, (first, _) = pair
    with pytest.raises(ValueError, match="must lead from one point to another, got the same"):
        pieces_of(problem, [first, first], SHORT)


def test_one_point_twice_is_not_even_asked(tmp_path: Path) -> None:
    """The catalog has neither a question nor a job afterwards."""
    catalog = new_catalog(tmp_path / "catalog")
    model = add_tiny(catalog, tmp_path, "one")
    jobs = len(catalog.jobs())
    with pytest.raises(ValueError, match="got the same twice; choose another"):
        questions.ask(catalog, CONNECTION, model, SHORT, others=[(model, model.point_id)])
    assert catalog.questions() == ([], 0) and len(catalog.jobs()) == jobs
    catalog.close()


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_an_end_that_is_not_finite_is_refused(
    pair: tuple[Problem, list[Tensors]], value: float
) -> None:
    """One sentence that says which one, before any step."""
    problem, (first, last) = pair
    name = next(iter(last))
    wrong = {**last, name: torch.full_like(last[name], value)}
    for ends, which in (([first, wrong], "second"), ([wrong, last], "first")):
        with pytest.raises(ValueError, match=f"the {which} point must have finite parameters"):
            pieces_of(problem, ends, SHORT)


def test_a_batch_of_one_has_no_statistics() -> None:
    """A model with BatchNorm says so and what to do; the problem file is not blamed."""
    model = torch.nn.Sequential(torch.nn.Linear(5, 4), torch.nn.BatchNorm1d(4)).double()
    inputs = torch.randn(40, 5, generator=seeded(1), dtype=torch.float64)
    labels = torch.randint(0, 4, (40,), generator=seeded(2))
    problem = Problem(model, {"train": (inputs, labels)}, cross_entropy)
    first = {name: value.clone() for name, value in model.state_dict().items()}
    last = {name: v + 1 if v.is_floating_point() else v for name, v in first.items()}
    with pytest.raises(ValueError, match="train the path with a larger batch"):
        pieces_of(problem, [first, last], replace(SHORT, batch_examples=1, batchnorm="batch"))


def test_a_batch_that_counts_nothing_pulls_nowhere() -> None:
    """Of (sum, count) with a count of 0 neither loss nor path becomes NaN."""
    model = torch.nn.Linear(3, 1, bias=False).double()
    inputs = torch.randn(40, 3, generator=seeded(1), dtype=torch.float64)
    counted = torch.arange(40) % 4 == 0

    def loss(outputs: torch.Tensor, batch: list[torch.Tensor]) -> tuple[torch.Tensor, torch.Tensor]:
        return (outputs[:, 0].square() * batch[1]).sum(), batch[1].sum()

    problem = Problem(model, {"train": (inputs, counted)}, loss)
    ends = [{"weight": torch.eye(3, dtype=torch.float64)[n : n + 1]} for n in (0, 1)]
    path = path_of(problem, ends, replace(SHORT, batch_examples=1))
    assert np.isfinite(path.loss).all() and np.isfinite(path.training["batch_loss"][1:]).all()
    assert path.mean[-1] < path.mean[0]  # those that count were followed


def test_a_path_that_diverges_keeps_its_numbers(pair: tuple[Problem, list[Tensors]]) -> None:
    """NaN and infinity on the way are stored as they are; both ends stay what they were."""
    problem, ends = pair
    wild = replace(SHORT, learning_rate=1000.0, weight_decay=100.0, bends=2)
    for minimised in ("expected", LARGEST, BAND):
        with warnings.catch_warnings():
            warnings.simplefilter("error")  # as of a range of losses of which none is a number
            path = path_of(problem, ends, replace(wild, minimised=minimised))
        assert path.computed.all()
        assert not np.isfinite(path.loss[-1][1:-1]).all() or path.loss[-1].max() > 1e6
        assert path.loss[-1][[0, -1]] == pytest.approx(path.loss[0][[0, -1]])


def test_the_models_are_not_altered(pair: tuple[Problem, list[Tensors]]) -> None:
    """The problem's own model and both points have their values afterwards, and no gradients."""
    problem, ends = pair
    before = {name: value.clone() for name, value in problem.model.state_dict().items()}
    kept = [{name: value.clone() for name, value in end.items()} for end in ends]
    pieces_of(problem, ends, SHORT)
    for name, value in problem.model.state_dict().items():
        assert torch.equal(value, before[name])
    assert all(p.grad is None and p.requires_grad for p in problem.model.parameters())
    for end, copy in zip(ends, kept, strict=True):
        assert all(torch.equal(end[name], copy[name]) for name in end)


@pytest.mark.parametrize("policy", ["recalibrated", "batch"])
def test_statistics_along_a_path_follow_the_policy(policy: str) -> None:
    """Bends bring recomputed statistics, or those between the ends'; frozen ones nobody knows."""
    problem = small_problem()
    first = {name: value.clone() for name, value in problem.model.state_dict().items()}
    last = {
        name: value + 0.3 * torch.randn(value.shape, generator=seeded(n), dtype=torch.float64)
        if value.is_floating_point() and "running" not in name
        else value.clone()
        for n, (name, value) in enumerate(first.items())
    }
    last["third.weight"] = last["second.weight"]  # these two are one tensor
    last["norm.running_mean"] = first["norm.running_mean"] + 1
    settings = replace(SHORT, batchnorm=policy, batchnorm_batch=32, batchnorm_examples=101)
    pieces = pieces_of(problem, [first, last], settings)
    path = Connection.from_pieces(settings, pieces)
    (bend,) = pieces[-1].points
    mean = torch.from_numpy(np.asarray(bend.tensors["norm.running_mean"]))
    halfway = first["norm.running_mean"] + 0.5
    assert torch.allclose(mean, halfway) == (policy != "recalibrated")
    if policy != "batch":
        own = [float(values["loss"]) for values in path.facts.own]
        assert path.end_losses == pytest.approx(own, rel=1e-9)
    words = {"recalibrated": "recomputed", "batch": "each batch's own"}
    assert words[policy] in path.facts.statistics
    with pytest.raises(ValueError, match="batchnorm must be recalibrated or batch along a path"):
        pieces_of(problem, [first, last], replace(settings, batchnorm="frozen"))


def test_batches_take_all_examples_in_each_epoch() -> None:
    """Each example once an epoch but for those left over; in another order the next; by seed."""
    data = torch.arange(50, dtype=torch.float64).unsqueeze(1)
    problem = replace(of_weights([1.0], lambda w: w.sum(1)), data={"train": data})
    settings = ObjectiveSettings(precision="float64")
    batches = Minibatches(problem, settings, CPU, 8, seed=3)
    epochs = [torch.cat([batches.at(e * 6 + n) for n in range(6)]).ravel().tolist() for e in (0, 1)]
    for epoch in epochs:
        assert len(epoch) == len(set(epoch)) == 48
    assert epochs[0] != epochs[1]
    again = Minibatches(problem, settings, CPU, 8, seed=3)
    assert torch.equal(again.at(7), batches.at(7))
    assert not torch.equal(Minibatches(problem, settings, CPU, 8, seed=4).at(7), batches.at(7))


def test_declared_batches_stay_whole() -> None:
    """Of a problem that declares its batch size each batch is one of its own, in a random order."""
    data = torch.arange(50, dtype=torch.float64).unsqueeze(1)
    problem = replace(of_weights([1.0], lambda w: w.sum(1)), data={"train": data}, batch_size=10)
    batches = Minibatches(problem, ObjectiveSettings(precision="float64"), CPU, 8, seed=3)
    starts = []
    for step in range(5):
        batch = batches.at(step).ravel()
        assert torch.equal(batch, torch.arange(batch[0], batch[0] + 10, dtype=torch.float64))
        starts.append(int(batch[0]))
    assert sorted(starts) == [0, 10, 20, 30, 40]


def test_independent_batches_stand_for_all_examples() -> None:
    """Of declared batches of 4, 4 and 2 of ten examples, too: their means average to that of all.

    The mean of 2,000 has the standard error 0.06; without the short batch it would be 1 off.
    """
    data = torch.arange(10, dtype=torch.float64).unsqueeze(1)
    problem = replace(of_weights([1.0], lambda w: w.sum(1)), data={"train": data}, batch_size=4)
    batches = Minibatches(problem, ObjectiveSettings(precision="float64"), CPU, 4, seed=3)
    drawn = [batches.independent(step).ravel() for step in range(2000)]
    assert {tuple(batch.tolist()) for batch in drawn} == {(0, 1, 2, 3), (4, 5, 6, 7), (8, 9)}
    assert float(torch.stack([batch.mean() for batch in drawn]).mean()) == pytest.approx(
        4.5, abs=0.3
    )


def test_the_learning_rate_falls_as_in_the_published_code() -> None:
    """Constant to the half, a hundredth from nine tenths on, linear between."""
    settings = ConnectionSettings(steps=1000, learning_rate=2.0)
    rates = [settings.rate_at(step) for step in (0, 500, 700, 900, 999)]
    assert rates == pytest.approx([2.0, 2.0, 2.0 * (1 - 0.99 / 2), 0.02, 0.02])


TANGENTS = [
    ([1, 2, 3], [0, 1]),  # climbing: to the next
    ([3, 2, 1], [1, 0]),  # falling: from the one before
    ([1, 5, 2], [3 / 5, 4 / 5]),  # a maximum: rises 4 and 3; the higher neighbour lies ahead
    ([2, 5, 1], [4 / 5, 3 / 5]),  # the same, the higher one before
    ([4, 1, 2], [3 / math.sqrt(10), 1 / math.sqrt(10)]),  # a minimum
    ([1, 1, 1], [1 / math.sqrt(2), 1 / math.sqrt(2)]),  # level: along both
]


@pytest.mark.parametrize(("losses", "wanted"), TANGENTS)
def test_tangents_solved_by_hand(losses: list[float], wanted: list[float]) -> None:
    """Henkelman & Jonsson's four cases, for neighbours at right angles."""
    points = torch.tensor([[-1.0, 0.0], [0.0, 0.0], [0.0, 1.0]], dtype=torch.float64)
    assert tangent(points, np.array(losses, float)).tolist() == pytest.approx(wanted)


def test_pivots_keep_equal_distances_along_the_chain() -> None:
    """On a bent chain of lengths 3 and 1 the middle of three lies at its half; ends stay out."""
    points = torch.tensor([[0.0, 0.0], [3.0, 0.0], [3.0, 1.0]], dtype=torch.float64)
    assert evenly_spaced(points, 3).tolist() == [[1.0, 0.0], [2.0, 0.0], [3.0, 0.0]]
    assert evenly_spaced(points, 1).tolist() == [[2.0, 0.0]]


def band_on(most: int) -> BandDescent:
    """A band with one pivot between -1 and 1 on an axis."""
    problem = of_weights([0.0], lambda w: w.sum(1))
    objective = Objective(problem, ObjectiveSettings(precision="float64"), CPU)
    settings = ConnectionSettings(minimised=BAND, bends=1, most_bends=most, precision="float64")
    first, last = (torch.tensor([x], dtype=torch.float64) for x in (-1.0, 1.0))
    return BandDescent(settings, first, last, BatchGradient(objective, 1))


def test_pivots_are_inserted_where_the_loss_is_high_between_them() -> None:
    """A bump right of the pivot gets one there, at the middle of the stretch; level ground none."""

    def bump(points: torch.Tensor) -> np.ndarray:
        x = points[:, 0].numpy()
        return np.exp(-(((x - 0.5) / 0.2) ** 2))

    band = band_on(most=5)
    band.insert(bump)
    assert band.bends.ravel().tolist() == [0.0, 0.5]
    assert band.velocity.shape == band.bends.shape
    level = band_on(most=5)
    level.insert(lambda points: np.zeros(len(points)))
    assert level.bends.ravel().tolist() == [0.0]
    full = band_on(most=1)
    full.insert(bump)
    assert full.bends.ravel().tolist() == [0.0]


def test_a_band_may_not_begin_with_more_pivots_than_it_may_have() -> None:
    """One sentence, with both numbers."""
    with pytest.raises(ValueError, match="bends must be at most the 2 pivots that the band may"):
        ConnectionSettings(minimised=BAND, bends=3, most_bends=2)


LONG = ConnectionSettings(
    steps=300, every=10, t_count=5, batch_examples=8, tolerance=-1.0, batchnorm="recalibrated"
)


def test_a_killed_training_goes_on_to_the_same_bits(tmp_path: Path) -> None:
    """SIGKILL midway: stored measurements stay, and all equal those of one go, bends too."""
    catalog = new_catalog(tmp_path / "whole")
    models = [add_tiny(catalog, tmp_path / f"whole-{n}", f"net {n}", [n]) for n in (0, 1)]
    whole = add_answer(catalog, CONNECTION, LONG, *[(model, "") for model in models])
    rows = catalog.values(whole.key, CONNECTION.table)
    bends = [point.point_id for point in catalog.answer_points(key=whole.key)]
    catalog.close()
    with supervised(tmp_path / "killed") as (catalog, supervisor):
        first, second = (
            imported(catalog, tmp_path / f"killed-{n}", f"net {n}", seed=n, pause=0.002)
            for n in (0, 1)
        )
        key = questions.ask(catalog, CONNECTION, first, LONG, others=[(second, "")])
        stored = until_stored(catalog, lambda: (u := catalog.units_done(key)) > 3 and u)
        assert stored < LONG.units, "the training was complete before the kill"
        (worker,) = until(lambda: supervisor.workers)
        os.kill(worker.pid, signal.SIGKILL)
        until_stored(catalog, lambda: catalog.question(key).status == "complete")
        again = catalog.values(key, CONNECTION.table)
        assert [point.point_id for point in catalog.answer_points(key=key)] == bends
    assert again.keys() == rows.keys()
    for name, values in rows.items():
        assert np.array_equal(again[name], values, equal_nan=True), name
