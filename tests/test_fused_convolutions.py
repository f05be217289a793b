"""Sums and ReLU go into the convolution's kernel where that is right, and nowhere else."""

from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from explorer.analysis.objective import choice_checks
from explorer.analysis.objective.choice_checks import checked_choice
from explorer.analysis.objective.evaluator import Evaluator
from explorer.analysis.objective.fused_convolutions import _FusedConvolution, fused_network
from explorer.analysis.objective.objective import Objective
from explorer.kinds.objective_settings import ObjectiveSettings
from explorer.problem import Problem, cross_entropy
from tests.networks import seeded

CPU = torch.device("cpu")
pytestmark = pytest.mark.skipif(
    not hasattr(torch.ops.mkldnn, "_convolution_pointwise"), reason="this torch has no such kernels"
)


class Network(nn.Module):
    """Two convolutions, and what a test makes of them."""

    def __init__(self, rule: Callable[["Network", Tensor], Tensor]) -> None:
        super().__init__()
        self.first = nn.Conv2d(4, 4, 3, padding=1)
        self.second = nn.Conv2d(4, 4, 3, padding=1, bias=False)
        self.grouped = nn.Conv2d(4, 4, 3, padding=1, groups=2)
        self.norm = nn.BatchNorm2d(4)
        self.relu, self.quiet = nn.ReLU(inplace=True), nn.Identity()
        self.last = nn.Linear(4, 3)
        self.rule = rule

    def forward(self, images: Tensor) -> Tensor:
        return self.last(self.rule(self, images).mean((2, 3)))


def residual(net: Network, images: Tensor) -> Tensor:
    hidden = functional.relu(net.first(images))
    return functional.relu(images + net.quiet(net.second(hidden)))


def in_place(net: Network, images: Tensor) -> Tensor:
    outputs = net.second(net.relu(net.first(images)))
    outputs += images
    return net.relu(outputs)


def in_place_alone(net: Network, images: Tensor) -> Tensor:
    return functional.relu(net.second(net.relu(net.first(images))))


def normalised(net: Network, images: Tensor) -> Tensor:
    return torch.relu(net.norm(net.first(images))) + images


def added_to_something_kept(net: Network, images: Tensor) -> Tensor:
    hidden = torch.tanh(images)
    hidden += net.second(images)
    return functional.relu(hidden) + hidden


def used_twice(net: Network, images: Tensor) -> Tensor:
    outputs = net.first(images)
    return functional.relu(outputs) - outputs


def broadcast(net: Network, images: Tensor) -> Tensor:
    return functional.relu(net.first(images) + images.mean((2, 3), keepdim=True))


def in_groups(net: Network, images: Tensor) -> Tensor:
    return functional.relu(net.grouped(images) + images)


def by_value(net: Network, images: Tensor) -> Tensor:
    outputs = functional.relu(net.first(images))
    return outputs if float(outputs.detach().sum()) > 0 else -outputs


def clamped_later(net: Network, images: Tensor) -> Tensor:
    hidden = net.relu(net.first(images))
    hidden.clamp_(max=3)  # a statement, whose value nobody takes
    return functional.relu(net.second(hidden))


def read_before_a_change(net: Network, images: Tensor) -> Tensor:
    images = images * 1
    outputs = net.first(images)
    images.clamp_(max=1)
    return functional.relu(outputs) + images


def kept(net: Network, images: Tensor) -> Tensor:
    net.maps = functional.relu(net.first(images))
    return net.maps


KERNELS = {residual: 2, in_place: 2, normalised: 0}
UNFUSED = (added_to_something_kept, used_twice, broadcast, in_groups, by_value)


def network(rule: Callable) -> Network:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        made = Network(rule)
        made(torch.randn(9, 4, 7, 7))  # moves the running statistics off their defaults
    return made.eval()


def images(count: int) -> Tensor:
    drawn = torch.randn(count, 4, 7, 7, generator=seeded(1))
    return drawn.contiguous(memory_format=torch.channels_last)


