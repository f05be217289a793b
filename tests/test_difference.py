"""Two models compared example by example: the numbers, their errors, and what is refused."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import scipy  # loads scipy.stats when it is first used
import torch

from explorer.analysis import difference, line
from explorer.analysis.directions.directions import direction_rows
from explorer.analysis.objective.flat_model import FlatModel
from explorer.analysis.objective.named_tensors import Tensors
from explorer.analysis.objective.objective import Objective
from explorer.kinds.difference import Difference, DifferenceSettings
from explorer.kinds.line import Line, LineSettings
from explorer.kinds.objective_settings import ObjectiveSettings
from explorer.problem import Problem, cross_entropy
from tests.conftest import small_problem
from tests.networks import seeded

CPU = torch.device("cpu")
SMALL = DifferenceSettings(precision="float64", x_count=9)
Pair = tuple[Problem, Tensors, Tensors]  # a problem and two points of it


@pytest.fixture
def pair() -> Pair:
    """A problem and two points of it, statistics of their own included."""
    problem = small_problem()
    first = {name: value.clone() for name, value in problem.model.state_dict().items()}
    second = {name: value.clone() for name, value in first.items()}
    for n, name in enumerate(second):
        if second[name].is_floating_point() and "running" not in name:
            noise = torch.randn(second[name].shape, generator=seeded(n), dtype=torch.float64)
            second[name] += 0.1 * noise
    second["norm.running_var"] *= 2
    return problem, first, second


def compared(problem: Problem, subjects: list[Tensors], settings: Any = SMALL) -> Difference:
    pieces = difference.answer(problem, subjects, settings, frozenset(), CPU)
    return Difference.from_pieces(settings, pieces)


def losses_at(problem: Problem, point: Tensors, x: float, split: str = "train") -> np.ndarray:
    """An independent evaluation: the loss of each example, through a model moved by hand."""
    flat = FlatModel(problem.model, torch.float64, CPU)
    flat.load(point)
    flat.theta += x * direction_rows(flat, SMALL, 1)[0]
    images, labels = problem.data[split]
    with torch.no_grad():
        outputs = flat.module(images)
    return torch.nn.functional.cross_entropy(outputs, labels, reduction="none").numpy()


def test_differences_are_those_of_each_example(pair: Pair) -> None:
    """At every x: means and their errors, from losses computed apart."""
    problem, first, second = pair
    comparison = compared(problem, [first, second])
    assert comparison.computed.all()
    for i, x in enumerate(comparison.x):
        one, two = (losses_at(problem, point, x) for point in (first, second))
        for name, rows in (("loss_first", one), ("loss_second", two), ("difference", one - two)):
            got = [comparison.values[f"{name}{end}"][i] for end in ("", "_se")]
            assert got == pytest.approx((rows.mean(), scipy.stats.sem(rows)), rel=1e-9), name


def test_at_zero_it_is_the_difference_of_the_models(pair: Pair) -> None:
    """The models themselves are at x = 0: their stand-alone losses, to rounding."""
    problem, first, second = pair
    comparison = compared(problem, [first, second])
    alone = []
    for point in (first, second):
        objective = Objective(problem, ObjectiveSettings(precision="float64"), CPU)
        objective.load(point)
        alone.append(objective.means()["loss"])
    centre = comparison.centre
    assert centre is not None and comparison.x[centre] == 0
    assert comparison.loss[centre] == pytest.approx(alone[0] - alone[1], rel=1e-10)
    assert [end["loss"] for end in comparison.facts.alone] == pytest.approx(alone, rel=1e-12)


def test_each_model_moves_along_its_own_line(pair: Pair) -> None:
    """The losses are those of the lines of the same seed through each model."""
    problem, first, second = pair
    comparison = compared(problem, [first, second])
    settings = LineSettings(precision="float64", x_count=9)
    for name, point in (("loss_first", first), ("loss_second", second)):
        pieces = line.answer(problem, [point], settings, frozenset(), CPU)
        lone = Line.from_pieces(settings, pieces)
        assert comparison.values[name] == pytest.approx(lone.loss[0], rel=1e-12)


def test_exchanged_models_change_the_sign(pair: Pair) -> None:
    """B minus A is A minus B with the sign turned; the interval is turned too."""
    problem, first, second = pair
    there, back = compared(problem, [first, second]), compared(problem, [second, first])
    assert there.loss == pytest.approx(-back.loss, rel=1e-12)
    for kind in ("paired_interval", "unpaired_interval"):
        one, other = getattr(there, kind), getattr(back, kind)
        assert one[0] == pytest.approx(-other[1], rel=1e-9)
        assert one[1] == pytest.approx(-other[0], rel=1e-9)


def test_a_model_against_itself_differs_by_nothing(pair: Pair) -> None:
    """The same point twice: every difference and both ends of its interval are 0."""
    problem, first, _ = pair
    comparison = compared(problem, [first, first])
    assert (comparison.loss == 0).all()
    assert (
        comparison.paired_interval is not None
        and (comparison.paired_interval[0] == 0).all()
        and (comparison.paired_interval[1] == 0).all()
    )
    assert comparison.unpaired_interval is not None and (comparison.unpaired_interval[1] > 0).all()


def test_pairing_narrows_the_interval(pair: Pair) -> None:
    """Losses of near models go together: the paired interval is narrower at every point."""
    problem, first, second = pair
    near = {n: first[n] + 0.05 * (second[n] - first[n]) for n in first}
    near |= {n: first[n] for n in first if not first[n].is_floating_point()}
    comparison = compared(problem, [first, near])
    assert comparison.paired_interval is not None and comparison.unpaired_interval is not None
    assert (
        np.diff(comparison.paired_interval, axis=0)
        < 0.5 * np.diff(comparison.unpaired_interval, axis=0)
    ).all()


def test_parts_of_points_and_resume_change_nothing(
    pair: Pair, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However many points are compared together, and from wherever it goes on."""
    problem, first, second = pair
    whole = compared(problem, [first, second])
    monkeypatch.setattr(difference, "ROW_BYTES", 3 * 8 * 101)
    parts = compared(problem, [first, second])
    pieces = difference.answer(problem, [first, second], SMALL, frozenset({0, 5}), CPU)
    rest = Difference.from_pieces(SMALL, pieces)
    assert rest.computed.sum() == 7
    for name, values in whole.values.items():
        assert (parts.values[name] == values).all(), name
        assert (rest.values[name] == values)[rest.computed].all(), name


