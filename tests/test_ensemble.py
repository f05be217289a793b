"""Ensembles: against probabilities averaged by hand, Jensen, and votes counted pair by pair."""

import dataclasses
import functools
import itertools
import json
import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from sklearn.datasets import load_digits
from torch import nn
from torch.utils.data import TensorDataset

from explorer.analysis import ensemble
from explorer.analysis.merging import pooling
from explorer.analysis.objective import device_examples, usual_choice
from explorer.ask import questions
from explorer.kinds.ensemble import ENSEMBLE, EnsembleLook
from explorer.kinds.ensemble_result import Ensemble
from explorer.kinds.ensemble_settings import EnsembleSettings
from explorer.kinds.members import member_names
from explorer.kinds.path_shape import BENT_SHAPES, control_weights
from explorer.kinds.piece import Piece
from explorer.pages._links import Subjects, link_to
from explorer.problem import (
    Problem,
    accuracy,
    cross_entropy,
    squared_error,
    token_cross_entropy,
)
from explorer.render.ensemble import draw
from store import Catalog
from tests import unusual_models as unusual
from tests.filling import add_answer, add_tiny, new_catalog
from tests.networks import perceptron, seeded
from tests.screen import (
    charts,
    fine,
    opened,
    texts,
)

CPU = torch.device("cpu")
Points = list[dict[str, torch.Tensor]]


@pytest.fixture(autouse=True)
def one_thread_each(one_thread: None) -> Iterator[None]:
    """Operations here are too small for more."""
    yield


def pieces_of(problem: Problem, points: Points, done=frozenset(), **settings) -> list[Piece]:
    chosen = EnsembleSettings(**{"precision": "float64"} | settings, lengths=(len(points),))
    return list(ensemble.answer(problem, points, chosen, done, CPU))


def ensemble_of(problem: Problem, points: Points, **settings) -> Ensemble:
    chosen = EnsembleSettings(**{"precision": "float64"} | settings, lengths=(len(points),))
    return Ensemble.from_pieces(chosen, pieces_of(problem, points, **settings))


def outputs_of(problem: Problem, points: Points) -> torch.Tensor:
    """What the model gives at each point, (n, B, ...)."""
    inputs = problem.data["train"][0]
    with torch.no_grad():
        return torch.stack(
            [torch.func.functional_call(problem.model, point, (inputs,)) for point in points]
        )


def test_probabilities_are_averaged(uneven) -> None:
    """Loss and accuracy of the mean softmax of the first 1, 2, 3, in batches of unequal sizes."""
    problem, points = perceptron()
    uneven(20_000)
    result = ensemble_of(problem, points)
    labels = problem.data["train"][1]
    probabilities = outputs_of(problem, points).softmax(2)
    for count in (1, 2, 3):
        mean = probabilities[:count].mean(0)
        losses = -mean[torch.arange(len(labels)), labels].log()
        assert result.loss[count - 1] == pytest.approx(float(losses.mean()), rel=1e-12)
        error = float(losses.std() / len(labels) ** 0.5)
        assert result.values["loss_se"][count - 1] == pytest.approx(error, rel=1e-9)
        right = float((mean.argmax(1) == labels).double().mean())
        assert result.values["accuracy"][count - 1] == pytest.approx(right)
    assert result.facts.pooled == "probabilities"


def test_members_alone_are_as_by_themselves() -> None:
    """Their losses are those of the points, and the ensemble of one is that member."""
    problem, points = perceptron()
    result = ensemble_of(problem, points)
    labels = problem.data["train"][1]
    alone = [float(nn.functional.cross_entropy(one, labels)) for one in outputs_of(problem, points)]
    np.testing.assert_allclose(result.alone(), alone, rtol=1e-12)
    assert result.loss[0] == pytest.approx(result.alone()[0], rel=1e-12)


@pytest.mark.parametrize("pooled", ["probabilities", "outputs"])
def test_an_ensemble_is_no_worse_than_its_members_on_average(pooled: str) -> None:
    """Jensen: -log is convex, and so is cross-entropy of logits; for 2 and for 3 members."""
    problem, points = perceptron()
    result = ensemble_of(problem, points, pooled=pooled)
    for count in (2, 3):
        assert result.loss[count - 1] < result.alone()[:count].mean()


def test_disagreement_is_that_of_pairs() -> None:
    """The mean over all pairs of members of the share of examples with different classes."""
    problem, points = perceptron()
    result = ensemble_of(problem, points)
    classes = outputs_of(problem, points).argmax(2)
    name, diversity = result.diversity
    assert name == "disagreement" and np.isnan(diversity[0])
    for count in (2, 3):
        pairs = itertools.combinations(classes[:count], 2)
        shares = [float((one != other).double().mean()) for one, other in pairs]
        assert diversity[count - 1] == pytest.approx(np.mean(shares), rel=1e-6)


