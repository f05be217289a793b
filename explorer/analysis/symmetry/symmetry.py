"""The permutation symmetry of a model, told from its operations and verified."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import fx

from explorer.analysis.symmetry.channels import Labels
from explorer.analysis.symmetry.groups import Grouping, ordered, reasons_of
from explorer.analysis.symmetry.operations import KERNEL, SPACE
from explorer.analysis.symmetry.specification import (
    FixedAxis,
    Group,
    Specification,
)
from explorer.analysis.symmetry.tracing import (
    Labelling,
    Network,
    SymmetryError,
    Trace,
    own_tensors,
    traced,
)
from explorer.problem import Batch

ALL_AT_ENDS = "all its channels meet its input or output"


@dataclass(frozen=True)
class Symmetry:
    """A model's specification, with the operations it was told from."""

    specification: Specification
    trace: Trace
    node_axes: Mapping[fx.Node, tuple[np.ndarray | None, ...]]  # of each operation's output


def symmetry_of(network: Network, batch: Batch, fixed: Mapping[str, str] | None = None) -> Symmetry:
    """Which channels of a network may change places, not verified yet.

    Args:
        network: the model and its forward pass.
        batch: a few examples.
        fixed: names of parameters and buffers that cannot move, and why.

    Raises:
        SymmetryError: its operations cannot be told, or there is nothing to permute.
    """
    trace = traced(network, batch)
    tensors, _ = own_tensors(network.module)
    labelling = Labelling(trace, fixed or {})
    with torch.no_grad():
        labelling.run(*trace.arguments(tensors, batch))
    own_axes = [
        numbers for labels in labelling.own.values() for numbers in labels.channels.values()
    ]
    grouping = Grouping(labelling.channels, own_axes)
    axes = {name: _flat_axes(labels, grouping.joint) for name, labels in labelling.own.items()}
    groups = _groups(grouping, axes)
    moving = {int(c) for g in groups for n in (g.channels, *g.inner) for c in n.ravel()}
    reasons = reasons_of(labelling.channels, grouping.joint)
    specification = Specification(
        axes | {other: axes[name] for other, name in trace.aliases.items()},
        groups,
        _fixed_axes(axes, moving, reasons),
        grouping.count,
    )
    if not groups:
        raise SymmetryError(_nothing(specification.fixed))
    node_axes = {
        node: _flat_axes(labels, grouping.joint)
        for node, labels in labelling.labels.items()
        if isinstance(labels, Labels) and _is_plain(labels)
    }
    return Symmetry(specification, trace, node_axes)


def _is_plain(labels: Labels) -> bool:
    """Whether channels along each axis depend on no other one."""
    return all(numbers.size == labels.shape[k] for k, numbers in labels.channels.items())


def _flat_axes(labels: Labels, joint: np.ndarray) -> tuple[np.ndarray | None, ...]:
    """Channels along each axis, (L,)."""
    return tuple(
        joint[entry.ravel()] if isinstance(entry, np.ndarray) else None for entry in labels.axes
    )


def _groups(
    grouping: Grouping, axes: Mapping[str, tuple[np.ndarray | None, ...]]
) -> tuple[Group, ...]:
    """The groups of channels that stand along the axes of parameters, in the order of these."""
    names = _names(axes)
    classes = grouping.classes()
    with_inner = {block for block, _ in classes if block >= 0}
    groups = []
    for (block, _), members in classes.items():
        if block >= 0 or len(members) < 2:
            continue
        inner = _inner(classes, members) if members[0] in with_inner else ()
        own = np.concatenate([np.array(members), *(kind.ravel() for kind in inner)])
        named = [names[c] for c in own.tolist() if c in names]
        if named:
            place, name = min(named)
            groups.append((place, Group(name, np.array(members), inner)))
    return _told_apart([group for _, group in sorted(groups, key=lambda entry: entry[0])])


def _told_apart(groups: Sequence[Group]) -> tuple[Group, ...]:
    """The groups, of which no two have one name."""
    counts: Counter[str] = Counter()
    named = []
    for group in groups:
        counts[group.name] += 1
        number = counts[group.name]
        named.append(replace(group, name=f"{group.name} ({number})") if number > 1 else group)
    return tuple(named)


def _inner(
    classes: Mapping[tuple[int, int], list[int]], blocks: Sequence[int]
) -> tuple[np.ndarray, ...]:
    """The kinds of channels within blocks, (n, m) each."""
    kinds = [ordered(dict(classes), block) for block in blocks]
    return tuple(
        np.array([kinds[block][kind][1] for block in range(len(blocks))])
        for kind in range(len(kinds[0]))
    )


def _names(axes: Mapping[str, tuple[np.ndarray | None, ...]]) -> dict[int, tuple[int, str]]:
    """For each channel, place and name of the first layer that makes it, or else takes it."""
    names: dict[int, tuple[int, str]] = {}
    for place, (tensor, entries) in enumerate(axes.items()):
        layer = tensor.rpartition(".")[0] or tensor
        for axis, numbers in enumerate(entries):
            own = (place if axis == 0 else place + len(axes), layer)
            for channel in [] if numbers is None else numbers.tolist():
                names[channel] = min(names.get(channel, own), own)
    return names


def _fixed_axes(
    axes: Mapping[str, tuple[np.ndarray | None, ...]], moving: set[int], reasons: Mapping[int, str]
) -> tuple[FixedAxis, ...]:
    """The axes along which some positions are fixed."""
    entries = []
    for tensor, along in axes.items():
        for axis, numbers in enumerate(along):
            still = [] if numbers is None else [c for c in numbers.tolist() if c not in moving]
            if still:
                why = next((reasons[c] for c in still if c in reasons), "there is none like it")
                entries.append(FixedAxis(tensor, axis, len(still), why))
    return tuple(entries)


def _nothing(fixed: Sequence[FixedAxis]) -> str:
    """Why nothing can be permuted, in a sentence."""
    ends = ("the model's input", "the model's output", KERNEL, SPACE)
    whys = [entry.why for entry in fixed if entry.why not in ends]
    because = f"its channels are fixed by {whys[0]}" if whys else ALL_AT_ENDS
    return f"the model has nothing to permute: {because}"
