"""Outputs of one shape against targets of another, which torch repeats over the whole batch."""

import traceback
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from pathlib import Path

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode
from torch.utils.weak import WeakTensorKeyDictionary

from explorer.analysis.model.input_changes import copy_batch
from explorer.analysis.objective.batches import count_examples, slice_examples, tensors_of
from explorer.analysis.objective.evaluation_mode import evaluation_mode
from explorer.analysis.objective.flat_model import FlatModel
from explorer.analysis.objective.memory import is_out_of_memory
from explorer.analysis.objective.user_errors import user_line
from explorer.problem import Batch, Problem

FEW, LEAST = 6, 2  # examples that show it
# They repeat what they are given, and may give back one number.
LOSSES = ("mse_loss", "l1_loss", "smooth_l1_loss", "huber_loss", "poisson_nll_loss", "kl_div")
OUTPUTS, MIXED, OTHERS = "outputs", "values", "others"


@dataclass(frozen=True)
class Broadcast:
    """Two tensors of a value per example, of which each example's meets all others'."""

    term: str  # forward, loss or a metric
    larger: str  # what the one with more axes is made of
    smaller: str
    shapes: tuple[str, str]  # theirs
    distance: int  # by how many axes they differ
    certain: bool  # outputs against the batch, and nobody has shaped either for it
    line: str

    @property
    def words(self) -> str:
        """What happens, to what, and what to write where it is not meant."""
        way_out = f"{self.smaller}[:, None] or {self.larger}.squeeze(1)"
        if self.distance > 1:
            way_out = f"{self.smaller}.reshape({self.larger}.shape)"
        return (
            f"{self.term} sets each example against all others of its batch, as torch repeats "
            f"{self.larger} {self.shapes[0]} and {self.smaller} {self.shapes[1]} to fit each "
            f"other{self.line}; write {way_out}"
        )


def broadcasts(problem: Problem, flat: FlatModel, batch: Batch, path: Path) -> list[Broadcast]:
    """What is repeated over the batch in forward, loss and metrics, the certain first.

    It must show with fewer examples too, as any other axis may be as long as one batch; where fewer
    cannot be evaluated nothing is certain.

    Args:
        problem: has forward, loss and metrics.
        flat: the model at a point.
        batch: a few examples; they are not changed.
        path: of the problem's file.
    """
    count = min(FEW, count_examples(batch))  # of a declared batch too: shapes tell, not values
    seen = _seen(problem, flat, slice_examples(batch, 0, count), path)
    if seen is None and count < count_examples(batch):
        count = count_examples(batch)
        seen = _seen(problem, flat, batch, path)
    if not seen:
        return []
    for fewer in range(max(LEAST, count - 2), count)[::-1]:
        again = _seen(problem, flat, slice_examples(batch, 0, fewer), path)
        if again is not None:
            return sorted((b for b in seen if b in again), key=lambda b: not b.certain)
    return [replace(one, certain=False) for one in seen]


def _seen(problem: Problem, flat: FlatModel, batch: Batch, path: Path) -> list[Broadcast] | None:
    """What is repeated over these examples; None where they cannot be evaluated."""
    if count_examples(batch) < LEAST:
        return []
    batch = copy_batch(batch)
    watch = _ShapeWatch(count_examples(batch), path)
    watch.mark(tensors_of(batch), "batch")  # also of containers that torch does not look into
    for place, leaf in torch.utils._pytree.tree_leaves_with_path(batch):
        if isinstance(leaf, Tensor):
            watch.mark([leaf], f"batch{torch.utils._pytree.keystr(place)}")
    try:
        with flat.at_theta(), evaluation_mode(), watch:
            outputs = problem.forward(flat.module, batch)
            leaves = torch.utils._pytree.tree_leaves(outputs)
            watch.mark([leaf for leaf in leaves if isinstance(leaf, Tensor)], OUTPUTS)
            for name, term in {"loss": problem.loss, **problem.metrics}.items():
                watch.term = name
                term(outputs, batch)
    except Exception as error:  # whatever a user's code raises; it is told where it is evaluated
        if is_out_of_memory(error):
            raise
        return None
    return list(watch.seen)


@dataclass(frozen=True)
class _Origin:
    """Where a tensor comes from."""

    sources: frozenset[str]  # "outputs", "batch[1]" and the like
    shaped: bool = False  # on purpose: axes were added, or kept where they might go

    @property
    def name(self) -> str:
        """What people call it."""
        return next(iter(self.sources)) if len(self.sources) == 1 else MIXED


