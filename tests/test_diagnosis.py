"""Symptoms, against models whose gradients and curvature are known in closed form."""

import copy
import dataclasses
import math
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from explorer.analysis import diagnosis
from explorer.analysis.model.problems import load_problem
from explorer.analysis.objective.user_errors import ProblemError
from explorer.ask.question import ProblemIdentity, QuestionIdentity
from explorer.contracts.request import AnswerRequest
from explorer.jobs.worker.inputs import unchanged_problem
from explorer.kinds.diagnosis import DIAGNOSIS, DIAGNOSIS_PICTURES, DiagnosisLook
from explorer.kinds.diagnosis_conditions import TrainedBy, Verdict
from explorer.kinds.diagnosis_result import BIN_EDGES, Diagnosis, DiagnosisRole
from explorer.kinds.diagnosis_settings import DiagnosisSettings
from explorer.kinds.diagnosis_symptoms import Finding, findings
from explorer.kinds.line import LINE, LineSettings
from explorer.kinds.trajectory import RunSnapshots
from explorer.problem import Problem, squared_error
from explorer.render.diagnosis import draw
from tests.tiny import problem_file

CPU = torch.device("cpu")
EIGENVALUES = (4.0, 1.0, 0.01)
FULL = DiagnosisSettings(
    precision="float64", rate_batch=0, rate_least=0.1, rate_most=1.0, rate_count=19, rate_steps=40
)
Point = Mapping[str, Tensor]


class Place(nn.Module):
    """A point in space; the outputs are its coordinates, for each example."""

    def __init__(self, dimensions: int) -> None:
        super().__init__()
        self.x = nn.Parameter(torch.zeros(dimensions, dtype=torch.float64))

    def forward(self, ones: Tensor) -> Tensor:
        return self.x.expand(len(ones), -1)


def bowl(eigenvalues: Sequence[float] = EIGENVALUES, lift: float = 0.0) -> Problem:
    """sum(lambda x^2) / 2 + lift, for each example; held-out data weigh double."""
    values = torch.tensor(eigenvalues, dtype=torch.float64)

    def loss(outputs: Tensor, batch: Tensor) -> Tensor:
        return ((outputs**2 @ values) / 2 + lift) * batch.flatten()

    ones = torch.ones(6, 1, dtype=torch.float64)
    return Problem(Place(len(values)), {"train": ones, "test": 2 * ones}, loss)


def at(*x: float) -> Point:
    """A point of the bowl."""
    return {"x": torch.tensor(x, dtype=torch.float64)}


def answered(problem: Problem, points: Sequence[Point], settings: DiagnosisSettings) -> Diagnosis:
    """The whole answer about a run of these points."""
    settings = dataclasses.replace(settings, lengths=(len(points),))
    pieces = diagnosis.answer(problem, points, settings, frozenset(), CPU)
    return Diagnosis.from_pieces(settings, pieces)


def finding(result: Diagnosis, name: str, rate: float = 0.0) -> Finding:
    """What is found of a symptom."""
    (own,) = (f for f in findings(result, TrainedBy(rate)) if f.symptom.name == name)
    return own


def test_curvature_and_gradient_of_a_quadratic() -> None:
    """Both ends, the median size, the gradient's norm and the fall of a step are the formula's."""
    result = answered(bowl((4.0, -1.0, 0.01), lift=3.0), [at(1.0, 1.0, 0.0)], FULL)
    loss, square = 4.5, 17.0
    assert result.along(DiagnosisRole.LOSS) == pytest.approx([loss])
    assert result.along(DiagnosisRole.HELD_OUT_LOSS) == pytest.approx([2 * loss])
    assert result.numbers["gradient_norm"].value == pytest.approx(math.sqrt(square))
    assert result.numbers["lambda_max"].value == pytest.approx(4.0)
    assert result.numbers["lambda_min"].value == pytest.approx(-1.0)
    assert result.numbers["median_condition"].value == pytest.approx(4.0)
    assert result.numbers["foretold_fall"].value == pytest.approx(square / (2 * 4 * loss))
    assert result.negative_shares == pytest.approx([0.25], rel=1e-5)


def test_median_by_probes_is_near_that_of_all_eigenvalues() -> None:
    """Where the matrix is larger than the probes, ends are exact and the median within two."""
    eigenvalues = np.geomspace(1e-3, 10.0, 201)
    settings = dataclasses.replace(FULL, probes=3, density_steps=30, rate_count=2)
    result = answered(bowl(eigenvalues.tolist()), [at(*[1.0] * 201)], settings)
    assert result.numbers["lambda_max"].value == pytest.approx(10.0, rel=1e-3)
    assert 50 < result.numbers["median_condition"].value < 200


