"""A forward pass as a graph of operations, and what stands along the axes of its tensors."""

import contextlib
import operator
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, fx, nn
from torch.func import functional_call, functionalize
from torch.fx.experimental.proxy_tensor import make_fx
from torch.utils import _pytree as pytree

from explorer.analysis.symmetry import layers, operations, selections, views
from explorer.analysis.symmetry.channels import UNIFORM, Channels, Labels
from explorer.analysis.symmetry.rules import Call, Outcome, outcome
from explorer.problem import Batch

RULES_OF = (operations, layers, selections, views)  # imported, they are registered


class SymmetryError(ValueError):
    """A model whose permutation symmetry cannot be told; the message says why."""


@dataclass(frozen=True)
class Trace:
    """The operations of a forward pass on a batch of one size."""

    graph: fx.GraphModule  # of a list of tensors and the batch's own, to a list of outputs
    names: tuple[str, ...]  # of the tensors
    aliases: Mapping[str, str]  # further names of tied ones -> the name that stands for all

    def arguments(self, tensors: Mapping[str, Tensor], batch: Batch) -> list[Any]:
        """What the graph is called with."""
        return [*(tensors[name] for name in self.names), *_batch_tensors(batch)]


def _batch_tensors(batch: Batch) -> list[Tensor]:
    return [leaf for leaf in pytree.tree_leaves(batch) if isinstance(leaf, Tensor)]


class _Called(nn.Module):
    """A module whose forward pass is that of a problem."""

    def __init__(self, module: nn.Module, forward: Callable[[nn.Module, Batch], object]) -> None:
        super().__init__()
        self.module = module
        self._forward = forward

    def forward(self, batch: Batch) -> object:
        """Outputs on a batch."""
        return self._forward(self.module, batch)


@dataclass(frozen=True)
class Network:
    """A module and how it is called with a batch."""

    module: nn.Module  # in evaluation mode
    forward: Callable[[nn.Module, Batch], object] = lambda module, batch: module(batch)

    def outputs(self, tensors: Mapping[str, Tensor], batch: Batch) -> list[Tensor]:
        """All tensors among its outputs, with these parameters and buffers."""
        called = _Called(self.module, self.forward)
        values = {f"module.{name}": value for name, value in tensors.items()}
        made = functional_call(called, values, (batch,))
        return [leaf for leaf in pytree.tree_leaves(made) if isinstance(leaf, Tensor)]


def own_tensors(model: nn.Module) -> tuple[dict[str, Tensor], dict[str, str]]:
    """Parameters and buffers by name, each once, and the further names of those that are tied."""
    first_names: dict[int, str] = {}
    tensors: dict[str, Tensor] = {}
    aliases: dict[str, str] = {}
    named: list[tuple[str, Tensor]] = [*model.named_parameters(remove_duplicate=False)]
    named += model.named_buffers(remove_duplicate=False)
    for name, value in named:
        first = first_names.setdefault(id(value), name)
        if first == name:
            tensors[name] = value.detach()
        else:
            aliases[name] = first
    return tensors, aliases


@contextlib.contextmanager
def _attention_taken_apart() -> Iterator[None]:
    """A stretch in which encoder layers are computed operation by operation."""
    before = torch.backends.mha.get_fastpath_enabled()
    torch.backends.mha.set_fastpath_enabled(False)
    try:
        yield
    finally:
        torch.backends.mha.set_fastpath_enabled(before)


def traced(network: Network, batch: Batch) -> Trace:
    """The operations of a forward pass, with parameters and buffers as inputs.

    Raises:
        SymmetryError: which operations there are depends on the values of the data.
    """
    tensors, aliases = own_tensors(network.module)
    names = tuple(tensors)
    leaves, structure = pytree.tree_flatten(batch)
    places = [k for k, leaf in enumerate(leaves) if isinstance(leaf, Tensor)]

    def run(*given: Tensor) -> list[Tensor]:
        values = dict(zip(names, given[: len(names)], strict=True))
        own = list(leaves)
        for place, leaf in zip(places, given[len(names) :], strict=True):
            own[place] = leaf
        return network.outputs(values, pytree.tree_unflatten(own, structure))

    arguments = [*tensors.values(), *_batch_tensors(batch)]
    try:
        with torch.no_grad(), _attention_taken_apart():
            graph = make_fx(functionalize(run, remove="mutations"))(*arguments)
    except Exception as error:  # whatever a user's forward raises
        raise SymmetryError(_why_not(error)) from error
    graph.graph.eliminate_dead_code()
    graph.recompile()
    return Trace(graph, names, aliases)


