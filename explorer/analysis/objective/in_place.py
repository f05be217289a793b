"""A model evaluated itself, where a copy of it would be something else."""

from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from explorer.analysis.objective.flat_model import FlatModel, convert_tensor

_borrowers: dict[
    int, list["InPlaceModel"]
] = {}  # by the id of a model: who stands in it, last on top


class InPlaceModel(FlatModel):
    """A model whose own tensors show values of ours for as long as it is borrowed.

    Closures over the model, losses that read it and whatever else holds its very objects then see
    the point. All is put back at the end of a stretch, also after an exception: values, modes,
    `requires_grad`, attributes. Several may take turns in one model.
    """

    is_copy = False

    def __init__(
        self,
        model: nn.Module,
        dtype: torch.dtype,
        device: torch.device,
        moved: Collection[str] | None = None,
    ) -> None:
        """Take the values of a model, which is nobody's now.

        Raises:
            ValueError: the model has no parameter that moves.
        """
        self._allocate(model, dtype, device, moved)
        self.module = model
        own = dict(model.named_parameters())
        self.parameters = [own[block.name] for block in self.blocks]
        self._differentiable = False
        self._tensors = [*own.values(), *model.buffers()]
        views = dict(zip([block.name for block in self.blocks], self.views, strict=True))
        values = [views.get(name) for name in own] + [None for _ in model.buffers()]
        self._values = [
            _own(value, dtype, device) if view is None else view
            for value, view in zip(self._tensors, values, strict=True)
        ]
        with torch.no_grad():
            for parameter, view in zip(self.parameters, self.views, strict=True):
                view.copy_(parameter.data)

    @classmethod
    def on_tensors_of(cls, flat: FlatModel, model: nn.Module) -> "InPlaceModel":
        """A model standing on the very tensors of a copy of it, without any of its own."""
        standing = cls.__new__(cls)
        standing.module, standing.moved = model, flat.moved
        standing.extra_states = flat.extra_states
        standing.blocks, standing.theta, standing.views = flat.blocks, flat.theta, flat.views
        standing._differentiable = False
        own, copied = dict(model.named_parameters()), dict(flat.module.named_parameters())
        standing.parameters = [own[block.name] for block in flat.blocks]
        standing._tensors = [*own.values(), *model.buffers()]
        values = [*(copied[name] for name in own), *flat.module.buffers()]
        standing._values = [value.detach() for value in values]
        return standing

    @property
    def buffers(self) -> dict[str, Tensor]:
        """The buffers by name, as they are at this point."""
        names = [name for name, _ in self.module.named_buffers()]
        return dict(zip(names, self._values[-len(names) :] if names else [], strict=True))

    @contextmanager
    def at_theta(self) -> Iterator[None]:
        """A stretch in which the model stands on `theta`."""
        stack = _borrowers.setdefault(id(self.module), [])
        if stack and stack[-1] is self:
            yield
            return
        put_back = _state_restorer(self.module)
        stack.append(self)
        try:
            self._enter()
            yield
        finally:
            put_back()
            stack.pop()
            if not stack:
                _borrowers.pop(id(self.module), None)

    def _enter(self) -> None:
        for tensor, value in zip(self._tensors, self._values, strict=True):
            if tensor.requires_grad and tensor.is_leaf:
                tensor.requires_grad_(False)
            tensor.data = value
        for parameter in self.parameters:
            parameter.requires_grad_(self._differentiable)
        self._load_extra_states()
        self.module.eval()

    @contextmanager
    def with_gradients(self) -> Iterator[list[Tensor]]:
        """A stretch in which the moved parameters can be differentiated by; they are what comes."""
        before, self._differentiable = self._differentiable, True
        try:
            with self.at_theta(), super().with_gradients() as parameters:
                yield parameters
        finally:
            self._differentiable = before

    def twin(self) -> "InPlaceModel":
        """Another point in the same model; the two take turns."""
        twin = InPlaceModel(self.module, self.theta.dtype, self.theta.device, self.moved)
        twin.extra_states = self.extra_states
        views = {id(view) for view in self.views}
        pairs = zip(twin._values, self._values, strict=True)
        with torch.no_grad():
            twin.theta.copy_(self.theta)
            for own, value in pairs:
                if id(value) not in views:
                    own.copy_(value)
        return twin


def _own(value: Tensor, dtype: torch.dtype, device: torch.device) -> Tensor:
    return convert_tensor(value.detach(), dtype, device).clone()


def _state_restorer(model: nn.Module) -> Callable[[], None]:
    """A function that puts the model back to its present state."""
    tensors = [*model.parameters(), *model.buffers()]
    states = [(tensor, tensor.data, tensor.requires_grad) for tensor in tensors]
    modules = [
        (
            module,
            module.training,
            dict(module._parameters),
            dict(module._buffers),
            dict(vars(module)),
        )
        for module in model.modules()
    ]

    def put_back() -> None:
        for module, training, parameters, buffers, attributes in modules:
            module.training = training
            if not isinstance(module, torch.jit.ScriptModule):  # which replaces none of its own
                module._parameters.update(parameters)
                module._buffers.update(buffers)
                for name in vars(module).keys() - attributes.keys():
                    del vars(module)[name]
            vars(module).update(attributes)
        for tensor, data, needed in states:
            tensor.data = data
            if tensor.is_leaf:
                tensor.requires_grad_(needed)

    return put_back
