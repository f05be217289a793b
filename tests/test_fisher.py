"""The Fisher matrix by drawn labels, against autograd of single labels and Gauss-Newton."""

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from explorer.analysis.curvature import fisher, products
from explorer.analysis.curvature.differentiable import DifferentiableModel
from explorer.analysis.curvature.matrices import dense_matrix
from explorer.analysis.curvature.products import Curvature, CurvatureError
from explorer.analysis.objective.device import restore_threads
from explorer.analysis.objective.objective import Objective
from explorer.kinds.matrix import SpectrumSettings
from explorer.kinds.objective_settings import ObjectiveSettings
from explorer.problem import (
    Problem,
    cross_entropy,
    own_loss,
    pixel_cross_entropy,
    squared_error,
    token_cross_entropy,
)
from tests.networks import seeded

EXACT = ObjectiveSettings(precision="float64")
CPU = torch.device("cpu")
COUNT = 11  # examples


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """Products of matrices this small take longer to share out than to do."""
    with restore_threads():
        torch.set_num_threads(1)
        yield


def normal(*shape: int) -> Tensor:
    return torch.randn(*shape, generator=seeded(sum(shape)), dtype=torch.float64)


def some_labels(*shape: int, ignored: int) -> Tensor:
    """Labels of three classes, of which a few are to be ignored."""
    labels = torch.randint(0, 3, shape, generator=seeded(len(shape)))
    return torch.where(torch.rand(shape, generator=seeded(9)) < 0.2, ignored, labels)


def of(model: nn.Module, inputs: Tensor, labels: Tensor, loss: Any) -> Problem:
    return Problem(model.double(), {"train": (inputs, labels)}, loss)


def problems() -> dict[str, Problem]:
    """A small network for each of the ready losses."""
    with torch.random.fork_rng():
        torch.manual_seed(2)
        flat = nn.Sequential(nn.Linear(3, 2), nn.Tanh(), nn.Linear(2, 3))
        words = nn.Sequential(nn.Linear(3, 2), nn.Tanh(), nn.Linear(2, 3))
        image = nn.Sequential(nn.Conv2d(1, 2, 2), nn.Tanh(), nn.Conv2d(2, 3, 1))
    tokens = some_labels(COUNT, 4, ignored=-100)
    pixels = some_labels(COUNT, 2, 2, ignored=7)
    return {
        "classes": of(flat, normal(COUNT, 3), some_labels(COUNT, ignored=-100), cross_entropy),
        "tokens": of(words, normal(COUNT, 4, 3), tokens, token_cross_entropy),
        "pixels": of(
            image, normal(COUNT, 1, 3, 3), pixels, partial(pixel_cross_entropy, ignored=7)
        ),
        "numbers": of(flat, normal(COUNT, 3), normal(COUNT, 3), squared_error),
    }


every_loss = pytest.mark.parametrize("name", list(problems()))


def objective_of(problem: Problem) -> Objective:
    return Objective(problem, EXACT, CPU)


def matrix(objective: Objective, maker: products.MapMaker, **given: Any) -> np.ndarray:
    return dense_matrix(Curvature(objective, maker, **given))


def rows_by_hand(problem: Problem, seed: int, draw: int) -> tuple[np.ndarray, float]:
    """Gradients of each label's own loss, drawn from the outputs, and how many count; autograd."""
    model, (inputs, labels) = problem.model, problem.data["train"]
    outputs = model(inputs)
    numbers = np.arange(COUNT)
    if problem.loss is squared_error:
        # loss = mean of 3 squares = -log of a normal density of variance 3 / 2, but for a constant
        noise = fisher.ndtri(fisher.uniform_numbers([seed, draw], numbers, 3))
        targets = outputs.detach() + (3 / 2) ** 0.5 * torch.from_numpy(noise)
        terms = squared_error(outputs, (inputs, targets))
    else:
        axis = -1 if problem.loss is token_cross_entropy else 1
        logits = outputs.movedim(axis, -1)
        drawn = fisher.sample_classes(logits.detach().softmax(-1), numbers, [seed, draw])
        chosen = logits.log_softmax(-1).gather(-1, drawn.unsqueeze(-1)).squeeze(-1)
        terms = -chosen[(labels >= 0) & (labels < 3)]
    parameters = list(model.parameters())
    rows = [
        torch.cat([g.flatten() for g in torch.autograd.grad(t, parameters, retain_graph=True)])
        for t in terms.flatten()
    ]
    counted = COUNT if problem.loss is cross_entropy else len(rows)
    return torch.stack(rows).numpy(), counted


@every_loss
def test_it_is_the_mean_of_outer_products(name: str) -> None:
    """The dense matrix equals per-label autograd over three draws, ignored labels left out."""
    problem = problems()[name]
    fisher_matrix = matrix(objective_of(problem), fisher.monte_carlo_fisher(4, 3))
    wanted = 0.0
    for draw in range(3):
        rows, count = rows_by_hand(problem, 4, draw)
        wanted = wanted + rows.T @ rows / count / 3
    assert fisher_matrix == pytest.approx(wanted, rel=1e-10, abs=1e-14)
    assert np.linalg.eigvalsh(fisher_matrix)[0] > -1e-14
    assert np.abs(fisher_matrix).max() > 1e-3


