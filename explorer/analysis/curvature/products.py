"""Matrices of second derivatives at a point, known by their products with vectors.

A product is a sum over batches. What a batch contributes is a linear map that is made once, by
differentiating its loss, and kept as long as the memory budget allows; the others are made anew
for each product. Batches weigh by what they count, so that ragged ones weigh right.

Never used, as torch 2.13 gets them wrong: reverse over forward mode, compiled double backward.
"""

from collections.abc import Callable
from typing import Protocol, TypeVar

import numpy as np
import psutil
import torch
from torch import Tensor

from explorer.analysis.curvature.differentiable import (
    CurvatureError,
    DifferentiableModel,
    explain_torch_errors,
)
from explorer.analysis.curvature.linear_maps import (
    LinearMap,
    MapMaker,
    gauss_newton,
    hessian,
    jacobian,
)
from explorer.analysis.objective.batches import tensors_of
from explorer.analysis.objective.dataset import Examples
from explorer.analysis.objective.memory import is_out_of_memory
from explorer.analysis.objective.objective import Objective

__all__ = [
    "Curvature",
    "CurvatureError",
    "MapMaker",
    "Product",
    "gauss_newton",
    "hessian",
    "jacobian",
]

Made = TypeVar("Made")
HELD = 3  # graphs of one batch that a product takes room for at once (measured on a ResNet)


class Product(Protocol):
    """A symmetric matrix by its products."""

    size: int
    like: Tensor  # an empty tensor of the vectors' type and device

    def __call__(self, vector: Tensor) -> Tensor:
        """The product with a vector (D,), as (D,)."""


class Curvature:
    """A matrix of second derivatives of the mean loss, (D, D), by its products.

    Source: Pearlmutter 1994, "Fast exact multiplication by the Hessian"; the first derivatives'
    graph is kept from product to product.
    """

    def __init__(
        self,
        objective: Objective,
        maker: MapMaker,
        budget: int | None = None,
        examples: np.ndarray | None = None,
        most: int | None = None,
    ) -> None:
        """Prepare for the objective's present point, which may move afterwards.

        Args:
            objective: model, data and loss.
            maker: of a batch's linear map, such as `hessian`.
            budget: bytes for graphs beside model and data; see `usual_budget`.
            examples: indices of those that the mean is over, (n,); all unless given.
            most: examples of a batch; unless given, as many as are quick.

        Raises:
            CurvatureError: the model cannot be differentiated as needed.
        """
        self.model = DifferentiableModel(objective, examples)
        self.size, self.like = self.model.size, self.model.flat.theta.new_empty(0)
        self._objective = objective
        self.budget = budget or usual_budget(objective.device)
        self.products = 0
        self._maker = maker
        self._fixed, self._each = self._graph_costs()
        fitting_examples = (self.budget // HELD - self._fixed) // self._each
        quick = most or self.model.usual_batch
        batch = max(1, min(self.model.examples, quick, fitting_examples))
        self._cut_into_batches(self.model.fixed_batch or batch)

    @property
    def held_bytes(self) -> int:
        """Bytes of the graphs that are held between products, as estimated."""
        return len(self._maps) * (self._fixed + self._each * self.batch)

    def __call__(self, vector: Tensor) -> Tensor:
        """The product with a vector (D,), as (D,); less memory than needed halves the batches."""
        return self._over_batches(lambda: self._product(vector))

    def mean_of(self, number_of: Callable[[int, LinearMap], float]) -> float:
        """What is a number for each batch, by its place and its map, summed, over what they count.

        It counts as one product.
        """
        return self._over_batches(lambda: self._mean_of(number_of))

    def release(self) -> None:
        """Let go of the graphs; the next product makes them anew."""
        self._maps.clear()

    def _over_batches(self, work: Callable[[], Made]) -> Made:
        self._objective.on_pass()
        while True:
            try:
                with self.model.with_derivatives(), torch.enable_grad():
                    made = work()
            except Exception as error:
                if not is_out_of_memory(error) or self.batch == 1 or self.model.fixed_batch:
                    raise
                self._cut_into_batches(self.batch // 2)
            else:
                self.products += 1
                return made

    def _mean_of(self, number_of: Callable[[int, LinearMap], float]) -> float:
        total = count = 0.0
        for number in range(len(self._spans)):
            apply, counted = self._map(number)
            with explain_torch_errors():
                total += number_of(number, apply)
            count += counted
            del apply
        return total / self._counted(count)

    def _cut_into_batches(self, batch: int) -> None:
        """Cut the examples into batches of at most so many, and choose whose maps are kept."""
        self.batch = batch
        count = self.model.examples
        self._spans = [(a, min(a + batch, count)) for a in range(0, count, batch)]
        graph = self._fixed + self._each * batch
        all_fit = graph * (len(self._spans) + HELD - 1) <= self.budget
        fitting = self.budget // graph - HELD
        self.kept = len(self._spans) if all_fit else max(0, min(fitting, len(self._spans)))
        if not self.model.flat.is_copy:
            self.kept = 0  # a graph ends with the stretch in which the model has our tensors
        self._maps: dict[int, tuple[LinearMap, float]] = {}

    def _map(self, number: int) -> tuple[LinearMap, float]:
        if number in self._maps:
            return self._maps[number]
        with explain_torch_errors(), self.model.with_derivatives():
            linear_map = self._maker(self.model, self.model.batch(*self._spans[number]))
        if number < self.kept:
            self._maps[number] = linear_map
        return linear_map

    def _product(self, vector: Tensor) -> Tensor:
        parts, total, count = self.model.split(vector), None, 0.0
        for number in range(len(self._spans)):
            apply, counted = self._map(number)
            with explain_torch_errors():
                batch_product = self.model.flat_vector(apply(parts))
            total = batch_product if total is None else total.add_(batch_product)
            count += counted
            del apply
        assert total is not None
        return total.div_(self._counted(count))

    def _counted(self, count: float) -> float:
        if not count:
            raise CurvatureError("the loss counts nothing on this data; choose another split")
        return count

    def _graph_costs(self) -> tuple[int, int]:
        """Bytes of any batch's graph, and those that each example adds to it."""
        if fixed := self.model.problem.batch_size:
            fixed = min(fixed, self.model.examples)
            return 0, max(1, self._graph_bytes(fixed) // fixed)
        few, more = min(4, self.model.examples), min(8, self.model.examples)
        small, large = self._graph_bytes(few), self._graph_bytes(more)
        each = max(1, (large - small) // (more - few) if more > few else small // few)
        return max(0, small - few * each), each

    def _graph_bytes(self, examples: int) -> int:
        """Bytes that the graph of the first examples holds, the parameters left out."""
        seen: dict[int, int] = {}

        def note(saved: Tensor) -> Tensor:
            storage = saved.untyped_storage()
            seen[storage.data_ptr()] = storage.nbytes()
            return saved

        noted = torch.autograd.graph.saved_tensors_hooks(note, lambda saved: saved)
        with noted, explain_torch_errors(), self.model.with_derivatives():
            linear_map = self._maker(self.model, self.model.batch(0, examples))
        held = [] if isinstance(self.model.data, Examples) else tensors_of(self.model.data)
        for own in (self.model.flat.theta, *held):
            seen.pop(own.untyped_storage().data_ptr(), None)
        del linear_map
        return sum(seen.values())


def usual_budget(device: torch.device) -> int:
    """Bytes for graphs: half of a GPU's free memory; of a machine's a quarter, 2 GiB at most."""
    if device.type == "cuda":
        return torch.cuda.mem_get_info(device)[0] // 2
    return min(2 << 30, psutil.virtual_memory().available // 4)
