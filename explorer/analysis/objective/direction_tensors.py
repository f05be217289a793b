"""A direction as named tensors, like a point of its model."""

import torch
from torch import Tensor

from explorer import extra_state
from explorer.analysis.objective.flat_model import FlatModel, present_tensors
from explorer.analysis.objective.named_tensors import Tensors


def direction_tensors(flat: FlatModel, vector: Tensor, point: Tensors) -> dict[str, Tensor]:
    """A direction (D,) as named tensors, 0 in what does not move."""
    put_back = flat.keep()
    flat.theta.copy_(vector)
    tensors = present_tensors(flat, point)
    put_back()
    moving = moving_names(flat)
    return {
        name: value
        if name in moving or extra_state.is_extra_state(name)
        else torch.zeros_like(value)
        for name, value in tensors.items()
    }


def moving_names(flat: FlatModel) -> set[str]:
    """The names of all parameters that move, each under all its names."""
    moved = {block.name for block in flat.blocks}
    every = dict(flat.module.named_parameters(remove_duplicate=False))
    ids = {id(parameter) for name, parameter in every.items() if name in moved}
    return {name for name, parameter in every.items() if id(parameter) in ids}
