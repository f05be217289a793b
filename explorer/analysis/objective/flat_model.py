"""A private copy of a model whose moved parameters are views of one flat vector."""

import copy
from collections import deque
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext

import torch
from torch import Tensor, nn

from explorer import extra_state
from explorer.analysis.objective.memory import is_out_of_memory
from explorer.analysis.objective.named_tensors import Tensors
from explorer.analysis.objective.parameters import parameter_blocks


def outputs_kept(model: nn.Module) -> dict[int, Tensor]:
    """Copies of what hooks such as weight_norm or forward left there with its graph, by `id`."""
    return {
        id(value): value.detach().clone()
        for module in model.modules()
        for held in vars(module).values()
        for value in _items_of(held)
        if isinstance(value, Tensor) and not value.is_leaf
    }


def _items_of(held: object) -> Iterable[object]:
    """What a module's attribute holds: itself, or the items of a list, a tuple or a dict."""
    if isinstance(held, Mapping):
        return list(held.values())
    return held if isinstance(held, list | tuple | deque) else [held]


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
        copies_by_id: dict[int, object] = {**outputs_kept(model)}
        for block, view in zip(self.blocks, self.views, strict=True):
            view.copy_(own[block.name].data)
            copies_by_id[id(own[block.name])] = nn.Parameter(view, requires_grad=False)
        # parameters are told to be copied already: a large model is never there twice
        self.module = _deep_copy(model, copies_by_id)
        self.module._apply(lambda value: convert_tensor(value, dtype, device)).eval()
        for module in self.module.modules():
            if isinstance(module, nn.Embedding | nn.EmbeddingBag):
                module.sparse = False  # gradients are read as dense ones; their values are the same
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
        self.extra_states: dict[str, Tensor] = {}  # by name, as they were loaded
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
        twin = FlatModel(self.module, self.theta.dtype, self.theta.device, self.moved)
        for module, own in zip(twin.module.modules(), self.module.modules(), strict=True):
            module.training = own.training
        twin.extra_states = self.extra_states
        return twin

    def keep(self, theta: Tensor | None = None) -> Callable[[], None]:
        """A function that puts parameters and buffers back to their present bits.

        `theta` (D,) is a copy of the parameters that somebody has anyhow.
        """
        buffers = {
            # of inference mode if a forward pass has put it in the place of the model's own
            name: buffer.clone() if buffer.is_inference() else buffer
            for name, buffer in self.buffers.items()
        }
        kept_theta = self.theta.clone() if theta is None else theta
        kept_buffers = {name: buffer.clone() for name, buffer in buffers.items()}

        @torch.no_grad()
        def put_back() -> None:
            self.theta.copy_(kept_theta)
            for name, now in self.buffers.items():
                if name in kept_buffers:
                    buffers[name].copy_(kept_buffers[name])
                    if now.is_inference():
                        owner, _, own_name = name.rpartition(".")
                        setattr(self.module.get_submodule(owner), own_name, buffers[name])

        return put_back

    @torch.no_grad()
    def load(self, tensors: Tensors) -> None:
        """Take parameters and buffers from tensors that fit (see `checkpoints.fitted_tensors`)."""
        with self.at_theta():
            state = self.module.state_dict()
            for name, value in tensors.items():
                if extra_state.is_extra_state(name):
                    self.extra_states = {**self.extra_states, name: value}
                else:
                    state[name].copy_(value)
            self._load_extra_states()

    def _load_extra_states(self) -> None:
        """Hand each module its extra state of this point."""
        for name, value in self.extra_states.items():
            extra_state.load_extra_state(self.module, name, value)


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
            copied = copy.deepcopy(model, copies_by_id)
        shared = any(id(t) in own for t in (*copied.parameters(), *copied.buffers()))
    except Exception as error:  # whatever a user's class raises
        if is_out_of_memory(error):
            raise
        raise NoCopy(
            f"the model cannot be copied ({' '.join(str(error).split())[:200]})"
        ) from error
    names = [[name for name, _ in m.named_parameters()] for m in (model, copied)]
    if shared or names[0] != names[1]:
        raise NoCopy("the model copies itself in a way of its own")
    return copied
