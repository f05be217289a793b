"""Learning coefficients, against densities whose means are known; R-hat, against ArviZ."""

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
import pytest
import torch
import vl_convert
from scipy.integrate import quad
from torch import Tensor, nn

from explorer.analysis import learning_coefficient
from explorer.kinds.estimates import Estimate
from explorer.kinds.learning_coefficient import LearningCoefficientLook
from explorer.kinds.learning_coefficient_result import LearningCoefficient
from explorer.kinds.learning_coefficient_settings import LearningCoefficientSettings
from explorer.kinds.mixing import MIXED, split_r_hat
from explorer.kinds.progress import JobCancelled, Progress, Record
from explorer.problem import Problem
from explorer.render.learning_coefficient import draw

CPU = torch.device("cpu")


class Place(nn.Module):
    """A few numbers; the outputs are them, for each example."""

    def __init__(self, count: int) -> None:
        super().__init__()
        self.place = nn.Parameter(torch.zeros(count, dtype=torch.float64))

    def forward(self, batch: Tensor) -> Tensor:
        return self.place.expand(len(batch), -1)


def problem(loss: Callable[[Tensor], Tensor], dimension: int, examples: int) -> Problem:
    """That loss of its parameters, the same for each of so many examples."""
    data = torch.zeros(examples, 1, dtype=torch.float64)
    return Problem(Place(dimension), {"train": data}, lambda outputs, batch: loss(outputs))


def answered(
    problem: Problem, settings: LearningCoefficientSettings, at: float = 0.0
) -> LearningCoefficient:
    """The whole answer at the place whose numbers are all `at`."""
    point = {"place": torch.full_like(problem.model.place.detach(), at)}
    pieces = learning_coefficient.answer(problem, [point], settings, frozenset(), CPU)
    return LearningCoefficient.from_pieces(settings, pieces)


def settings(**values: Any) -> LearningCoefficientSettings:
    """In double precision, one example a step, as the loss is the same for all; a draw a step."""
    usual = {"precision": "float64", "batch_examples": 1, "steps_per_draw": 1}
    return LearningCoefficientSettings(**(usual | values))


def estimate_of(result: LearningCoefficient) -> Estimate:
    """The estimate, which must be there."""
    assert result.estimate is not None
    return result.estimate


def test_a_quadratic_gives_half_its_dimension() -> None:
    """lambda-hat of sum a w^2 / 2 is d / 2, but for a bias of gamma and the step in closed form.

    With h = n beta a + gamma the draws of step eps have the variance 1 / (h (1 - eps h / 4)), so
    that the estimate is half the sum of n beta a over h (1 - eps h / 4): 5 % above d / 2 here. Its
    95 % interval over chains holds that, and d / 2 is within 10 %: the bias, and noise of a few %.
    """
    curvatures = torch.linspace(1, 3, 100, dtype=torch.float64)
    bowl = problem(lambda w: (curvatures * w**2).sum(1) / 2, 100, 10_000)
    chosen = settings(draws=250, burn_in=60, step_size=1e-4, localisation=5.0)
    result = answered(bowl, chosen)
    assert result.scale == pytest.approx(10_000 / math.log(10_000))
    pull = result.scale * curvatures.numpy()
    held = pull + chosen.localisation
    expected = float((pull / (held * (1 - chosen.step_size * held / 4)) / 2).sum())
    estimate = estimate_of(result)
    assert estimate.low < expected < estimate.high
    assert estimate.value == pytest.approx(50, rel=0.1)
    assert result.r_hat < MIXED and not result.diverged


def test_a_fourth_power_gives_a_quarter() -> None:
    """x^4 has 1 / 4, the same at any gamma near 0; a hundred of them together a hundred times it.

    At this n and gamma the density's own mean is 0.247, by quadrature; the steps add to that.
    """
    chosen = settings(draws=400, burn_in=100, step_size=5e-4, localisation=1.0)
    result = answered(problem(lambda w: (w**4).sum(1), 100, 10_000), chosen)
    expected = mean_rise(result.scale, lambda x: math.exp(-result.scale * x**4 - x**2 / 2))
    assert expected == pytest.approx(1 / 4, rel=0.02)
    assert estimate_of(result).value / 100 == pytest.approx(expected, rel=0.06)


