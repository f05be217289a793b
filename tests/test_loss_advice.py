"""Losses that are another than their author means: refused where sure, else told, never silent."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from explorer.analysis.model import problem_trial
from explorer.analysis.model.batch_coupling import MOST
from explorer.analysis.model.broadcasts import Broadcast, broadcasts
from explorer.analysis.model.inspection import inspect
from explorer.analysis.model.loss_advice import loss_advice, why_another_mean
from explorer.analysis.model.problems import LoadedProblem, load_problem
from explorer.analysis.objective.flat_model import FlatModel
from explorer.analysis.objective.objective import Objective
from explorer.analysis.objective.user_errors import ProblemError
from explorer.contracts.checkpoint import Checkpoint
from explorer.kinds.objective_settings import ObjectiveSettings
from explorer.problem import Batch, Problem, accuracy, cross_entropy, squared_error
from tests.networks import seeded

CPU = torch.device("cpu")
EXAMPLES, CLASSES = 30, 5
HERE = Path(__file__)
Loss = Callable[[Any, Batch], Any]


def network(outputs: int = 1) -> nn.Module:
    with torch.random.fork_rng():
        torch.manual_seed(5)
        return nn.Sequential(nn.Linear(4, 6), nn.Tanh(), nn.Linear(6, outputs))


INPUTS = torch.randn(EXAMPLES, 4, generator=seeded(0))
TARGETS = 2 * INPUTS[:, 0]
COLUMN = TARGETS[:, None]
WEIGHTS = torch.rand(EXAMPLES, generator=seeded(1))
LABELS = torch.randint(0, CLASSES, (EXAMPLES,), generator=seeded(2))


def made(loss: Loss, outputs: int = 1, target: Tensor = TARGETS, **more: Any) -> Problem:
    return Problem(network(outputs), {"train": (INPUTS, target, WEIGHTS)}, loss, **more)


def loaded(problem: Problem) -> LoadedProblem:
    return LoadedProblem(HERE, problem, "hash", {})


def flat_of(problem: Problem) -> FlatModel:
    return FlatModel(problem.model, torch.float32, CPU)


def repeated(problem: Problem) -> list[Broadcast]:
    few = problem_trial.few_examples(problem, "train", CPU)
    return broadcasts(problem, flat_of(problem), few, HERE)


def difference(outputs: Tensor, batch: Batch) -> Tensor:
    return (outputs - batch[1]).square().mean(1)


def weighted(outputs: Tensor, batch: Batch) -> Tensor:
    return (functional.mse_loss(outputs, batch[1][:, None], reduction="none") * batch[2]).mean(1)


# Outputs (B, 1) against targets (B,), or what was made of them
ACCIDENTS: dict[str, Problem] = {
    "a difference": made(difference),
    "the other way round": made(lambda o, b: (b[1] - o).square().mean(1)),
    "torch's loss": made(lambda o, b: functional.mse_loss(o, b[1], reduction="none").mean(1)),
    "torch's sum": made(lambda o, b: (functional.mse_loss(o, b[1], reduction="sum"), len(o))),
    "scaled outputs": made(lambda o, b: (torch.sigmoid(o) * 3 - (b[1] + 1)).square().mean(1)),
    "in place": made(lambda o, b: (b[1] - o).square_().mean(1)),
    "a slice": made(lambda o, b: (o[:, :1] - b[1]).square(), outputs=CLASSES),
    "weights of examples": made(weighted),
    "squeezed outputs": made(lambda o, b: (o.squeeze(1) - b[1]).square().mean(1), target=COLUMN),
    "a metric": made(
        squared_error, metrics={"right": lambda o, b: ((o > 0) == (b[1] > 0)).float()}
    ),
    "in forward": made(lambda o, b: o.square().mean(1), forward=lambda m, b: m(b[0]) - b[1]),
    "batches that are declared": made(difference, batch_size=EXAMPLES),
    "smaller batches": made(difference, batch_size=8),
}


@pytest.mark.parametrize("name", ACCIDENTS)
def test_outputs_against_targets_of_another_shape_are_refused(name: str) -> None:
    """By its reason and line, also where batches are said to matter; at an import and later."""
    problem = ACCIDENTS[name]
    for check in (
        lambda: problem_trial.check_uncoupled(loaded(problem), flat_of(problem), "train"),
        lambda: problem_trial.ready_problem(
            loaded(problem), problem.model.state_dict(), "train", CPU
        ),
    ):
        with pytest.raises(ProblemError, match=r"torch repeats .*\(B, 1\) and .*\(B,\)") as caught:
            check()
        assert f"of {HERE.name})" in str(caught.value)
        assert "batch_size" not in str(caught.value)


@pytest.mark.parametrize(
    "way", [lambda o, y: (o, y[:, None]), lambda o, y: (o.squeeze(1), y)], ids=["target", "outputs"]
)
def test_the_way_out_of_repeated_shapes_gives_torchs_value(way: Callable) -> None:
    (said,) = repeated(ACCIDENTS["a difference"])
    assert said.words.endswith("write batch[1][:, None] or outputs.squeeze(1)")

    def mended(outputs: Tensor, batch: Batch) -> Tensor:
        one, other = way(outputs, batch[1])
        return (one - other).square().flatten()

    problem = made(mended)
    problem_trial.check_uncoupled(loaded(problem), flat_of(problem), "train")
    wanted = functional.mse_loss(problem.model(INPUTS).squeeze(1), TARGETS)
    measured = Objective(problem, ObjectiveSettings(), CPU).means()["loss"]
    assert measured == pytest.approx(float(wanted), rel=1e-6)


def test_a_loss_that_needs_its_whole_batch_is_looked_at_whole() -> None:
    """Where a few examples of it cannot be evaluated; nothing is certain then, but told."""

    def of_a_whole_batch(outputs: Tensor, batch: Batch) -> Tensor:
        return (outputs.view(3, 10).view(30, 1) - batch[1]).square().mean(1)

    problem = made(of_a_whole_batch, batch_size=EXAMPLES)
    (said,) = repeated(problem)
    assert not said.certain


class Entries(dict):
    """A dict of a class of its own, into which torch does not look."""


@pytest.mark.parametrize(("kind", "name"), [(dict, "batch['y']"), (Entries, "batch")])
def test_the_way_out_names_the_entry_of_the_batch(kind: type, name: str) -> None:
    """As the problem's own code would: of a dict by its key."""
    split = kind({"x": INPUTS, "y": TARGETS})
    problem = Problem(
        network(),
        {"train": split},
        lambda o, b: (o - b["y"]).square().mean(1),
        forward=lambda model, batch: model(batch["x"]),
    )
    (said,) = repeated(problem)
    assert said.words.endswith(f"write {name}[:, None] or outputs.squeeze(1)")


