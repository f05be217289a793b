"""How alike the parameters of two models are: their inner product."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from explorer.analysis.symmetry.specification import Specification, sources

Arrays = Mapping[str, np.ndarray]


@dataclass(frozen=True)
class WeightLikeness:
    """The inner product of the first model's parameters and the permuted second one's, in float64.

    Biases and the scales of normalisations count like all others; running statistics do not.
    """

    first: Arrays
    second: Arrays
    specification: Specification

    def value(self, permutation: np.ndarray) -> float:
        """The inner product under a permutation."""
        return sum(
            float(np.vdot(self.first[name], self._permuted(name, permutation)))
            for name in self.first
        )

    def rise(self, before: np.ndarray, after: np.ndarray) -> float:
        """How much larger it is under another permutation; only tensors that change count."""
        moved = before != after
        return sum(
            float(np.vdot(self.first[name], self._permuted(name, after)))
            - float(np.vdot(self.first[name], self._permuted(name, before)))
            for name in self.first
            if any(n is not None and moved[n].any() for n in self.specification.axes.get(name, ()))
        )

    def gains(self, channels: np.ndarray, permutation: np.ndarray) -> np.ndarray:
        """What is gained by each pair of channels, (n, n).

        Where both axes of a tensor have these channels, the other one is as it is now.
        """
        total = np.zeros((len(channels), len(channels)))
        kept = permutation.copy()
        kept[channels] = channels
        for name, axis, places in self._occurrences(channels):
            first = np.moveaxis(self.first[name], axis, 0)[places]
            second = self._permuted(name, permutation, but=axis, along_it=kept)
            second = np.moveaxis(second, axis, 0)[places]
            total += first.reshape(len(channels), -1) @ second.reshape(len(channels), -1).T
        return total

    def _permuted(
        self,
        name: str,
        permutation: np.ndarray,
        but: int = -1,
        along_it: np.ndarray | None = None,
    ) -> np.ndarray:
        """A tensor of the second model, permuted; along one axis otherwise, if that is given."""
        value = self.second[name]
        for axis, numbers in enumerate(self.specification.axes.get(name, ())):
            own = along_it if axis == but and along_it is not None else permutation
            if numbers is not None and (own[numbers] != numbers).any():
                value = value.take(sources(numbers, own), axis)
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