def mean_rise(scale: float, density: Callable[[float], float]) -> float:
    """The mean of n beta x^4 under a density."""
    over = quad(lambda x: scale * x**4 * density(x), -3, 3, points=[0.0])[0]
    return float(over / quad(density, -3, 3, points=[0.0])[0])


def degenerate_rise(scale: float, localisation: float) -> float:
    """The mean of n beta x^2 y^4 under its localised density: x is integrated in closed form."""

    def density(y: float) -> float:
        return math.exp(-localisation * y**2 / 2) / math.sqrt(2 * scale * y**4 + localisation)

    def rise(y: float) -> float:
        return scale * y**4 / (2 * scale * y**4 + localisation) * density(y)

    end, knee = 10 / math.sqrt(localisation), (localisation / (2 * scale)) ** 0.25
    over, under = (quad(f, 0, end, points=[knee], limit=500)[0] for f in (rise, density))
    return float(over / under)


def test_crossing_valleys_give_their_sharper_half() -> None:
    """x^2 y^4 has min(1/2, 1/4), which finite n and gamma bias: by quadrature, 1/4 as n grows.

    At the n and gamma that chains are quick at the mean is 0.126, and theirs is within a tenth.
    """
    assert degenerate_rise(1e9 / math.log(1e9), 0.1) == pytest.approx(1 / 4, rel=0.01)
    chosen = settings(draws=700, burn_in=800, step_size=2e-4, localisation=10.0, chains=2)
    crossing = problem(lambda w: (w[:, :200] ** 2 * w[:, 200:] ** 4).sum(1), 400, 10_000)
    result = answered(crossing, chosen)
    expected = degenerate_rise(result.scale, chosen.localisation)
    assert expected == pytest.approx(0.126, abs=0.001)
    assert estimate_of(result).value / 200 == pytest.approx(expected, rel=0.1)


