"""Ready losses weigh tokens and pixels as PyTorch does over the whole split, however it is cut."""

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from types import SimpleNamespace

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from explorer.analysis.curvature.gradient import gradient
from explorer.analysis.objective import evaluation_mode
from explorer.analysis.objective.choice_checks import is_traceable
from explorer.analysis.objective.evaluator import Evaluator
from explorer.analysis.objective.objective import Objective
from explorer.kinds.objective_settings import ObjectiveSettings
from explorer.problem import (
    Problem,
    derivatives,
    own_forward,
    own_loss,
    pixel_cross_entropy,
    squared_error,
    token_cross_entropy,
)

CPU = torch.device("cpu")
EXAMPLES, TOKENS, WORDS = 13, 7, 5
# Sums of some hundred losses in another order: in float32 a few roundings of 6e-8.
WITHIN = {"float32": 1e-6, "float64": 1e-12}
PRECISIONS = pytest.mark.parametrize("precision", WITHIN)
BATCHES = pytest.mark.parametrize("batch", [1, 4, EXAMPLES])  # 4 leaves a last batch of one


class Causal(nn.Module):
    """Returns its loss as transformers' causal models do: shifted by one, a mean, -100 ignored.

    Source: transformers 4.5x, loss/loss_utils.py, ForCausalLMLoss; `upcast` is what it does to the
    logits, also to those in float64.
    """

    def __init__(self, upcast: bool = False) -> None:
        super().__init__()
        self.embedding, self.head = nn.Embedding(WORDS, 4), nn.Linear(4, WORDS)
        self.upcast = upcast

    def forward(self, input_ids: Tensor, attention_mask: Tensor, labels: Tensor) -> SimpleNamespace:
        hidden = self.embedding(input_ids) * attention_mask.unsqueeze(-1)
        logits = self.head(torch.cumsum(hidden, 1))
        if self.upcast:
            logits = logits.float()
        shifted = functional.pad(labels, (0, 1), value=-100)[:, 1:]
        loss = functional.cross_entropy(logits.flatten(0, 1), shifted.flatten(), ignore_index=-100)
        return SimpleNamespace(loss=loss, logits=logits)


class Pointwise(nn.Module):
    """Logits of each token of (B, T): (B, T, V)."""

    def __init__(self) -> None:
        super().__init__()
        self.embedding, self.head = nn.Embedding(WORDS, 4), nn.Linear(4, WORDS)

    def forward(self, tokens: Tensor) -> Tensor:
        return self.head(torch.tanh(self.embedding(tokens)))


def seeded(make: Callable[[], nn.Module]) -> nn.Module:
    with torch.random.fork_rng():
        torch.manual_seed(5)
        return make()


def drawn(high: int, *shape: int, seed: int = 1) -> Tensor:
    return torch.randint(high, shape, generator=torch.Generator().manual_seed(seed))


