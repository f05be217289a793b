"""What other shapes, cuts and joins of a tensor do to channels."""

from typing import Any

import numpy as np

from explorer.analysis.symmetry.axes import (
    broadcast,
    concatenated,
    expanded,
    squeezed,
    taken,
    transposed,
    unsqueezed,
)
from explorer.analysis.symmetry.channels import Labels
from explorer.analysis.symmetry.reshaping import reshaped
from explorer.analysis.symmetry.rules import Call, Outcome, rule


@rule("view", "_unsafe_view", "reshape", "flatten", "unflatten", "_reshape_alias", "view_as")
def view(call: Call) -> Outcome:
    """The same values in another shape."""
    if call.tensors[0].shape == call.shapes[0]:
        return [call.tensors[0]]
    return [reshaped(call.channels, call.tensors[0], call.shapes[0])]


@rule("t", "transpose", "permute", "movedim", "swapaxes")
def transpose(call: Call) -> Outcome:
    """Axes in another order."""
    labels = call.tensors[0]
    order = list(range(len(labels.shape)))
    if call.name == "permute":
        order = [k % len(order) for k in call.argument(1, "dims")]
    elif len(order) > 1:
        one, other = (0, 1) if call.name == "t" else (call.arguments[1], call.arguments[2])
        order[one], order[other] = order[other], order[one]
    return [transposed(labels, order)]


@rule("unsqueeze")
def unsqueeze(call: Call) -> Outcome:
    """A new axis."""
    return [unsqueezed(call.tensors[0], call.argument(1, "dim"))]


@rule("squeeze")
def squeeze(call: Call) -> Outcome:
    """Without axes of size 1."""
    labels = call.tensors[0]
    axes = call.argument(1, "dim", list(range(len(labels.shape))))
    axes = [axes] if isinstance(axes, int) else axes
    return [squeezed(labels, [k for k in axes if labels.shape[k] == 1])]


@rule("expand", "expand_as", "broadcast_to")
def expand(call: Call) -> Outcome:
    """Repeated along axes of size 1."""
    return [expanded(call.tensors[0], call.shapes[0])]


@rule("select")
def select(call: Call) -> Outcome:
    """One position along an axis."""
    labels, axis, place = call.arguments[:3]
    axis %= len(labels.shape)
    return [squeezed(_part(call, labels, axis, np.array([place % labels.shape[axis]])), [axis])]


@rule("unbind")
def unbind(call: Call) -> Outcome:
    """Each position along an axis for itself."""
    labels = call.tensors[0]
    axis = call.argument(1, "dim", 0) % len(labels.shape)
    return [
        squeezed(_part(call, labels, axis, np.array([place])), [axis])
        for place in range(labels.shape[axis])
    ]


@rule("slice")
def cut(call: Call) -> Outcome:
    """Positions along an axis, from one to another."""
    labels = call.tensors[0]
    axis = call.argument(1, "dim", 0) % len(labels.shape)
    start, stop, step = (
        call.argument(n, name) for n, name in ((2, "start"), (3, "end"), (4, "step"))
    )
    return [_part(call, labels, axis, np.arange(labels.shape[axis])[start:stop:step])]


@rule(
    "split", "split_with_sizes", "chunk", "unsafe_split", "unsafe_chunk", "unsafe_split_with_sizes"
)
def split(call: Call) -> Outcome:
    """An axis in several parts."""
    labels = call.tensors[0]
    axis = call.argument(2, "dim", 0) % len(labels.shape)
    ends = np.cumsum([shape[axis] for shape in call.shapes])
    spans = zip([0, *ends[:-1]], ends, strict=True)
    return [_part(call, labels, axis, np.arange(start, stop)) for start, stop in spans]


def _part(call: Call, labels: Labels, axis: int, places: np.ndarray) -> Labels:
    """Some positions along an axis."""
    return taken(call.channels, labels, axis, places)


@rule("cat", "concat")
def cat(call: Call) -> Outcome:
    """Tensors one after the other."""
    axis = call.argument(1, "dim", 0)
    parts = [part for part in call.tensors if part.shape != (0,)]
    return [concatenated(call.channels, parts, axis)]


@rule("stack")
def stack(call: Call) -> Outcome:
    """Tensors beside each other, along a new axis."""
    axis = call.argument(1, "dim", 0)
    return [concatenated(call.channels, [unsqueezed(one, axis) for one in call.tensors], axis)]


@rule("repeat")
def repeat(call: Call) -> Outcome:
    """The whole tensor again and again along its axes."""
    labels = expanded(
        call.tensors[0],
        (1,) * (len(call.shapes[0]) - len(call.tensors[0].shape)) + call.tensors[0].shape,
    )
    for axis, count in enumerate(call.arguments[1]):
        if count > 1 and labels.shape[axis] > 1:
            labels = concatenated(call.channels, [labels] * count, axis)
    return [expanded(labels, call.shapes[0])]


@rule("slice_scatter", "select_scatter")
def scatter(call: Call) -> Outcome:
    """A part of a tensor in the place of its positions along an axis."""
    whole, part = call.tensors
    axis = call.argument(2, "dim", 0) % len(whole.shape)
    places: Any = np.arange(whole.shape[axis])
    if call.name == "slice_scatter":
        start, stop, step = (
            call.argument(n, name) for n, name in ((3, "start"), (4, "end"), (5, "step"))
        )
        places = places[start:stop:step]
    else:
        places, part = places[[call.argument(3, "index")]], unsqueezed(part, axis)
    own = taken(call.channels, whole, axis, places)
    if len(places) == whole.shape[axis]:
        return [part]
    kept = broadcast(call.channels, [own, part])
    axes = list(whole.axes)
    if axis not in whole.channels and isinstance(kept.axes[axis], np.ndarray):
        call.channels.fix(kept, axis, "an assignment")
        axes[axis] = "an assignment"
    for k in range(len(axes)):
        if k != axis and (isinstance(axes[k], str) or isinstance(kept.axes[k], str)):
            axes[k] = kept.axes[k]
    return [Labels(whole.shape, tuple(axes))]
