"""How alike two models' activations are: the correlation of each pair of channels on the data."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, fx

from explorer.analysis.symmetry.specification import Specification, sources
from explorer.analysis.symmetry.symmetry import Symmetry
from explorer.analysis.symmetry.tracing import operation_name
from explorer.problem import Batch

# What makes new values of channels; views and cuts of them would count the same ones again.
MAKERS = (
    *("addmm", "mm", "bmm", "baddbmm", "add", "sub", "mul", "convolution", "relu", "gelu", "silu"),
    *("tanh", "sigmoid", "elu", "leaky_relu", "hardtanh", "native_batch_norm", "celu", "selu"),
    *("native_layer_norm", "native_group_norm", "_prelu_kernel", "softplus", "hardswish", "mish"),
)


@dataclass(frozen=True)
class Activation:
    """Values of an operation at each position of the axis that has channels."""

    channels: np.ndarray  # (L,)
    correlation: np.ndarray  # (L, L) of the first model's values with the second's


class ActivationLikeness:
    """The sum over channels of the correlations of the values of both models' operations."""

    def __init__(self, activations: Sequence[Activation], specification: Specification) -> None:
        self.activations, self.specification = activations, specification

    def value(self, permutation: np.ndarray) -> float:
        """The sum of correlations of the channels that stand at the same place."""
        total = 0.0
        for activation in self.activations:
            places = sources(activation.channels, permutation)
            total += float(activation.correlation[np.arange(len(places)), places].sum())
        return total

    def rise(self, before: np.ndarray, after: np.ndarray) -> float:
        """How much larger the sum is under another permutation."""
        return self.value(after) - self.value(before)

    def gains(self, channels: np.ndarray, permutation: np.ndarray) -> np.ndarray:
        """Correlations of each pair of channels, (n, n), over all operations that have them."""
        rank = np.full(self.specification.channels, -1)
        rank[channels] = np.arange(len(channels))
        total = np.zeros((len(channels), len(channels)))
        for activation in self.activations:
            here = np.flatnonzero(rank[activation.channels] >= 0)
            if len(here):
                order = np.argsort(rank[activation.channels[here]], kind="stable")
                for places in here[order].reshape(len(channels), -1).T:
                    total += activation.correlation[np.ix_(places, places)]
        return total


class _Recorder(fx.Interpreter):
    """Runs a trace and keeps the values of some nodes, positions of the channels' axis first."""

    def __init__(self, symmetry: Symmetry, axes: Mapping[fx.Node, int]) -> None:
        super().__init__(symmetry.trace.graph)
        self.axes = axes
        self.values: dict[fx.Node, Tensor] = {}

    def run_node(self, n: fx.Node) -> object:
        """The value of a node."""
        value: object = super().run_node(n)
        if n in self.axes and isinstance(value, Tensor):
            self.values[n] = value.movedim(self.axes[n], 0).flatten(1).to(torch.float64)
        return value


def watched_nodes(symmetry: Symmetry) -> dict[fx.Node, int]:
    """The operations that make values of channels that move, and the axis of these."""
    specification = symmetry.specification
    moving = np.zeros(specification.channels, dtype=bool)
    for group in specification.groups:
        for numbers in (group.channels, *group.inner):
            moving[numbers.ravel()] = True
    watched = {}
    for node, axes in symmetry.node_axes.items():
        own = [k for k, numbers in enumerate(axes) if numbers is not None and moving[numbers].any()]
        if len(own) == 1 and _makes_values(node):
            watched[node] = own[0]
    return watched


def _makes_values(node: fx.Node) -> bool:
    """Whether a node computes something of data."""
    source = node.args[0] if operation_name(node) == "getitem" else node
    if not isinstance(source, fx.Node) or operation_name(source).rstrip("_") not in MAKERS:
        return False
    return (
        not all(entry.op == "placeholder" for entry in source.all_input_nodes)
        or len(source.all_input_nodes) > 1
    )


@torch.no_grad()
def activation_likeness(
    symmetry: Symmetry,
    first: Mapping[str, Tensor],
    second: Mapping[str, Tensor],
    batches: Iterable[Batch],
) -> ActivationLikeness:
    """How alike two models' activations are over batches of the traced size.

    Raises:
        ValueError: there are no batches.
    """
    watched = watched_nodes(symmetry)
    sums: dict[fx.Node, _Moments] = {}
    for batch in batches:
        one, other = (_values(symmetry, watched, tensors, batch) for tensors in (first, second))
        for node in one:
            sums.setdefault(node, _Moments(len(one[node]))).add(one[node], other[node])
    if not sums:
        raise ValueError("the batches must be one at least, got none")
    activations = [
        Activation(_channels(symmetry, node, watched[node]), moments.correlation)
        for node, moments in sums.items()
    ]
    return ActivationLikeness(activations, symmetry.specification)


def _channels(symmetry: Symmetry, node: fx.Node, axis: int) -> np.ndarray:
    numbers = symmetry.node_axes[node][axis]
    assert numbers is not None  # as `watched_nodes` has it
    return numbers


def _values(
    symmetry: Symmetry,
    watched: Mapping[fx.Node, int],
    tensors: Mapping[str, Tensor],
    batch: Batch,
) -> dict[fx.Node, Tensor]:
    recorder = _Recorder(symmetry, watched)
    recorder.run(*symmetry.trace.arguments(tensors, batch))
    return recorder.values


class _Moments:
    """First and second moments of the values of two models, over all batches."""

    def __init__(self, size: int) -> None:
        self.count = 0
        self.sums = torch.zeros(2, size, dtype=torch.float64)
        self.squares = torch.zeros(2, size, dtype=torch.float64)
        self.products = torch.zeros(size, size, dtype=torch.float64)

    def add(self, first: Tensor, second: Tensor) -> None:
        """Add values (L, N) of both."""
        both = torch.stack([first, second])
        self.count += first.shape[1]
        self.sums += both.sum(dim=2).cpu()
        self.squares += both.square().sum(dim=2).cpu()
        self.products += (first @ second.T).cpu()

    @property
    def correlation(self) -> np.ndarray:
        """Of each position of the first with each of the second, (L, L); 0 of constant ones."""
        means = self.sums / self.count
        spread = (self.squares / self.count - means.square()).clamp(min=0).sqrt()
        spread = torch.where(spread > 1e-7 * means.abs(), spread, 0.0)
        covariance = self.products / self.count - means[0][:, None] * means[1][None]
        scale = spread[0][:, None] * spread[1][None]
        correlation = torch.where(scale > 0, covariance / scale.clamp(min=1e-300), 0.0)
        return correlation.numpy()
