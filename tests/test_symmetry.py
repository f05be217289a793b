"""Permutation symmetry: specifications of many networks, their proof, matching and REPAIR."""

import math
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from scipy.optimize import linear_sum_assignment
from torch import Tensor, nn

from explorer.analysis.objective.objective import Objective
from explorer.analysis.symmetry.activations import activation_likeness
from explorer.analysis.symmetry.matching import matched
from explorer.analysis.symmetry.repair import Repair
from explorer.analysis.symmetry.specification import (
    Specification,
    composed,
    inverse,
    permute,
)
from explorer.analysis.symmetry.symmetry import symmetry_of
from explorer.analysis.symmetry.tracing import Network, SymmetryError, own_tensors
from explorer.analysis.symmetry.verification import verified_symmetry, verify
from explorer.analysis.symmetry.weights import WeightLikeness
from explorer.kinds.interpolation import InterpolationSettings
from explorer.problem import Problem, cross_entropy
from sample_models import digits_cnn, digits_mlp
from tests import symmetric_models as models
from tests.benchmarks.networks import ResNet
from tests.symmetric_models import random_network, values

ROOT = Path(__file__).parents[1]
WEIGHTS = ROOT / "sample_models" / "weights"
SHARED = ROOT.parent / "shared" / "data" / "resnet20_cifar10.safetensors"
TOKENS = torch.arange(15).reshape(3, 5) % 11


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def likeness(
    first: dict[str, Tensor], second: dict[str, Tensor], specification: Specification
) -> WeightLikeness:
    return WeightLikeness.of(first, second, specification)


def parameters(model: nn.Module) -> dict[str, Tensor]:
    return {name: value.detach() for name, value in model.named_parameters()}


# Of each network: its input, and log10 of how many permutations there are, counted by hand.
NETWORKS: dict[str, tuple[Callable[[], nn.Module], Tensor, list[int]]] = {
    "perceptron": (models.perceptron, values(3, 6), [5, 4]),
    "flattened": (models.Flattened, values(3, 1, 8, 8), [4, 5]),
    "shortcut of zero channels": (models.Residual, values(3, 2, 8, 8), [4, 8, 2, 2]),
    "concatenated": (models.Dense, values(3, 3), [4, 4, 5]),
    "attention": (lambda: models.Attention(packed=False), values(3, 5, 4), [8, 2, 4, 4, 4, 4]),
    "packed attention": (
        lambda: models.Attention(packed=True),
        values(3, 5, 4),
        [8, 2, 4, 4, 4, 4],
    ),
    "encoder layer": (
        lambda: nn.TransformerEncoderLayer(8, 2, 16, batch_first=True),
        values(3, 5, 8),
        [16, 2, 4, 4, 4, 4],
    ),
    "tied embedding": (models.Tied, TOKENS, [8, *[12, 2, 4, 4, 4, 4] * 2]),
    "depthwise": (models.depthwise, values(3, 2, 7, 7), [4, 2, 2, 2, 2]),
    "grouped": (models.grouped, values(3, 2, 7, 7), [2, 4, 4, 3, 3, 3]),
    "window attention": (models.Window, values(2, 4, 3), [8, 2, 4, 4, 4, 4]),
    "recurrent": (
        lambda: models.LastState(nn.LSTM(4, 6, 2, batch_first=True)),
        values(3, 5, 4),
        [6, 6],
    ),
    "digits": (lambda: digits_cnn.CNN(), values(3, 1, 8, 8), [16, 32, 32]),
}
every_network = pytest.mark.parametrize("name", NETWORKS)


@every_network
def test_a_random_permutation_leaves_the_function(name: str) -> None:
    """In float64, to 1e-9 of the largest output, while the parameters move; all symmetry is seen.

    The factorials of the sizes of groups, counted by hand, are the number of permutations.
    """
    build, inputs, sizes = NETWORKS[name]
    network = random_network(build())
    symmetry, _ = verified_symmetry(network, inputs, inputs, rng())
    specification = symmetry.specification
    expected = sum(math.lgamma(size + 1) for size in sizes) / math.log(10)
    assert specification.log10_permutations == pytest.approx(expected, rel=1e-12)
    tensors, _ = own_tensors(network.module)
    moved = permute(tensors, specification, specification.random(rng(1)))
    distance = sum(float((moved[n] - tensors[n]).square().sum()) for n in tensors)
    assert distance > 0.1