def regression() -> tuple[Problem, Points]:
    """A linear model with two outputs, and three points."""
    inputs = torch.randn(20, 4, generator=seeded(1), dtype=torch.float64)
    targets = torch.randn(20, 2, generator=seeded(2), dtype=torch.float64)
    points = [
        {"weight": torch.randn(2, 4, generator=seeded(n + 3), dtype=torch.float64)}
        for n in range(3)
    ]
    model = nn.Linear(4, 2, bias=False).double()
    return Problem(model, {"train": (inputs, targets)}, squared_error), points


def test_of_a_regression_the_outputs_are_averaged() -> None:
    """Ambiguity decomposition: error of the mean = mean error - mean variance of the members.

    Source: Krogh and Vedelsby 1995.
    """
    problem, points = regression()
    result = ensemble_of(problem, points)
    name, spread = result.diversity
    assert name == "spread" and result.facts.pooled == "outputs"
    for count in (2, 3):
        expected = result.alone()[:count].mean() - spread[count - 1] ** 2
        assert result.loss[count - 1] == pytest.approx(expected, rel=1e-12)


def test_the_average_of_a_linear_model_s_outputs_is_that_of_its_weights() -> None:
    """The ensemble of all equals the model with the mean weights, to rounding."""
    problem, points = regression()
    mean = {"weight": torch.stack([p["weight"] for p in points]).mean(0)}
    both = ensemble_of(problem, points).loss[-1]
    assert both == pytest.approx(ensemble_of(problem, [mean, points[0]]).loss[0], rel=1e-12)


def test_tokens_are_averaged_along_their_own_axis() -> None:
    """Logits (B, T, V) by a loss that is a pair of sum and count, with tokens left out."""
    logits = torch.randn(6, 5, generator=seeded(4), dtype=torch.float64)
    labels = torch.tensor([[0, 1, 9], [2, 9, 4]])
    inputs = torch.tensor([[0, 1, 2], [3, 4, 5]])
    points = [{"weight": logits}, {"weight": logits.flip(0)}]
    loss = functools.partial(token_cross_entropy, ignored=9)
    model = nn.Embedding(6, 5, dtype=torch.float64)
    problem = Problem(model, {"train": (inputs, labels)}, loss)
    result = ensemble_of(problem, points)
    mean = torch.stack([p["weight"].softmax(1) for p in points]).mean(0)
    counted = labels != 9
    expected = -mean[inputs[counted], labels[counted]].log().mean()
    assert result.facts.pooled == "probabilities"
    assert result.loss[-1] == pytest.approx(float(expected), rel=1e-12)
    assert result.interval is None


def test_a_loss_of_the_user_s_averages_what_is_asked() -> None:
    """Of a loss that is not known the outputs, unless probabilities are asked for."""
    problem, points = perceptron()

    def own(outputs: torch.Tensor, batch: tuple[torch.Tensor, ...]) -> torch.Tensor:
        return nn.functional.cross_entropy(outputs, batch[1], reduction="none")

    own_problem = Problem(problem.model, problem.data, own)
    assert ensemble_of(own_problem, points).facts.pooled == "outputs"
    pooled = ensemble_of(own_problem, points, pooled="probabilities")
    np.testing.assert_allclose(pooled.loss, ensemble_of(problem, points).loss, rtol=1e-12)


def test_what_cannot_be_averaged_is_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    """Outputs that are no tensor, no logits of classes, or too large; nothing comes before."""
    problem, points = perceptron()
    two = Problem(
        problem.model,
        problem.data,
        lambda outputs, batch: outputs[0].square().mean(dim=1),
        forward=lambda model, batch: (model(batch[0]), 0),
    )
    with pytest.raises(ValueError, match=r"one tensor of numbers .* got tuple"):
        pieces_of(two, points)
    flat = Problem(
        problem.model,
        problem.data,
        lambda outputs, batch: outputs,
        forward=lambda model, batch: model(batch[0]).sum(1),
    )
    with pytest.raises(ValueError, match="one logit per class"):
        pieces_of(flat, points, pooled="probabilities")
    monkeypatch.setattr(ensemble, "MOST_BYTES", 100)
    with pytest.raises(ValueError, match="choose fewer examples"):
        pieces_of(problem, points)