def test_a_subset_compares_both_on_the_same_examples(pair: Pair) -> None:
    """Random examples: the same for both models, so that a model equals itself there too."""
    problem, first, second = pair
    settings = replace(SMALL, subset="random", examples=20, examples_seed=3)
    comparison = compared(problem, [first, first], settings)
    assert (comparison.loss == 0).all() and comparison.facts.examples == 20
    assert comparison.available == 101
    other = compared(problem, [first, second], settings)
    whole = compared(problem, [first, second])
    assert (other.loss != whole.loss).all()


def test_a_loss_of_sums_is_refused(pair: Pair) -> None:
    """Without one value per example there is nothing to pair: one sentence."""
    problem, first, second = pair

    def summed(outputs: torch.Tensor, batch: tuple) -> tuple[torch.Tensor, int]:
        return cross_entropy(outputs, batch).sum(), len(outputs)

    with pytest.raises(ValueError, match="the loss must be one value per example to compare"):
        compared(replace(problem, loss=summed, metrics={}), [first, second])


def test_values_that_are_no_numbers_are_kept(pair: Pair) -> None:
    """Where one model's loss is infinite so is the difference; no warning, no other point."""
    problem, first, second = pair

    def broken(outputs: torch.Tensor, batch: tuple) -> torch.Tensor:
        return torch.where(outputs.abs().amax() > limit, torch.inf, outputs.square().sum(dim=1))

    sizes = []
    for point in (first, second):
        flat = FlatModel(problem.model, torch.float64, CPU)
        flat.load(point)
        with torch.no_grad():
            sizes.append(float(flat.module(problem.data["train"][0]).abs().amax()))
    limit = 1.05 * max(sizes)
    comparison = compared(replace(problem, loss=broken), [first, second])
    bad = ~np.isfinite(comparison.loss)
    assert bad.any() and not bad.all()
    assert not np.isfinite(np.asarray(comparison.paired_interval)[:, bad]).any()
    assert np.isfinite(np.asarray(comparison.paired_interval)[:, ~bad]).all()
