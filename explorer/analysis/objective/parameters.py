"""The parameter tensors of a model as parts of one flat vector: filters, layers, stretches."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn
from torch.nn.modules.conv import _ConvTransposeNd

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


def parameter_blocks(model: nn.Module, moved: Collection[str] | None = None) -> list[Block]:
    """The parameter tensors of the model that move, in their order; tied parameters appear once.

    One without values moves nothing and is left out.

    Args:
        model: has the parameters.
        moved: names of those that move; all unless given.
    """
    transposed = {
        f"{name}.weight".lstrip(".")
        for name, module in model.named_modules()
        if isinstance(module, _ConvTransposeNd)
    }
    moved_blocks: list[Block] = []
    for name, parameter in model.named_parameters():
        if parameter.numel() and (moved is None or name in moved):
            start = moved_blocks[-1].stop if moved_blocks else 0
            moved_blocks.append(Block(name, parameter.shape, start, 1 if name in transposed else 0))
    return moved_blocks


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
