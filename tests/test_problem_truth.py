"""Problems as people write them: torch's own value, or one sentence; never another number."""

import re
from collections import namedtuple
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.utils.data import Dataset

from explorer.analysis.curvature.differentiable import CurvatureError
from explorer.analysis.curvature.gradient import gradient
from explorer.analysis.curvature.gradient_noise import NoNoise, covariance_trace
from explorer.analysis.curvature.matrices import dense_matrix
from explorer.analysis.curvature.products import Curvature, hessian
from explorer.analysis.model import input_changes, problem_trial
from explorer.analysis.model.batch_coupling import MOST, examples_of, why_coupled
from explorer.analysis.model.checkpoints import fitted_tensors
from explorer.analysis.model.problem_check import unwrap_model
from explorer.analysis.model.problems import LoadedProblem
from explorer.analysis.model.repeatability import check_repeatable
from explorer.analysis.objective import device_examples, reading, reading_progress, user_errors
from explorer.analysis.objective.batches import count_examples, map_tensors
from explorer.analysis.objective.dataset import DataError, Examples
from explorer.analysis.objective.evaluator import Evaluator
from explorer.analysis.objective.examples import random_example_indices, subset_indices
from explorer.analysis.objective.flat_model import FlatModel
from explorer.analysis.objective.objective import Objective
from explorer.analysis.objective.user_errors import ProblemError, run_user_code
from explorer.kinds.objective_settings import ObjectiveSettings
from explorer.problem import (
    Batch,
    Problem,
    accuracy,
    cross_entropy,
    pixel_cross_entropy,
    squared_error,
    token_cross_entropy,
)

CPU = torch.device("cpu")
EXAMPLES, CLASSES = 22, 5
ROUNDING = 1e-6  # relative, of float32: one forward pass in batches of another size
Sample = namedtuple("Sample", ["image", "label"])


