"""Other parameters of the same function: layers before and after a ReLU scaled against each other.

Source: Dinh et al. 2017, arXiv:1703.04933, section 3: relu(a x) = a relu(x) for a > 0.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, fx, nn
from torch.nn import functional
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.modules.conv import _ConvNd, _ConvTransposeNd

from explorer.analysis.measures.point_measures import STREAM
from explorer.analysis.objective.batches import slice_examples
from explorer.analysis.objective.evaluation_mode import evaluation_mode
from explorer.analysis.objective.flat_model import FlatModel
from explorer.analysis.objective.objective import Objective
from explorer.kinds.sharpness_settings import SharpnessSettings

EXAMPLES = 64  # on which outputs are compared
ROUNDING = 1e3  # units in the last place that outputs may differ by, of their largest
RELUS = {torch.relu, functional.relu, torch.relu_, "relu", "relu_"}
# what may lie between two layers: it commutes with a positive factor of a channel
SHAPING = {torch.flatten, "flatten", "view", "reshape", "mean", "contiguous"}
SHAPING |= {torch.mean, functional.max_pool2d, functional.avg_pool2d, functional.dropout}
SHAPING |= {functional.adaptive_avg_pool2d}
RELU_LAYERS = (nn.ReLU, nn.LeakyReLU, nn.PReLU)
SHAPING_LAYERS: tuple[type[nn.Module], ...] = (
    nn.Flatten,
    nn.Dropout,
    nn.Identity,
    nn.MaxPool1d,
    nn.MaxPool2d,
    nn.AvgPool1d,
)
SHAPING_LAYERS += (nn.AvgPool2d, nn.AdaptiveAvgPool1d, nn.AdaptiveAvgPool2d, nn.AdaptiveMaxPool2d)


@dataclass(frozen=True)
class RescaledPoint:
    """Parameters that compute the same."""

    theta: Tensor  # (D,)
    pairs: tuple[tuple[str, str], ...]  # names of the layers before and after each ReLU
    gap: float  # largest difference of outputs, over their largest

    @property
    def words(self) -> str:
        """What was done, for people."""
        return ", ".join(f"{first} and {second}" for first, second in self.pairs)


def rescale_point(objective: Objective, settings: SharpnessSettings) -> RescaledPoint | None:
    """The point rescaled as the settings say; None where the model has no pair for it.

    A pair whose scaling changes outputs by more than rounding (a layer used twice, tied weights)
    is left as it was. The objective stays where it is.
    """
    flat = objective.flat.twin()
    with flat.at_theta():
        return _rescale_model(objective, flat, settings)


def _rescale_model(
    objective: Objective, flat: FlatModel, settings: SharpnessSettings
) -> RescaledPoint | None:
    """The same, by changing a copy of the model, pair by pair."""
    pairs = []
    names = {block.name for block in flat.blocks}
    examples = slice_examples(objective.data, 0, min(EXAMPLES, objective.examples))

    def outputs() -> list[Tensor]:
        with flat.at_theta(), evaluation_mode():
            model_outputs = objective.problem.forward(flat.module, examples)
        leaves = torch.utils._pytree.tree_leaves(model_outputs)
        return [leaf.double() for leaf in leaves if isinstance(leaf, Tensor)]

    wanted = outputs()
    allowed = ROUNDING * torch.finfo(flat.theta.dtype).eps
    for number, (first, second) in enumerate(_pairs(flat.module)):
        if not _parameters_of(flat.module, first, second) <= names:
            continue  # one of them does not move
        factors = _factors(_width(flat.module, first), settings, number, flat.theta)
        before = flat.theta.clone()
        if _scale(flat.module, first, second, factors) and _gap(outputs(), wanted) <= allowed:
            pairs.append((first, second))
        else:
            with torch.no_grad():
                flat.theta.copy_(before)
    if not pairs:
        return None
    return RescaledPoint(flat.theta.clone(), tuple(pairs), _gap(outputs(), wanted))


def _parameters_of(module: nn.Module, *names: str) -> set[str]:
    """Names of the parameters of some layers, as the model gives each its first name."""
    inside = {id(p) for name in names for p in module.get_submodule(name).parameters()}
    return {name for name, parameter in module.named_parameters() if id(parameter) in inside}


def _gap(outputs: list[Tensor], wanted: list[Tensor]) -> float:
    """Largest difference over the largest value."""
    pairs = list(zip(outputs, wanted, strict=True))
    scale = max(float(b.abs().max()) for _, b in pairs)
    return max(float((a - b).abs().max()) for a, b in pairs) / (scale or 1.0)


def _factors(width: int, settings: SharpnessSettings, number: int, like: Tensor) -> Tensor:
    """Factors (width,): alpha for all, or of each neuron from 1 / alpha to alpha."""
    if settings.rescaling == "layer":
        return torch.full((width,), settings.alpha).to(like)
    rng = np.random.RandomState([settings.seed, STREAM["rescaling"], number])
    factors = settings.alpha ** rng.uniform(-1, 1, width)
    return torch.from_numpy(factors).to(like)


@torch.no_grad()
def _scale(module: nn.Module, first: str, second: str, factors: Tensor) -> bool:
    """Multiply what comes out of one layer and divide what goes into the other; whether it fits."""
    before, after = module.get_submodule(first), module.get_submodule(second)
    assert isinstance(after.weight, Tensor)
    inputs = after.weight.shape[1]
    if inputs % len(factors):  # a linear layer after flattening has several inputs a channel
        return False
    for tensor in (before.weight, before.bias):
        if isinstance(tensor, Tensor):
            tensor.mul_(factors.view(-1, *[1] * (tensor.dim() - 1)))
    each = factors.repeat_interleave(inputs // len(factors))
    after.weight.div_(each.view(1, -1, *[1] * (after.weight.dim() - 2)))
    return True


def _width(module: nn.Module, name: str) -> int:
    """Output channels of a layer."""
    weight = module.get_submodule(name).weight
    assert isinstance(weight, Tensor)
    return len(weight)


def _pairs(module: nn.Module) -> list[tuple[str, str]]:
    """Layers with weights that have a ReLU, and nothing that mixes scales, between them."""
    try:
        graph = fx.Tracer().trace(module)
    except Exception:  # whatever a model's own code raises when it is traced
        return _in_order(module)
    layers = dict(module.named_modules())
    layer_pairs = []
    for node in graph.nodes:
        if node.op == "call_module" and _scales_by_outputs(layers[node.target]):
            second = _after(node, layers)
            if second:
                layer_pairs.append((node.target, second))
    return layer_pairs


def _after(node: fx.Node, layers: dict[str, nn.Module]) -> str:
    """The layer that a layer's outputs reach through one ReLU and shapes alone; "" for none."""
    rectified = False
    while len(node.users) == 1:
        node = next(iter(node.users))
        layer = layers.get(str(node.target)) if node.op == "call_module" else None
        if (layer is None and node.target in RELUS) or isinstance(layer, RELU_LAYERS):
            rectified = True
        elif isinstance(layer, SHAPING_LAYERS) or (layer is None and node.target in SHAPING):
            continue
        else:
            return (
                str(node.target)
                if layer is not None and rectified and _scales_by_inputs(layer)
                else ""
            )
    return ""