def test_an_ensemble_goes_on_where_it_was() -> None:
    """After any member the rest is the same, to the last bit."""
    problem, points = perceptron()
    whole = pieces_of(problem, points)
    for count in (1, 2):
        rest = pieces_of(problem, points, done=set(range(count)))
        assert [piece.units for piece in rest] == [piece.units for piece in whole[count:]]
        for one, other in zip(rest, whole[count:], strict=True):
            for name, column in other.columns.items():
                np.testing.assert_array_equal(one.columns[name], column, err_msg=name)


def test_a_ready_loss_is_known_by_its_axis_of_classes() -> None:
    """Also where an argument is bound; any other loss is not."""
    assert pooling.class_axis(cross_entropy) == 1
    assert pooling.class_axis(functools.partial(token_cross_entropy, ignored=3)) == -1
    assert pooling.class_axis(squared_error) is None and pooling.class_axis(accuracy) is None


def digits() -> dict[str, tuple[torch.Tensor, torch.Tensor]]:
    """600 digits to train on, a fifth of their labels random, and 600 others to test on."""
    pixels, labels = (torch.from_numpy(array) for array in load_digits(return_X_y=True))
    order = torch.randperm(len(labels), generator=seeded(0))
    train, test = order[:600], order[600:1200]
    wrong = torch.rand(600, generator=seeded(9)) < 0.2
    noisy = torch.where(wrong, torch.randint(0, 10, (600,), generator=seeded(10)), labels[train])
    inputs = (pixels / 16).float()
    return {"train": (inputs[train], noisy.long()), "test": (inputs[test], labels[test].long())}


def trained_points(model: nn.Sequential, data: dict, cyclic: bool) -> Points:
    """The ends of four independent trainings, or of one and three short cycles after it."""
    points: Points = []
    inputs, labels = data["train"]
    for number in range(4):
        begins = number == 0 or not cyclic
        if begins:
            with torch.random.fork_rng():
                torch.manual_seed(number)
                model[0].reset_parameters()
                model[2].reset_parameters()
        optimiser = torch.optim.SGD(model.parameters(), lr=0.2, momentum=0.9)
        generator, steps = seeded(number), 600 if begins else 60
        for step in range(steps):
            at = torch.randint(0, len(labels), (64,), generator=generator)
            optimiser.param_groups[0]["lr"] = 0.2 * (1 - step / steps)
            optimiser.zero_grad()
            nn.functional.cross_entropy(model(inputs[at]), labels[at]).backward()
            optimiser.step()
        points.append({n: v.detach().clone() for n, v in model.state_dict().items()})
    return points


def test_a_deep_ensemble_is_better_than_snapshots_of_a_cycle() -> None:
    """Independent models against fast geometric ensembling on 600 digits: both help, it more so.

    Accuracies .93 and .89 here; only their order is asserted, and that of loss and disagreement.

    Source: Garipov et al. 2018, arXiv:1802.10026, section 6; Fort et al. 2019, arXiv:1912.02757.
    """
    data = digits()
    model = nn.Sequential(nn.Linear(64, 16), nn.ReLU(), nn.Linear(16, 10))
    problem = Problem(model, data, cross_entropy, {"accuracy": accuracy})
    deep, fast = (
        ensemble_of(problem, trained_points(model, data, cyclic), split="test", precision="float32")
        for cyclic in (False, True)
    )
    for result in (deep, fast):
        assert result.loss[-1] < result.alone().mean()
    assert deep.values["accuracy"][-1] > fast.values["accuracy"][-1]
    assert deep.loss[-1] < fast.loss[-1]
    assert deep.diversity[1][-1] > fast.diversity[1][-1] > 0


