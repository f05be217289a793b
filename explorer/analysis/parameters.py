"""Named tensors as one flat vector, and its groups: filters and layers."""

import copy
import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.modules.conv import _ConvTransposeNd

from explorer import extra_state

Tensors = Mapping[str, Tensor]
STRETCH = 1 << 22  # values that are worked on together in float64: 32 MB; small models are one


@dataclass(frozen=True)
class Block:
    """One parameter tensor within the flat vector."""

    name: str
    shape: torch.Size
    start: int
    filter_axis: int  # the axis of the output filters

    @property
    def stop(self) -> int:
        """End of the block in the flat vector."""
        return self.start + self.shape.numel()

    def filters(self, vector: Tensor) -> Tensor:
        """A view of the block in `vector` (D,), filters first; a 1-D tensor is one filter."""
        if len(self.shape) < 2:
            return self.layer(vector)
        return vector[self.start : self.stop].view(self.shape).movedim(self.filter_axis, 0)

    def layer(self, vector: Tensor) -> Tensor:
        """A view of the block within `vector` (D,) as one row, (1, size)."""
        return vector[self.start : self.stop].view(1, -1)


def blocks(model: nn.Module) -> list[Block]:
    """The parameter tensors of the model in their order; tied parameters appear once."""
    transposed = {
        f"{name}.weight".lstrip(".")
        for name, module in model.named_modules()
        if isinstance(module, _ConvTransposeNd)
    }
    found, start = [], 0
    for name, parameter in model.named_parameters():
        found.append(Block(name, parameter.shape, start, 1 if name in transposed else 0))
        start = found[-1].stop
    return found


@dataclass(frozen=True)
class Stretch:
    """Neighbouring tensors that are worked on together, so that no copy of all is ever made."""

    first: int  # number of its first tensor among all
    start: int  # where it begins in the flat vector
    blocks: Sequence[Block]  # as they lie within the stretch

    @property
    def within(self) -> slice:
        """Where the stretch lies in the flat vector."""
        return slice(self.start, self.start + self.blocks[-1].stop)


def stretches(blocks: Sequence[Block]) -> list[Stretch]:
    """The tensors in groups of up to `STRETCH` values; a larger tensor is alone."""
    groups: list[list[int]] = []
    for number, block in enumerate(blocks):
        if not groups or block.stop - blocks[groups[-1][0]].start > STRETCH:
            groups.append([])
        groups[-1].append(number)
    return [_stretch([blocks[n] for n in group], group[0]) for group in groups]


def _stretch(blocks: Sequence[Block], first: int) -> Stretch:
    start = blocks[0].start
    return Stretch(first, start, [replace(block, start=block.start - start) for block in blocks])


def _computed(model: nn.Module) -> dict[int, Tensor]:
    """Copies of what hooks such as weight_norm left in the model with its graph, by `id`."""
    return {
        id(value): value.detach().clone()
        for module in model.modules()
        for value in vars(module).values()
        if isinstance(value, Tensor) and not value.is_leaf
    }


class FlatModel:
    """A private copy of a model whose parameters are views of one flat vector.

    The model it was made from is never touched. Buffers keep their values; the mode is evaluation.
    """

    def __init__(self, model: nn.Module, dtype: torch.dtype, device: torch.device) -> None:
        """Copy the model to a device and precision.

        Raises:
            ValueError: the model has no parameter.
        """
        self.blocks = blocks(model)
        if not self.blocks:
            raise ValueError("the model must have parameters, got none")
        self.theta = torch.empty(self.blocks[-1].stop, dtype=dtype, device=device)
        views: list[Tensor] = []
        known: dict[int, Any] = {**_computed(model)}
        for block, parameter in zip(self.blocks, model.parameters(), strict=True):
            view = self.theta[block.start : block.stop].view(block.shape)
            view.copy_(parameter.data)
            views.append(view)
            known[id(parameter)] = nn.Parameter(view, requires_grad=False)
        # parameters are told to be copied already: a large model is never there twice
        self.module = copy.deepcopy(model, known).to(device=device, dtype=dtype).eval()
        for view, parameter in zip(views, self.module.parameters(), strict=True):
            parameter.data = view  # some layers lay their parameters out anew

    def twin(self) -> "FlatModel":
        """Another copy, standing on the same point, each module in the same mode."""
        made = FlatModel(self.module, self.theta.dtype, self.theta.device)
        for module, own in zip(made.module.modules(), self.module.modules(), strict=True):
            module.training = own.training
        return made

    def keep(self, theta: Tensor | None = None) -> Callable[[], None]:
        """A function that puts parameters and buffers back to their present bits.

        `theta` (D,) is a copy of the parameters that somebody has anyhow.
        """
        buffers = list(self.module.buffers())
        parts = [self.theta, *buffers]
        kept = [self.theta.clone() if theta is None else theta, *(b.clone() for b in buffers)]

        @torch.no_grad()
        def put_back() -> None:
            for part, value in zip(parts, kept, strict=True):
                part.copy_(value)

        return put_back

    def load(self, tensors: Tensors) -> None:
        """Take parameters and buffers from tensors that fit (see `checkpoints.fitted`)."""
        state = self.module.state_dict()
        for name, value in tensors.items():
            if extra_state.is_extra_state(name):
                extra_state.load(self.module, name, value)
            else:
                state[name].copy_(value)


def content_hash(tensors: Tensors) -> str:
    """sha256 of names, types, shapes and bytes of parameters and buffers, ordered by name."""
    digest = hashlib.sha256()
    for name in sorted(tensors):
        value = tensors[name]
        digest.update(f"{name}|{value.dtype}|{tuple(value.shape)}|".encode())
        add_bytes(digest, value)
    return digest.hexdigest()


def add_bytes(digest: Any, value: Tensor) -> None:
    """Let a digest of `hashlib` see the bytes of a tensor."""
    whole = value.detach().cpu().contiguous()
    digest.update(whole.reshape(-1).view(torch.uint8).numpy().data)
