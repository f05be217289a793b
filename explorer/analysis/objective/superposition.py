"""Linear layers that see the data alone: multiplied once for each direction, not at every point.

The outputs of a linear layer are linear in its parameters. Where its inputs are the same at every
point, those at base + step @ directions are the base's plus step times each direction's: a few
additions in place of a matrix product, which in a perceptron on images is most of the work.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from explorer.analysis.objective.batches import tensors_of
from explorer.analysis.objective.flat_model import FlatModel
from explorer.analysis.objective.forward_passes import replaced_forwards
from explorer.analysis.objective.memory import is_out_of_memory
from explorer.analysis.objective.model_copies import move_weights
from explorer.problem import Batch, Problem

LEAST_INPUTS = 32  # of a layer: below, additions take as long as the product (measured)
MOST_BYTES = {"cpu": 1 << 30, "cuda": 8 << 30}  # of the outputs that are kept


@dataclass(frozen=True)
class LayerOutputs:
    """What a layer puts out for one batch, (B, ..., H), at the base and along each direction."""

    base: Tensor
    along: Sequence[Tensor]
    inputs: Tensor  # what it was given, (B, ..., I)
    of_data: bool  # whether that is a view of the batch itself

    def are_of(self, inputs: Tensor) -> bool:
        """Whether these are the inputs: some depend on parameters where no gradient shows it."""
        if torch.compiler.is_compiling():
            return self.of_data
        if torch._C._functorch.is_batchedtensor(inputs):  # another at each of several points
            return False
        own = self.inputs
        if torch.jit.is_tracing():  # of a pass that was done before: no record repeats a comparison
            return self.of_data and inputs.data_ptr() == own.data_ptr()
        same = inputs.shape == own.shape and inputs.dtype == own.dtype
        if same and self.of_data:
            return inputs.data_ptr() == own.data_ptr() and inputs.stride() == own.stride()
        # a GPU would have to be waited for
        return same and inputs.device.type == "cpu" and torch.equal(inputs, own)

    def at(self, step: Tensor) -> Tensor:
        """The outputs at a step (m,), or one with fewer axes, which the caller may change."""
        outputs = self.base
        for length, moved in zip(step.unbind(), self.along, strict=False):
            outputs = torch.addcmul(outputs, moved, length)
        return outputs.clone() if outputs is self.base else outputs


BatchOutputs = Mapping[str, LayerOutputs]  # by the layer's name


def superposable(flat: FlatModel, problem: Problem, example: Batch) -> dict[str, int]:
    """The linear layers that see the data alone, by name, and how many values each puts out.

    Each is called once, and its inputs need no gradient where every parameter that moves does.
    """
    if not flat.is_copy:
        return {}
    moved = {block.name for block in flat.blocks}
    candidates = {
        name: layer
        for name, layer in flat.module.named_modules()
        if type(layer) is nn.Linear
        and f"{name}.weight" in moved
        and "weight" in layer._parameters
        and "forward" not in vars(layer)
        and layer.in_features >= LEAST_INPUTS
        and (f"{name}.bias" in moved or all(layer.bias is not p for p in flat.parameters))
    }
    if not candidates:
        return {}
    try:
        inputs = _constant_inputs(flat, problem, example, candidates)
        if not all(_is_view_of(value, example) for value in inputs.values()):
            with move_weights(flat):  # which shows what gradients do not
                moved_inputs = _constant_inputs(flat, problem, example, candidates)
            inputs = {n: v for n, v in inputs.items() if _equal(v, moved_inputs.get(n))}
    except Exception as error:  # whatever a user's code cannot do where gradients are recorded
        if is_out_of_memory(error):
            raise
        return {}
    return {
        name: value.numel() // candidates[name].in_features * candidates[name].out_features
        for name, value in inputs.items()
    }


def batch_outputs(
    flat: FlatModel, problem: Problem, batch: Batch, names: Iterable[str], directions: Tensor
) -> dict[str, LayerOutputs]:
    """The outputs of these layers for a batch, along directions (m, D) from where the model stands.

    Raises:
        ValueError: for this batch a layer sees something else than the data, or is called again;
            or what it puts out is not finite, so that no sum gives it.
    """
    layers: dict[str, Any] = {name: flat.module.get_submodule(name) for name in names}
    inputs = _constant_inputs(flat, problem, batch, layers)
    if inputs.keys() != layers.keys():
        raise ValueError("a linear layer sees the data alone in some batches only")
    outputs = {}
    with torch.no_grad():
        for name, layer in layers.items():
            weights = _along(flat, f"{name}.weight", directions)
            biases = _along(flat, f"{name}.bias", directions)
            along = [functional.linear(inputs[name], weight) for weight in weights]
            for outputs_along, bias in zip(along, biases, strict=False):  # none if it stays
                outputs_along += bias
            base = functional.linear(inputs[name], layer.weight, layer.bias)
            if not all(bool(value.isfinite().all()) for value in (base, *along)):
                raise ValueError("a linear layer puts out what is not finite")
            of_data = _is_view_of(inputs[name], batch)
            own = inputs[name] if of_data else inputs[name].clone()
            outputs[name] = LayerOutputs(base, along, own, of_data)
    return outputs


def _is_view_of(value: Tensor, batch: Batch) -> bool:
    """Whether a value lies in the memory of the batch."""
    place = value.untyped_storage().data_ptr()
    return any(tensor.untyped_storage().data_ptr() == place for tensor in tensors_of(batch))


def _equal(one: Tensor, other: Tensor | None) -> bool:
    return other is not None and torch.equal(one, other)


def _along(flat: FlatModel, name: str, directions: Tensor) -> list[Tensor]:
    """A parameter's part of each direction; none where it does not move."""
    return [
        part.view(block.shape)
        for block in flat.blocks
        if block.name == name
        for part in directions[:, block.start : block.stop].unbind()
    ]


