from collections.abc import Callable
from dataclasses import replace

import pytest
import torch
from torch.nn import functional

from explorer.analysis.objective.losses import LossAndMetrics
from explorer.analysis.objective.objective import Objective
from explorer.kinds.objective_settings import ObjectiveSettings
from explorer.problem import Problem, accuracy, cross_entropy, first_input

CPU = torch.device("cpu")
DOUBLE = ObjectiveSettings(precision="float64")
# A mean of 101 float64 losses summed in another order: a few hundred roundings of 1e-16.
REORDERED = 1e-13


def plain_loss(problem: Problem, split: str) -> tuple[float, float]:
    model = problem.model.eval()
    images, labels = problem.data[split]
    with torch.no_grad():
        logits = model(images)
    right = (logits.argmax(1) == labels).double().mean()
    return float(functional.cross_entropy(logits, labels)), float(right)


@pytest.mark.parametrize("split", ["train", "test"])
def test_means_equal_a_plain_loop(problem: Problem, split: str) -> None:
    """Loss and accuracy equal those of a plain PyTorch evaluation of the whole split."""
    means = Objective(problem, replace(DOUBLE, split=split), CPU).means()
    loss, right = plain_loss(problem, split)
    assert means["loss"] == pytest.approx(loss, rel=REORDERED)
    assert means["accuracy"] == right


@pytest.mark.parametrize("size", [1, 60_000, 150_000])
def test_ragged_batches_are_weighted(
    problem: Problem, uneven: Callable[[int], None], size: int
) -> None:
    """Laws 4 and 6: any batch size, the last batch smaller, gives the same means."""
    whole = Objective(problem, DOUBLE, CPU).means()
    uneven(size)
    objective = Objective(problem, DOUBLE, CPU)
    assert size == 1 or objective.examples % objective.choice.batch
    assert objective.choice.batch < objective.examples
    assert objective.means() == pytest.approx(whole, rel=REORDERED)


def test_loss_as_sum_and_count(problem: Problem, uneven: Callable[[int], None]) -> None:
    """A loss given as (sum, count), with masked examples, is averaged over what counts."""

    def masked(outputs: torch.Tensor, batch: tuple) -> tuple[torch.Tensor, torch.Tensor]:
        counts = batch[1] != 2
        return cross_entropy(outputs, batch)[counts].sum(), counts.sum()

    uneven(100_000)
    changed = replace(problem, loss=masked, metrics={})
    mean_loss = Objective(changed, DOUBLE, CPU).means()["loss"]
    images, labels = problem.data["train"]
    keep = labels != 2
    with torch.no_grad():
        logits = problem.model.eval()(images)
    wanted = float(functional.cross_entropy(logits[keep], labels[keep]))
    assert mean_loss == pytest.approx(wanted, rel=REORDERED)


def test_dictionary_batches_and_own_forward(problem: Problem) -> None:
    """Batches may be dictionaries, and the forward pass the user's own."""
    images, labels = problem.data["train"]
    changed = Problem(
        problem.model,
        {"train": {"pixels": images, "target": labels}},
        lambda outputs, batch: cross_entropy(outputs, (None, batch["target"])),
        forward=lambda model, batch: model(batch["pixels"]),
    )
    mean_loss = Objective(changed, DOUBLE, CPU).means()["loss"]
    assert mean_loss == pytest.approx(plain_loss(problem, "train")[0], rel=REORDERED)


def few_class_terms(logits: torch.Tensor, labels: torch.Tensor) -> tuple[torch.Tensor, float]:
    """Losses one by one, and the number of right answers, through the fast terms."""
    problem = Problem(torch.nn.Identity(), {}, cross_entropy, {"accuracy": accuracy})
    few = LossAndMetrics(problem).few_class(logits, (None, labels))
    assert few is not None
    losses, right = torch.empty(len(labels)), torch.empty(len(labels))
    few.write(logits, losses, right)
    again = torch.empty(len(labels))
    few.write(logits, again, None)  # the room is used anew, and the loss is the same alone
    assert torch.equal(losses, again) or losses.isnan().any()
    return losses, float(right.sum())


