"""Spectra: every number of an answer against dense float64 algebra, and what is kept of it."""

import csv
import io
import itertools
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch.func import functional_call, hessian, jacrev, vmap
from torch.nn import functional

from explorer.analysis import spectrum as analysis
from explorer.analysis import spectrum_ends
from explorer.ask import questions
from explorer.ask.estimate import estimate
from explorer.codec import to_json
from explorer.contracts.checkpoint import Checkpoint
from explorer.kinds import Piece
from explorer.kinds.estimates import Estimate
from explorer.kinds.matrix import MatrixRole, SpectrumSettings
from explorer.kinds.spectrum import SPECTRUM, taken_over
from explorer.kinds.spectrum_result import Spectrum
from explorer.problem import Problem, cross_entropy, squared_error
from explorer.render.export import table
from store import Catalog
from tests.conftest import FEW as EXAMPLES
from tests.filling import add_model, add_tiny, new_catalog, work
from tests.tiny import broken_file, problem_file

CPU = torch.device("cpu")
SMALL = SpectrumSettings(
    precision="float64", top=4, bottom=2, probes=3, steps=60, trace_products=20, tolerance=1e-8
)


def answered(
    problem: Problem, settings: SpectrumSettings, done: frozenset[int] = frozenset()
) -> list[Piece]:
    return list(analysis.answer(problem, [problem.model.state_dict()], settings, done, CPU))


def spectrum_of(problem: Problem, settings: SpectrumSettings) -> Spectrum:
    return Spectrum.from_pieces(settings, answered(problem, settings))


def outputs_at(problem: Problem, theta: torch.Tensor) -> torch.Tensor:
    """The network's outputs at flat parameters, through torch alone."""
    named, start = {}, 0
    for name, value in problem.model.named_parameters():
        named[name] = theta[start : start + value.numel()].view_as(value)
        start += value.numel()
    return functional_call(problem.model, named, problem.data["train"][0])


def theta_of(problem: Problem) -> torch.Tensor:
    return torch.cat([value.detach().flatten() for value in problem.model.parameters()])


def loss_at(problem: Problem, theta: torch.Tensor) -> torch.Tensor:
    return functional.cross_entropy(outputs_at(problem, theta), problem.data["train"][1])


def oracle(problem: Problem, matrix: str) -> np.ndarray:
    """The matrix itself, by torch.func and the closed form of the softmax's second derivatives."""
    theta = theta_of(problem)
    whole = hessian(lambda at: loss_at(problem, at))(theta)
    if matrix == "hessian":
        return whole.numpy()
    if matrix == "scaled_hessian":
        return (theta.abs()[:, None] * whole * theta.abs()).numpy()
    slopes = jacrev(lambda at: outputs_at(problem, at))(theta)  # (N, C, D)
    odds = outputs_at(problem, theta).softmax(dim=1)
    if matrix == "gauss_newton":
        inner = vmap(torch.diag)(odds) - odds[:, :, None] * odds[:, None, :]
        return (torch.einsum("ncd,nce,nef->df", slopes, inner, slopes) / EXAMPLES).numpy()
    labels = functional.one_hot(problem.data["train"][1], 3)
    each = torch.einsum("nc,ncd->nd", odds - labels, slopes)
    return (each.T @ each / EXAMPLES).numpy()


