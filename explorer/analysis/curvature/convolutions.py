"""Convolutions in an order of operations that is quick to differentiate twice.

BatchNorm by fixed statistics is folded into the layer before it, as a function of its parameters,
and what torch differentiates a convolution's derivative by, partly by kernels as large as the
images, is done by the kernels of its first derivatives.

Source: Dumoulin and Visin 2016, arXiv:1603.07285, section 4: a convolution's derivatives are
convolutions; Jacob et al. 2018, arXiv:1712.05877, section 3.2, for the folding.
"""

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd import Function
from torch.nn import functional

from explorer.analysis.objective import batchnorm
from explorer.analysis.objective.forward_passes import replaced_forwards
from explorer.problem import Batch

_Layer = Callable[[Tensor], Tensor]
CONVOLUTIONS = (nn.Conv1d, nn.Conv2d, nn.Conv3d)


class QuickLayers:
    """The layers of a model that have a quicker way to the same derivatives."""

    def __init__(self, module: nn.Module, forward: batchnorm.Forward, example: Batch) -> None:
        """Find them; the example may be a batch of two."""
        pairs = batchnorm.foldable_pairs(module, forward, example)
        norms: dict[str, Any] = {p.layer: module.get_submodule(p.norm) for p in pairs}
        self._forwards: dict[nn.Module, _Layer] = dict.fromkeys(norms.values(), _identity)
        for name, layer in module.named_modules():
            own = "forward" not in vars(layer)  # else somebody has given it another
            if name in norms or (own and _is_plain_convolution(layer)):
                self._forwards[layer] = _layer(layer, norms.get(name))

    def __bool__(self) -> bool:
        return bool(self._forwards)

    def installed(self) -> AbstractContextManager[None]:
        """A stretch in which forward passes go that way."""
        return replaced_forwards(self._forwards)


def _identity(inputs: Tensor) -> Tensor:
    return inputs


def _is_plain_convolution(layer: Any) -> bool:
    """Whether nothing but zeros, as many as numbers say, is put around the images."""
    if type(layer) not in CONVOLUTIONS or "weight" not in layer._parameters:
        return False
    zeros = layer.padding_mode == "zeros" and not isinstance(layer.padding, str)
    return zeros and not layer.weight.is_complex()


def _layer(layer: Any, norm: Any) -> _Layer:
    """A layer's forward pass, the BatchNorm after it folded in."""

    def forward(inputs: Tensor) -> Tensor:
        weight, bias = layer.weight, layer.bias
        if norm is not None:
            weight, bias = _folded(weight, bias, norm)
        if not _is_plain_convolution(layer):
            return _own_pass(layer, inputs, weight, bias)
        how = (list(layer.stride), list(layer.padding), list(layer.dilation), layer.groups)
        return _Convolution.apply(inputs, weight, bias, how)

    return forward


def _own_pass(layer: Any, inputs: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    if isinstance(layer, nn.Linear):
        return functional.linear(inputs, weight, bias)
    return layer._conv_forward(inputs, weight, bias)


def _folded(weight: Tensor, bias: Tensor | None, norm: Any) -> tuple[Tensor, Tensor]:
    """Weight and bias of a layer with the BatchNorm after it."""
    scale = torch.rsqrt(norm.running_var + norm.eps)
    if norm.weight is not None:
        scale = scale * norm.weight
    mean = norm.running_mean if bias is None else norm.running_mean - bias
    shift = -mean * scale if norm.bias is None else norm.bias - mean * scale
    return weight * scale.view(-1, *[1] * (weight.dim() - 1)), shift


_How = tuple[list[int], list[int], list[int], int]  # stride, padding, dilation, groups


def _convolve(inputs: Tensor, weight: Tensor, bias: Tensor | None, how: _How) -> Tensor:
    stride, padding, dilation, groups = how
    return torch.convolution(
        inputs, weight, bias, stride, padding, dilation, False, [0] * len(stride), groups
    )


def _derivatives(
    slopes: Tensor, inputs: Tensor, weight: Tensor, how: _How, by: list[bool]
) -> tuple[Tensor | None, Tensor | None, Tensor | None]:
    """Of (slopes * convolution).sum(), by inputs, weight and bias: those that are wanted."""
    stride, padding, dilation, groups = how
    zeros = [0] * len(stride)
    return torch.ops.aten.convolution_backward(
        slopes,
        inputs,
        weight,
        [len(weight)] if by[2] else None,
        stride,
        padding,
        dilation,
        False,
        zeros,
        groups,
        by,
    )


class _Convolution(Function):
    """A convolution whose first derivatives are `_ConvolutionDerivatives`."""

    @staticmethod
    def forward(ctx: Any, inputs: Tensor, weight: Tensor, bias: Tensor | None, how: _How) -> Tensor:
        ctx.how = how
        ctx.save_for_backward(inputs, weight)
        return _convolve(inputs, weight, bias, how)

    @staticmethod
    def backward(ctx: Any, slopes: Tensor) -> tuple[Tensor | None, ...]:
        by = list(ctx.needs_input_grad[:3])
        derivatives = _ConvolutionDerivatives.apply(slopes, *ctx.saved_tensors, ctx.how, by)
        return *derivatives, None


class _ConvolutionDerivatives(Function):
    """The derivatives of a convolution by its inputs, weight and bias."""

    @staticmethod
    def forward(  # type: ignore[no-untyped-def]
        ctx: Any, slopes: Tensor, inputs: Tensor, weight: Tensor, how: _How, by: list[bool]
    ):
        ctx.how = how
        ctx.set_materialize_grads(False)
        ctx.save_for_backward(slopes, inputs, weight)
        return _derivatives(slopes, inputs, weight, how, by)

    @staticmethod
    def backward(
        ctx: Any,
        of_inputs: Tensor | None,
        of_weight: Tensor | None,
        of_bias: Tensor | None,
    ) -> tuple[Tensor | None, ...]:
        """With u, v, b for the arguments: derivatives of <u, dx> + <v, dw> + <b, db>."""
        slopes, inputs, weight = ctx.saved_tensors
        by_slopes = by_inputs = by_weight = None
        if of_weight is not None:
            by_slopes = _convolve(inputs, of_weight, of_bias, ctx.how)
            if ctx.needs_input_grad[1]:
                by = [True, False, False]
                by_inputs = _derivatives(slopes, inputs, of_weight, ctx.how, by)[0]
        elif of_bias is not None:
            by_slopes = of_bias.view(-1, *[1] * (slopes.dim() - 2)).expand_as(slopes)
        if of_inputs is not None:
            moved = _convolve(of_inputs, weight, None, ctx.how)
            by_slopes = moved if by_slopes is None else by_slopes + moved
            if ctx.needs_input_grad[2]:
                by = [False, True, False]
                by_weight = _derivatives(slopes, of_inputs, weight, ctx.how, by)[1]
        return by_slopes, by_inputs, by_weight, None, None
