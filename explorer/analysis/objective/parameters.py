"""Named tensors as one flat vector, and its groups: filters and layers."""

import copy
import hashlib
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.modules.conv import _ConvTransposeNd

from explorer import extra_state
from explorer.analysis.objective.memory import is_out_of_memory

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


def _hook_outputs(model: nn.Module) -> dict[int, Tensor]:
    """Copies of what hooks such as weight_norm left in the model with its graph, by `id`."""
    return {
        id(value): value.detach().clone()
        for module in model.modules()
        for value in vars(module).values()
        if isinstance(value, Tensor) and not value.is_leaf
    }


def convert_tensor(value: Tensor, dtype: torch.dtype, device: torch.device) -> Tensor:
    """The tensor on a device; numbers with a fraction as `dtype`, complex ones as of its parts."""
    kind = None
    if value.is_complex():
        kind = torch.complex128 if dtype == torch.float64 else torch.complex64
    elif value.is_floating_point():
        kind = dtype
    return value.to(device=device, dtype=kind)


class NoCopy(ValueError):
    """A model of which no private copy can be made; the message says why."""


class FlatModel:
    """A private copy of a model whose moved parameters are views of one flat vector.

    The model it was made from is never touched. Buffers keep their values; the mode is evaluation.
    """

    is_copy = True

    def __init__(
        self,
        model: nn.Module,
        dtype: torch.dtype,
        device: torch.device,
        moved: Collection[str] | None = None,
    ) -> None:
        """Copy the model to a device and precision.

        Args:
            model: is copied.
            dtype: of parameters and buffers with a fraction.
            device: where the copy is.
            moved: names of the parameters in the flat vector; all unless given.

        Raises:
            ValueError: the model has no parameter that moves.
            NoCopy: it cannot be copied.
        """
        self._allocate(model, dtype, device, moved)
        own = dict(model.named_parameters())
        copies_by_id: dict[int, object] = {**_hook_outputs(model)}
        for block, view in zip(self.blocks, self.views, strict=True):
            view.copy_(own[block.name].data)
            copies_by_id[id(own[block.name])] = nn.Parameter(view, requires_grad=False)
        # parameters are told to be copied already: a large model is never there twice
        self.module = _deep_copy(model, copies_by_id)
        self.module._apply(lambda value: convert_tensor(value, dtype, device)).eval()
        for parameter in self.module.parameters():  # a ScriptModule has no requires_grad_
            parameter.requires_grad_(False)
        copies = dict(self.module.named_parameters())
        self.parameters = [copies[block.name] for block in self.blocks]
        for view, parameter in zip(self.views, self.parameters, strict=True):
            parameter.data = view  # some layers lay their parameters out anew

    def _allocate(
        self,
        model: nn.Module,
        dtype: torch.dtype,
        device: torch.device,
        moved: Collection[str] | None,
    ) -> None:
        """Make room for the parameters that move."""
        self.moved = moved
        self.blocks = parameter_blocks(model, moved)
        if not self.blocks:
            raise ValueError("the model must have parameters, got none")
        self.theta = torch.empty(self.blocks[-1].stop, dtype=dtype, device=device)
        self.views = [self.theta[b.start : b.stop].view(b.shape) for b in self.blocks]

    @property
    def buffers(self) -> dict[str, Tensor]:
        """The buffers by name."""
        return dict(self.module.named_buffers())

    def at_theta(self) -> AbstractContextManager[None]:
        """A stretch in which `module` stands on `theta`; a private copy always does."""
        return nullcontext()

    @contextmanager
    def with_gradients(self) -> Iterator[list[Tensor]]:
        """A stretch in which the moved parameters can be differentiated by; they are what comes."""
        before = [parameter.requires_grad for parameter in self.parameters]
        try:
            for parameter in self.parameters:
                parameter.requires_grad_(True)
            yield list(self.parameters)
        finally:
            for parameter, needed in zip(self.parameters, before, strict=True):
                parameter.requires_grad_(needed)

    def twin(self) -> "FlatModel":
        """Another copy, standing on the same point, each module in the same mode."""
        made = FlatModel(self.module, self.theta.dtype, self.theta.device, self.moved)
        for module, own in zip(made.module.modules(), self.module.modules(), strict=True):
            module.training = own.training
        return made

    def keep(self, theta: Tensor | None = None) -> Callable[[], None]:
        """A function that puts parameters and buffers back to their present bits.

        `theta` (D,) is a copy of the parameters that somebody has anyhow.
        """
        buffers = list(self.buffers.values())
        parts = [self.theta, *buffers]
        kept = [self.theta.clone() if theta is None else theta, *(b.clone() for b in buffers)]

        @torch.no_grad()
        def put_back() -> None:
            for part, value in zip(parts, kept, strict=True):
                part.copy_(value)

        return put_back

    @torch.no_grad()
    def load(self, tensors: Tensors) -> None:
        """Take parameters and buffers from tensors that fit (see `checkpoints.fitted_tensors`)."""
        with self.at_theta():
            state = self.module.state_dict()
            for name, value in tensors.items():
                if extra_state.is_extra_state(name):
                    extra_state.load_extra_state(self.module, name, value)
                else:
                    state[name].copy_(value)


def present_tensors(flat: FlatModel, point: Tensors) -> dict[str, Tensor]:
    """Copies of parameters and buffers where the model stands, under the names of a point."""
    with flat.at_theta():
        state = flat.module.state_dict()
        present = {
            name: value if extra_state.is_extra_state(name) else state.get(name, value)
            for name, value in point.items()
        }
        return {name: _for_file(value) for name, value in present.items()}


def _for_file(value: Tensor) -> Tensor:
    """A copy on the CPU, whole; bfloat16 as float32, for NumPy has none."""
    dtype = torch.float32 if value.dtype == torch.bfloat16 else value.dtype
    return value.detach().to("cpu", dtype, copy=True).contiguous()


def _deep_copy(model: nn.Module, copies_by_id: dict[int, object]) -> nn.Module:
    """A deep copy that shares no tensor with the model.

    Raises:
        NoCopy: there is none: something in the model cannot be copied, or copies itself otherwise.
    """
    own = {id(tensor) for tensor in (*model.parameters(), *model.buffers())}
    try:
        with torch.no_grad():  # a ScriptModule's copy would remember that it is one
            made = copy.deepcopy(model, copies_by_id)
        shared = any(id(t) in own for t in (*made.parameters(), *made.buffers()))
    except Exception as error:  # whatever a user's class raises
        if is_out_of_memory(error):
            raise
        raise NoCopy(
            f"the model cannot be copied ({' '.join(str(error).split())[:200]})"
        ) from error
    names = [[name for name, _ in m.named_parameters()] for m in (model, made)]
    if shared or names[0] != names[1]:
        raise NoCopy("the model copies itself in a way of its own")
    return made


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