def info_nce(outputs: Tensor, batch: Batch) -> Tensor:
    alike = outputs @ outputs.roll(1, 1).t()
    return functional.cross_entropy(alike, torch.arange(len(outputs)), reduction="none")


def ranking(outputs: Tensor, batch: Batch) -> Tensor:
    scores = outputs[:, 0]
    return (functional.softplus(scores - scores[:, None]) * (batch[1][:, None] > batch[1])).mean(1)


def cox(outputs: Tensor, batch: Batch) -> Tensor:
    at_risk = (batch[1] >= batch[1][:, None]).float()
    return (at_risk @ outputs.exp()).log().flatten() - outputs.flatten()


def distances(outputs: Tensor, batch: Batch) -> Tensor:
    squares = outputs.square().sum(1, keepdim=True)
    return (squares + outputs.square().sum(1) - 2 * outputs @ outputs.t()).mean(1)


def same_labels(outputs: Tensor, batch: Batch) -> Tensor:
    return ((batch[1].view(-1, 1) == batch[1]) * (outputs @ outputs.t())).mean(1)


ON_PURPOSE: dict[str, Problem] = {
    "contrastive": made(info_nce, outputs=CLASSES),
    "ranking": made(ranking),
    "Cox": made(cox),
    "distances": made(distances, outputs=CLASSES),
    "same labels": made(same_labels, outputs=CLASSES, target=LABELS),
    "a share of classes as long as the batch": made(
        lambda o, b: (o * b[1].mean(0)).square().mean(1), target=torch.rand(EXAMPLES, 4)
    ),
    "cross-entropy": made(
        cross_entropy, outputs=CLASSES, target=LABELS, metrics={"accuracy": accuracy}
    ),
    "squared error": made(squared_error),
    "one shape": made(lambda o, b: (o - b[1][:, None]).square().mean(1)),
}