class Chain(nn.Sequential):
    """Numbers that are multiplied one after the other."""

    def __init__(self, depth: int) -> None:
        super().__init__(*(nn.Linear(1, 1, bias=False).double() for _ in range(depth)))


def chain_point(*weights: float) -> Point:
    """Its weights."""
    return {
        f"{place}.weight": torch.tensor([[weight]], dtype=torch.float64)
        for place, weight in enumerate(weights)
    }


def chain(depth: int) -> Problem:
    """The squared error of a product of weights against 0, for inputs of 1."""
    ones = torch.ones(5, 1, dtype=torch.float64)
    return Problem(Chain(depth), {"train": (ones, 0 * ones)}, squared_error)


def test_gradients_vanish_and_explode_in_a_chain_as_its_product_says() -> None:
    """dL/dw_i is 2 P^2 / w_i: the ratio of first and last is w_last / w_first, in both ways."""
    settings = dataclasses.replace(FULL, rate_count=2, rate_steps=1)
    points = [chain_point(10.0, 1.0, 1e-3), chain_point(1e-4, 10.0, 1000.0)]
    result = answered(chain(3), points, settings)
    assert result.gradient_ratios == pytest.approx([1e-4, 1e7])
    product = [0.01, 1.0]
    expected = [
        [2 * p**2 / abs(float(w)) for w in point.values()]
        for p, point in zip(product, points, strict=True)
    ]
    assert result.layer_gradients == pytest.approx(np.array(expected))
    vanishing = finding(result, "vanishing")
    assert vanishing.verdict is Verdict.SHOWN and vanishing.excess == pytest.approx(10.0)
    assert "snapshot 1 of 2" in vanishing.conditions[0].words
    exploding = finding(result, "exploding")
    assert exploding.verdict is Verdict.SHOWN
    assert exploding.conditions[0].value == pytest.approx(np.linalg.norm(expected[1]))
    assert "snapshot 2 of 2" in exploding.conditions[0].words
    counts = result.histogram(0)
    assert counts.sum(axis=1).tolist() == [1, 1, 1]  # an entry each, in the bin of its size
    lower = BIN_EDGES[counts.argmax(axis=1) - 1]
    assert (lower <= np.log10(expected[0])).all() and (np.log10(expected[0]) < lower + 0.5).all()


def test_a_plateau_is_told_from_a_slope() -> None:
    """Small changes with a small gradient are one; where the loss still falls there is none."""
    settings = dataclasses.replace(FULL, rate_count=2, rate_steps=1)
    flat = answered(bowl(lift=5.0), [at(0.01, 0, 0), at(0.0099, 0, 0)], settings)
    slope = answered(bowl(lift=5.0), [at(1, 0, 0), at(0.5, 0, 0)], settings)
    alone = answered(bowl(lift=5.0), [at(0.01, 0, 0)], settings)
    verdicts = [finding(result, "plateau").verdict for result in (flat, slope, alone)]
    assert verdicts == [Verdict.SHOWN, Verdict.ABSENT, Verdict.OPEN]
    (change, _) = finding(alone, "plateau").conditions
    assert "One snapshot" in change.missing


def test_a_saddle_is_told_from_a_minimum() -> None:
    """Both have a small gradient; only one has a way down that is more than its residual."""
    settings = dataclasses.replace(FULL, rate_count=2, rate_steps=1)
    points = [at(0.001, 0.0, 0.0)]
    saddle, minimum = (
        answered(bowl((4.0, low, 0.01), lift=1.0), points, settings) for low in (-1.0, 1.0)
    )
    assert finding(saddle, "saddle").verdict is Verdict.SHOWN
    assert finding(minimum, "saddle").verdict is Verdict.ABSENT


def test_sharp_is_two_over_the_rate() -> None:
    """At a rate of 0.51 a curvature of 4 is too much, at 0.49 it is not, without a rate unknown."""
    settings = dataclasses.replace(FULL, rate_count=2, rate_steps=1)
    result = answered(bowl(), [at(1, 1, 1)], settings)
    verdicts = [finding(result, "sharp", rate).verdict for rate in (0.51, 0.49, 0.0)]
    assert verdicts == [Verdict.SHOWN, Verdict.ABSENT, Verdict.OPEN]