def _why_not(error: Exception) -> str:
    text = " ".join(str(error).split())
    if "value out of a tracing tensor" in text or "data-dependent" in text:
        return (
            "the model's forward pass takes decisions by the values of its tensors (if, while, "
            "item), so that its permutations cannot be told; write that with torch.where"
        )
    return f"the model's operations cannot be told ({type(error).__name__}: {text[:160]})"


class Labelling(fx.Interpreter):
    """Runs a trace and follows channels through it."""

    def __init__(self, trace: Trace, fixed: Mapping[str, str]) -> None:
        """Begin.

        Args:
            trace: the operations.
            fixed: names of tensors whose axes cannot move, and why.
        """
        super().__init__(trace.graph, garbage_collect_values=False)
        self.trace, self.fixed = trace, fixed
        self.channels = Channels()
        self.labels: dict[fx.Node, Outcome] = {}
        self.own: dict[str, Labels] = {}  # of parameters and buffers
        self._placeholders = iter([*trace.names, *[""] * len(trace.graph.graph.nodes)])

    def run_node(self, n: fx.Node) -> Any:
        """The value of a node; its labels are kept."""
        value = super().run_node(n)
        if n.op == "placeholder":
            self.labels[n] = self._input(next(self._placeholders), value)
        elif n.op == "get_attr":
            self.labels[n] = Labels.fixed(tuple(value.shape), "a constant")
        elif n.op == "call_function":
            self.labels[n] = self._called(n, value)
        elif n.op == "output":
            self._fix_outputs(n)
        return value

    def _input(self, name: str, value: Tensor) -> Labels:
        shape = tuple(value.shape)
        if not name:
            return Labels.fixed(shape, "the model's input")
        axes = []
        for axis, size in enumerate(shape):
            around = tuple(size if k == axis else 1 for k in range(len(shape)))
            axes.append(self.channels.new(around) if size > 1 else UNIFORM)
        self.own[name] = Labels(shape, tuple(axes))
        if name in self.fixed:
            self.channels.fix_all(self.own[name], self.fixed[name])
        return self.own[name]

    def _called(self, node: fx.Node, value: Any) -> Outcome:
        if node.target is operator.getitem:
            source, place = node.args
            labels = self.labels[source]  # type: ignore[index]
            return labels[place] if isinstance(labels, list) else labels  # type: ignore[index]
        values = value if isinstance(value, list | tuple) else [value]
        shapes = [tuple(v.shape) for v in values if isinstance(v, Tensor)]
        arguments = [self._labelled(entry) for entry in node.args]
        named = {name: self._labelled(entry) for name, entry in node.kwargs.items()}
        call = Call(self.channels, operation_name(node), arguments, named, shapes)
        made = outcome(call)
        whole = isinstance(value, Tensor)
        return made[0] if whole and isinstance(made, list) else made

    def _labelled(self, entry: Any) -> Any:
        if isinstance(entry, fx.Node):
            return self.labels.get(entry)
        if isinstance(entry, list | tuple):
            return [self._labelled(one) for one in entry]
        return entry

    def _fix_outputs(self, node: fx.Node) -> None:
        for entry in node.all_input_nodes:
            labels = self.labels[entry]
            if isinstance(labels, Labels):
                self.channels.fix_all(labels, "the model's output")


def operation_name(node: fx.Node) -> str:
    """The name of a node's operation, as in "convolution"."""
    packet = getattr(node.target, "overloadpacket", node.target)
    return str(getattr(packet, "__name__", packet)).rpartition(".")[2]
