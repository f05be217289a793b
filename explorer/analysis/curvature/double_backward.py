"""Parts of a model that torch differentiates once but not twice, replaced by equals that it can."""

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize
from torch.nn.utils.weight_norm import WeightNorm

_NEW = "_WeightNorm"  # as a parametrisation; `WeightNorm` is the older one, as a hook


def differentiable_twice(module: nn.Module) -> nn.Module:
    """The same private copy of a model, computing the same values.

    Double backward through torch's `weight_norm` is wrong by 11 to 20 % in torch 2.13 (its
    `gradgradcheck` fails); g v / norm(v), written out, is right.
    """
    for inner in module.modules():
        if isinstance(inner, parametrize.ParametrizationList):
            for number, own in enumerate(inner):
                if type(own).__name__ == _NEW:
                    inner[number] = _PlainWeightNorm(own.dim)  # type: ignore[arg-type]
        for hook in inner._forward_pre_hooks.values():
            if isinstance(hook, WeightNorm):
                setattr(hook, "compute_weight", _weight_hook(hook))  # noqa: B010 - its type does not show it
    return module


def is_rewritten(module: nn.Module) -> bool:
    """Whether `differentiable_twice` would change something in the model."""
    norms = (
        type(own).__name__ == _NEW
        for inner in module.modules()
        if isinstance(inner, parametrize.ParametrizationList)
        for own in inner
    )
    hooks = (h for inner in module.modules() for h in inner._forward_pre_hooks.values())
    return any(norms) or any(isinstance(hook, WeightNorm) for hook in hooks)


class _PlainWeightNorm(nn.Module):
    """g v / norm(v), the norm over all axes but one; -1: over all."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.dim = dim

    def forward(self, size: Tensor, vector: Tensor) -> Tensor:
        """The weight from its size g and its direction v."""
        return normalised_weight(size, vector, self.dim)


def normalised_weight(size: Tensor, vector: Tensor, dim: int) -> Tensor:
    """Weight v in another length: g v / norm(v), normed over all axes but `dim`; -1: all."""
    axes = [axis for axis in range(vector.dim()) if axis != dim]
    length = (
        vector.norm() if dim == -1 else torch.linalg.vector_norm(vector, dim=axes, keepdim=True)
    )
    return vector * (size / length)


def _weight_hook(hook: WeightNorm) -> Callable[[nn.Module], Tensor]:
    def compute(module: nn.Module) -> Tensor:
        size, vector = (getattr(module, f"{hook.name}_{part}") for part in "gv")
        return normalised_weight(size, vector, -1 if hook.dim is None else hook.dim)

    return compute
