"""Gradients that random vectors of the outputs give, each of a group of examples alone."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from operator import itemgetter

import numpy as np
import torch
from torch import Tensor
from torch.func import functional_call, grad, vmap
from torch.nn.attention import SDPBackend, sdpa_kernel

from explorer.analysis.curvature.differentiable import DifferentiableModel
from explorer.analysis.curvature.linear_maps import LinearMap
from explorer.analysis.curvature.output_roots import (
    NoRootError,
    OutputRoot,
    Root,
    output_root,
    root_and_count,
    rooted_outputs,
)
from explorer.analysis.curvature.products import Curvature
from explorer.analysis.curvature.random_vectors import next_signs
from explorer.analysis.objective.batches import count_examples, map_tensors, slice_examples
from explorer.analysis.objective.functional_model import FunctionalModel, named_views
from explorer.analysis.objective.objective import Objective
from explorer.problem import Batch

GROUPS, VECTORISED_GROUPS = 16, 64  # at least, where there are as many examples
MOST_EXAMPLES = 256  # of a group
SHORT_BYTES = 32 << 10  # a mean operation's output on a group: a shorter one is mostly overhead
TOGETHER_BYTES = 128 << 20  # of gradients at once
SAME = 1e-3  # relative, of gradients in float32

Square = Callable[[Tensor], float]  # of gradients (g, D)


class GroupGradients:
    """Gradients J' L s of groups of examples, with random signs s for each output."""

    def __init__(self, objective: Objective) -> None:
        """Prepare for the objective's present point.

        Raises:
            NoRootError: the loss has no known root L; see `root_and_count`.
        """
        self._objective = objective
        self._vectorised = _vectorised(objective)
        if not self._vectorised:
            size = _group_size(objective, GROUPS)
            self._looped = Curvature(objective, output_root, most=size)

    def mean_of(self, square: Square, *seed: int) -> float:
        """The sum of what a function makes of the gradients, over what the loss counts.

        Raises:
            NoRootError: the loss has no known root on some group.
        """
        random = np.random.RandomState(seed)
        if self._vectorised:
            self._objective.on_pass()
            return self._vectorised.mean_of(square, random)

        def square_of(group: int, apply: LinearMap) -> float:
            assert isinstance(apply, OutputRoot)
            signs = next_signs(random, apply.size, apply.like)
            return square(self._looped.model.flat_vector(apply([signs])).unsqueeze(0))

        return self._looped.mean_of(square_of)


def _vectorised(objective: Objective) -> "_Vectorised | None":
    """Many groups at a time, where one by one takes longer and two show the same."""
    work, size = objective.workload, _group_size(objective, VECTORISED_GROUPS)
    short = work.example_bytes * size / work.operations < SHORT_BYTES
    if not short or work.streams or not objective.flat.is_copy:
        return None
    model = DifferentiableModel(objective)
    try:
        vectorised = None if model.fixed_batch else _Vectorised(model, size)
        return vectorised if vectorised and vectorised.agrees() else None
    except NoRootError:
        raise
    except (RuntimeError, TypeError):
        return None


def _group_size(objective: Objective, groups: int) -> int:
    """Examples of each group."""
    return min(MOST_EXAMPLES, -(-objective.examples // groups))


@dataclass(frozen=True)
class _Chunk:
    """Groups that are looked at together; the last is filled up with its first examples again."""

    batch: Batch  # (g, n, ...)
    outputs: Tensor  # without their graph, of each example once
    root: Root
    count: float


class _Vectorised:
    """The gradients of many groups at once, by one batched pass."""

    def __init__(self, model: DifferentiableModel, size: int) -> None:
        self._model, self._size = model, size
        self._network = FunctionalModel(model.problem, model.module)
        theta = model.flat.theta.detach()
        self._views = {n: view.detach() for n, view in named_views(model.flat, theta).items()}
        each = theta.numel() * theta.element_size()
        together = max(1, min(TOGETHER_BYTES // each, model.usual_batch // size)) * size
        self._chunks = []
        with model.with_derivatives(), torch.enable_grad():
            for start in range(0, model.examples, together):
                stop = min(start + together, model.examples)
                batch = model.batch(start, stop)
                outputs = rooted_outputs(model, batch).detach()
                root, count = root_and_count(model, outputs, batch)
                self._chunks.append(_Chunk(self._grouped(batch), outputs, root, count))

    def mean_of(self, square: Square, random: np.random.RandomState) -> float:
        """See `GroupGradients.mean_of`."""
        total = 0.0
        for chunk in self._chunks:
            outputs = chunk.outputs
            signs = next_signs(random, outputs.numel(), outputs).view_as(outputs)
            slopes = outputs.new_zeros(
                -(-len(outputs) // self._size) * self._size, *outputs.shape[1:]
            )
            slopes[: len(outputs)] = chunk.root(signs)
            total += square(self._gradients(chunk.batch, slopes.unflatten(0, (-1, self._size))))
        return total / sum(chunk.count for chunk in self._chunks)

    def _grouped(self, batch: Batch) -> Batch:
        """Examples (N, ...) as groups (g, n, ...)."""

        def group(tensor: Tensor) -> Tensor:
            places = torch.arange(-(-len(tensor) // self._size) * self._size, device=tensor.device)
            return tensor[places % len(tensor)].unflatten(0, (-1, self._size))

        return map_tensors(batch, group)

    def _gradients(self, batch: Batch, slopes: Tensor) -> Tensor:
        """Those of groups (g, n, ...), (g, D)."""
        by_name = vmap(grad(self._weighed), in_dims=(None, 0, 0))(self._views, batch, slopes)
        return torch.cat([by_name[name].flatten(1) for name in self._views], dim=1)

    def _weighed(self, views: Mapping[str, Tensor], batch: Batch, slopes: Tensor) -> Tensor:
        """Sum of a group's outputs times the slopes."""
        with sdpa_kernel(SDPBackend.MATH):
            outputs = functional_call(self._network, dict(views), (batch,))
        return (outputs * slopes).sum()

    def agrees(self) -> bool:
        """Whether the first two groups at once have the gradients that they have one by one."""
        few = slice_examples(self._chunks[0].batch, 0, 2)
        alone = []
        with self._model.with_derivatives(), torch.enable_grad():
            for place in range(count_examples(few)):
                outputs = rooted_outputs(self._model, map_tensors(few, itemgetter(place)))
                alone.append(self._model.flat_vector(self._model.gradients(outputs.sum(), False)))
        ones = outputs.new_ones(len(alone), *outputs.shape)
        together = self._gradients(few, ones)
        difference = torch.linalg.vector_norm(together - torch.stack(alone))
        return bool(difference <= SAME * torch.linalg.vector_norm(together))