def _constant_inputs(
    flat: FlatModel, problem: Problem, batch: Batch, layers: Mapping[str, nn.Module]
) -> dict[str, Tensor]:
    """The inputs of those layers that are called once and whose inputs depend on no parameter."""
    calls: dict[str, list[Tensor | None]] = {name: [] for name in layers}

    def watch(name: str) -> Callable[[nn.Module, tuple[object, ...]], None]:
        def hook(_: nn.Module, inputs: tuple[object, ...]) -> None:
            value = inputs[0] if len(inputs) == 1 else None
            constant = isinstance(value, Tensor) and not value.requires_grad
            calls[name].append(value if constant else None)  # type: ignore[arg-type]

        return hook

    with ExitStack() as stack:
        for name, layer in layers.items():
            stack.callback(layer.register_forward_pre_hook(watch(name)).remove)
        stack.enter_context(torch.enable_grad())
        stack.enter_context(flat.with_gradients())
        problem.forward(flat.module, batch)
    return {name: seen[0] for name, seen in calls.items() if len(seen) == 1 and seen[0] is not None}


class Superposition:
    """Layers of one copy of a model that can be given what they put out."""

    def __init__(self, module: nn.Module, names: Iterable[str]) -> None:
        layers = {name: module.get_submodule(name) for name in names}
        self._forwards = {name: _KeptOnce(layer) for name, layer in layers.items()}
        self._by_layer = {layers[name]: forward for name, forward in self._forwards.items()}

    def installed(self) -> AbstractContextManager[None]:
        """A stretch in which the layers put out what they are given."""
        return replaced_forwards(self._by_layer)

    def give(self, kept: BatchOutputs, step: Tensor) -> None:
        """Give each layer what it puts out for a batch at a step (m,)."""
        for name, forward in self._forwards.items():
            forward.kept = kept[name], step


class _KeptOnce:
    """A layer's forward pass: what is given, for the call that sees the data; then its own."""

    kept: tuple[LayerOutputs, Tensor] | None = None  # of a batch, and the step

    def __init__(self, layer: nn.Module) -> None:
        self._own = layer.forward

    def __call__(self, inputs: Tensor) -> Tensor:
        kept, self.kept = self.kept, None
        if kept is None or not kept[0].are_of(inputs):
            return self._own(inputs)
        return kept[0].at(kept[1])