@pytest.mark.parametrize("name", ON_PURPOSE)
def test_pairs_on_purpose_and_shapes_that_fit_are_left_alone(name: str) -> None:
    assert repeated(ON_PURPOSE[name]) == []


def doubtful(outputs: Tensor, batch: Batch) -> Tensor:
    """Targets made a column, outputs a row: meant or not."""
    return (outputs.squeeze(1) - batch[1].view(-1, 1)).square().mean(1)


def test_pairs_of_outputs_and_targets_that_may_be_meant_are_told() -> None:
    """Where batches are declared as advice; otherwise the refusal names both ways out."""
    problem = made(doubtful, batch_size=10)
    problem_trial.check_uncoupled(loaded(problem), flat_of(problem), "train")
    (said,) = loss_advice(loaded(problem), flat_of(problem), "train", MOST)
    assert "batch[1] (B, 1) and outputs (B,)" in said and said.endswith("unless it is meant")
    problem = made(doubtful)
    with pytest.raises(
        ProblemError, match=r"batch\[1\]\.squeeze\(1\); where that is meant.*batch_s"
    ):
        problem_trial.check_uncoupled(loaded(problem), flat_of(problem), "train")


CLASS_WEIGHTS = torch.tensor([1.0, 2.0, 1.0, 3.0, 0.5])
SOME_IGNORED = torch.where(torch.arange(EXAMPLES) % 4 == 0, -100, LABELS)
MEANS: dict[str, tuple[dict, Tensor]] = {
    "class weights": ({"weight": CLASS_WEIGHTS}, LABELS),
    "class weights and smoothing": ({"weight": CLASS_WEIGHTS, "label_smoothing": 0.1}, LABELS),
    "labels left out": ({}, SOME_IGNORED),
    "both": ({"weight": CLASS_WEIGHTS}, SOME_IGNORED),
}


@pytest.mark.parametrize("name", MEANS)
def test_a_plain_mean_beside_torchs_weighted_one_is_told_with_both_values(name: str) -> None:
    """The pair that it advises, as it is written, gives torch's value and is told nothing."""
    how, labels = MEANS[name]

    def each(outputs: Tensor, batch: Batch) -> Tensor:
        return functional.cross_entropy(outputs, batch[1], reduction="none", **how)

    problem = made(each, outputs=CLASSES, target=labels)
    (said,) = loss_advice(loaded(problem), flat_of(problem), "train", MOST)
    outputs = problem.model(INPUTS)
    torchs = float(functional.cross_entropy(outputs, labels, **how))
    ours = Objective(problem, ObjectiveSettings(), CPU).means()["loss"]
    assert f"loss is {ours:.6g} over 30 examples" in said and f"is {torchs:.6g}: for" in said
    divisor = said.partition("reduction='sum'), ")[2].removesuffix(")")

    def advised(outputs: Tensor, batch: Batch) -> tuple[Tensor, Tensor]:
        total = functional.cross_entropy(outputs, batch[1], reduction="sum", **how)
        names = {"weight": CLASS_WEIGHTS, "labels": batch[1], "ignore_index": -100}
        return total, eval(divisor, names)

    problem = made(advised, outputs=CLASSES, target=labels)
    measured = Objective(problem, ObjectiveSettings(), CPU).means()["loss"]
    assert measured == pytest.approx(torchs, rel=1e-6)
    assert loss_advice(loaded(problem), flat_of(problem), "train", MOST) == []


