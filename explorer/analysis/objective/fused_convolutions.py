"""Convolutions with the sum after them in one kernel, and the ReLU in place, on a CPU.

Between kernels a feature map leaves the cache and comes back: in a residual network that takes a
quarter of the time. The kernels are those that torch's own compiler calls, without the compiler;
their own ReLU makes NaN 0 (torch 2.13), so that torch's does it, which takes 3 % longer.
"""

import copy
import operator
from functools import reduce
from typing import Any

import torch
from torch import Tensor, fx, nn
from torch.fx.passes.shape_prop import ShapeProp
from torch.nn import functional

from explorer.analysis.objective.flat_model import outputs_kept

_RELU = (functional.relu, torch.relu, torch.relu_)
_SUM = (operator.add, operator.iadd, torch.add)
_IN_PLACE = (operator.setitem, operator.iadd, operator.isub, operator.imul, operator.itruediv)


def fused_network(module: nn.Module, example: Tensor, narrow: bool = False) -> nn.Module:
    """The same network, sharing its layers, with what can be in one kernel in one.

    Args:
        module: a network of one tensor, in evaluation mode.
        example: a few examples of it.
        narrow: whether it is to run in bfloat16.

    Raises:
        ValueError: there is nothing to fuse, or its operations depend on values.
    """
    if not hasattr(torch.ops.mkldnn, "_convolution_pointwise"):
        raise ValueError("this build of torch has no kernels that fuse")
    if not _is_itself(module):
        raise ValueError("the network has hooks, or another forward pass than its class")
    try:
        traced = _recorded(module)
        with torch.no_grad():
            ShapeProp(traced).propagate(example)
    except Exception as error:  # whatever a user's code does with what is no tensor
        raise ValueError("the network's operations cannot be recorded") from error
    fused = sum(_fuse(traced, node) for node in list(traced.graph.nodes))
    if not fused:
        raise ValueError("the network must have a convolution before a ReLU, got none")
    traced.recompile()
    try:
        with torch.no_grad(), torch.autocast("cpu", torch.bfloat16, enabled=narrow):
            traced(example)
    except RuntimeError as error:
        raise ValueError("a kernel that fuses does not know these shapes") from error
    return traced


class _Tracer(fx.Tracer):
    """Records operations, those on buffers too, which move."""

    proxy_buffer_attributes = True

    def create_proxy(self, *args: Any, **named: Any) -> fx.Proxy:
        """A value that stands for what an operation gives.

        Raises:
            ValueError: the network chooses its precision, which no record repeats.
        """
        if not torch.is_autocast_enabled("cpu"):
            raise ValueError("the network leaves the precision that it is evaluated in")
        return super().create_proxy(*args, **named)


def _recorded(module: nn.Module) -> fx.GraphModule:
    """The operations of a network, on its own layers; what it keeps of itself stays as it is."""
    shared = {id(t): t for t in (*module.parameters(), *module.buffers())}
    # whose attributes a trace may fill
    copied = copy.deepcopy(module, {**outputs_kept(module), **shared})
    with torch.autocast("cpu", torch.bfloat16):  # so that leaving it is seen
        graph = _Tracer().trace(copied)
    targets = {str(n.target) for n in graph.nodes if n.op in ("call_module", "get_attr")}
    parts = {path: _attribute(module, copied, path) for path in targets}
    return fx.GraphModule(parts, graph)


def _attribute(module: nn.Module, copied: nn.Module, path: str) -> object:
    """What a network has under a path; its copy where only a trace has put it there."""
    try:
        return reduce(getattr, path.split("."), module)
    except AttributeError:
        return reduce(getattr, path.split("."), copied)


def _is_itself(layer: nn.Module) -> bool:
    """Whether a layer does what its class says and nothing else."""
    return not (layer._forward_hooks or layer._forward_pre_hooks or "forward" in vars(layer))


def _fuse(traced: fx.GraphModule, node: fx.Node) -> bool:
    """Put what comes into a ReLU into one kernel with it, if it can be; whether it was."""
    if not _is_relu(traced, node):
        return False
    before = _passed(traced, node.args[0])
    added: tuple[fx.Node, ...] = ()
    convolution = before
    if before.op == "call_function" and before.target in _SUM and len(before.args) == 2:
        convolution, added = _convolution_and_other(traced, before)
    layer = _layer(traced, convolution)
    if not _is_fusable(layer) or any(n.kwargs for n in (before, convolution)):
        return False
    chain = _chain(convolution, node)
    if not chain or _is_disturbed(traced, chain):
        return False
    name = f"fused_{node.name}"
    traced.add_submodule(name, _FusedConvolution(layer))
    with traced.graph.inserting_before(node):
        both = traced.graph.call_module(name, (convolution.args[0], *added))
    node.replace_all_uses_with(both)
    for each in chain:  # and nothing else: an operation in place may have no other use
        traced.graph.erase_node(each)
    return True