def labelled(ignored: int = -100) -> Tensor:
    """Labels (13, 7), some ignored, ever more from example to example, all of the last two's."""
    labels = drawn(WORDS, EXAMPLES, TOKENS, seed=2)
    for row in range(EXAMPLES):
        labels[row, TOKENS - row // 2 :] = ignored
    labels[-2:] = ignored
    return labels


def language() -> Problem:
    data = {"train": (drawn(WORDS, EXAMPLES, TOKENS), labelled())}
    return Problem(seeded(Pointwise), data, token_cross_entropy)


def causal(upcast: bool = False) -> Problem:
    mask = drawn(4, EXAMPLES, TOKENS, seed=3).gt(0).long()
    batch = {"input_ids": drawn(WORDS, EXAMPLES, TOKENS), "attention_mask": mask}
    model = seeded(lambda: Causal(upcast))
    data = {"train": batch | {"labels": labelled()}}
    return Problem(model, data, own_loss, forward=own_forward)


def segmentation() -> Problem:
    images = torch.randn(EXAMPLES, 2, 3, 4, generator=torch.Generator().manual_seed(4))
    labels = drawn(WORDS, EXAMPLES, 3, 4).to(torch.uint8)  # as masks are stored
    for row in range(EXAMPLES):
        labels[row].view(-1)[12 - row :] = 255
    data = {"train": (images, labels)}
    return Problem(seeded(lambda: nn.Conv2d(2, WORDS, 3, padding=1)), data, pixel_cross_entropy)


def objective_of(problem: Problem, precision: str, batch: int) -> Objective:
    objective = Objective(problem, ObjectiveSettings(precision=precision), CPU)
    objective.use(replace(objective.choice, batch=batch))
    return objective


def plain(problem: Problem, dtype: torch.dtype) -> tuple[float, Tensor]:
    """Mean loss and its gradient by PyTorch's own mean over all examples at once."""
    model = problem.model.to(dtype).eval()
    data = problem.data["train"]
    if isinstance(data, dict):
        loss = model(**data).loss
    else:
        inputs = data[0].to(dtype) if data[0].is_floating_point() else data[0]
        labels, logits = data[1].long(), model(inputs)
        spatial = problem.loss is pixel_cross_entropy
        logits = logits if spatial else logits.transpose(1, 2)
        loss = functional.cross_entropy(logits, labels, ignore_index=255 if spatial else -100)
    gradient = torch.autograd.grad(loss, list(model.parameters()))
    return float(loss.detach()), torch.cat([g.flatten() for g in gradient]).double()


@PRECISIONS
@BATCHES
@pytest.mark.parametrize("make", [language, causal, segmentation])
def test_mean_and_gradient_are_torchs_over_the_whole_split(
    make: Callable[[], Problem], precision: str, batch: int
) -> None:
    """Ragged batches, some without a counted token, weigh as one mean over all tokens does."""
    problem = make()
    ours = objective_of(problem, precision, batch)
    wanted, slope = plain(make(), getattr(torch, precision))
    within = WITHIN[precision]
    assert ours.means()["loss"] == pytest.approx(wanted, rel=within)
    assert torch.allclose(gradient(ours), slope, rtol=10 * within, atol=within)


def test_a_mean_of_batch_means_would_be_wrong() -> None:
    """What these tests compare with is not met by weighing examples instead of tokens."""
    problem = language()
    logits, labels = problem.model(problem.data["train"][0])[:11], problem.data["train"][1][:11]
    each = functional.cross_entropy(logits.transpose(1, 2), labels, reduction="none")
    counted = labels.ne(-100)
    of_examples = ((each * counted).sum(1) / counted.sum(1)).mean()
    assert abs(float(of_examples) - plain(language(), torch.float32)[0]) > 1e-3


@pytest.mark.parametrize("make", [language, causal, segmentation])
def test_nothing_counted_is_zero_in_a_batch_and_nan_in_a_split(make: Callable) -> None:
    """A batch without a counted token adds nothing; a split without one has no mean."""
    problem = make()
    data = problem.data["train"]
    data = dict(data) if isinstance(data, dict) else list(data)
    place = "labels" if isinstance(data, dict) else 1
    data[place] = torch.full_like(data[place], 255 if make is segmentation else -100)
    losses = problem.loss(problem.forward(problem.model, data), data)
    assert [float(part) for part in losses] == [0.0, 0.0]
    empty = objective_of(replace(problem, data={"train": data}), "float32", 4)
    assert torch.tensor(empty.means()["loss"]).isnan()


def test_labels_of_a_dict_and_another_ignored_label() -> None:
    """A dict's labels are found by name; what is ignored is an argument."""
    problem = language()
    tokens, labels = problem.data["train"]
    changed = Problem(
        problem.model,
        {"train": {"tokens": tokens, "labels": labels.where(labels != -100, 99)}},
        partial(token_cross_entropy, ignored=99),
        forward=lambda model, batch: model(batch["tokens"]),
    )
    wanted = objective_of(problem, "float64", 4).means()
    assert objective_of(changed, "float64", 4).means() == pytest.approx(wanted, rel=1e-12)


def test_a_model_that_widens_to_float32_keeps_its_own_rounding() -> None:
    """Where a model computes its loss in float32 at any precision, the mean is that good."""
    ours = objective_of(causal(upcast=True), "float64", 4).means()["loss"]
    assert ours == pytest.approx(plain(causal(), torch.float64)[0], rel=WITHIN["float32"])


def test_own_loss_without_a_shift() -> None:
    """Masked models count every label, the first of each sequence too."""
    labels = labelled()
    mean = torch.tensor(2.0, dtype=torch.bfloat16)
    total, count = own_loss(SimpleNamespace(loss=mean), {"labels": labels}, shift=0)
    assert int(count) == int(labels.ne(-100).sum()) and float(total) == 2 * int(count)
    labels = drawn(WORDS, 600)  # one label an example; 600 is no bfloat16
    total, count = own_loss(SimpleNamespace(loss=mean), {"labels": labels}, shift=0)
    assert (float(total), int(count)) == (1200.0, 600)


@pytest.mark.parametrize(
    ("outputs", "batch"),
    [
        (SimpleNamespace(loss=None), {"labels": labelled()}),
        (torch.zeros(3), {"labels": labelled()}),
        (SimpleNamespace(loss=torch.tensor(1.0)), {"input_ids": labelled()}),
        (SimpleNamespace(loss=torch.tensor(1.0)), (labelled(), labelled())),
        (SimpleNamespace(loss=torch.ones(13)), {"labels": labelled()}),
    ],
    ids=["no loss", "a tensor", "no labels", "a tuple", "a loss per example"],
)
def test_own_loss_refuses_what_it_cannot_weigh(outputs: object, batch: object) -> None:
    """Without labels to count, or without one mean, there is a sentence instead of a number."""
    with pytest.raises(ValueError, match="must be a dict with labels"):
        own_loss(outputs, batch)


@pytest.mark.parametrize("make", [language, segmentation])
@pytest.mark.parametrize(
    "way", [{"traced": True}, {"traced": True, "lanes": 2}, {"stacked": 3}], ids=str
)
def test_other_ways_of_evaluating_agree(make: Callable[[], Problem], way: dict) -> None:
    """Traced, the recorded sums and counts equal the plain ones in every bit; stacked, nearly."""
    objective = objective_of(make(), "float64", 4)
    if "traced" in way:
        assert is_traceable(objective)
    directions = torch.randn(
        2, len(objective.flat.theta), generator=torch.Generator().manual_seed(1)
    )
    evaluator = Evaluator(objective, directions)
    steps = torch.randn(9, 2, generator=torch.Generator().manual_seed(2)).double().numpy()
    wanted = evaluator.values(steps)["loss"]
    evaluator.use(replace(objective.choice, **way))  # a trace that differs in a bit is refused here
    within = 0 if "traced" in way else 1e-12
    assert evaluator.values(steps)["loss"] == pytest.approx(wanted, rel=within, abs=0)


def residual(model: nn.Module, batch: dict) -> Tensor:
    """The residual of the equation u' = u at the points of the batch, (B, 1)."""
    with derivatives():
        places = batch["x"].detach().requires_grad_()
        values = model(places)
        (slope,) = torch.autograd.grad(values.sum(), places, create_graph=True)
    return slope - values


def pushed(model: nn.Module, batch: dict) -> Tensor:
    """The same in forward mode."""
    values, slope = torch.func.jvp(model, (batch["x"],), (torch.ones_like(batch["x"]),))
    return slope - values


@PRECISIONS
@pytest.mark.parametrize("forward", [residual, pushed])
def test_a_loss_of_outputs_alone(forward: Callable, precision: str) -> None:
    """A PINN: no labels, derivatives by the inputs; values and gradient are those of a loop."""
    net = seeded(lambda: nn.Sequential(nn.Linear(1, 6), nn.Tanh(), nn.Linear(6, 1)))
    places = torch.linspace(0, 1, EXAMPLES, dtype=torch.float64).unsqueeze(1)
    problem = Problem(
        net,
        {"train": {"x": places}},
        lambda outputs, batch: outputs.square().squeeze(1),
        forward=forward,
    )
    ours = objective_of(problem, precision, 4)
    x = places.clone().requires_grad_()
    net = seeded(lambda: nn.Sequential(nn.Linear(1, 6), nn.Tanh(), nn.Linear(6, 1))).double()
    first, last = net[0], net[2]
    hidden = torch.tanh(first(x))
    slope = ((1 - hidden.square()) * first.weight.t()) @ last.weight.t()  # in closed form
    loss = (slope - last(hidden)).square().mean()
    wanted = torch.cat([g.flatten() for g in torch.autograd.grad(loss, list(net.parameters()))])
    within = WITHIN[precision]
    means = ours.means()
    wide = 10 * within  # differences cancel
    assert means["loss"] == pytest.approx(float(loss.detach()), rel=wide)
    assert means["loss_se"] > 0
    assert torch.allclose(gradient(ours), wanted, rtol=wide, atol=wide)


def test_several_inputs_in_a_tuple() -> None:
    """A model of two inputs: the forward pass takes what it needs, the rest is the loss's."""
    a, b = (torch.randn(EXAMPLES, 3, generator=torch.Generator().manual_seed(n)) for n in (1, 2))
    net = seeded(lambda: nn.Bilinear(3, 3, 2))
    target = torch.zeros(EXAMPLES, 2)
    problem = Problem(
        net,
        {"train": (a, target, b)},
        squared_error,
        forward=lambda model, batch: model(batch[0], batch[2]),
    )
    wanted = float(net(a, b).square().mean())
    assert objective_of(problem, "float32", 4).means()["loss"] == pytest.approx(wanted, rel=1e-6)


@pytest.mark.parametrize("forward", [residual, pushed])
def test_derivatives_where_inference_mode_has_none(forward: Callable, monkeypatch) -> None:
    """With a torch whose `torch.func` gives zeros in inference mode, points are not in it."""
    net = seeded(lambda: nn.Sequential(nn.Linear(1, 6), nn.Tanh(), nn.Linear(6, 1)))
    places = torch.linspace(0, 1, EXAMPLES).unsqueeze(1)
    modes = []

    def noting(model: nn.Module, batch: dict) -> Tensor:
        modes.append(torch.is_inference_mode_enabled())
        return forward(model, batch)

    data = {"train": {"x": places}}
    problem = Problem(net, data, lambda outputs, batch: outputs.square().squeeze(1), forward=noting)
    usual = objective_of(problem, "float32", 4).means()
    monkeypatch.setattr(evaluation_mode, "FIRST_WITH_DERIVATIVES", (99, 0))
    del modes[:]
    assert objective_of(problem, "float32", 4).means() == usual
    assert modes and not any(modes)