@pytest.mark.parametrize("matrix", ["hessian", "gauss_newton", "empirical_fisher"])
def test_every_role_against_the_dense_matrix(small: Problem, matrix: str) -> None:
    """All eigenvalues, pairs, quadrature, forms, layers, mini-batch, trace of the real matrix."""
    settings = replace(SMALL, matrix=matrix, batches=1, batch_examples=EXAMPLES)
    exact = oracle(small, matrix)
    values = np.linalg.eigvalsh(exact)
    spectrum_answer = spectrum_of(small, settings)
    assert spectrum_answer.of(MatrixRole.ALL)[1] == pytest.approx(values, abs=1e-13)
    pairs, residuals = spectrum_answer.eigenvalues
    assert pairs == pytest.approx([*values[::-1][:4], *values[:2][::-1]], abs=1e-13)
    assert residuals.max() < 1e-13
    for number, (nodes, weights) in enumerate(spectrum_answer.probes):
        drawn = np.random.RandomState((0, spectrum_ends.STREAM["probes"], number))
        signs = 2 * drawn.randint(0, 2, len(values)) - 1.0
        product = exact @ signs
        for power, moment in ((0, 1.0), (1, signs @ product / 43), (2, product @ product / 43)):
            assert weights @ nodes**power == pytest.approx(moment, rel=1e-10)
        _, forms, squares = spectrum_answer.of(MatrixRole.PROBE)
        assert forms[number] == pytest.approx(signs @ product / 43, rel=1e-10)
        assert squares[number] == pytest.approx(product @ product / 43, rel=1e-10)
        mine = spectrum_answer.rows["unit"] == 1 + number
        parts = spectrum_answer.rows["value"][
            mine & (spectrum_answer.rows["role"] == MatrixRole.LAYER)
        ]
        ends = np.cumsum([0, 20, 5, 15, 3])
        wanted = [signs[a:b] @ product[a:b] for a, b in itertools.pairwise(ends)]
        assert parts == pytest.approx(wanted, rel=1e-9, abs=1e-12)
    _, largest, _ = spectrum_answer.of(MatrixRole.BATCH)  # of a batch that holds all examples
    assert largest == pytest.approx([values[-1]], rel=1e-7)
    assert spectrum_answer.trace.value == pytest.approx(np.trace(exact), rel=1e-12)
    assert spectrum_answer.trace.low == spectrum_answer.trace.high
    assert spectrum_answer.quadrature.squared_norm.value == pytest.approx(
        (exact**2).sum(), rel=1e-12
    )
    spectrum = values.clip(min=0)
    dimension = spectrum_answer.quadrature.effective_dimension(0.1).value
    assert dimension == pytest.approx((spectrum / (spectrum + 0.1)).sum(), rel=1e-12)
    logarithm = spectrum_answer.quadrature.log_determinant(0.1).value
    assert logarithm == pytest.approx(np.log(spectrum + 0.1).sum())


def test_the_scaled_hessian_and_one_layer(small: Problem) -> None:
    """|w| H |w|, and the diagonal block of one tensor alone, against the dense ones."""
    values = np.linalg.eigvalsh(oracle(small, "scaled_hessian"))
    spectrum_answer = spectrum_of(small, replace(SMALL, matrix="scaled_hessian"))
    assert spectrum_answer.of(MatrixRole.ALL)[1] == pytest.approx(values, abs=1e-13)
    block = oracle(small, "hessian")[25:40, 25:40]
    spectrum_answer = spectrum_of(small, replace(SMALL, layer="2.weight"))
    assert spectrum_answer.size == 15
    assert spectrum_answer.of(MatrixRole.ALL)[1] == pytest.approx(
        np.linalg.eigvalsh(block), abs=1e-13
    )
    assert list(spectrum_answer.layers) == ["2.weight"]
    with pytest.raises(ValueError, match=r"layer must be one of 0.weight, .* got 'nothing'"):
        answered(small, replace(SMALL, layer="nothing"))


def test_the_loss_along_the_last_vector(small: Problem) -> None:
    """The losses are the model's own there; near 0 slope and eigenvalue foretell them."""
    spectrum_answer = spectrum_of(small, SMALL)
    _, steps, losses = spectrum_answer.of(MatrixRole.ESCAPE)
    _, vectors = np.linalg.eigh(oracle(small, "hessian"))
    theta, last = theta_of(small), torch.from_numpy(vectors[:, 0].copy())
    slope = float(torch.func.grad(lambda at: loss_at(small, at))(theta) @ last)
    last = last if slope <= 0 else -last
    assert spectrum_answer.facts.escape_slope == pytest.approx(-abs(slope), rel=1e-9)
    told = [float(loss_at(small, theta + step * last)) for step in steps]
    assert losses == pytest.approx(told, rel=1e-12)
    near = np.abs(steps) <= np.abs(steps[steps > 0]).min() * 1.01
    # a third derivative of about 1 times t^3 / 6 with t = 0.006
    assert spectrum_answer.predicted_losses(steps[near]) == pytest.approx(losses[near], abs=1e-6)