def _convolution_and_other(
    traced: fx.GraphModule, total: fx.Node
) -> tuple[fx.Node, tuple[fx.Node, ...]]:
    """Of a sum the convolution, and what is added to it in the same shape."""
    pairs = [total.args, total.args[::-1]]
    for one, other in pairs[:1] if total.target is operator.iadd else pairs:
        if isinstance(one, fx.Node) and isinstance(other, fx.Node):
            convolution = _passed(traced, one)
            layer: Any = _layer(traced, convolution)
            whole = _is_fusable(layer) and layer.groups == 1  # no kernel adds to groups
            if whole and _shape(one) == _shape(other):
                return convolution, (other,)
    return total, ()


def _is_relu(traced: fx.GraphModule, node: fx.Node) -> bool:
    if not node.args or not isinstance(node.args[0], fx.Node):
        return False
    if (layer := _layer(traced, node)) is not None:
        return type(layer) is nn.ReLU and _is_itself(layer)
    by_name = node.op == "call_method" and node.target in ("relu", "relu_")
    return by_name or (node.op == "call_function" and node.target in _RELU)


def _layer(traced: fx.GraphModule, node: fx.Node) -> nn.Module | None:
    return traced.get_submodule(str(node.target)) if node.op == "call_module" else None


def _passed(traced: fx.GraphModule, node: Any) -> fx.Node:
    """The node that a value comes from, layers that do nothing left out."""
    while type(layer := _layer(traced, node)) is nn.Identity and _is_itself(layer):
        node = node.args[0]
    return node


def _chain(convolution: fx.Node, relu: fx.Node) -> list[fx.Node]:
    """From the ReLU back to the convolution; empty where what that puts out goes elsewhere too."""
    chain = [convolution]
    while chain[0] is not relu:
        if len(chain[0].users) != 1:
            return []
        chain.insert(0, next(iter(chain[0].users)))
    return chain


def _is_disturbed(traced: fx.GraphModule, chain: list[fx.Node]) -> bool:
    """Whether something may change in place, before the ReLU, what the convolution has read."""
    node = chain[-1].next
    while node is not chain[0]:
        if node not in chain and _changes_in_place(traced, node):
            return True
        node = node.next
    return False


def _changes_in_place(traced: fx.GraphModule, node: fx.Node) -> bool:
    """Whether an operation may change its arguments."""
    layer = _layer(traced, node)
    if layer is not None:
        return bool(getattr(layer, "inplace", False)) or not _is_itself(layer)
    name = getattr(node.target, "__name__", str(node.target))
    named = {"inplace", "out"} & node.kwargs.keys()
    return name.endswith("_") or node.target in _IN_PLACE or bool(named) or True in node.args


def _shape(node: fx.Node) -> object:
    meta = node.meta.get("tensor_meta")
    return getattr(meta, "shape", node)


def _is_fusable(layer: nn.Module | None) -> bool:
    if type(layer) is not nn.Conv2d or layer.weight.dtype != torch.float32:
        return False
    own = _is_itself(layer) and "weight" in layer._parameters
    return layer.padding_mode == "zeros" and not isinstance(layer.padding, str) and own


class _FusedConvolution(nn.Module):
    """ReLU of a convolution, or of its sum with something of its shape."""

    def __init__(self, layer: Any) -> None:
        super().__init__()
        self._layer = [layer]  # not a module of this one: it has its place in the network

    def forward(self, images: Tensor, added: Tensor | None = None) -> Tensor:
        """The outputs for images (B, C, H, W), channels last; in bfloat16 under autocast."""
        layer = self._layer[0]
        weight, bias, kernels = layer.weight, layer.bias, torch.ops.mkldnn._convolution_pointwise
        if torch.is_autocast_enabled("cpu"):
            narrow = torch.get_autocast_dtype("cpu")
            images, weight = images.to(narrow), weight.to(narrow)
            bias = None if bias is None else bias.to(narrow)
            added = None if added is None else added.to(narrow)
        how = (layer.padding, layer.stride, layer.dilation, layer.groups)
        if added is None:
            return torch.relu_(kernels(images, weight, bias, *how, "none", [], ""))
        there = added.contiguous(memory_format=torch.channels_last)
        both: Any = (images, there, weight, bias, *how, "add", 1.0, None, [], None)
        return torch.relu_(kernels.binary(*both))