@every_loss
def test_its_mean_is_gauss_newton(name: str) -> None:
    """The mean of many draws is Gauss-Newton within its standard error, and one draw is not."""
    objective = objective_of(problems()[name])
    gauss_newton_matrix = matrix(objective, products.gauss_newton)
    each = np.stack([matrix(objective, fisher.monte_carlo_fisher(seed, 1)) for seed in range(20)])
    spread = ((each - gauss_newton_matrix) ** 2).sum(axis=(1, 2)).mean()  # of one draw
    assert spread > (0.05 * np.linalg.norm(gauss_newton_matrix)) ** 2
    for seed, draws in ((30, 300), (31, 300)):
        mean = matrix(objective, fisher.monte_carlo_fisher(seed, draws))
        squared = ((mean - gauss_newton_matrix) ** 2).sum() / (spread / draws)
        assert squared < 4  # 1 expected: twice the standard error


@every_loss
def test_labels_do_not_depend_on_the_cut(name: str) -> None:
    """Batches of 4, 4 and 3, and of 2, kept or made anew, give the matrix of one batch."""
    objective, maker = objective_of(problems()[name]), fisher.monte_carlo_fisher(1, 2)
    whole = Curvature(objective, maker)
    whole_matrix = dense_matrix(whole)
    assert whole.batch == COUNT
    for batch, kept in ((4, 3), (2, 1)):
        cut = Curvature(objective, maker)
        cut._cut_into_batches(batch)
        cut.kept = kept
        assert dense_matrix(cut) == pytest.approx(whole_matrix, rel=1e-12, abs=1e-15)
    assert np.abs(matrix(objective, fisher.monte_carlo_fisher(2, 2)) - whole_matrix).max() > 1e-3


def test_a_part_of_the_examples_has_their_own_labels() -> None:
    """The matrices of two halves, weighed by what they count, add up to that of the whole."""
    objective, maker = objective_of(problems()["classes"]), fisher.monte_carlo_fisher(3, 1)
    halves = (np.array([0, 2, 3, 7, 10]), np.array([1, 4, 5, 6, 8, 9]))
    parts = [len(half) * matrix(objective, maker, examples=half) for half in halves]
    assert sum(parts) / COUNT == pytest.approx(matrix(objective, maker), rel=1e-12, abs=1e-15)


def test_a_space_numbers_its_examples() -> None:
    """The numbers of a batch are places among all, also of chosen examples."""
    objective = objective_of(problems()["classes"])
    space = DifferentiableModel(objective)
    space.batch(3, 6)
    assert space.numbers.tolist() == [3, 4, 5]
    space = DifferentiableModel(objective, np.array([1, 4, 8, 9]))
    space.batch(1, 3)
    assert space.numbers.tolist() == [4, 8]


def test_random_numbers_are_even_and_for_good() -> None:
    """Known bits; by place alone; mean, variance and neighbours' correlation of even numbers."""
    drawn = fisher.uniform_numbers([0, 0], np.arange(20_000), 5)
    assert ((drawn > 0) & (drawn < 1)).all()
    assert (fisher.uniform_numbers([0, 0], np.array([17, 3]), 5) == drawn[[17, 3]]).all()
    for other in ([1, 0], [0, 1]):
        assert (
            np.abs(
                np.corrcoef(
                    fisher.uniform_numbers(other, np.arange(20_000), 5).ravel(), drawn.ravel()
                )[0, 1]
            )
            < 0.015
        )
    # standard errors for 100,000 numbers: 0.0009 and 0.0002; 0.003 of a correlation
    assert drawn.mean() == pytest.approx(0.5, abs=0.004)
    assert drawn.var() == pytest.approx(1 / 12, abs=0.001)
    assert abs(np.corrcoef(drawn.ravel()[1:], drawn.ravel()[:-1])[0, 1]) < 0.015
    # SplitMix64 of its reference implementation: the first output of the state 0
    with np.errstate(over="ignore"):
        assert int(fisher._mix_bits(fisher.GOLDEN)) == 0xE220A8397B1DCDAF


def no_likelihood(outputs: Tensor, batch: Any) -> Tensor:
    return outputs.abs().sum(1)


@pytest.mark.parametrize("loss", [no_likelihood, own_loss, lambda outputs, batch: outputs[:, 0]])
def test_another_loss_is_refused(loss: Callable) -> None:
    """A loss that is no known likelihood: one sentence with its name and the way out."""
    inputs = normal(5, 3)
    problem = Problem(nn.Linear(3, 2).double(), {"train": (inputs,)}, no_likelihood)
    objective = objective_of(problem)
    object.__setattr__(problem, "loss", loss)
    with pytest.raises(CurvatureError, match="the Monte-Carlo Fisher matrix needs a loss") as said:
        Curvature(objective, fisher.monte_carlo_fisher(0, 1))
    assert loss.__name__ in str(said.value) and "choose gauss_newton" in str(said.value)
    assert "\n" not in str(said.value)


def test_draws_count_beside_this_matrix_alone() -> None:
    """The number of labels is in the question about this matrix, in no other."""
    assert SpectrumSettings(labels=9) == SpectrumSettings()
    assert SpectrumSettings(matrix="fisher", labels=9) != SpectrumSettings(matrix="fisher")
    with pytest.raises(ValueError, match="labels must be from 1 to 1,000, got 0"):
        SpectrumSettings(matrix="fisher", labels=0)