def test_mini_batches_stand_for_all_examples() -> None:
    """Examples that pull to different places: batches of a few give what all of them give.

    The loss is w^2 / 2 - b w with b of mean 0 and variance 1: without batches lambda-hat is 1 / 2
    for each number. Noise of batches of B adds a share of eps (n beta)^2 / (4 B) to that of the
    chain, 5 % here. Batches of an epoch, which know of each other, would give a fifth too much.
    """
    pulls = torch.randn(2000, 60, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    pulls = (pulls - pulls.mean(0)) / pulls.std(0, correction=0)

    def loss(outputs: Tensor, batch: Tensor) -> Tensor:
        return (outputs**2 / 2 - batch * outputs).sum(1)

    chosen = settings(draws=400, burn_in=100, step_size=2e-4, localisation=1.0)
    chosen = replace(chosen, batch_examples=64)
    result = answered(Problem(Place(60), {"train": pulls}, loss), chosen)
    step, pull = chosen.step_size, result.scale
    noise = step + (step * pull / 2) ** 2 / chosen.batch_examples
    variance = noise / (1 - (1 - step * (pull + 1) / 2) ** 2)
    expected = 60 * pull * variance / 2
    assert expected == pytest.approx(30, rel=0.07)
    # twenty-four chains were off by 2.1 each, so that four are by 1: 3 of them are a tenth
    assert estimate_of(result).value == pytest.approx(expected, rel=0.1)


def test_a_chain_that_diverges_is_kept_and_said() -> None:
    """A step too long for the curvature ends in NaN: the draws before it stay, no estimate is."""
    bowl = problem(lambda w: (w**2).sum(1).exp(), 2, 10_000)
    result = answered(bowl, settings(draws=30, burn_in=5, step_size=0.5))
    assert set(result.diverged) == {0, 1, 2, 3}
    assert all(np.isfinite(result.loss[n, :end]).all() for n, end in result.diverged.items())
    assert math.isnan(estimate_of(result).value) and math.isnan(result.r_hat)
    early = answered(bowl, settings(draws=30, burn_in=29, step_size=0.5))
    for chains in (result, early):  # nothing is left of the second's estimate to be drawn
        chart = draw(chains, LearningCoefficientLook()).to_dict(validate=True)
        assert vl_convert.vegalite_to_svg(chart).startswith("<svg")


def test_a_point_on_a_slope_has_an_estimate_below_0() -> None:
    """Chains that go down from where they began say that the point is no minimum."""
    bowl = problem(lambda w: (w**2).sum(1) / 2, 3, 1000)
    result = answered(bowl, settings(draws=40, burn_in=40, step_size=1e-3), at=1.0)
    assert estimate_of(result).high < 0


def test_chains_that_stay_apart_do_not_mix() -> None:
    """Of a flat loss with hardly a hold chains wander off, each its own way: R-hat says so."""
    flat = problem(lambda w: 0.001 * w[:, 0], 2, 1000)
    result = answered(flat, settings(draws=60, burn_in=0, step_size=1e-4, localisation=0.0))
    assert result.r_hat > MIXED


def test_chains_that_all_still_move_away_do_not_mix() -> None:
    """Steps too short to come to rest within the draws: losses of batches alone would hide that."""
    noise = torch.randn(500, 20, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    noise *= 5

    def loss(outputs: Tensor, batch: Tensor) -> Tensor:
        return (outputs**2 / 2 + batch).sum(1)

    noisy = Problem(Place(20), {"train": noise}, loss)
    result = answered(noisy, settings(draws=60, burn_in=0, step_size=1e-6))
    assert split_r_hat(result.kept_losses) < MIXED < result.r_hat


def test_too_few_examples_or_no_finite_loss_are_refused() -> None:
    """One example has no logarithm above 0; a point of infinite loss has no rise above it."""
    few = settings(draws=4, burn_in=0)
    with pytest.raises(ValueError, match="needs 2 examples or more, got 1"):
        answered(problem(lambda w: (w**2).sum(1), 2, 1), few)
    with pytest.raises(ValueError, match="must be finite, got inf"):
        answered(problem(lambda w: (1 / w).sum(1), 2, 9), few)


class Kept(Progress):
    """Keeps what a chain goes on from, and stops it at a draw."""

    def __init__(self, stop: int, records: Sequence[Record] = ()) -> None:
        self.stop, self.last, self.given = stop, list(records), list(records)

    def report(self, words: str) -> None:
        """Stop at that draw."""
        if words.startswith(f"draw {self.stop} of"):
            raise JobCancelled

    def records(self, unit: int) -> Iterator[Record]:
        """What was kept of the first chain."""
        yield from self.given if unit == 0 else ()

    def replace(self, unit: int, record: Record) -> None:
        """Keep it."""
        self.last = [record]


def test_a_killed_chain_goes_on_to_the_same_draws() -> None:
    """From what was kept midway the rest is what it is in one go, to the last bit."""
    bowl = problem(lambda w: (w**4).sum(1), 3, 500)
    chosen = settings(draws=20, burn_in=5, steps_per_draw=2)
    run = partial(learning_coefficient.answer, bowl, [bowl.model.state_dict()], chosen)
    whole = next(run(frozenset(), CPU))
    kept = Kept(stop=11)
    with pytest.raises(JobCancelled):
        next(run(frozenset(), CPU, progress=kept))
    resumed = next(run(frozenset(), CPU, progress=Kept(0, kept.last)))
    for name, column in whole.columns.items():
        assert resumed.columns[name].tobytes() == column.tobytes(), name


def test_r_hat_is_that_of_arviz() -> None:
    """Means that differ and spreads that differ; values by arviz-stats 0.8.0, method "rank"."""
    generator = np.random.RandomState(3)
    walk = generator.standard_normal((4, 50)).cumsum(axis=1) * 0.3
    drifting = walk + generator.standard_normal((4, 50))
    wide = generator.standard_normal((4, 50))
    wide[0] *= 4
    assert split_r_hat(drifting) == pytest.approx(1.405640329307594, rel=1e-9)
    assert split_r_hat(wide) == pytest.approx(1.1893357768673603, rel=1e-9)
    assert math.isnan(split_r_hat(wide[:, :3]))
    assert math.isnan(split_r_hat(np.ones((2, 8))))