@every_network
def test_permutations_are_a_group(name: str) -> None:
    """The inverse undoes a permutation to the bit, and two in a row are their composition."""
    build, inputs, _ = NETWORKS[name]
    network = random_network(build())
    specification = symmetry_of(network, inputs).specification
    tensors, _ = own_tensors(network.module)
    first, second = specification.random(rng(1)), specification.random(rng(2))
    there = permute(tensors, specification, first)
    back = permute(there, specification, inverse(first))
    assert all(torch.equal(back[n], tensors[n]) for n in tensors)
    twice = permute(there, specification, second)
    at_once = permute(tensors, specification, composed(first, second))
    assert all(torch.equal(twice[n], at_once[n]) for n in tensors)


@every_network
@pytest.mark.parametrize("seed", range(4))
def test_what_is_tried_moves_every_group(name: str, seed: int) -> None:
    """The check's permutation is the identity in no group, and leaves the function."""
    build, inputs, _ = NETWORKS[name]
    network = random_network(build())
    specification = symmetry_of(network, inputs).specification
    permutation = specification.random(rng(seed), everywhere=True)
    for group in specification.groups:
        for numbers in (group.channels, *(n for n in group.inner if n.shape[1] > 1)):
            assert (permutation[numbers] != numbers).any(), group.name
    assert sorted(permutation) == list(specification.identity)
    verify(network, inputs, specification, rng(seed))  # raises where it does not


def test_two_neurons_change_places() -> None:
    """A swap exchanges two rows, their biases and the columns of the next layer; nothing else."""
    network = random_network(models.perceptron())
    specification = symmetry_of(network, values(3, 6)).specification
    tensors, _ = own_tensors(network.module)
    swapped = permute(tensors, specification, specification.swap(0, 1, 3))
    order = [0, 3, 2, 1, 4]
    assert torch.equal(swapped["0.weight"], tensors["0.weight"][order])
    assert torch.equal(swapped["0.bias"], tensors["0.bias"][order])
    assert torch.equal(swapped["2.weight"], tensors["2.weight"][:, order])
    assert all(torch.equal(swapped[n], tensors[n]) for n in ("2.bias", "4.weight", "3.weight"))


def test_running_statistics_move_with_their_channels() -> None:
    """Buffers of BatchNorm are permuted as the convolution before them."""
    network = random_network(models.Residual())
    specification = symmetry_of(network, values(3, 2, 8, 8)).specification
    tensors, _ = own_tensors(network.module)
    moved = permute(tensors, specification, specification.swap(0, 0, 2))
    order = [2, 1, 0, 3]
    for name in ("stem.weight", "norm.weight", "norm.running_mean", "norm.running_var"):
        assert torch.equal(moved[name], tensors[name][order]), name


@pytest.mark.parametrize(
    ("model", "words"),
    [
        (
            models.Ordered(largest=False),
            "nothing to permute: its channels are fixed by the operation sort",
        ),
        (
            models.Ordered(largest=True),
            "nothing to permute: its channels are fixed by the operation topk",
        ),
        (models.Deciding(), "decisions by the values of its tensors"),
        (nn.Linear(3, 2), "nothing to permute: all its channels meet its input or output"),
    ],
)
def test_what_cannot_be_permuted_is_one_sentence(model: nn.Module, words: str) -> None:
    """Channels in the order of their values, a decision by them, no hidden layer: the reason."""
    with pytest.raises(SymmetryError, match=words) as refused:
        verified_symmetry(random_network(model), values(3, 3), values(3, 3), rng())
    assert "\n" not in str(refused.value) and len(str(refused.value)) < 250


def test_a_model_that_changes_is_refused_by_the_check() -> None:
    """All shapes fit, and what was traced is symmetric: only the random permutation tells."""
    with pytest.raises(SymmetryError, match=r"cannot be permuted: a random .* changes an output"):
        verified_symmetry(random_network(models.Changing()), values(3, 3), values(9, 3), rng())