@pytest.mark.parametrize("scale", [1e-3, 1.0, 30.0, 1e4])
def test_few_class_terms_are_exact(scale: float) -> None:
    """The fast loss agrees with float64 within roundings, the fast accuracy with argmax."""
    logits = scale * torch.randn(500, 10, generator=torch.Generator().manual_seed(1))
    labels = torch.randint(0, 10, (500,), generator=torch.Generator().manual_seed(2))
    fast, right = few_class_terms(logits, labels)
    exact = functional.cross_entropy(logits.double(), labels, reduction="none")
    # float32 differences of logits round to 6e-8 of their size
    assert ((fast - exact).abs() <= 4e-7 + 1.2e-7 * logits.abs().max()).all()
    assert right == int((logits.argmax(1) == labels).sum())


def test_few_class_accuracy_breaks_ties_as_argmax() -> None:
    """Equal logits count as argmax counts them: the first of the largest is the answer."""
    generator = torch.Generator().manual_seed(5)
    logits = torch.randint(0, 3, (400, 4), generator=generator).float()
    labels = torch.randint(0, 4, (400,), generator=generator)
    assert few_class_terms(logits, labels)[1] == int((logits.argmax(1) == labels).sum())
    assert few_class_terms(torch.zeros(400, 4), labels)[1] == int((labels == 0).sum())


def test_few_class_loss_keeps_nan() -> None:
    """A NaN logit gives a NaN loss, and an infinite one no finite loss by accident."""
    logits = torch.zeros(2, 3)
    labels = torch.tensor([0, 0])
    logits[0, 1] = float("nan")
    losses, right = few_class_terms(logits, labels)
    assert losses[0].isnan() and losses[1] == pytest.approx(1.0986123) and right == 1
    logits[0, 1] = float("inf")
    assert not few_class_terms(logits, labels)[0][0].isfinite()


def test_users_loss_is_never_replaced(problem: Problem) -> None:
    """Only the ready cross-entropy is rewritten; a user's function of that name is called."""
    calls = []

    def cross_entropy(outputs: torch.Tensor, batch: tuple) -> torch.Tensor:
        calls.append(len(outputs))
        return outputs.square().sum(dim=1)

    changed = Problem(
        problem.model, problem.data, cross_entropy, {"accuracy": accuracy}, first_input
    )
    objective = Objective(changed, DOUBLE, CPU)
    calls.clear()
    objective.means()
    assert sum(calls) == 101


def test_unknown_split_names_those_there_are(problem: Problem) -> None:
    """A split that the problem lacks is refused with the list of splits."""
    with pytest.raises(ValueError, match="one of train, test, got 'val'"):
        Objective(problem, replace(DOUBLE, split="val"), CPU)


def test_empty_split_is_refused(problem: Problem) -> None:
    """A split without examples has no mean loss."""
    images, labels = problem.data["train"]
    empty = replace(problem, data={"train": (images[:0], labels[:0])})
    with pytest.raises(ValueError, match="at least one example, got none"):
        Objective(empty, DOUBLE, CPU)


def test_dropout_and_batchnorm_stand_still() -> None:
    """Dropout is off and running statistics do not move: two evaluations are bit-equal."""
    model = torch.nn.Sequential(
        torch.nn.Linear(4, 8), torch.nn.BatchNorm1d(8), torch.nn.Dropout(0.5), torch.nn.Linear(8, 2)
    ).train()
    data = {"train": (torch.randn(30, 4), torch.randint(0, 2, (30,)))}
    objective = Objective(Problem(model, data, cross_entropy), ObjectiveSettings(), CPU)
    assert objective.means() == objective.means()
    assert model.training and model[1].num_batches_tracked == 0
