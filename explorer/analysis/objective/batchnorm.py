"""Batch normalisation away from the trained point: three policies, and folding it away."""

import copy
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.utils.hooks import RemovableHandle

from explorer.analysis.objective.flat_model import FlatModel, outputs_kept
from explorer.analysis.objective.torch_operations import TorchOperations
from explorer.problem import Batch, Problem

Forward = Callable[[nn.Module, Batch], object]
Ends = Mapping[str, tuple[Tensor, Tensor]]  # name of a buffer -> its values at two points


def layers(model: nn.Module) -> list[_BatchNorm]:
    """The BatchNorm layers of a model that keep running statistics."""
    norms = [m for m in model.modules() if isinstance(m, _BatchNorm)]
    return [m for m in norms if isinstance(m.running_mean, Tensor)]


def use_batch_statistics(model: nn.Module) -> None:
    """From now on each batch is normalised by its own statistics; the running ones stay."""
    for layer in layers(model):
        layer.train()
        layer.track_running_stats = False


def check_policy(policy: str, flat: FlatModel) -> None:
    """Refuse a policy that is not for this model; statistics may always stay frozen.

    Raises:
        ValueError: they are to be recomputed of a model without BatchNorm, or that has no copy.
    """
    if policy == "frozen":
        return
    if not layers(flat.module):
        raise ValueError(
            f"batchnorm must be frozen for a model without BatchNorm layers, got {policy!r}"
        )
    if not flat.is_copy:
        raise ValueError(
            "batchnorm must be frozen for a model that cannot be copied, or whose copy gives "
            f"other values, got {policy!r}"
        )


@torch.no_grad()
def recalibrate(model: nn.Module, forward: Forward, batches: Sequence[Batch]) -> None:
    """Replace running statistics by the cumulative average over the batches at these parameters.

    Source: Izmailov et al. 2018, arXiv:1803.05407, section 3.2; `torch.optim.swa_utils.update_bn`.
    """
    norms = layers(model)
    for layer in norms:
        layer.reset_running_stats()
        layer.train()
    for number, batch in enumerate(batches, start=1):
        for layer in norms:
            layer.momentum = 1 / number  # what momentum=None means, without waiting for the device
        forward(model, batch)
    for layer in norms:
        layer.eval()


def differing_buffers(flat: FlatModel, other: FlatModel) -> dict[str, tuple[Tensor, Tensor]]:
    """The buffers with a fraction that two models of one kind have otherwise, by name."""
    there = other.buffers
    return {
        name: (here.clone(), there[name].clone())
        for name, here in flat.buffers.items()
        if here.is_floating_point() and not torch.equal(here, there[name])
    }


@torch.no_grad()
def interpolate(model: nn.Module, between: Ends, step: Tensor) -> None:
    """Put buffers linearly between two ends, at `step` (1,) from 0 to 1.

    Beyond an end they stay its own: an extrapolated variance can become negative.
    """
    share = step[0].clamp(0, 1)
    for name, (first, second) in between.items():
        torch.lerp(first, second, share, out=model.get_buffer(name))


@dataclass(frozen=True)
class Pair:
    """A convolution or linear layer and the BatchNorm that takes its outputs, by module name."""

    layer: str
    norm: str


class FoldedNetwork:
    """A network that computes the same with each BatchNorm folded into the layer before it.

    It shares parameters with the model it is made from. After these or the running statistics have
    changed, `refresh` brings it up to date, at a cost that does not grow with the data.

    Source: Jacob et al. 2018, arXiv:1712.05877, section 3.2: w' = w s, b' = beta + (b - mu) s with
    s = gamma / sqrt(sigma^2 + epsilon).
    """

    def __init__(self, flat: FlatModel, problem: Problem, example: Batch) -> None:
        """Find the pairs by one forward pass.

        Raises:
            ValueError: there is no pair.
        """
        self._source = flat.module
        self._pairs = foldable_pairs(flat.module, problem.forward, example)
        if not self._pairs:
            raise ValueError("the model must have a layer followed by a BatchNorm, got none")
        shared = {id(t): t for t in (*flat.module.parameters(), *flat.module.buffers())}
        self.module = copy.deepcopy(flat.module, {**outputs_kept(flat.module), **shared})
        self._targets: list[tuple[Tensor, Tensor]] = []
        for pair in self._pairs:
            self._targets.append(_own_weights(self.module, pair))

    @torch.no_grad()
    def refresh(self) -> None:
        """Fold the parameters and statistics as they stand now."""
        for pair, (weight, bias) in zip(self._pairs, self._targets, strict=True):
            layer: Any = self._source.get_submodule(pair.layer)
            norm: Any = self._source.get_submodule(pair.norm)
            scale = torch.rsqrt(norm.running_var + norm.eps)
            if norm.weight is not None:
                scale = scale * norm.weight
            axes = [-1, *[1] * (layer.weight.dim() - 1)]
            torch.mul(layer.weight, scale.view(axes), out=weight)
            mean = norm.running_mean if layer.bias is None else norm.running_mean - layer.bias
            torch.mul(mean, -scale, out=bias)
            if norm.bias is not None:
                bias.add_(norm.bias)