def test_a_wrong_rule_is_refused_and_its_operation_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """Sorting taken for something that heeds no order passes all shapes; the check names it."""
    from explorer.analysis.symmetry import rules

    wrong = {**rules.RULES, "sort": lambda call: [call.tensors[0]] * len(call.shapes)}
    monkeypatch.setattr(rules, "RULES", wrong)
    with pytest.raises(SymmetryError, match="first seen at the operation sort"):
        network = random_network(models.Ordered(largest=False))
        verified_symmetry(network, values(3, 3), values(9, 3), rng())


def test_parameters_that_do_not_move_stay() -> None:
    """A layer that is fixed holds its neighbours' channels, and says why."""
    network, why = random_network(models.perceptron()), "a parameter that does not move"
    specification = symmetry_of(network, values(3, 6), {"4.weight": why}).specification
    assert [(group.name, group.count) for group in specification.groups] == [("0", 5)]
    assert {entry.why for entry in specification.fixed if entry.tensor == "2.weight"} == {why}
    with pytest.raises(SymmetryError, match=f"nothing to permute: its channels are fixed by {why}"):
        symmetry_of(network, values(3, 6), {"2.weight": why})


def test_a_permutation_of_another_model_is_refused() -> None:
    """Its length says so."""
    network = random_network(models.perceptron())
    specification = symmetry_of(network, values(3, 6)).specification
    with pytest.raises(ValueError, match=r"must be of \d+ channels, got 3"):
        permute(own_tensors(network.module)[0], specification, np.arange(3))


def test_weight_matching_is_the_assignment_of_one_layer() -> None:
    """With one hidden layer the gains are those by hand, and the end is scipy's assignment."""
    build = nn.Sequential(nn.Linear(3, 6), nn.Tanh(), nn.Linear(6, 2))
    network, other = (
        random_network(build),
        random_network(nn.Sequential(nn.Linear(3, 6), nn.Tanh(), nn.Linear(6, 2)), 5),
    )
    specification = symmetry_of(network, values(4, 3)).specification
    one, two = parameters(network.module), parameters(other.module)
    ends = {side: [p[f"{side}"] for p in (one, two)] for side in ("0.weight", "0.bias", "2.weight")}
    by_hand = (
        ends["0.weight"][0] @ ends["0.weight"][1].T
        + torch.outer(*ends["0.bias"])
        + ends["2.weight"][0].T @ ends["2.weight"][1]
    ).numpy()
    _, order = linear_sum_assignment(by_hand, maximize=True)
    like = likeness(one, two, specification)
    (group,) = specification.groups
    np.testing.assert_allclose(like.gains(group.channels, specification.identity), by_hand)
    matching = matched(like, specification, rng())
    np.testing.assert_array_equal(matching.permutation[group.channels], group.channels[order])
    aligned = permute(two, specification, matching.permutation)
    inner = sum(float((one[n] * aligned[n]).sum()) for n in one)
    assert matching.value == pytest.approx(inner, rel=1e-12)
    last = float((one["2.bias"] * two["2.bias"]).sum())
    assert inner == pytest.approx(by_hand[np.arange(6), order].sum() + last, rel=1e-12)


def planted_and_recovered(model: nn.Module, specification: Specification, count: int) -> int:
    """How often a random permutation of a model is undone to the bit."""
    own, recovered = parameters(model), 0
    for seed in range(count):
        moved = permute(own, specification, specification.random(rng(seed)))
        matching = matched(likeness(own, moved, specification), specification, rng(seed))
        back = permute(moved, specification, matching.permutation)
        recovered += all(torch.equal(back[name], own[name]) for name in own)
    return recovered


def digits_network(weights: str = "mlp_a") -> tuple[Network, Problem]:
    problem = digits_mlp.problem()
    problem.model.load_state_dict(load_file(WEIGHTS / f"{weights}.safetensors"))
    return Network(problem.model.eval()), problem


def test_a_planted_permutation_of_the_digits_model_is_recovered() -> None:
    """20 of 20 times, to the bit."""
    network, problem = digits_network()
    pixels, _ = problem.data["train"]
    symmetry, change = verified_symmetry(network, pixels[:3], pixels, rng())
    assert change < 1e-4  # float32
    assert planted_and_recovered(network.module, symmetry.specification, 20) == 20


