"""Whether a specification leaves a model's function: a random permutation is tried on examples."""

import operator
from collections.abc import Mapping, Sequence

import numpy as np
import torch
from torch import Tensor, fx

from explorer.analysis.symmetry.specification import Specification, permute, permuted
from explorer.analysis.symmetry.symmetry import Symmetry, symmetry_of
from explorer.analysis.symmetry.tracing import (
    Network,
    SymmetryError,
    Trace,
    operation_name,
    own_tensors,
)
from explorer.problem import Batch

TOLERANCE = {torch.float64: 1e-9, torch.float32: 1e-4}  # of the largest output, for its rounding


@torch.no_grad()
def verify(
    network: Network, batch: Batch, specification: Specification, generator: np.random.Generator
) -> float:
    """The largest change of an output under a random permutation, max abs(df).

    Raises:
        SymmetryError: it is more than rounding.
    """
    tensors, _ = own_tensors(network.module)
    random = permute(tensors, specification, specification.random(generator, everywhere=True))
    before, after = (floats(network.outputs(values, batch)) for values in (tensors, random))
    if not all(bool(torch.isfinite(value).all()) for value in before):
        raise SymmetryError("the model's outputs are not finite, so that none can be compared")
    change, scale = largest_change(before, after), largest(before)
    if not change <= tolerance(before) * scale:
        raise Unverified(change)
    return change


class Unverified(SymmetryError):
    """A specification that does not leave the function; it says how far the outputs moved."""

    def __init__(self, change: float) -> None:
        """The sentence is to be made by who knows the operations."""
        super().__init__(f"a random permutation changes an output by {change:.3g}")


def floats(values: Sequence[Tensor]) -> list[Tensor]:
    """The tensors whose values have a fraction."""
    return [value for value in values if value.is_floating_point()]


def tolerance(outputs: Sequence[Tensor]) -> float:
    """What rounding may change, relative to the largest output."""
    return max((TOLERANCE.get(value.dtype, 1e-2) for value in outputs), default=0.0)


def largest(values: Sequence[Tensor]) -> float:
    """The largest absolute value of all; 1 where all are 0."""
    return max((float(v.abs().max()) for v in values if v.numel()), default=0.0) or 1.0


def largest_change(before: Sequence[Tensor], after: Sequence[Tensor]) -> float:
    """Largest abs(df) over all outputs; infinite where one is NaN and the other is not."""
    changes = [
        float((one - other).abs().nan_to_num(nan=float("inf")).max()) if one.numel() else 0.0
        for one, other in zip(before, after, strict=True)
    ]
    return max(changes, default=0.0)


@torch.no_grad()
def first_difference(
    symmetry: Symmetry, tensors: Mapping[str, Tensor], batch: Batch, permutation: np.ndarray
) -> str:
    """The first operation whose result is not the permuted one; empty where there is none."""
    moved = permute(tensors, symmetry.specification, permutation)
    values, others = (_node_values(symmetry.trace, given, batch) for given in (tensors, moved))
    for node, value in values.items():
        axes = symmetry.node_axes.get(node)
        if axes is None or node.op != "call_function" or not value.is_floating_point():
            continue
        expected = permuted(value, axes, permutation)
        if largest_change([expected], [others[node]]) > tolerance([value]) * largest([value]):
            return operation_name(_source(node))
    return ""


def _source(node: fx.Node) -> fx.Node:
    """The operation of which a node is one output of several."""
    first = node.args[0] if node.target is operator.getitem else node
    return first if isinstance(first, fx.Node) else node


def _node_values(
    trace: Trace, tensors: Mapping[str, Tensor], batch: Batch
) -> dict[fx.Node, Tensor]:
    """What each operation gives, where that is one tensor."""
    runner = fx.Interpreter(trace.graph, garbage_collect_values=False)
    runner.run(*trace.arguments(tensors, batch))
    return {node: value for node, value in runner.env.items() if isinstance(value, Tensor)}


def verified_symmetry(
    network: Network,
    few: Batch,
    examples: Batch,
    generator: np.random.Generator,
    fixed: Mapping[str, str] | None = None,
) -> tuple[Symmetry, float]:
    """A model's symmetry and max abs(df) under a random permutation, on examples.

    Raises:
        SymmetryError: there is none, or it is not one: the operation is named.
    """
    symmetry = symmetry_of(network, few, fixed)
    try:
        return symmetry, verify(network, examples, symmetry.specification, generator)
    except Unverified as unverified:
        tensors, _ = own_tensors(network.module)
        permutation = symmetry.specification.random(generator, everywhere=True)
        where = first_difference(symmetry, tensors, few, permutation)
        by = f"first seen at the operation {where}" if where else "by what no operation shows"
        raise SymmetryError(
            f"the model's channels cannot be permuted: {unverified}, {by}"
        ) from unverified