def folded_network(flat: FlatModel, problem: Problem, example: Batch, policy: str) -> FoldedNetwork:
    """The network with BatchNorm folded away; the example may be a batch of two.

    Raises:
        ValueError: there is none to fold, or a batch is normalised by its own statistics.
    """
    if policy == "batch":
        raise ValueError("a batch's own statistics cannot be folded")
    return FoldedNetwork(flat, problem, example)


def _own_weights(module: nn.Module, pair: Pair) -> tuple[Tensor, Tensor]:
    """Give the layer a weight and bias of its own, and take the BatchNorm out."""
    layer: Any = module.get_submodule(pair.layer)
    weight = torch.empty_like(layer.weight)
    bias = weight.new_empty(len(weight))
    layer.weight = nn.Parameter(weight, requires_grad=False)
    layer.bias = nn.Parameter(bias, requires_grad=False)
    parent, _, name = pair.norm.rpartition(".")
    setattr(module.get_submodule(parent), name, nn.Identity())
    return layer.weight.data, layer.bias.data


def foldable_pairs(module: nn.Module, forward: Forward, example: Batch) -> list[Pair]:
    """Layers whose output goes into a BatchNorm alone, each called once in a forward pass."""
    layer_of_output: dict[int, str] = {}
    calls: list[str] = []
    uses = _Uses()
    pairs: list[tuple[Pair, Tensor]] = []

    def watch(name: str, layer: nn.Module) -> RemovableHandle:
        def hook(_: nn.Module, inputs: tuple[object, ...], output: object) -> None:
            calls.append(name)
            if isinstance(layer, _BatchNorm) and inputs and id(inputs[0]) in layer_of_output:
                pairs.append((Pair(layer_of_output[id(inputs[0])], name), inputs[0]))  # type: ignore[arg-type]
            elif is_foldable(layer) and isinstance(output, Tensor):
                layer_of_output[id(output)] = name
                uses.watch(output)

        return layer.register_forward_hook(hook)

    norms = layers(module)
    if any(norm.training for norm in norms):  # whose mode may change at any point
        return []
    watched = [(n, m) for n, m in module.named_modules() if is_foldable(m) or m in norms]
    refused = {name for name, layer in watched if not _is_itself(layer)}
    hooks = [watch(name, layer) for name, layer in watched]
    try:
        with torch.no_grad(), uses:
            forward(module, example)
    finally:
        for hook in hooks:
            hook.remove()
    once = {name for name in calls if calls.count(name) == 1}
    alone = [pair for pair, output in pairs if uses.of(output) == 1]
    return [pair for pair in alone if {pair.layer, pair.norm} <= once - refused]


class _Uses(TorchOperations):
    """Counts the operations that take tensors."""

    def __init__(self) -> None:
        super().__init__()
        self._watched: list[Tensor] = []  # no address is used twice while these live
        self._counts: dict[int, int] = {}

    def watch(self, tensor: Tensor) -> None:
        """Count from now on what takes this tensor, a view of it, or its memory."""
        self._watched.append(tensor)
        if (place := _place(tensor)) is not None:
            self._counts.setdefault(place, 0)

    def of(self, tensor: Tensor) -> int:
        """How many operations have taken it; 0 of one that has no memory of its own."""
        return self._counts.get(_place(tensor) or 0, 0)

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):  # type: ignore[no-untyped-def]
        for leaf in torch.utils._pytree.tree_leaves((args, kwargs)) if self._counts else ():
            if isinstance(leaf, Tensor) and (place := _place(leaf)) in self._counts:
                self._counts[place] += 1
        return func(*args, **(kwargs or {}))


def _place(tensor: Tensor) -> int | None:
    """Where a tensor's memory begins; None of a sparse one, and of what torch.func wraps."""
    try:
        return tensor.untyped_storage().data_ptr()
    except (NotImplementedError, RuntimeError):
        return None


_FOLDABLE = (nn.Linear, nn.Conv1d, nn.Conv2d, nn.Conv3d)


def is_foldable(layer: nn.Module) -> bool:
    """Whether a BatchNorm after the layer can be folded into it: output channels come first."""
    return isinstance(layer, _FOLDABLE) and not nn.utils.parametrize.is_parametrized(layer)


def _is_itself(layer: nn.Module) -> bool:
    """Whether a layer does what its kind says and nothing else: no hook, no other forward pass."""
    kinds = (*_FOLDABLE, _BatchNorm, nn.SyncBatchNorm)
    plain = any(isinstance(layer, k) and type(layer).forward is k.forward for k in kinds)
    own_pass = getattr(type(layer), "_conv_forward", None)
    plain &= own_pass is None or any(own_pass is vars(k).get("_conv_forward") for k in kinds)
    altered = layer._forward_hooks or layer._forward_pre_hooks or "forward" in vars(layer)
    return plain and not altered
