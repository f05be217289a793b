"""Named tensors as one flat vector, and its groups: filters and layers."""

import copy
import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn.modules.conv import _ConvTransposeNd

Tensors = Mapping[str, Tensor]


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


class FlatModel:
    """A private copy of a model whose parameters are views of one flat vector.

    The model it was made from is never touched. Buffers keep their values; the mode is evaluation.
    """

    def __init__(self, model: nn.Module, dtype: torch.dtype, device: torch.device) -> None:
        """Copy the model to a device and precision.

        Raises:
            ValueError: the model has no parameter.
        """
        self.module = copy.deepcopy(model).to(device=device, dtype=dtype).eval()
        self.module.requires_grad_(False)
        self._gather(dtype, device)

    def _gather(self, dtype: torch.dtype, device: torch.device) -> None:
        """Put the parameters into one vector and make them views of it."""
        self.blocks = blocks(self.module)
        if not self.blocks:
            raise ValueError("the model must have parameters, got none")
        self.theta = torch.empty(self.blocks[-1].stop, dtype=dtype, device=device)
        for block, parameter in zip(self.blocks, self.module.parameters(), strict=True):
            view = self.theta[block.start : block.stop].view(block.shape)
            view.copy_(parameter.data)
            parameter.data = view

    def twin(self) -> "FlatModel":
        """Another copy, standing on the same point, each module in the same mode."""
        made = FlatModel(self.module, self.theta.dtype, self.theta.device)
        for module, own in zip(made.module.modules(), self.module.modules(), strict=True):
            module.training = own.training
        return made

    def keep(self) -> Callable[[], None]:
        """A function that puts parameters and buffers back to their present bits."""
        parts = [self.theta, *self.module.buffers()]
        kept = [part.clone() for part in parts]

        @torch.no_grad()
        def put_back() -> None:
            for part, value in zip(parts, kept, strict=True):
                part.copy_(value)

        return put_back

    def load(self, tensors: Tensors) -> None:
        """Take parameters and buffers from tensors that fit (see `checkpoints.fitted`)."""
        state = self.module.state_dict()
        for name, value in tensors.items():
            state[name].copy_(value)


def content_hash(tensors: Tensors) -> str:
    """sha256 of names, types, shapes and bytes of parameters and buffers, ordered by name."""
    digest = hashlib.sha256()
    for name in sorted(tensors):
        value = tensors[name].detach().cpu().contiguous()
        digest.update(f"{name}|{value.dtype}|{tuple(value.shape)}|".encode())
        digest.update(value.reshape(-1).view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()
