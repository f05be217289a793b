"""Convolutions with the sum and the ReLU after them in one kernel, on a CPU.

Between kernels a feature map leaves the cache and comes back: in a residual network that takes a
quarter of the time. The kernels are those that torch's own compiler calls, without the compiler.
"""

import operator
from typing import Any

import torch
from torch import Tensor, fx, nn
from torch.fx.passes.shape_prop import ShapeProp
from torch.nn import functional

_RELU = (functional.relu, torch.relu, torch.relu_)
_SUM = (operator.add, operator.iadd, torch.add)


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
    try:
        traced = fx.symbolic_trace(module)
    except Exception as error:  # whatever a user's code does with what is no tensor
        raise ValueError("the network's operations cannot be recorded") from error
    with torch.no_grad():
        ShapeProp(traced).propagate(example)
    fused = sum(_fuse(traced, node) for node in list(traced.graph.nodes))
    if not fused:
        raise ValueError("the network must have a convolution before a ReLU, got none")
    traced.graph.eliminate_dead_code()
    traced.recompile()
    try:
        with torch.no_grad(), torch.autocast("cpu", torch.bfloat16, enabled=narrow):
            traced(example)
    except RuntimeError as error:
        raise ValueError("a kernel that fuses does not know these shapes") from error
    return traced


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
    if not _is_of_one_use(convolution, node):
        return False
    name = f"fused_{node.name}"
    traced.add_submodule(name, _FusedConvolution(layer))
    with traced.graph.inserting_before(node):
        both = traced.graph.call_module(name, (convolution.args[0], *added))
    node.replace_all_uses_with(both)
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
        return type(layer) is nn.ReLU and not _is_watched(layer)
    by_name = node.op == "call_method" and node.target in ("relu", "relu_")
    return by_name or (node.op == "call_function" and node.target in _RELU)


def _layer(traced: fx.GraphModule, node: fx.Node) -> nn.Module | None:
    return traced.get_submodule(str(node.target)) if node.op == "call_module" else None


def _passed(traced: fx.GraphModule, node: Any) -> fx.Node:
    """The node that a value comes from, layers that do nothing left out."""
    while type(layer := _layer(traced, node)) is nn.Identity and not _is_watched(layer):
        node = node.args[0]
    return node


def _is_of_one_use(convolution: fx.Node, relu: fx.Node) -> bool:
    """Whether what the convolution puts out goes to the ReLU alone."""
    node = convolution
    while node is not relu:
        if len(node.users) != 1:
            return False
        node = next(iter(node.users))
    return True


def _shape(node: fx.Node) -> object:
    meta = node.meta.get("tensor_meta")
    return getattr(meta, "shape", node)


def _is_fusable(layer: nn.Module | None) -> bool:
    if type(layer) is not nn.Conv2d or layer.weight.dtype != torch.float32:
        return False
    plain = layer.padding_mode == "zeros" and not isinstance(layer.padding, str)
    return plain and not _is_watched(layer)


def _is_watched(layer: nn.Module) -> bool:
    """Whether somebody's hooks see what goes in or comes out."""
    return bool(layer._forward_hooks or layer._forward_pre_hooks)


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
            return kernels(images, weight, bias, *how, "relu", [], "")
        there = added.contiguous(memory_format=torch.channels_last)
        return kernels.binary(images, there, weight, bias, *how, "add", 1.0, "relu", [], "")
