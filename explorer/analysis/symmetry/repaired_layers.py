"""The layers of a model that REPAIR can correct: those whose weight and bias rule their outputs."""

from collections import Counter

import torch
from torch import Tensor, nn
from torch.func import functional_call
from torch.nn.modules.conv import _ConvNd

from explorer.analysis.objective import batchnorm
from explorer.analysis.objective.batches import slice_examples
from explorer.analysis.objective.objective import Objective

FEW_EXAMPLES = 16  # on which layers are tried
CLOSE = 1e-2  # beside a shift of 1: less is rounding, in bfloat16 too

Call = tuple[str, tuple[object, ...], dict[str, object], Tensor]


def why_no_repair(objective: Objective) -> str:
    """Why a model's activations cannot be repaired, in a sentence; empty where they can."""
    try:
        repaired_layers(objective)
    except ValueError as error:
        return str(error)
    return ""


@torch.no_grad()
def repaired_layers(objective: Objective) -> list[str]:
    """The linear layers and convolutions in the order of their calls, without the last one.

    Raises:
        ValueError: the model has BatchNorm; or a layer has no bias, is called twice, or its outputs
            do not follow its own weight and bias; or there is none.
    """
    module = objective.flat.module
    if batchnorm.layers(module):
        raise ValueError(
            "a model with BatchNorm has no biases to repair: recalibrate its statistics instead"
        )
    with objective.flat.at_theta():
        calls = _calls(objective)
        names = Counter(name for name, *_ in calls)
        moved = {block.name for block in objective.flat.blocks}
        for call in calls[:-1]:
            name, layer = call[0], module.get_submodule(call[0])
            if layer.bias is None:
                raise ValueError(f"the layer {name} has no bias that could take REPAIR's shift")
            if names[name] > 1:
                raise ValueError(f"the layer {name} is called twice, and REPAIR corrects each call")
            if not {f"{name}.weight", f"{name}.bias"} <= moved or _is_shared(module, layer):
                raise ValueError(
                    f"the layer {name} has no weight and bias of its own that move, which REPAIR "
                    "would rescale"
                )
            if not _follows_its_parameters(layer, call):
                raise ValueError(
                    f"the outputs of the layer {name} are not in proportion to its weight and "
                    "bias, by which REPAIR would rescale them"
                )
    if len(calls) < 2:
        raise ValueError("REPAIR needs a layer before the last one, got none")
    return [name for name, *_ in calls[:-1]]


def _calls(objective: Objective) -> list[Call]:
    """Each call of a linear layer or convolution: its name, what it took and what came."""
    calls: list[Call] = []
    module, problem = objective.flat.module, objective.problem

    def watch(name: str, layer: nn.Module) -> torch.utils.hooks.RemovableHandle:
        def hook(_: nn.Module, taken: tuple, named: dict, outputs: Tensor) -> None:
            calls.append((name, taken, named, outputs))

        return layer.register_forward_hook(hook, with_kwargs=True)

    count = problem.batch_size or min(FEW_EXAMPLES, objective.examples)
    hooks = [
        watch(name, layer)
        for name, layer in module.named_modules()
        if isinstance(layer, nn.Linear | _ConvNd)
    ]
    try:
        problem.forward(module, slice_examples(objective.data, 0, count))
    finally:
        for hook in hooks:
            hook.remove()
    return calls


def _is_shared(module: nn.Module, layer: nn.Module) -> bool:
    """Whether another layer has the same weight or bias."""
    uses = Counter(id(p) for _, p in module.named_parameters(remove_duplicate=False))
    return any(uses[id(p)] > 1 for p in (layer.weight, layer.bias))


def _follows_its_parameters(layer: nn.Module, call: Call) -> bool:
    """Whether twice the weight, and twice the bias + 1, give twice the outputs + 1."""
    _, taken, named, outputs = call
    own = dict(layer.named_parameters())
    parameters = {"weight": 2 * own["weight"], "bias": 2 * own["bias"] + 1}
    changed = functional_call(layer, parameters, taken, named)
    return torch.allclose(changed, 2 * outputs + 1, rtol=CLOSE, atol=CLOSE, equal_nan=True)