def _in_order(module: nn.Module) -> list[tuple[str, str]]:
    """The same of a model that cannot be traced: by the order in which its layers are declared."""
    return list(
        _pairs_in_order([(n, m) for n, m in module.named_modules() if not list(m.children())])
    )


def _pairs_in_order(leaves: list[tuple[str, nn.Module]]) -> Iterator[tuple[str, str]]:
    first, rectified = "", False
    for name, layer in leaves:
        if isinstance(layer, RELU_LAYERS):
            rectified = True
        elif isinstance(layer, SHAPING_LAYERS):
            continue
        else:
            if first and rectified and _scales_by_inputs(layer):
                yield first, name
            first, rectified = (name if _scales_by_outputs(layer) else ""), False


def _scales_by_outputs(layer: nn.Module) -> bool:
    """Whether its outputs can be scaled by its weight and bias, channels first."""
    norm = isinstance(layer, _BatchNorm) and layer.affine
    return norm or _scales_by_inputs(layer)


def _scales_by_inputs(layer: nn.Module) -> bool:
    """Whether its inputs can be scaled by its weight."""
    if nn.utils.parametrize.is_parametrized(layer):
        return False
    plain = isinstance(layer, _ConvNd) and not isinstance(layer, _ConvTransposeNd)
    return isinstance(layer, nn.Linear) or (plain and layer.groups == 1)  # type: ignore[return-value]
