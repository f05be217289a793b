"""REPAIR: pre-activations of interpolated parameters get the spread that both ends have.

Source: Jordan et al. 2023, arXiv:2211.08403, section 4. On a network with BatchNorm it is a reset
of the statistics, which recalibration does.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn.modules.conv import _ConvNd

from explorer.analysis.objective.objective import Objective
from explorer.analysis.symmetry.repaired_layers import repaired_layers

SMALLEST_SHARE = 1e-6  # of the goal's deviation: what varies less is dead and only shifted


@dataclass(frozen=True)
class Moments:
    """Mean and standard deviation of each channel of a layer's outputs, (C,) each."""

    mean: Tensor
    deviation: Tensor

    @classmethod
    def of(cls, outputs: Tensor, axis: int) -> "Moments":
        """Over all axes but that of the channels."""
        values = outputs.movedim(axis, 0).flatten(1).to(torch.float64)
        return cls(values.mean(dim=1), values.std(dim=1, correction=0))


class Repair:
    """Repairs parameters between two points, in place.

    All layers are corrected within one pass, as the paper's code does: each layer's correction is
    at work when the next one's outputs are measured. Over several batches the corrections are
    averaged, weighted by examples.
    """

    def __init__(self, objective: Objective, first: Tensor, second: Tensor) -> None:
        """Measure both ends.

        Args:
            objective: whose model and data they are of; its parameters come back as they were.
            first: parameters (D,) at t = 0.
            second: at t = 1.

        Raises:
            ValueError: there is no layer with a bias that could take the correction.
        """
        self.objective = objective
        self.layers = repaired_layers(objective)
        self.ends = [self._at(theta, self._measured) for theta in (first, second)]

    @torch.no_grad()
    def apply(self, theta: Tensor, t: float) -> None:
        """Correct parameters (D,) that are (1 - t) first + t second, in place."""
        goals = {
            name: Moments(
                torch.lerp(self.ends[0][name].mean, self.ends[1][name].mean, t),
                torch.lerp(self.ends[0][name].deviation, self.ends[1][name].deviation, t),
            )
            for name in self.layers
        }
        measured = self._at(theta, lambda: self._measured(goals))
        starts = {block.name: block for block in self.objective.flat.blocks}
        for name, moments in measured.items():
            weight, bias = (
                theta[b.start : b.stop].view(b.shape)
                for b in (starts[f"{name}.weight"], starts[f"{name}.bias"])
            )
            scale = _scale(goals[name], moments)
            weight.mul_(_along(scale, self._own_axis(name), weight.dim()).to(weight))
            bias.sub_(moments.mean.to(bias)).mul_(scale.to(bias)).add_(goals[name].mean.to(bias))

    def _own_axis(self, name: str) -> int:
        """The axis of a layer's weight along which its outputs stand."""
        layer = self.objective.flat.module.get_submodule(name)
        return 1 if getattr(layer, "transposed", False) else 0

    @torch.no_grad()
    def _at(self, theta: Tensor, measure: Callable[[], dict[str, Moments]]) -> dict[str, Moments]:
        """What is measured with these parameters."""
        flat = self.objective.flat
        put_back = flat.keep()
        flat.theta.copy_(theta)
        try:
            with flat.at_theta():
                return measure()
        finally:
            put_back()

    def _measured(self, goals: dict[str, Moments] | None = None) -> dict[str, Moments]:
        """Moments of all layers over the data; with goals, each is corrected as it is measured."""
        sums: dict[str, list[tuple[int, Moments]]] = {name: [] for name in self.layers}
        count = 0

        def hook_of(name: str) -> Callable[[nn.Module, object, Tensor], Tensor | None]:
            def hook(layer: nn.Module, _: object, outputs: Tensor) -> Tensor | None:
                axis = _channel_axis(layer, outputs)
                moments = Moments.of(outputs, axis)
                sums[name].append((count, moments))
                return None if goals is None else _moved(outputs, axis, moments, goals[name])

            return hook

        modules = {name: self.objective.flat.module.get_submodule(name) for name in self.layers}
        hooks = [module.register_forward_hook(hook_of(n)) for n, module in modules.items()]
        try:
            for start, stop, batch in self.objective.batches:
                count = stop - start
                self.objective.problem.forward(self.objective.flat.module, batch)
        finally:
            for hook in hooks:
                hook.remove()
        return {name: _averaged(entries) for name, entries in sums.items()}


def _channel_axis(layer: nn.Module, outputs: Tensor) -> int:
    """The axis of a layer's outputs that has its channels."""
    spatial = len(layer.kernel_size) if isinstance(layer, _ConvNd) else 0
    return outputs.dim() - 1 - spatial


def _along(values: Tensor, axis: int, dimensions: int) -> Tensor:
    return values.view([-1 if k == axis else 1 for k in range(dimensions)])


def _scale(goal: Moments, moments: Moments) -> Tensor:
    """By what outputs are stretched; a channel that does not vary is only shifted."""
    dead = moments.deviation <= SMALLEST_SHARE * goal.deviation
    ones = torch.ones_like(goal.deviation)
    return torch.where(dead, ones, goal.deviation / torch.where(dead, ones, moments.deviation))


def _moved(outputs: Tensor, axis: int, moments: Moments, goal: Moments) -> Tensor:
    """Outputs with the goal's moments."""
    mean, scale, shift = (
        _along(v, axis, outputs.dim()).to(outputs)
        for v in (moments.mean, _scale(goal, moments), goal.mean)
    )
    return (outputs - mean) * scale + shift


def _averaged(entries: Sequence[tuple[int, Moments]]) -> Moments:
    """Moments over all batches, which have so many examples each; the spread is that of all."""
    shares = torch.tensor([float(count) for count, _ in entries], dtype=torch.float64)
    shares = (shares / shares.sum()).unsqueeze(1)
    means = torch.stack([moments.mean for _, moments in entries])
    squares = torch.stack([m.deviation.square() + m.mean.square() for _, m in entries])
    shares = shares.to(means.device)
    mean = (shares * means).sum(dim=0)
    square = (shares * squares).sum(dim=0)
    return Moments(mean, (square - mean.square()).clamp(min=0).sqrt())