@pytest.mark.parametrize("name", ["packed attention", "tied embedding", "grouped"])
def test_a_planted_permutation_of_blocks_is_recovered(name: str) -> None:
    """Heads, and what is within them, come back together; so do groups of channels."""
    build, inputs, _ = NETWORKS[name]
    network = random_network(build())
    specification = symmetry_of(network, inputs).specification
    assert planted_and_recovered(network.module, specification, 5) == 5


@pytest.mark.skipif(not SHARED.exists(), reason="the trained ResNet-20 is not at hand")
def test_a_planted_permutation_of_resnet20_is_recovered() -> None:
    """Trained on CIFAR-10; shortcuts pad with zero channels; float32 outputs agree to 1e-4."""
    model = ResNet(20)
    model.load_state_dict(load_file(SHARED), strict=False)
    images = values(8, 3, 32, 32).float()
    symmetry, change = verified_symmetry(Network(model.eval()), images[:2], images, rng())
    assert change < 1e-4 and symmetry.specification.log10_permutations > 400
    assert planted_and_recovered(model, symmetry.specification, 2) == 2


def barrier(problem: Problem, first: dict[str, Tensor], second: dict[str, Tensor]) -> float:
    """The largest rise above the chord of the mean loss over the training split."""
    places = np.linspace(0, 1, 25)
    losses = []
    for t in places:
        between = {n: torch.lerp(first[n], second[n], float(t)) for n in first}
        outputs = torch.func.functional_call(problem.model, between, (problem.data["train"][0],))
        losses.append(float(cross_entropy(outputs, problem.data["train"]).mean()))
    return max(
        loss - ((1 - t) * losses[0] + t * losses[-1])
        for t, loss in zip(places, losses, strict=True)
    )


def test_alignment_lowers_the_barrier_of_the_digits_models() -> None:
    """By weights and by activations more than ten times, and the copy's loss is what it was."""
    network, problem = digits_network()
    first, second = (load_file(WEIGHTS / f"mlp_{name}.safetensors") for name in "ab")
    pixels = problem.data["train"][0]
    symmetry = symmetry_of(network, pixels[:256])
    specification = symmetry.specification
    starts = range(0, 1280, 256)
    by_weights = likeness(first, second, specification)
    by_values = activation_likeness(symmetry, first, second, [pixels[s : s + 256] for s in starts])
    naive = barrier(problem, first, second)
    with torch.no_grad():
        for like in (by_weights, by_values):
            permutation = matched(like, specification, rng()).permutation
            aligned = permute(second, specification, permutation)
            assert barrier(problem, first, aligned) < naive / 10
            assert barrier(problem, second, second) == pytest.approx(0, abs=1e-9)
            assert verify_same(problem, second, aligned)


def verify_same(problem: Problem, one: dict[str, Tensor], other: dict[str, Tensor]) -> bool:
    """Whether two points give the same outputs, to float32's rounding."""
    pixels = problem.data["train"][0]
    outputs = [torch.func.functional_call(problem.model, p, (pixels,)) for p in (one, other)]
    return bool((outputs[0] - outputs[1]).abs().max() < 1e-4)


def test_matching_activations_undoes_a_planted_permutation() -> None:
    """The activations of a permuted copy are the model's own, so that correlations are 1."""
    network = random_network(models.perceptron())
    inputs = values(40, 6)
    symmetry = symmetry_of(network, inputs)
    own, _ = own_tensors(network.module)
    moved = permute(own, symmetry.specification, symmetry.specification.random(rng(3)))
    like = activation_likeness(symmetry, own, moved, [inputs])
    matching = matched(like, symmetry.specification, rng())
    back = permute(moved, symmetry.specification, matching.permutation)
    assert all(torch.equal(back[name], own[name]) for name in own)