class _ShapeWatch(TorchFunctionMode):
    """Follows outputs and batch through operations, and takes down what is repeated over it."""

    def __init__(self, examples: int, path: Path) -> None:
        super().__init__()
        self.examples, self.path, self.term = examples, path, "forward"
        self.seen: dict[Broadcast, None] = {}
        self._origins = WeakTensorKeyDictionary()

    def mark(self, tensors: Iterable[Tensor], source: str) -> None:
        """Say where tensors come from; their shapes are the natural ones."""
        for tensor in tensors:
            self._origins[tensor] = _Origin(frozenset([source]))

    def __torch_function__(self, func, types, args=(), kwargs=None):  # type: ignore[no-untyped-def]
        kwargs = kwargs or {}
        result = func(*args, **kwargs)
        leaves = torch.utils._pytree.tree_leaves((args, kwargs))
        given = [leaf for leaf in leaves if isinstance(leaf, Tensor)]
        if any(tensor in self._origins for tensor in given):
            direct = [one for one in (*args, *kwargs.values()) if isinstance(one, Tensor)]
            self._compare(func, direct, result)
            self._follow(func, args, kwargs, given, result)
        return result

    def _follow(self, func, args, kwargs, given: list[Tensor], result: object) -> None:  # type: ignore[no-untyped-def]
        """Note the origin of what an operation gives."""
        origins = [self._origins[tensor] for tensor in given if tensor in self._origins]
        sources = frozenset().union(*(origin.sources for origin in origins))
        if self.term == "forward" and any(isinstance(t, torch.nn.Parameter) for t in given):
            sources = frozenset([OUTPUTS])
        axes = max(tensor.dim() for tensor in given)
        chosen = _is_shaping(func, args, kwargs)
        for leaf in torch.utils._pytree.tree_leaves(result):
            if isinstance(leaf, Tensor):
                natural = any(
                    tensor.dim() >= leaf.dim() and not self._origins[tensor].shaped
                    for tensor in given
                    if tensor in self._origins
                )
                added = leaf.dim() > axes
                self._origins[leaf] = _Origin(sources, chosen or added or not natural)

    def _compare(self, func: object, given: Sequence[Tensor], result: object) -> None:
        """Take down two of these that hold the batch along different axes of the result."""
        for pair in combinations(given, 2):
            small, large = sorted(pair, key=Tensor.dim)
            if small not in self._origins or large not in self._origins:
                continue
            distance = large.dim() - small.dim()
            if self._meets(func, small, large, distance, result):
                self._take_down(large, small, distance)

    def _meets(
        self, func: object, small: Tensor, large: Tensor, distance: int, result: object
    ) -> bool:
        """Whether the batch is along the first axis of both, which do not lie on each other."""
        count = self.examples
        if distance < 1 or not small.dim() or not len(small) == len(large) == count:
            return False
        if large.shape[distance] != 1:
            return False
        if getattr(func, "__name__", "") in LOSSES:
            return True
        return (
            isinstance(result, Tensor)
            and result.dim() == large.dim()
            and result.shape[0] == result.shape[distance] == count
        )

    def _take_down(self, large: Tensor, small: Tensor, distance: int) -> None:
        one, other = self._origins[large], self._origins[small]
        shaped = one.shaped or other.shaped
        outputs = [OUTPUTS in origin.sources for origin in (one, other)]
        if shaped and (self.term == "forward" or one.sources & other.sources):
            return  # pairs of examples, made on purpose
        self.seen[
            Broadcast(
                term=self.term,
                larger=one.name,
                smaller=other.name if other.name != one.name else OTHERS,
                shapes=(self._shape_words(large), self._shape_words(small)),
                distance=distance,
                certain=not shaped and outputs[0] != outputs[1],
                line=user_line(traceback.extract_stack(), self.path),
            )
        ] = None

    def _shape_words(self, tensor: Tensor) -> str:
        """Its shape, with B for the number of examples."""
        sizes = ["B", *map(str, tensor.shape[1:])]
        return f"({', '.join(sizes)}{',' if len(sizes) == 1 else ''})"


def _is_shaping(func, args: Sequence[object], kwargs) -> bool:  # type: ignore[no-untyped-def]
    """Whether an operation is there to give a tensor other axes."""
    if getattr(func, "__name__", "") != "__getitem__":
        return bool(kwargs.get("keepdim"))
    index = args[1] if isinstance(args[1], tuple) else (args[1],)
    return any(place is None for place in index)
