"""The quicker way to second derivatives of convolutional networks gives the same derivatives."""

from collections.abc import Callable
from types import MethodType

import pytest
import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from explorer.analysis.curvature.convolutions import QuickLayers, _Convolution
from explorer.analysis.curvature.products import Curvature, hessian
from explorer.analysis.objective.objective import Objective
from explorer.kinds.objective_settings import ObjectiveSettings
from explorer.problem import Problem, cross_entropy
from tests.networks import seeded

CPU = torch.device("cpu")
HOW = {  # stride, padding, dilation, groups
    "plain": ([1], [0], [1], 1),
    "strided, padded": ([2], [1], [1], 1),
    "dilated": ([1], [2], [2], 1),
    "grouped": ([2], [1], [1], 2),
}


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("axes", [1, 2, 3])
@pytest.mark.parametrize("how", HOW)
def test_derivatives_are_those_of_differences(how: str, axes: int, bias: bool) -> None:
    """First and second derivatives agree with finite differences in float64."""
    stride, padding, dilation, groups = HOW[how]
    sizes = (stride * axes, padding * axes, dilation * axes, groups)

    def drawn(seed: int, *shape: int) -> Tensor:
        return torch.randn(*shape, generator=seeded(seed), dtype=torch.float64).requires_grad_()

    tensors = [drawn(0, 2, 2, *[5] * axes), drawn(1, 4, 2 // groups, *[3] * axes)]
    if bias:
        tensors.append(drawn(2, 4))

    def convolution(*tensors: Tensor) -> Tensor:
        inputs, weight, *biases = tensors
        return _Convolution.apply(inputs, weight, biases[0] if biases else None, sizes)

    assert torch.autograd.gradcheck(convolution, tensors, fast_mode=True)
    assert torch.autograd.gradgradcheck(convolution, tensors, fast_mode=True)


class Network(nn.Module):
    """Convolutions, each of another sort, BatchNorm with and without parameters, a rule between."""

    def __init__(self, rule: Callable[["Network", Tensor], Tensor]) -> None:
        super().__init__()
        self.first = nn.Conv2d(2, 4, 3, stride=2, padding=1, bias=False)
        self.first_norm = nn.BatchNorm2d(4)
        self.second = nn.Conv2d(4, 4, 3, padding=1, groups=2)
        self.second_norm = nn.BatchNorm2d(4, affine=False)
        self.third = nn.Conv2d(4, 4, 3, padding=1, padding_mode="circular")
        self.hidden = nn.Linear(4, 5)
        self.hidden_norm = nn.BatchNorm1d(5)
        self.last = nn.Linear(5, 3)
        self.rule = rule

    def block(self, images: Tensor) -> Tensor:
        return torch.tanh(self.second_norm(self.second(images)))

    def forward(self, images: Tensor) -> Tensor:
        maps = self.third(self.block(self.rule(self, images)))
        return self.last(torch.tanh(self.hidden_norm(self.hidden(maps.mean((2, 3))))))


def usual(network: Network, images: Tensor) -> Tensor:
    return torch.tanh(network.first_norm(network.first(images)))


def viewed(network: Network, images: Tensor) -> Tensor:
    return usual(network, images.view(len(images), -1).view(images.shape))


def used_elsewhere(network: Network, images: Tensor) -> Tensor:
    outputs = network.first(images)
    return torch.tanh(network.first_norm(outputs)) + outputs


def used_where_large(network: Network, images: Tensor) -> Tensor:
    outputs = network.first(images)
    return torch.tanh(network.first_norm(outputs)) + (outputs > 1e6)


def changed_between(network: Network, images: Tensor) -> Tensor:
    outputs = network.first(images)
    outputs.clamp_(max=1e6)
    return torch.tanh(network.first_norm(outputs))


def checkpointed(network: Network, images: Tensor) -> Tensor:
    return checkpoint(network.block, usual(network, images), use_reentrant=False)


def curvature_of(rule: Callable, frozen: str = "", network: type[Network] = Network) -> Curvature:
    """The Hessian of a small network in float64, its running statistics off their defaults."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = network(rule).double()
        model(torch.randn(30, 2, 9, 9, dtype=torch.float64) * 2 + 1)
    for name, parameter in model.named_parameters():
        parameter.requires_grad_(not frozen or not name.startswith(frozen))
    images = torch.randn(11, 2, 9, 9, generator=seeded(1), dtype=torch.float64)
    labels = torch.randint(0, 3, (11,), generator=seeded(2))
    problem = Problem(model, {"train": (images, labels)}, cross_entropy)
    objective = Objective(problem, ObjectiveSettings(precision="float64"), CPU)
    return Curvature(objective, hessian)


@pytest.mark.parametrize("frozen", ["", "first", "first.weight", "second_norm"])
@pytest.mark.parametrize("rule", [usual, viewed, used_elsewhere, checkpointed])
def test_products_are_the_same(rule: Callable, frozen: str) -> None:
    """A product with the Hessian is that of torch's own double backward, also where layers stay."""
    quick, own = curvature_of(rule, frozen), curvature_of(rule, frozen)
    own.model._quick = own.model._lay_out = None
    vector = torch.randn(own.size, generator=seeded(3), dtype=torch.float64)
    torch.testing.assert_close(quick(vector), own(vector), rtol=1e-10, atol=1e-12)


def test_it_is_used_where_it_is_right() -> None:
    """Layers are replaced, images laid out; nothing folded whose outputs go elsewhere."""
    model = curvature_of(usual).model
    assert model._quick and model._lay_out
    assert curvature_of(viewed).model._lay_out is None
    model = curvature_of(used_elsewhere).model
    assert model._quick and model.module.first_norm not in model._quick._forwards


@pytest.mark.parametrize("rule", [used_where_large, changed_between])
def test_outputs_of_more_than_a_norm_are_not_folded(rule: Callable) -> None:
    """Nor are those that something reads or changes which few examples do not show."""
    model = curvature_of(rule).model
    assert model._quick and model.module.first_norm not in model._quick._forwards


class Limited(nn.Conv2d):
    """A convolution whose outputs end somewhere."""

    def forward(self, images: Tensor) -> Tensor:
        return super().forward(images).clamp(max=1e6)


def _limited(layer: nn.Conv2d, images: Tensor) -> Tensor:
    return layer._conv_forward(images, layer.weight, layer.bias).clamp(max=1e6)


@pytest.mark.parametrize("how", ["class", "forward", "hook"])
def test_layers_that_do_more_keep_their_pass(how: str) -> None:
    """A convolution of a class, forward pass or hook of the user's own is left as it is."""
    network = Network(usual).double().eval()
    layer = network.first
    if how == "class":
        layer.__class__ = Limited
    elif how == "forward":
        layer.forward = MethodType(_limited, layer)  # type: ignore[method-assign]
    else:
        layer.register_forward_hook(lambda layer, inputs, outputs: outputs.clamp(max=1e6))
    images = torch.randn(2, 2, 9, 9, dtype=torch.float64)
    quick = QuickLayers(network, lambda model, batch: model(batch), images)
    assert network.first_norm not in quick._forwards
    assert (layer in quick._forwards) == (how == "hook")  # after which the hook is called
    wanted = network(images)
    with quick.installed():
        torch.testing.assert_close(network(images), wanted)
    torch.testing.assert_close(network(images), wanted)


def test_a_layer_s_own_forward_stays() -> None:
    """A forward pass that a user has given to one layer is still its own after a trial."""

    def squared(layer: nn.Conv2d, images: Tensor) -> Tensor:
        return layer._conv_forward(images, layer.weight, layer.bias).square()

    class Changed(Network):
        def __init__(self, rule: Callable[[Network, Tensor], Tensor]) -> None:
            super().__init__(rule)
            self.first.forward = MethodType(squared, self.first)

    model = curvature_of(usual, network=Changed).model
    assert model._quick and model.module.first not in model._quick._forwards
    assert vars(model.module.first)["forward"].__func__ is squared


def test_layers_are_put_back() -> None:
    """After a forward pass, also one that fails, layers have their own forward again."""
    model = curvature_of(usual).model
    quick = QuickLayers(model.module, model.problem.forward, model.batch(0, 2))
    with pytest.raises(ZeroDivisionError), quick.installed():
        assert "forward" in vars(model.module.first)
        raise ZeroDivisionError
    assert not any("forward" in vars(layer) for layer in model.module.modules())