def test_the_rate_from_which_a_bowl_diverges_is_two_over_its_curvature() -> None:
    """Rates below 2 / 4 end lower and those above higher, each by the formula (1 - rate lambda)^k.

    It is also drawn: what is not finite stands at the edge and is no gap.
    """
    result = answered(bowl(), [at(1.0, 1.0, 1.0)], FULL)
    rates = FULL.rates
    assert result.rising_rate == pytest.approx(rates[rates > 0.5][0])
    shrunk = (1 - np.outer(rates, EIGENVALUES)) ** (2 * FULL.rate_steps)
    losses = shrunk @ EIGENVALUES / 2
    assert result.rate_losses[:, 0] == pytest.approx(losses)
    assert result.best_rate == pytest.approx(rates[losses.argmin()])
    far = dataclasses.replace(FULL, rate_most=1e6, rate_count=5, rate_steps=400)
    beyond = answered(bowl(), [at(1.0, 1.0, 1.0)], far)
    assert np.isinf(beyond.rate_losses[-1, 0])
    chart = str(draw(beyond, DiagnosisLook(picture="rates")).to_dict())
    assert "not finite in 1 of 1 orders" in chart


def test_orders_of_batches_are_the_same_at_each_rate() -> None:
    """A rate that was done before changes nothing of the others; orders differ from each other."""
    x = torch.linspace(-1, 1, 8, dtype=torch.float64)[:, None]
    problem = Problem(nn.Linear(1, 1).double(), {"train": (x, x**2)}, squared_error)
    point = {"weight": torch.ones(1, 1), "bias": torch.zeros(1)}
    settings = dataclasses.replace(FULL, rate_batch=3, rate_orders=2, rate_count=3, rate_most=0.5)
    settings = dataclasses.replace(settings, lengths=(1,))
    whole = list(diagnosis.answer(problem, [point], settings, frozenset(), CPU))
    (rest,) = diagnosis.answer(problem, [point], settings, frozenset({0, 1, 2}), CPU)
    np.testing.assert_array_equal(rest.columns["value"], whole[-1].columns["value"])
    losses = Diagnosis.from_pieces(settings, whole).rate_losses
    assert (losses[:, 0] != losses[:, 1]).all() and np.isfinite(losses).all()
    result = Diagnosis.from_pieces(settings, whole)
    own = losses[0]
    spread = finding(result, "unstable", float(settings.rates[0])).conditions[0].value
    assert spread == pytest.approx(own.std(ddof=1) / own.mean())


def test_batchnorm_is_trained_by_each_batch_s_own_statistics() -> None:
    """Two steps are those of torch in training mode; a last batch of one example is left out."""
    generator = torch.Generator().manual_seed(1)
    x = torch.randn(7, 2, dtype=torch.float64, generator=generator)
    model = nn.Sequential(nn.Linear(2, 3), nn.BatchNorm1d(3), nn.Linear(3, 1)).double()
    problem = Problem(model, {"train": (x, x[:, :1])}, squared_error)
    point = {name: value.clone() for name, value in model.state_dict().items()}
    settings = dataclasses.replace(
        FULL, rate_batch=3, rate_orders=2, rate_count=2, rate_steps=2, most_snapshots=1
    )
    result = answered(problem, [point], settings)
    assert result.facts.batch_statistics

    own = copy.deepcopy(model).train()
    assert result.start_loss == pytest.approx(float(((own(x) - x[:, :1]) ** 2).mean().detach()))
    rate = float(settings.rates[0])
    order = np.random.RandomState([0, 2, 0, 0]).permutation(7)
    for rows in (order[:3], order[3:6]):
        loss = ((own(x[rows]) - x[rows, :1]) ** 2).mean()
        slopes = torch.autograd.grad(loss, list(own.parameters()))
        with torch.no_grad():
            for parameter, slope in zip(own.parameters(), slopes, strict=True):
                parameter -= rate * slope
    assert result.rate_losses[0, 0] == pytest.approx(
        float(((own(x) - x[:, :1]) ** 2).mean().detach())
    )