@pytest.mark.parametrize("trajectory", BENT_SHAPES)
def test_members_along_a_path_are_its_points(trajectory: str) -> None:
    """Five members along a path past three points: those of plain weighted sums of the tensors."""
    problem, points = perceptron()
    rows = control_weights(trajectory, 3, np.linspace(0, 1, 5))
    summed = [
        {n: sum(w * p[n] for w, p in zip(row, points, strict=True)) for n in points[0]}
        for row in rows
    ]
    along = ensemble_of(problem, points, trajectory=trajectory)
    plain = ensemble_of(problem, summed)
    assert along.settings.units == 5 and along.settings.keeps_order
    for name, values in plain.values.items():
        assert along.values[name] == pytest.approx(values, rel=1e-9, nan_ok=True), name
    (rest,) = pieces_of(problem, points, frozenset(range(4)), trajectory=trajectory)[-1:]
    assert rest.columns["loss"][0] == pytest.approx(along.loss[-1], rel=1e-12)
    assert member_names((1, 1, 1), (), along.settings.t)[1] == "t = 0.25"


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a catalog with a run and a model."""
    folder = tmp_path_factory.mktemp("ensemble")
    catalog = new_catalog(folder / "catalog")
    add_tiny(catalog, folder, "run", range(3))
    add_tiny(catalog, folder, "other", [5])
    catalog.close()
    return catalog.folder


def test_its_page_shows_members_and_ensembles(folder: Path) -> None:
    """The last two snapshots of a run and a model: words, a chart, a table; from its link."""
    catalog = Catalog(folder)
    models = {model.name: model for model in catalog.models()}
    subjects = [(models["run"], ""), (models["other"], "")]
    question = add_answer(catalog, ENSEMBLE, EnsembleSettings(last=2), *subjects)
    result = questions.result_as(catalog, question, Ensemble)
    assert len(result.loss) == 3
    page = fine(opened(ENSEMBLE.page, **link_to(question, Subjects(catalog)).parameters))
    said = " ".join(texts(page, "markdown"))
    assert "Ensemble of 3 members: loss" in said and "disagree on" in said
    assert charts(page) == 1
    (table,) = (element.value for element in page.dataframe)
    assert list(table["the last one"]) == ["run, step 10", "run, step 20", "other"]
    alone = fine(opened(ENSEMBLE.page, model="other"))
    assert any("two points at least" in info.value for info in alone.info)


def test_ensembles_are_drawn_in_one_picture() -> None:
    """Two of different sizes: a line each, all members' rings, both measures of how they differ."""
    problem, points = perceptron()
    other, others = regression()
    both = {"deep": ensemble_of(problem, points), "fast": ensemble_of(other, others[:2])}
    spec = draw(both, EnsembleLook()).to_dict()
    assert len(spec["vconcat"]) == 3
    said = json.dumps(spec)
    assert all(word in said for word in ("deep", "fast", "Disagreement", "Spread", "point 3"))
    (ticks,) = set(re.findall('"x": {"axis": .*?"values": (\\[.*?\\])', said))
    assert json.loads(ticks) == [1, 2, 3]  # of members there is no half
    assert "members alone" in json.dumps(draw(both["deep"], EnsembleLook()).to_dict())
    with pytest.raises(ValueError, match="value must be one of loss, got 'accuracy'"):
        draw(both, EnsembleLook(value="accuracy"))
    with pytest.raises(ValueError, match="got none"):
        draw({}, EnsembleLook())


def unusual_points(kind: str) -> tuple[Problem, Points]:
    """A problem whose model cannot be copied, or whose loss reads it, at three points."""
    problem = unusual.problem_of(kind)
    points = [
        {
            name: value.clone() + 0.3 * torch.randn(value.shape, generator=seeded(n))
            for name, value in problem.model.state_dict().items()
        }
        for n in range(3)
    ]
    return problem, points


@pytest.mark.parametrize("kind", ["closure", "locked", "itself"])
def test_models_that_cannot_be_copied_are_members_too(kind: str) -> None:
    """Their ensemble is that of the same network written plainly; they are left as they were."""
    problem, points = unusual_points(kind)
    before = {n: v.clone() for n, v in problem.model.state_dict().items()}
    plain = ensemble_of(unusual.problem_of(""), points, precision="float32")
    result = ensemble_of(problem, points, precision="float32")
    np.testing.assert_allclose(result.loss, plain.loss, rtol=1e-6)
    np.testing.assert_allclose(result.alone(), unusual.plain_losses(kind, points), rtol=1e-5)
    assert all(torch.equal(before[n], v) for n, v in problem.model.state_dict().items())


@pytest.mark.parametrize("kind", ["decay", "decay of a list", "noted", "hooked"])
def test_a_loss_that_reads_the_model_has_no_ensemble(kind: str) -> None:
    """A penalty of weights or features is of one model: refused before anything is stored."""
    problem, points = unusual_points(kind)
    settings = EnsembleSettings(lengths=(3,))
    pieces = ensemble.answer(problem, points, settings, frozenset(), CPU)
    with pytest.raises(ValueError, match="loss must be a function of outputs and batch alone"):
        next(pieces)


def test_streamed_examples_give_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    """From a data set that does not fit the device, by several batches: as from its tensors."""
    problem, points = perceptron()
    plain = ensemble_of(problem, points)
    monkeypatch.setattr(device_examples, "RESIDENT_SHARE", 0.0)
    monkeypatch.setitem(usual_choice.BATCH_BYTES, "cpu", 2_000)
    data = {name: TensorDataset(*split) for name, split in problem.data.items()}
    streamed = ensemble_of(dataclasses.replace(problem, data=data), points)
    for name, values in plain.values.items():
        np.testing.assert_allclose(streamed.values[name], values, rtol=1e-9, err_msg=name)