@pytest.mark.parametrize(
    "loss",
    [
        cross_entropy,
        lambda o, b: functional.cross_entropy(
            o, b[1], weight=torch.ones(CLASSES), reduction="none"
        ),
        lambda o, b: functional.cross_entropy(o, b[1], label_smoothing=0.1, reduction="none"),
    ],
)
def test_means_that_are_torchs_own_are_left_alone(loss: Loss) -> None:
    problem = made(loss, outputs=CLASSES, target=LABELS)
    assert why_another_mean(problem, flat_of(problem), problem.data["train"]) == ""


def test_half_precision_within_a_model_is_told() -> None:
    """By autocast in forward; the same without it is told nothing."""
    layer = nn.Linear(4, CLASSES)

    def coarse(model: nn.Module, batch: Batch) -> Tensor:
        with torch.autocast("cpu", torch.bfloat16):
            return model(batch[0]).float()

    data = {"train": (INPUTS, LABELS)}
    problem = Problem(layer, data, cross_entropy, forward=coarse)
    (said,) = loss_advice(loaded(problem), flat_of(problem), "train", MOST)
    assert "computes in bfloat16 by itself" in said
    problem = Problem(layer, data, cross_entropy)
    assert loss_advice(loaded(problem), flat_of(problem), "train", MOST) == []


@pytest.mark.parametrize(
    ("frozen", "parameters", "told"), [(2, None, True), (2, "weight", False), (1, None, False)]
)
def test_an_import_tells_that_frozen_parameters_move(
    tmp_path: Path, frozen: int, parameters: str | None, told: bool
) -> None:
    """Where all are frozen and none is named; not where some are trained, or named."""
    layer = nn.Linear(4, CLASSES)
    for parameter in list(layer.parameters())[:frozen]:
        parameter.requires_grad_(False)
    data = {"train": (INPUTS, LABELS)}
    problem = Problem(layer, data, cross_entropy, parameters=parameters)
    torch.save(layer.state_dict(), tmp_path / "w.pt")
    ready = LoadedProblem(HERE, problem, "hash", {"train": {"count": EXAMPLES}})
    files = [Checkpoint(file=tmp_path / "w.pt")]
    result = inspect(ready, files, CPU, tmp_path, progress=lambda done, total: None)
    assert ["no parameter has requires_grad" in words for words in result.advice] == [True] * told


def test_an_import_brings_the_advice(tmp_path: Path) -> None:
    file = tmp_path / "p.py"
    file.write_text(
        "import torch\nfrom torch import nn\nfrom torch.nn import functional as F\n"
        "from explorer.problem import Problem\n"
        "def loss(outputs, batch):\n"
        "    weight = torch.tensor([1.0, 5.0, 1.0])\n"
        "    return F.cross_entropy(outputs, batch[1], weight=weight, reduction='none')\n"
        "def problem():\n"
        "    torch.manual_seed(0)\n"
        "    data = torch.randn(9, 4), torch.tensor([0, 1, 2] * 3)\n"
        "    return Problem(nn.Linear(4, 3), {'train': data}, loss)\n"
    )
    problem = load_problem(file, {}, twice=True)
    torch.save(problem.problem.model.state_dict(), tmp_path / "w.pt")
    checkpoint = Checkpoint(file=tmp_path / "w.pt")
    result = inspect(problem, [checkpoint], CPU, tmp_path, progress=lambda done, total: None)
    (said,) = result.advice
    assert said.startswith(f"{file}, split 'train': loss is ") and "weight[labels].sum()" in said