def test_what_cannot_be_measured_is_a_sentence() -> None:
    """No held-out data; no gradient; one order of batches: each symptom that needs them says so."""
    settings = dataclasses.replace(FULL, rate_count=2, rate_steps=1)
    problem = bowl()
    lonely = dataclasses.replace(problem, data={"train": problem.data["train"]})
    overfit = finding(answered(lonely, [at(1, 1, 1)], settings), "overfit")
    assert overfit.verdict is Verdict.OPEN and "no split 'test'" in overfit.conditions[0].missing
    unstable = finding(answered(lonely, [at(1, 1, 1)], settings), "unstable")
    assert unstable.verdict is Verdict.OPEN and "all examples" in unstable.conditions[0].missing

    def stepped(outputs: Tensor, batch: Tensor) -> Tensor:
        return outputs.detach().sum(dim=1) * batch.flatten()

    result = answered(dataclasses.replace(problem, loss=stepped), [at(1, 1, 1)], settings)
    for own in findings(result, TrainedBy(0.1)):
        assert own.symptom.name == "overfit" or own.verdict is Verdict.OPEN, own.symptom.name
        for condition in own.conditions:
            assert condition.verdict is not Verdict.OPEN or condition.missing.endswith(".")
    for picture in DIAGNOSIS_PICTURES:  # with nothing but losses too
        draw(result, DiagnosisLook(picture=picture)).to_dict(validate=True)


def test_overfit_needs_the_rise_along_a_run() -> None:
    """A large gap alone is one for a single model; in a run the held-out loss must rise too."""
    settings = dataclasses.replace(FULL, rate_count=2, rate_steps=1)
    ones = torch.ones(4, 1, dtype=torch.float64)

    def loss(outputs: Tensor, batch: Tensor) -> Tensor:
        return ((outputs - batch) ** 2).sum(dim=1)  # a minimum at 0 here, and one at 1 there

    problem = Problem(Place(1), {"train": 0 * ones, "test": ones}, loss)
    falling, rising = ([at(0.2), at(0.3)], [at(0.3), at(0.1)])
    assert finding(answered(problem, falling, settings), "overfit").verdict is Verdict.ABSENT
    assert finding(answered(problem, rising, settings), "overfit").verdict is Verdict.SHOWN
    assert finding(answered(problem, falling[:1], settings), "overfit").verdict is Verdict.SHOWN


IDENTITY = ProblemIdentity("5" * 64, {}, "loss", (), {"train": "7" * 64, "test": "8" * 64})


def test_other_held_out_data_are_another_question() -> None:
    """They are read and count in its key; in that of a kind that does not read them they do not."""

    def keys(fingerprints: Mapping[str, str]) -> list[str]:
        identity = dataclasses.replace(IDENTITY, fingerprints=fingerprints)
        return [
            QuestionIdentity(kind, settings, identity, ("9" * 64,)).key
            for kind, settings in ((DIAGNOSIS, DiagnosisSettings()), (LINE, LineSettings()))
        ]

    own, line = keys(IDENTITY.fingerprints)
    for fingerprints in ({"train": "7" * 64, "test": "6" * 64}, {"train": "7" * 64}):
        other, same_line = keys(fingerprints)
        assert other != own and same_line == line


def test_a_worker_refuses_held_out_data_that_have_changed(tmp_path: Path) -> None:
    """Those that the question was asked about are looked at, as the data themselves are."""
    file = problem_file(tmp_path)
    loaded = load_problem(file, {})
    request = AnswerRequest(
        key="k",
        kind=DIAGNOSIS.name,
        settings={"split": "train"},
        problem=file,
        arguments={},
        source_hash=loaded.source_hash,
        fingerprint=loaded.splits["train"].fingerprint,
        further_fingerprints={"test": loaded.splits["test"].fingerprint},
        points=(),
        files=(),
    )
    assert unchanged_problem(request, None).splits == loaded.splits
    with pytest.raises(ProblemError, match="have changed since the import"):
        unchanged_problem(dataclasses.replace(request, further_fingerprints={"test": "0"}), None)


def test_snapshots_are_spread_from_the_first_to_the_final_one() -> None:
    """Of 81 at most so many, both ends among them; of few all; several runs are refused."""
    points = tuple(map(str, range(81)))
    run = RunSnapshots("run", points, ("",) * 81)
    wanted = DiagnosisSettings(most_snapshots=5).wanted_of(run).points
    assert wanted == ("0", "20", "40", "60", "80")
    assert DiagnosisSettings(most_snapshots=1).wanted_of(run).points == ("80",)
    assert DiagnosisSettings(most_snapshots=100).wanted_of(run) == run
    with pytest.raises(ValueError, match="of one run, got 2"):
        DiagnosisSettings().about([run, run])