def test_repair_gives_halfway_activations_the_spread_of_the_ends() -> None:
    """At t = .5 mean and sd of each hidden channel are the ends' averages; the ends stay."""
    _, problem = digits_network()
    settings = InterpolationSettings(precision="float64")
    objective = Objective(problem, settings, torch.device("cpu"))
    points = []
    for name in "ab":
        objective.load(load_file(WEIGHTS / f"mlp_{name}.safetensors"))
        points.append(objective.flat.theta.clone())
    repair = Repair(objective, *points)
    halfway = torch.lerp(*points, 0.5)
    before = halfway.clone()
    repair.apply(halfway, 0.5)
    assert not torch.equal(before, halfway)
    measured = repair._at(halfway, repair._measured)
    for name in repair.layers:
        ends = [end[name] for end in repair.ends]
        mean, spread = (
            (getattr(ends[0], v) + getattr(ends[1], v)) / 2 for v in ("mean", "deviation")
        )
        torch.testing.assert_close(measured[name].mean, mean)
        torch.testing.assert_close(measured[name].deviation, spread)
    start = points[0].clone()
    repair.apply(start, 0.0)
    torch.testing.assert_close(start, points[0])
    assert torch.equal(objective.flat.theta, points[1])


def test_repair_refuses_batchnorm_and_layers_without_bias() -> None:
    """One sentence each."""
    settings = InterpolationSettings()
    device = torch.device("cpu")
    objective = Objective(digits_cnn.problem(), settings, device)
    with pytest.raises(ValueError, match="recalibrate its statistics instead"):
        Repair(objective, objective.flat.theta, objective.flat.theta)
    model = nn.Sequential(nn.Linear(64, 5, bias=False), nn.ReLU(), nn.Linear(5, 10))
    plain = Problem(model, digits_mlp.digits(), cross_entropy)
    objective = Objective(plain, settings, device)
    with pytest.raises(ValueError, match="layer 0 has no bias that could take REPAIR's shift"):
        Repair(objective, objective.flat.theta, objective.flat.theta)


class Standardised(nn.Linear):
    """A linear layer that divides its weight by the weight's own spread."""

    def forward(self, x: Tensor) -> Tensor:
        weight = self.weight / self.weight.std(1, keepdim=True)
        return nn.functional.linear(x, weight, self.bias)


class Tied(nn.Module):
    """Two layers that share one weight, then a third one."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second, self.last = nn.Linear(64, 64), nn.Linear(64, 64), nn.Linear(64, 10)
        self.second.weight = self.first.weight

    def forward(self, x: Tensor) -> Tensor:
        return self.last(self.second(self.first(x).tanh()).tanh())


@pytest.mark.parametrize(
    ("model", "sentence"),
    [
        (lambda: nn.Sequential(Standardised(64, 5), nn.Tanh(), nn.Linear(5, 10)), "in proportion"),
        (Tied, "layer first has no weight and bias of its own that move"),
        (
            lambda: nn.Sequential(
                nn.utils.parametrizations.weight_norm(nn.Linear(64, 5)), nn.Linear(5, 10)
            ),
            "layer 0 has no weight and bias of its own that move",
        ),
    ],
)
def test_repair_refuses_layers_that_rescaled_weights_do_not_rule(
    model: Callable[[], nn.Module], sentence: str
) -> None:
    """Where another weight, or none, changes the outputs in proportion, nothing is rescaled."""
    with torch.random.fork_rng():
        torch.manual_seed(3)
        problem = Problem(model(), digits_mlp.digits(), cross_entropy)
    objective = Objective(problem, InterpolationSettings(), torch.device("cpu"))
    with pytest.raises(ValueError, match=sentence):
        Repair(objective, objective.flat.theta, objective.flat.theta)


def test_verification_sees_a_wrong_specification() -> None:
    """One whose axes are those of another layer changes the outputs by more than rounding."""
    network = random_network(nn.Sequential(nn.Linear(4, 4), nn.Tanh(), nn.Linear(4, 4)))
    right = symmetry_of(network, values(5, 4)).specification
    axes = {**right.axes, "2.weight": right.axes["2.weight"][::-1]}
    wrong = Specification(axes, right.groups, right.fixed, right.channels)
    assert verify(network, values(5, 4), right, rng(1)) < 1e-9
    with pytest.raises(SymmetryError, match="changes an output by"):
        verify(network, values(5, 4), wrong, rng(1))


def test_the_trace_leaves_the_process_as_it_was() -> None:
    """Attention is taken apart for the trace alone."""
    before = torch.backends.mha.get_fastpath_enabled()
    build, inputs, _ = NETWORKS["encoder layer"]
    symmetry_of(random_network(build()), inputs)
    assert torch.backends.mha.get_fastpath_enabled() == before