@pytest.mark.parametrize("rule", [residual, in_place])
@pytest.mark.parametrize("narrow", [False, True])
def test_fused_is_the_same(rule: Callable, narrow: bool) -> None:
    """Two kernels take the place of all; outputs are the network's, for weights as they are now."""
    own = network(rule)
    fused = fused_network(own, images(2))
    kernels = [layer for layer in fused.modules() if isinstance(layer, _FusedConvolution)]
    assert len(kernels) == KERNELS[rule]
    own.first.weight.data *= 2
    with torch.no_grad(), torch.autocast("cpu", torch.bfloat16, enabled=narrow):
        got, wanted = fused(images(5)).float(), own(images(5)).float()
    tolerance = 2e-2 if narrow else 1e-5  # bfloat16 rounds between operations that are one here
    torch.testing.assert_close(got, wanted, rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize("rule", UNFUSED)
def test_what_cannot_be_fused_is_refused(rule: Callable) -> None:
    """A value used elsewhere, another shape, a sum into something kept, a decision by values."""
    with pytest.raises(ValueError, match=r"convolution before a ReLU|cannot be recorded"):
        fused_network(network(rule), images(2))


@pytest.mark.parametrize(
    ("rule", "watched"),
    [(residual, "first"), (residual, "quiet"), (in_place_alone, "relu")],
)
def test_hooks_see_what_they_saw(rule: Callable, watched: str) -> None:
    """A layer that somebody watches is called as ever."""
    own, shapes = network(rule), []
    own.get_submodule(watched).register_forward_hook(
        lambda _, inputs, outputs: shapes.append((inputs[0].shape, outputs.shape))
    )
    fused = fused_network(own, images(2))
    assert sum(isinstance(layer, _FusedConvolution) for layer in fused.modules()) == 1
    shapes.clear()
    with torch.no_grad():
        fused(images(5))
    assert shapes == [((5, 4, 7, 7), (5, 4, 7, 7))]


def test_a_statement_in_place_is_done() -> None:
    """What changes a map in place, and whose value nobody takes, is part of the fused network."""
    own = network(clamped_later)
    fused = fused_network(own, images(2))
    with torch.no_grad():
        torch.testing.assert_close(fused(10 * images(5)), own(10 * images(5)), rtol=1e-5, atol=1e-5)


def test_nan_stays() -> None:
    """Where an image is not a number, so is what is fused, as torch's own ReLU has it."""
    own, images_with_nan = network(residual), images(5)
    images_with_nan[3, 0, 0, 0] = float("nan")
    with torch.no_grad():
        got = fused_network(own, images(2))(images_with_nan)
        assert torch.equal(got.isnan(), own(images_with_nan).isnan()) and got.isnan().any()


def _limit(_: nn.Module, inputs: object, outputs: Tensor) -> Tensor:
    return outputs.clamp(max=0.1)


@pytest.mark.parametrize("watched", ["", "relu", "quiet"])
def test_hooks_act_as_before(watched: str) -> None:
    """A hook on the network ends fusing; one on a ReLU or an identity is called."""
    own = network(lambda net, images: net.relu(net.quiet(net.first(images))))
    own.get_submodule(watched).register_forward_hook(_limit)
    with pytest.raises(ValueError, match=r"hooks|convolution before"):
        fused_network(own, images(2))


def test_what_is_read_before_a_change_is_not_read_after() -> None:
    """A convolution whose images change before its ReLU keeps its place."""
    with pytest.raises(ValueError, match="convolution before"):
        fused_network(network(read_before_a_change), images(2))


def test_a_record_leaves_the_network_as_it_is() -> None:
    """What forward keeps on the network is no stand-in of a recorder."""
    own = network(kept)
    before = own.maps
    fused_network(own, images(2))
    assert own.maps is before


@pytest.mark.parametrize("rule", [residual, normalised, used_twice])
@pytest.mark.parametrize("precision", ["float32", "bf16"])
def test_surfaces_are_the_same(
    rule: Callable, precision: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The usual choice fuses large maps, BatchNorm folded first; losses are the plain ones."""
    monkeypatch.setattr(choice_checks, "FUSED_BYTES", 0)
    labels = torch.randint(0, 3, (11,), generator=seeded(2))
    problem = Problem(network(rule), {"train": (images(11), labels)}, cross_entropy)
    objective = Objective(problem, ObjectiveSettings(precision=precision), CPU)
    directions = torch.randn(1, objective.flat.theta.numel(), generator=seeded(3)) * 0.1
    evaluator = Evaluator(objective, directions)
    steps = np.array([[-1.0], [0.0], [0.5]])
    plain = evaluator.values(steps)["loss"]
    choice = checked_choice(evaluator)
    assert choice.fused == (rule is not used_twice)
    assert choice.folded == (rule is normalised)
    evaluator.use(choice)
    within = 2e-2 if precision == "bf16" else 1e-5
    assert evaluator.values(steps)["loss"] == pytest.approx(plain, rel=within)
