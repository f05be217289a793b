"""How alike the parameters of two models are: their inner product."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from explorer.analysis.objective.named_tensors import Tensors
from explorer.analysis.symmetry.specification import Specification, sources


@dataclass(frozen=True)
class WeightLikeness:
    """The inner product of the first model's parameters and the permuted second one's.

    Biases and the scales of normalisations count like all others; running statistics do not.
    """

    first: Tensors  # parameters by name, in float64
    second: Tensors
    specification: Specification

    @classmethod
    def of(cls, first: Tensors, second: Tensors, specification: Specification) -> "WeightLikeness":
        """Of parameters of any precision."""
        return cls(_wide(first), _wide(second), specification)

    def value(self, permutation: np.ndarray) -> float:
        """The inner product under a permutation."""
        return sum(self._product(name, permutation) for name in self.first)

    def rise(self, before: np.ndarray, after: np.ndarray) -> float:
        """How much larger it is under another permutation; only tensors that change count."""
        moved = before != after
        return sum(
            self._product(name, after) - self._product(name, before)
            for name in self.first
            if any(n is not None and moved[n].any() for n in self.specification.axes.get(name, ()))
        )

    def _product(self, name: str, permutation: np.ndarray) -> float:
        """The inner product of one tensor."""
        other = self._permuted(name, permutation)
        return float(torch.dot(self.first[name].flatten(), other.flatten()))

    def gains(self, channels: np.ndarray, permutation: np.ndarray) -> np.ndarray:
        """What is gained by each pair of channels, (n, n).

        Where both axes of a tensor have these channels, the other one is as it is now.
        """
        total = np.zeros((len(channels), len(channels)))
        kept = permutation.copy()
        kept[channels] = channels
        for name, axis, places in self._occurrences(channels):
            first = self.first[name]
            second = self._permuted(name, permutation, but=axis, along_it=kept)
            total += _products(first, second, axis, places).cpu().numpy()
        return total

    def _permuted(
        self,
        name: str,
        permutation: np.ndarray,
        but: int = -1,
        along_it: np.ndarray | None = None,
    ) -> Tensor:
        """A tensor of the second model, permuted; along one axis otherwise, if that is given."""
        value = self.second[name]
        for axis, numbers in enumerate(self.specification.axes.get(name, ())):
            own = along_it if axis == but and along_it is not None else permutation
            if numbers is not None and (own[numbers] != numbers).any():
                places = torch.from_numpy(sources(numbers, own)).to(value.device)
                value = value.index_select(axis, places)
        return value

    def _occurrences(self, channels: np.ndarray) -> Iterator[tuple[str, int, np.ndarray]]:
        """Each tensor and axis along which the channels stand, and where each does, (n, r)."""
        rank = np.full(self.specification.channels, -1)
        rank[channels] = np.arange(len(channels))
        for name in self.first:
            for axis, numbers in enumerate(self.specification.axes.get(name, ())):
                here = np.array([]) if numbers is None else np.flatnonzero(rank[numbers] >= 0)
                if numbers is not None and len(here):
                    order = np.argsort(rank[numbers[here]], kind="stable")
                    yield name, axis, here[order].reshape(len(channels), -1)


def _wide(tensors: Tensors) -> dict[str, Tensor]:
    return {name: value.detach().to(torch.float64) for name, value in tensors.items()}


def _products(first: Tensor, second: Tensor, axis: int, places: np.ndarray) -> Tensor:
    """Inner products of each pair of channels' values, (n, n).

    Args:
        first: values of the first model.
        second: the same of the second one.
        axis: along which the channels stand.
        places: of each channel, (n, r).
    """
    flat = places.ravel()
    if not np.array_equal(flat, np.arange(first.shape[axis])):
        index = torch.from_numpy(flat).to(first.device)
        first, second = first.index_select(axis, index), second.index_select(axis, index)
    shape = (*first.shape[:axis], *places.shape, *first.shape[axis + 1 :])
    others = [k for k in range(len(shape)) if k != axis]
    return torch.tensordot(first.reshape(shape), second.reshape(shape), dims=(others, others))