def drawn(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def classes(count: int = EXAMPLES, seed: int = 1) -> Tensor:
    return torch.randint(0, CLASSES, (count,), generator=torch.Generator().manual_seed(seed))


def network(outputs: int = CLASSES, norm: Callable[[int], nn.Module] | None = None) -> nn.Module:
    with torch.random.fork_rng():
        torch.manual_seed(5)
        middle = [norm(6)] if norm else []
        return nn.Sequential(nn.Linear(4, 6), *middle, nn.Tanh(), nn.Linear(6, outputs))


def made(
    labels: Any = None, loss: Any = cross_entropy, model: nn.Module | None = None, **more: Any
) -> Problem:
    """A problem over (inputs, labels); labels are classes unless given."""
    split = (drawn(EXAMPLES, 4), classes() if labels is None else labels)
    return Problem(model or network(), {"train": split}, loss, **more)


def objective(problem: Problem, **settings: Any) -> Objective:
    return Objective(problem, ObjectiveSettings(**settings), CPU)


def measured(problem: Problem) -> dict[str, float]:
    return objective(problem).means()


def loaded(problem: Problem) -> LoadedProblem:
    count = count_examples(problem.data["train"])
    splits = {"train": {"count": count, "fingerprint": "f"}}
    return LoadedProblem(Path("p.py"), problem, "hash", splits)


def outputs_of(problem: Problem) -> Tensor:
    with torch.no_grad():
        return problem.model.eval()(problem.data["train"][0])


def wrong(place: int, label: int) -> Tensor:
    labels = classes()
    labels[place] = label
    return labels


# Ready losses and metrics ---------------------------------------------------------------------


@pytest.mark.parametrize("label", [CLASSES, -1, -100])
@pytest.mark.parametrize("term", ["loss", "accuracy", "wide"])
def test_a_label_that_is_no_class_is_refused_by_its_example(label: int, term: str) -> None:
    """Also where the quick way of few classes, which never looks at one, is not taken."""
    labels = wrong(17, label)
    if term == "loss":
        problem = made(labels)
    elif term == "wide":
        wide = network(100)
        problem = made(wrong(17, 100 if label == CLASSES else label), model=wide)
    else:
        problem = made(labels, lambda o, b: o.square().mean(1), metrics={"accuracy": accuracy})
    shown = 100 if term == "wide" and label == CLASSES else label
    with pytest.raises(DataError, match=rf"split 'train', example 17 has the label {shown}, but"):
        measured(problem)


def test_a_wrong_label_late_in_a_streamed_data_set_is_found(
    monkeypatch: pytest.MonkeyPatch, uneven: Callable[[int], None]
) -> None:
    monkeypatch.setattr(device_examples, "RESIDENT_SHARE", 0.0)
    uneven(2000)
    pairs = list(zip(drawn(EXAMPLES, 4), wrong(20, CLASSES), strict=True))

    class Pairs(Dataset):
        def __len__(self) -> int:
            return EXAMPLES

        def __getitem__(self, index: int) -> Any:
            return pairs[index]

    ours = objective(Problem(network(), {"train": Pairs()}, cross_entropy))
    assert ours.streams
    assert len(list(ours.batches)) > 1
    with pytest.raises(DataError, match="example 20 has the label 5"):
        ours.means()


def test_an_example_of_a_subset_has_its_number_in_the_split() -> None:
    ours = objective(made(wrong(17, 9)), subset="random", examples=20, examples_seed=0)
    with pytest.raises(DataError, match="example 17 has the label 9"):
        ours.means()


def test_labels_left_out_are_as_torch_leaves_them_out() -> None:
    """The way out that the refusal of -100 names."""
    labels = wrong(17, -100)
    problem = made(labels, token_cross_entropy)
    wanted = functional.cross_entropy(outputs_of(problem), labels)
    assert measured(problem)["loss"] == pytest.approx(float(wanted), rel=ROUNDING)


def test_a_label_to_ignore_is_the_one_that_the_loss_is_given() -> None:
    ready = partial(token_cross_entropy, ignored=0)
    measured(made(classes(), ready))
    with pytest.raises(DataError, match="example 13 has the label -100"):
        measured(made(wrong(13, -100), ready))


@pytest.mark.parametrize("kind", [torch.uint8, torch.int32, torch.int64])
def test_whole_labels_of_any_size_have_torchs_value(kind: torch.dtype) -> None:
    problem = made(classes().to(kind), metrics={"accuracy": accuracy})
    outputs, values = outputs_of(problem), measured(problem)
    wanted = functional.cross_entropy(outputs, classes())
    assert values["loss"] == pytest.approx(float(wanted), rel=ROUNDING)
    right = (outputs.argmax(1) == classes()).float().mean()
    assert values["accuracy"] == pytest.approx(float(right), rel=ROUNDING)
    assert torch.isfinite(gradient(objective(problem))).all()


def test_soft_labels_have_torchs_value() -> None:
    soft = functional.one_hot(classes(), CLASSES).float()
    soft = 0.7 * soft + 0.3 * soft.roll(1, 0)
    problem = made(soft)
    wanted = functional.cross_entropy(outputs_of(problem), soft)
    assert measured(problem)["loss"] == pytest.approx(float(wanted), rel=ROUNDING)


@pytest.mark.parametrize(
    ("labels", "loss", "said"),
    [
        (classes().float(), cross_entropy, "whole numbers of classes, got torch.float32"),
        (classes() > 2, cross_entropy, "whole numbers of classes, got torch.bool"),
        (classes()[:, None], cross_entropy, r"labels must have shape \(\d+,\).*got \(\d+, 1\)"),
        (drawn(EXAMPLES, 3), cross_entropy, "shares of the classes must have shape"),
        (drawn(EXAMPLES), squared_error, "targets must have shape"),
        (drawn(EXAMPLES, 1), squared_error, "targets must have shape"),
        (classes().float(), token_cross_entropy, "whole numbers of classes"),
        (classes(), pixel_cross_entropy, None),
    ],
)
def test_labels_of_another_shape_or_type_are_refused(
    labels: Tensor, loss: Any, said: str | None
) -> None:
    """Some of these torch would repeat or round to fit."""
    if said is None:  # logits (B, C) against labels (B,) are a picture of no pixel axes
        measured(made(labels, loss))
        return
    with pytest.raises(ValueError, match=said):
        measured(made(labels, loss))


@pytest.mark.parametrize("column", [True, False])
def test_one_output_and_one_target_are_one_number_each(column: bool) -> None:
    targets = drawn(EXAMPLES, seed=3)
    model = network(1) if column else nn.Sequential(network(1), nn.Flatten(0))
    problem = made(targets if column else targets[:, None], squared_error, model)
    wanted = functional.mse_loss(outputs_of(problem).flatten(), targets)
    assert measured(problem)["loss"] == pytest.approx(float(wanted), rel=ROUNDING)
    assert torch.isfinite(gradient(objective(problem))).all()


def test_accuracy_of_one_logit_is_refused() -> None:
    problem = made(classes() % 2, lambda o, b: o.flatten(), network(1), metrics={"a": accuracy})
    with pytest.raises(ValueError, match="accuracy needs one logit per class"):
        measured(problem)


# Forms of a batch -----------------------------------------------------------------------------


def test_a_split_of_one_tensor_is_the_models_input() -> None:
    model, images = nn.Conv2d(1, 1, 3, padding=1), drawn(EXAMPLES, 1, 4, 4)
    problem = Problem(model, {"train": images}, lambda o, b: (o - b).square().flatten(1).mean(1))
    with torch.no_grad():
        wanted = functional.mse_loss(model(images), images)
    assert measured(problem)["loss"] == pytest.approx(float(wanted), rel=ROUNDING)


def test_a_named_tuple_stays_one() -> None:
    split = Sample(drawn(EXAMPLES, 4), classes())
    problem = Problem(network(), {"train": split}, cross_entropy, forward=lambda m, b: m(b.image))
    ours, plain = objective(problem), measured(made())
    assert ours.means()["loss"] == plain["loss"]
    slope = gradient(ours)
    assert covariance_trace(ours, slope) == pytest.approx(
        covariance_trace(objective(made()), slope), rel=1e-4
    )


class Scaled(nn.Module):
    """A network whose outputs are multiplied by a parameter without dimensions."""

    def __init__(self) -> None:
        super().__init__()
        self.inner = network()
        self.scale = nn.Parameter(torch.tensor(1.5))

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        return self.scale * self.inner(inputs)


def test_a_parameter_without_dimensions_has_gradient_noise() -> None:
    """The covariance's trace is that of the gradients of a plain loop over the examples."""
    model = Scaled()
    ours = objective(made(model=model))
    inputs, labels = made(model=model).data["train"]
    norms = []
    for place in range(len(inputs)):
        loss = functional.cross_entropy(model(inputs[place : place + 1]), labels[place : place + 1])
        slopes = torch.autograd.grad(loss, list(model.parameters()))
        norms.append(sum(float((slope.double() ** 2).sum()) for slope in slopes))
    slope = gradient(ours)
    wanted = float(np.mean(norms)) - float(slope @ slope)
    assert covariance_trace(ours, slope) == pytest.approx(wanted, rel=1e-4)


class Assigning(nn.Module):
    """A network whose forward pass sets a buffer anew: to a constant, or to what it has seen."""

    def __init__(self, seen: bool) -> None:
        super().__init__()
        self.inner, self.seen = network(), seen
        self.register_buffer("hidden", torch.zeros(1, 4))

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        self.hidden = torch.zeros(1, 4)
        outputs = self.inner(inputs + self.hidden)
        if self.seen:
            self.hidden = inputs.mean(0, keepdim=True)
        return outputs


@pytest.mark.parametrize("seen", [False, True])
def test_a_buffer_that_the_forward_pass_assigns_stays_the_model_s(seen: bool) -> None:
    """Losses along a line are those without it, also a second time; then it is as it was."""
    steps = np.array([[-0.5], [0.0], [0.5]])
    losses = []
    for model in (network(), Assigning(seen)):
        ours = objective(made(model=model))
        assert ours.means()
        evaluator = Evaluator(ours, torch.ones(1, ours.flat.theta.numel()))
        first, second = (evaluator.values(steps)["loss"] for _ in range(2))
        assert np.array_equal(first, second)
        losses.append(first)
    assert np.allclose(*losses, rtol=1e-6)
    assert not ours.flat.buffers["hidden"].is_inference()


class Attributes(dict):
    """A dict whose entries are attributes too, held twice."""

    def __init__(self, values: Any) -> None:
        super().__init__(values)
        self.__dict__ = self


def test_a_dict_of_a_class_of_its_own_stays_one_and_keeps_no_old_entries() -> None:
    halves = map_tensors(Attributes({"x": drawn(4, 2)}), lambda tensor: tensor[:2])
    assert isinstance(halves, Attributes)
    assert len(halves.x) == len(halves["x"]) == 2


def test_the_usual_forward_of_a_dict_says_what_to_do() -> None:
    problem = Problem(network(), {"train": {"x": drawn(EXAMPLES, 4)}}, cross_entropy)
    with pytest.raises(ValueError, match="a dict has no first input, only x; give"):
        measured(problem)


def test_a_whole_graph_is_told_to_be_one_example() -> None:
    with pytest.raises(ValueError, match="make that the only example"):
        count_examples((drawn(8, 3), classes(2)))


# Batches that belong together -----------------------------------------------------------------


def contrastive(outputs: Tensor, batch: Batch) -> Tensor:
    """InfoNCE: each example against all others of its batch."""
    alike = outputs @ outputs.roll(1, 1).t()
    return functional.cross_entropy(alike, torch.arange(len(outputs)), reduction="none")


def centred(outputs: Tensor, batch: Batch) -> Tensor:
    losses = cross_entropy(outputs, batch)
    return (losses - losses.mean()).square()


def neighbours(outputs: Tensor, batch: Batch) -> Tensor:
    """Each pair of neighbours is an anchor and its other view."""
    return (outputs - outputs[torch.arange(len(outputs)).bitwise_xor(1) % len(outputs)]).norm(dim=1)


def mean_as_one(outputs: Tensor, batch: Batch) -> tuple[Tensor, int]:
    return cross_entropy(outputs, batch).mean(), 1


def still(width: int) -> nn.Module:
    return nn.BatchNorm1d(width, track_running_stats=False)


COUPLED = {
    "contrastive": made(loss=contrastive),
    "centred": made(loss=centred),
    "neighbours": made(loss=neighbours),
    "a mean that counts as one": made(loss=mean_as_one),
    "a mean of shape (1,)": made(loss=lambda o, b: cross_entropy(o, b).mean().view(1)),
    "divided by the batch": made(loss=lambda o, b: cross_entropy(o, b) / len(o)),
    "BatchNorm without running statistics": made(model=network(norm=still)),
    "metric": made(metrics={"share": lambda o, b: accuracy(o, b) / accuracy(o, b).sum()}),
}
ALONE = {
    "cross-entropy": made(metrics={"accuracy": accuracy}),
    "BatchNorm": made(model=network(norm=nn.BatchNorm1d)),
    "LayerNorm": made(model=network(norm=nn.LayerNorm)),
    "sum and count": made(loss=token_cross_entropy),
    "weighted": made(loss=lambda o, b: ((b[1] * o[:, 0]).sum(), b[1].sum())),
    "NaN": made(loss=lambda o, b: cross_entropy(o, b) * torch.nan),
    "noise from a seed": made(
        forward=lambda m, b: m(b[0] + torch.randn(len(b[0]), 4, generator=_seeded()))
    ),
}


def _seeded() -> torch.Generator:
    return torch.Generator().manual_seed(3)


def coupling(problem: Problem) -> str:
    flat = FlatModel(problem.model, torch.float32, CPU)
    return why_coupled(problem, flat, examples_of(problem.data["train"]))


@pytest.mark.parametrize("name", COUPLED)
def test_values_that_depend_on_the_batch_are_found(name: str) -> None:
    problem = COUPLED[name]
    assert coupling(problem).startswith("share " if name == "metric" else "loss ")
    with pytest.raises(ProblemError, match=r"p.py, split 'train'.*Problem\(..., batch_size=64\)"):
        problem_trial.ready_problem(loaded(problem), problem.model.state_dict(), "train", CPU)


@pytest.mark.parametrize("name", ALONE)
def test_values_that_do_not_are_left_alone(name: str) -> None:
    assert coupling(ALONE[name]) == ""


def test_the_worst_hundred_of_a_batch_are_found_at_an_import() -> None:
    """Among few examples all are taken, and nothing shows."""

    def worst(outputs: Tensor, batch: Batch) -> tuple[Tensor, int]:
        losses = cross_entropy(outputs, batch)
        return losses.topk(min(100, len(losses))).values.sum(), min(100, len(losses))

    problem = Problem(network(), {"train": (drawn(300, 4), classes(300))}, worst)
    flat = FlatModel(problem.model, torch.float32, CPU)
    problem_trial.check_uncoupled(loaded(problem), flat, "train", 64)
    with pytest.raises(ProblemError, match="depends on"):
        problem_trial.check_uncoupled(loaded(problem), flat, "train", MOST)


def test_a_smaller_batch_that_fails_is_told() -> None:
    problem = made(forward=lambda m, b: m(b[0].view(-1, 2, 4)).flatten(0, 1))
    assert coupling(problem).startswith("loss and metrics of 22 examples can be computed, but not")


def by_hand(loss: Any, size: int, model: nn.Module, split: Any) -> Tensor:
    """Mean over all examples of a loss over consecutive batches, with its graph."""
    parts = zip(*(tensor.split(size) for tensor in split), strict=True)
    losses = [
        loss(model(input_changes), (input_changes, labels)) for input_changes, labels in parts
    ]
    return torch.cat(losses).mean()


@pytest.mark.parametrize("size", [8, 22, 100])
def test_declared_batches_bind_loss_gradient_and_curvature(
    size: int, uneven: Callable[[int], None]
) -> None:
    """Whatever memory would suggest; the last batch is smaller."""
    uneven(1000)
    problem = made(loss=contrastive, batch_size=size)
    ours, model = objective(problem, precision="float64"), network().double()
    split = (problem.data["train"][0].double(), problem.data["train"][1])
    parameters = list(model.parameters())
    loss = by_hand(contrastive, size, model, split)
    assert ours.means()["loss"] == pytest.approx(float(loss.detach()), rel=1e-12)
    slope = torch.cat(
        [g.flatten() for g in torch.autograd.grad(loss, parameters, create_graph=True)]
    )
    assert torch.allclose(gradient(ours), slope.detach(), rtol=1e-10, atol=1e-12)
    vector = drawn(len(slope)).double()
    product = torch.autograd.grad(slope @ vector, parameters)
    wanted = torch.cat([part.flatten() for part in product])
    assert torch.allclose(Curvature(ours, hessian)(vector), wanted, rtol=1e-9, atol=1e-11)


def test_declared_batches_bind_every_point_of_a_line() -> None:
    problem = made(loss=contrastive, batch_size=8)
    ours = objective(problem, precision="float64")
    direction = drawn(1, ours.flat.theta.numel(), seed=4).double()
    evaluator = Evaluator(ours, direction)
    losses = evaluator.values(np.array([[0.0], [0.3]]))["loss"]
    model = network().double()
    nn.utils.vector_to_parameters(
        nn.utils.parameters_to_vector(model.parameters()) + 0.3 * direction[0], model.parameters()
    )
    split = (problem.data["train"][0].double(), problem.data["train"][1])
    with torch.no_grad():
        wanted = float(by_hand(contrastive, 8, model, split))
    assert losses[1] == pytest.approx(wanted, rel=1e-12)
    assert losses[0] == pytest.approx(ours.means()["loss"], rel=1e-12)


def test_curvature_through_a_batchs_own_statistics() -> None:
    problem = made(model=network(norm=still), batch_size=EXAMPLES)
    ours = dense_matrix(Curvature(objective(problem, precision="float64"), hessian))
    model = network(norm=still).double()
    names = [name for name, _ in model.named_parameters()]
    split = (problem.data["train"][0].double(), problem.data["train"][1])

    def loss(vector: Tensor) -> Tensor:
        sizes = [p.numel() for p in model.parameters()]
        shapes = [p.shape for p in model.parameters()]
        parts = [v.view(s) for v, s in zip(vector.split(sizes), shapes, strict=True)]
        own = dict(zip(names, parts, strict=True))
        outputs = torch.func.functional_call(model, own, (split[0],))
        return functional.cross_entropy(outputs, split[1])

    point = nn.utils.parameters_to_vector(model.parameters()).detach()
    wanted = torch.autograd.functional.hessian(loss, point).numpy()
    assert np.allclose(ours, wanted, rtol=1e-8, atol=1e-9)


def test_what_would_cut_declared_batches_is_refused() -> None:
    problem = made(loss=contrastive, batch_size=8)
    ours = objective(problem)
    with pytest.raises(ValueError, match="examples must be a multiple of 8"):
        objective(problem, subset="first", examples=10)
    with pytest.raises(NoNoise):
        covariance_trace(ours, gradient(ours))
    with pytest.raises(CurvatureError, match="declares a batch_size of 8"):
        Curvature(ours, hessian, examples=np.arange(8))
    normed = made(model=network(norm=nn.BatchNorm1d), batch_size=8)
    with pytest.raises(ValueError, match="batchnorm_batch must be 8, the problem's batch_size"):
        objective(normed, batchnorm="batch", batchnorm_batch=16)
    assert objective(normed, batchnorm="batch", batchnorm_batch=8).choice.batch == 8
    for size in (0, -1):
        with pytest.raises(ValueError, match="batch_size must be at least 1"):
            made(batch_size=size)


def test_a_subset_of_declared_batches_is_whole_ones() -> None:
    settings = ObjectiveSettings(subset="random", examples=8, examples_seed=1)
    chosen = subset_indices(EXAMPLES, settings, 4)
    assert chosen is not None
    assert chosen.reshape(2, 4).tolist() == [list(range(a, a + 4)) for a in chosen[::4]]
    assert all(start % 4 == 0 for start in chosen[::4])


def test_a_declared_batch_is_not_halved_where_memory_ends() -> None:
    evaluator = Evaluator(objective(made(loss=contrastive, batch_size=8)), drawn(1, 65))
    evaluator.use(evaluator.objective.choice.__class__(batch=8))
    with pytest.raises(ValueError, match="a batch of 8 examples, the problem's batch_size, needs"):
        evaluator._use_less_memory()


# What code does to its batch, and what it keeps -----------------------------------------------


def in_place(model: nn.Module, batch: Batch) -> Tensor:
    batch[0].sub_(0.5).div_(0.25)
    return model(batch[0])


def test_a_forward_that_changes_its_input_gets_copies() -> None:
    problem = made(forward=in_place)
    before = problem.data["train"][0].clone()
    ready = problem_trial.ready_problem(
        loaded(problem), problem.model.state_dict(), "train", CPU
    ).problem
    with torch.no_grad():
        outputs = problem.model((before - 0.5) / 0.25)
    wanted = float(functional.cross_entropy(outputs, classes()))
    ours = objective(ready)
    assert [ours.means()["loss"] for _ in range(3)] == pytest.approx([wanted] * 3, rel=ROUNDING)
    assert torch.equal(problem.data["train"][0], before)


@pytest.mark.parametrize(
    ("loss", "said"),
    [
        (lambda o, b: (o[:, :4] - b[0]).square(), "forward changes its input in place, and loss"),
        (lambda o, b: cross_entropy(o, (0, b[1].sub_(1).abs_())), "loss changes its batch"),
    ],
)
def test_a_loss_that_would_see_the_difference_is_refused(loss: Any, said: str) -> None:
    problem = made(forward=in_place, loss=loss)
    flat = FlatModel(problem.model, torch.float32, CPU)
    with pytest.raises(ProblemError, match=said):
        input_changes.protect_inputs(problem, flat, problem.data["train"], Path("p.py"))


def test_what_pops_an_entry_of_its_batch_changes_it() -> None:
    """A forward that does gets copies, a loss that does is refused by what it does."""
    data = {"train": {"x": drawn(EXAMPLES, 4), "labels": classes()}}
    popping = replace(made(), data=data, forward=lambda model, batch: model(batch.pop("x")))
    flat = FlatModel(popping.model, torch.float32, CPU)
    ready = input_changes.protect_inputs(popping, flat, data["train"], Path("p.py"))
    assert isinstance(ready.forward, input_changes.OnCopies)
    late = replace(
        popping,
        forward=lambda model, batch: model(batch["x"]),
        loss=lambda o, batch: cross_entropy(o, (0, batch.pop("labels"))),
    )
    with pytest.raises(ProblemError, match=r"loss changes its batch.*work on a copy"):
        input_changes.protect_inputs(late, flat, data["train"], Path("p.py"))


class Remembers(nn.Module):
    """Adds the mean of what came before."""

    def __init__(self) -> None:
        super().__init__()
        self.net = network()
        self.register_buffer("hidden", torch.zeros(1, 4))

    def forward(self, x: Tensor) -> Tensor:
        self.hidden = 0.5 * self.hidden + x.mean(0, keepdim=True)
        return self.net(x + self.hidden)


def test_a_model_with_memory_is_told_what_it_keeps() -> None:
    problem = made(model=Remembers())
    with pytest.raises(ProblemError, match="the model keeps 'hidden' from call to call"):
        check_repeatable(objective(problem), 0.1, loaded(problem))


def test_what_counts_its_calls_is_not_told_to_draw_random_numbers() -> None:
    calls: list[int] = []

    def counted(outputs: Tensor, batch: Batch) -> Tensor:
        calls.append(1)
        return cross_entropy(outputs, batch) * len(calls)

    problem = made(loss=counted)
    with pytest.raises(ProblemError, match="uses what changes from call to call"):
        check_repeatable(objective(problem), 0.1, loaded(problem))


# Our own advice -------------------------------------------------------------------------------


def test_the_advice_for_a_single_number_gives_the_users_own_mean() -> None:
    """With class weights and label smoothing, which a mean over reduction='none' leaves out."""
    weight = torch.tensor([1.0, 2.0, 1.0, 3.0, 0.5])
    smooth = {"weight": weight, "label_smoothing": 0.1}

    def single(outputs: Tensor, batch: Batch) -> Tensor:
        return functional.cross_entropy(outputs, batch[1], **smooth)

    def advised(outputs: Tensor, batch: Batch) -> tuple[Tensor, Tensor]:
        total = functional.cross_entropy(outputs, batch[1], **smooth, reduction="sum")
        return total, weight[batch[1]].sum()

    problem = made(loss=single)
    with pytest.raises(
        ProblemError, match=r"\(sum, what your mean divides it by\).*weight\[labels"
    ):
        problem_trial.try_problem(loaded(problem), problem.model.state_dict(), CPU)
    wanted = float(single(outputs_of(problem), problem.data["train"]))
    assert measured(made(loss=advised))["loss"] == pytest.approx(wanted, rel=ROUNDING)


@pytest.mark.parametrize(
    ("code", "said"),
    [
        (lambda: nn.Linear(2, 2)(torch.ones(1, 2, dtype=torch.bfloat16)), "x.to(weight.dtype)"),
        (lambda: nn.Linear(2, 2)(torch.ones(1, 2, dtype=torch.uint8)), "dtype) / 255"),
        (lambda: torch.ones(2, 2) @ torch.ones(2, 2).double(), "x.to(weight.dtype)"),
        (lambda: functional.nll_loss(torch.ones(1, 2), torch.ones(1)), "mend it there"),
    ],
)
def test_types_that_do_not_fit_have_a_way_out(code: Callable[[], Tensor], said: str) -> None:
    with pytest.raises(ProblemError) as caught, run_user_code("this", Path("p.py")):
        code()
    assert said in str(caught.value)


@pytest.mark.parametrize("precision", ["float32", "float64", "bf16"])
def test_images_of_bytes_have_a_way_out_in_each_precision(precision: str) -> None:
    """The forward that the refusal writes gives torch's loss, and a Hessian where there is one."""
    images = (drawn(EXAMPLES, 4).abs() * 50).to(torch.uint8)
    problem = Problem(network(), {"train": (images, classes())}, cross_entropy)
    with pytest.raises(ProblemError) as caught:
        problem_trial.try_problem(loaded(problem), problem.model.state_dict(), CPU)
    advised = re.search(r"Problem\(\.\.\., forward=(lambda .*)\)$", str(caught.value))
    assert advised is not None
    problem = replace(problem, forward=eval(advised[1]))
    ours = objective(problem, precision=precision)
    wanted = functional.cross_entropy(problem.model(images / 255), classes())
    assert ours.means()["loss"] == pytest.approx(
        float(wanted), rel=1e-2 if precision == "bf16" else ROUNDING
    )
    if precision != "bf16":
        assert np.isfinite(dense_matrix(Curvature(ours, hessian))).all()


def test_as_many_values_as_examples_in_some_batches_alone_is_refused(
    uneven: Callable[[int], None],
) -> None:
    """The values of such a batch would otherwise be lost in silence."""
    uneven(1000)
    count = EXAMPLES
    labels = torch.zeros(count, 2, dtype=torch.long)
    labels[4:, 0] = 1

    def counted(outputs: Tensor, batch: Batch) -> Tensor:
        return (outputs[:, :2] + 2)[batch[1] == 0]  # one a row at first, then fewer

    labels[4:, 1] = 1
    labels[:4, 1] = 1
    labels[8:, 1] = 0
    labels[8:, 0] = 0
    problem = made(labels, counted)
    ours = objective(problem)
    ours.use(ours.choice.__class__(batch=4))
    with pytest.raises(ValueError, match="one value per example in some batches and another"):
        ours.means()


# Wrapped models -------------------------------------------------------------------------------

WRAPPED = {
    "DataParallel": nn.DataParallel,
    "compiled": partial(torch.compile, backend="eager"),
    "compiled and parallel": lambda model: nn.DataParallel(torch.compile(model, backend="eager")),
    "scripted": torch.jit.script,
    "traced": lambda model: torch.jit.trace(model.eval(), drawn(3, 4)),
}


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize("name", WRAPPED)
def test_a_wrapped_model_is_the_model(name: str) -> None:
    plain = network(norm=nn.BatchNorm1d)
    wrapped = unwrap_model(made(model=WRAPPED[name](network(norm=nn.BatchNorm1d))))
    weights = {n: v + 0.1 if v.is_floating_point() else v for n, v in plain.state_dict().items()}
    losses_with_matrices = []
    for problem in (made(model=plain), wrapped):
        ours = objective(problem, precision="float64")
        ours.load(fitted_tensors(weights, problem.model, "w.pt"))
        losses_with_matrices.append((ours.means()["loss"], dense_matrix(Curvature(ours, hessian))))
    (loss, matrix), (other, same) = losses_with_matrices
    assert other == pytest.approx(loss, rel=1e-12)
    assert np.allclose(same, matrix, rtol=1e-9, atol=1e-11)


def test_weights_fit_whichever_part_was_wrapped_when_they_were_saved() -> None:
    inner = nn.Sequential(network(), nn.DataParallel(network()))
    outer = nn.Sequential(network(), network())
    for saved, wanted in ((inner, outer), (outer, inner)):
        taken = fitted_tensors(saved.state_dict(), wanted, "w.pt")
        assert list(taken) == list(wanted.state_dict())
        assert torch.equal(taken[list(taken)[-1]], list(saved.state_dict().values())[-1])


# Data sets ------------------------------------------------------------------------------------


class Endless(Dataset):
    """A wrong length, and no end."""

    def __len__(self) -> int:
        return 10**9

    def __getitem__(self, index: int) -> Any:
        return torch.full((2,), float(index % 7)), index % CLASSES


def test_a_data_set_without_end_is_refused_by_its_length_and_speed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(reading, "MOST_SECONDS", 1e-3)  # no clock is quick enough for a billion
    with pytest.raises(DataError, match=r"1,000,000,000 examples take.*max_examples=10_000"):
        reading.require_readable(Examples(Endless(), "train"))


def test_some_of_a_billion_examples_are_drawn_at_once() -> None:
    """The way out that the refusal names; each is drawn once, the same for a seed."""
    drawn_ = random_example_indices(10**9, 1000, 3)
    assert len(np.unique(drawn_)) == 1000
    assert np.all(np.diff(drawn_) > 0)
    assert 0 <= drawn_[0] < drawn_[-1] < 10**9
    assert np.array_equal(drawn_, random_example_indices(10**9, 1000, 3))
    kept, _ = reading.read_examples(Examples(Endless(), "train").subset(drawn_), keep=True)
    assert kept is not None
    assert kept[1].tolist() == [int(n) % CLASSES for n in drawn_]


def test_reading_says_how_far_it_is_and_can_be_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading_progress, "PROGRESS_SECONDS", -1.0)
    told_: list[tuple[int, int]] = []

    def tell(done: int, total: int) -> None:
        told_.append((done, total))
        if done:
            raise InterruptedError

    with pytest.raises(InterruptedError), reading_progress.report_reading_to(tell):
        reading.read_examples(Examples(Endless(), "train"), keep=False)
    assert told_ == [(0, 10**9), (1, 10**9)]


def test_a_length_that_is_none_is_told() -> None:
    class Odd(Dataset):
        def __len__(self) -> int:
            return 2.5  # type: ignore[return-value]

    with pytest.raises(DataError, match="split 'train' has no length"):
        Examples(Odd(), "train")


def test_the_kind_of_what_is_no_tensor_is_told() -> None:
    class Named(Endless):
        def __getitem__(self, index: int) -> Any:
            return {"x": torch.ones(2), "name": f"file {index}"}

    with pytest.raises(DataError, match=r"tensors or numbers, got text as \['name'\]; leave it"):
        _ = Examples(Named(), "train").head


def test_mistakes_name_the_data_before_the_file_is_blamed() -> None:
    begins = r"^p\.py, split 'train', example 17 has"
    with (
        pytest.raises(ProblemError, match=begins),
        user_errors.run_user_code("evaluating", Path("p.py")),
    ):
        measured(made(wrong(17, 7)))