@pytest.fixture
def never_dense(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have small matrices treated as large ones."""
    monkeypatch.setattr(spectrum_ends, "MAX_DENSE_PARAMETERS", 0)


def test_without_the_dense_matrix(small: Problem, never_dense: None) -> None:
    """Lanczos finds the same ends within the residuals; sums have intervals around the truth."""
    exact = np.linalg.eigvalsh(oracle(small, "hessian"))
    settings = replace(SMALL, probes=30, trace_products=0, seed=1)
    spectrum_answer = spectrum_of(small, settings)
    assert not len(spectrum_answer.of(MatrixRole.ALL)[1])
    values, residuals = spectrum_answer.eigenvalues
    wanted = np.array([*exact[::-1][:4], *exact[:2][::-1]])
    assert (np.abs(values - wanted) <= residuals + 1e-13).all()
    assert spectrum_answer.facts.converged
    assert spectrum_answer.ranks == ["1", "2", "3", "4", "\N{MINUS SIGN}2", "\N{MINUS SIGN}1"]
    sums = spectrum_answer.quadrature
    for estimate_of, truth in (
        (spectrum_answer.trace, exact.sum()),
        (sums.squared_norm, (exact**2).sum()),
        (sums.effective_dimension(0.1), (exact.clip(0) / (exact.clip(0) + 0.1)).sum()),
    ):
        assert estimate_of.low < truth < estimate_of.high
        assert estimate_of.probes == 30
    blocks = np.diag(oracle(small, "hessian"))
    _, forms, _ = spectrum_answer.of(
        MatrixRole.PROBE
    )  # the layers share what the probes saw, pairs not put in
    seen = forms.mean() * spectrum_answer.size
    assert sum(e.value for e in spectrum_answer.layers.values()) == pytest.approx(seen)
    inside = [
        e.low < blocks[a:b].sum() < e.high
        for e, a, b in zip(
            spectrum_answer.layers.values(), (0, 20, 25, 40), (20, 25, 40, 43), strict=True
        )
    ]
    assert sum(inside) >= 3  # each of four is within its 95 % interval
    assert spectrum_answer.index == int((exact[:2] < -spectrum_answer.tolerance).sum())


def test_intervals_hold_the_truth_as_often_as_they_say(small: Problem) -> None:
    """The 95 % interval of the trace from ten probes, over 500 seeds: within binomial error."""
    exact = oracle(small, "hessian")
    signs = np.random.default_rng(0).choice([-1.0, 1.0], size=(500, 10, len(exact)))
    forms = np.einsum("spi,ij,spj->sp", signs, exact, signs, optimize=True)
    told = [Estimate.of(row) for row in forms]
    inside = sum(e.low < np.trace(exact) < e.high for e in told)
    assert inside / 500 == pytest.approx(0.95, abs=0.025)  # 2.6 standard errors


def test_the_trace_by_products_of_its_own(small: Problem, never_dense: None) -> None:
    """With as many products as twice the rows it is exact but for rounding."""
    spectrum_answer = spectrum_of(small, replace(SMALL, trace_products=86))
    assert spectrum_answer.trace.value == pytest.approx(
        np.trace(oracle(small, "hessian")), rel=1e-6
    )
    assert spectrum_answer.trace.probes == 0


def test_the_trace_of_one_parameter_alone() -> None:
    """The one entry, 2 mean(x^2), with no error; also while the eigenvalues are yet to come."""
    inputs = torch.tensor([[1.0], [2.0], [3.0]])
    model = torch.nn.Linear(1, 1, bias=False)
    problem = Problem(model, {"train": (inputs, inputs)}, squared_error)
    settings = replace(SMALL, trace_products=2)
    trace = Spectrum.from_pieces(settings, answered(problem, settings, frozenset({0}))).trace
    assert trace is not None and (trace.low, trace.high) == (trace.value, trace.value)
    assert trace.value == pytest.approx(2 * 14 / 3)


def test_a_classifier_that_takes_declared_batches_alone() -> None:
    """BatchNorm without running statistics fails on one example; the ends are torch's."""
    generator = torch.Generator().manual_seed(3)
    inputs = torch.randn(12, 3, generator=generator, dtype=torch.float64)
    norm = torch.nn.BatchNorm1d(4, track_running_stats=False)
    model = torch.nn.Sequential(torch.nn.Linear(3, 4), norm, torch.nn.Linear(4, 3)).double()
    data = {"train": (inputs, torch.arange(12) % 3)}
    problem = Problem(model, data, cross_entropy, batch_size=12)
    pairs, _ = spectrum_of(problem, SMALL).eigenvalues
    # by double backward: torch.func's Hessian of such a norm is not even symmetric
    whole = torch.autograd.functional.hessian(partial(loss_at, problem), theta_of(problem))
    values = np.linalg.eigvalsh(whole.numpy())
    assert pairs == pytest.approx([*values[::-1][:4], *values[:2][::-1]], abs=1e-12)


def columns_of(pieces: list[Piece]) -> dict[str, np.ndarray]:
    return {n: np.concatenate([p.columns[n] for p in pieces]) for n in pieces[0].columns}


def test_a_killed_answer_continues_bit_equal(small: Problem, never_dense: None) -> None:
    """Units that are done are not computed again, and the others come out the same in every bit."""
    settings = replace(SMALL, batches=2, batch_examples=8)
    whole = answered(small, settings)
    assert [set(piece.units) for piece in whole] == [{n} for n in range(settings.units)]
    rest = answered(small, settings, frozenset({0, 1, 4}))
    assert [min(piece.units) for piece in rest] == [2, 3, 5, 6]
    for piece in rest:
        first = next(other for other in whole if other.units == piece.units)
        for name, values in piece.columns.items():
            assert values.tobytes() == first.columns[name].tobytes()


def test_more_probes_keep_those_that_are_there(small: Problem, never_dense: None) -> None:
    """Rows for 3 probes and 2 mini-batches are, bit for bit, those of an answer with 5 and 3."""
    few = replace(SMALL, batches=2, batch_examples=8, trace_products=0)
    many = replace(few, probes=5, batches=3)
    old, new = (columns_of(answered(small, settings)) for settings in (few, many))
    given = taken_over(many, old)
    assert sorted(set(given["unit"])) == [0, 1, 2, 3, 6, 7]
    kept = np.isin(new["unit"], given["unit"])
    order = np.argsort(given["unit"], kind="stable")
    for name, values in given.items():
        assert values[order].tobytes() == new[name][kept].tobytes(), name
    back = taken_over(few, new)
    assert sorted(set(back["unit"])) == list(range(few.units))


def test_what_is_taken_over_can_be_shown_at_once(small: Problem, never_dense: None) -> None:
    """Before the first new probe, with the pairs' facts alone, sums are those of the old answer."""
    old = answered(small, SMALL)
    whole = Spectrum.from_pieces(SMALL, old)
    more = replace(SMALL, probes=SMALL.probes + 2)
    stored = to_json(whole.facts)
    facts = {name: stored[name] for name in SPECTRUM.first_facts if name in stored}
    begun = Spectrum.from_pieces(more, [Piece(taken_over(more, columns_of(old)), facts)])
    assert begun.quadrature.sum_of(np.abs) == whole.quadrature.sum_of(np.abs)
    assert begun.layers == whole.layers
    assert begun.kind_of_point == whole.kind_of_point != ""


PARTS: list[tuple[int, ...]] = [(), (0,), (1,), (1, 2), (4,), (5,), (0, 2, 5)]


@pytest.mark.parametrize("units", PARTS, ids=str)
@pytest.mark.parametrize("large", [False, True])
def test_parts_may_be_missing(
    small: Problem, units: tuple[int, ...], large: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever has come first, the rest is unknown and nothing fails."""
    if large:
        monkeypatch.setattr(spectrum_ends, "MAX_DENSE_PARAMETERS", 0)
    settings = replace(SMALL, batches=1)
    done = frozenset(range(settings.units)) - set(units)
    pieces = answered(small, settings, done)
    spectrum_answer = Spectrum.from_pieces(settings, pieces)
    assert spectrum_answer.answered.sum() == len(units)
    assert (spectrum_answer.kind_of_point != "") == (0 in units)
    probes = sum(unit in (1, 2, 3) for unit in units)
    assert len(spectrum_answer.probes) == probes
    has_trace = probes > 0 or (0 in units and not large)
    assert (spectrum_answer.quadrature.squared_norm is not None) == has_trace
    assert (spectrum_answer.quadrature.density(np.linspace(-1, 1, 9), 0.1) is not None) == has_trace
    assert (spectrum_answer.ends is None) == (not has_trace and 0 not in units)
    assert len(spectrum_answer.layers) == (4 if probes else 0)


def test_one_probe_has_no_interval(small: Problem, never_dense: None) -> None:
    """A single probe says nothing about its own error."""
    spectrum_answer = spectrum_of(small, replace(SMALL, probes=1, trace_products=0))
    assert (spectrum_answer.trace.low, spectrum_answer.trace.high) == (-np.inf, np.inf)


def test_a_table_of_numbers(small: Problem) -> None:
    """One row per number, its role as a word, and the eigenvalues in it."""
    spectrum_answer = spectrum_of(small, SMALL)
    rows = list(csv.DictReader(io.StringIO(table.to_csv(spectrum_answer).decode())))
    assert len(rows) == len(spectrum_answer.rows["unit"])
    roles = {row["role"] for row in rows}
    assert roles == {"all", "pair", "node", "probe", "layer", "escape", "trace"}
    pairs = [float(row["value"]) for row in rows if row["role"] == "pair"]
    assert pairs == spectrum_answer.eigenvalues[0].tolist()
    assert table.to_parquet(spectrum_answer).startswith(b"PAR1")


def complete(catalog: Catalog, model: Any, settings: SpectrumSettings) -> Any:
    """The question, after the worker has answered it."""
    key = questions.ask(catalog, SPECTRUM, model, settings)
    work(catalog)
    return catalog.question(key)


def test_a_worker_answers_and_more_probes_continue(tmp_path: Path) -> None:
    """Ten more probes compute ten probes; what the pairs told goes with them; fewer are there."""
    few = SpectrumSettings(probes=4, steps=20)
    catalog = new_catalog(tmp_path / "catalog")
    model = add_tiny(catalog, tmp_path, "tiny")
    told = estimate(
        catalog, questions.question_about(catalog, SPECTRUM, model, few), model, warm=True
    )
    assert 0 < told.seconds < 600
    first = complete(catalog, model, few)
    assert (first.status, first.units_done) == ("complete", 5)
    assert first.provenance["device"].startswith("cpu")
    second = complete(catalog, model, replace(few, probes=14))
    assert (second.status, second.units_done) == ("complete", 15)
    taken = second.facts["taken_over"]
    assert (taken["points"], taken["from"]) == (5, [first.key])
    fresh = [name for name in second.facts if name.startswith("products_")]
    assert sorted(fresh) == sorted(f"products_{unit}" for unit in range(5, 15))
    one, two = (questions.result_of(catalog, question) for question in (first, second))
    assert one.kind_of_point == two.kind_of_point != ""
    assert one.eigenvalues[0].tobytes() == two.eigenvalues[0].tobytes()
    assert [n.tobytes() for n, _ in one.probes] == [n.tobytes() for n, _ in two.probes[:4]]
    third = catalog.question(questions.ask(catalog, SPECTRUM, model, replace(few, probes=9)))
    assert third.status == "complete"  # at once: the other has more
    assert questions.result_of(catalog, third).kind_of_point == one.kind_of_point
    assert catalog.check_integrity() == []


def test_a_point_without_a_finite_loss_is_told(tmp_path: Path) -> None:
    """Weights that overflow: the job fails with a sentence, and no number is stored."""
    catalog = new_catalog(tmp_path / "catalog")
    model = add_model(
        catalog,
        problem_file(tmp_path / "problem"),
        [Checkpoint(file=broken_file(tmp_path))],
        "broken",
    )
    question = complete(catalog, model, SpectrumSettings(probes=1))
    assert question.units_done == 0
    (job,) = [job for job in catalog.jobs() if job.question_key == question.key]
    assert job.status == "failed"
    assert "the loss at this point is nan" in job.error and "\n" not in job.error
