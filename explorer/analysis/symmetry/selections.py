"""What operations along one axis do to channels: orders, sums so far, choices by index."""

import numpy as np

from explorer.analysis.symmetry.axes import mixed, reduced, squeezed, unsqueezed
from explorer.analysis.symmetry.channels import UNIFORM, Channels, Labels
from explorer.analysis.symmetry.rules import Call, Outcome, rule


@rule(
    *("sort", "argsort", "topk", "kthvalue", "median", "mode", "argmax", "argmin", "cumsum"),
    *("cumprod", "cummax", "cummin", "logcumsumexp", "renorm"),
)
def along_axis(call: Call) -> Outcome:
    """Of one axis, in whose order it is done; all others stay as they are."""
    labels, why = call.tensors[0], f"the operation {call.name}"
    usual = {"sort": (1, -1), "argsort": (1, -1), "topk": (2, -1), "kthvalue": (2, -1)}
    place, last = usual.get(call.name, (1, None))
    axis = call.argument(place, "dim", last)
    if not isinstance(axis, int) or isinstance(axis, bool) or not labels.shape:
        call.channels.fix_all(labels, why)
        return [Labels.fixed(shape, why) for shape in call.shapes]
    made = _fixed_along(call.channels, labels, axis % len(labels.shape), why)
    return [_of_shape(call.channels, made, axis % len(labels.shape), s, why) for s in call.shapes]


def _fixed_along(channels: Channels, labels: Labels, axis: int, why: str) -> Labels:
    """The same with fixed positions along an axis, on which no other channels depend."""
    channels.fix(labels, axis, why)
    labels = mixed(channels, labels, axis)
    axes = tuple(why if k == axis else entry for k, entry in enumerate(labels.axes))
    return Labels(labels.shape, axes)


def _of_shape(
    channels: Channels, labels: Labels, axis: int, shape: tuple[int, ...], why: str
) -> Labels:
    """The same with another size along an axis, or without it."""
    if len(shape) < len(labels.shape):
        return squeezed(reduced(channels, labels, [axis], keep=True), [axis])
    fixed = why if shape[axis] > 1 else UNIFORM
    return Labels(shape, tuple(fixed if k == axis else e for k, e in enumerate(labels.axes)))


@rule("flip", "roll")
def reordered(call: Call) -> Outcome:
    """Positions along axes in another order, the same for all."""
    labels = call.tensors[0]
    if call.name == "flip":
        moves = {axis % len(labels.shape): 0 for axis in call.argument(1, "dims")}
    else:
        shifts, dims = call.argument(1, "shifts"), call.argument(2, "dims", [])
        if not dims:
            why = "the operation roll"
            call.channels.fix_all(labels, why)
            return [Labels.fixed(labels.shape, why)]
        moves = {a % len(labels.shape): s for a, s in zip(dims, shifts, strict=True)}

    def moved(numbers: np.ndarray) -> np.ndarray:
        for axis, shift in moves.items():
            if numbers.shape[axis] > 1:
                flips = call.name == "flip"
                numbers = np.flip(numbers, axis) if flips else np.roll(numbers, shift, axis)
        return numbers

    axes = tuple(moved(entry) if isinstance(entry, np.ndarray) else entry for entry in labels.axes)
    return [Labels(labels.shape, axes)]


@rule("index", "_unsafe_index", "index_select")
def index(call: Call) -> Outcome:
    """Positions along neighbouring axes, by numbers that are data or constants."""
    labels, why = call.arguments[0], "an index"
    if call.name == "index_select":
        chosen = {call.arguments[1] % len(labels.shape): call.arguments[2]}
    else:
        chosen = {k: n for k, n in enumerate(call.arguments[1]) if isinstance(n, Labels)}
    first, last = min(chosen), max(chosen)
    together = len(chosen) == last - first + 1
    for numbers in chosen.values():
        call.channels.fix_all(numbers, why)
    for axis in chosen if together else range(len(labels.shape)):
        labels = _fixed_along(call.channels, labels, axis, why)
    if not together:
        return [Labels.fixed(call.shapes[0], why)]
    dimensions = len(call.shapes[0]) - len(labels.shape) + len(chosen)
    folded = Labels(
        tuple(1 if k in chosen else size for k, size in enumerate(labels.shape)),
        tuple(UNIFORM if k in chosen else entry for k, entry in enumerate(labels.axes)),
    )
    made = squeezed(folded, list(chosen))
    for _ in range(dimensions):
        made = unsqueezed(made, first)
    spots = range(first, first + dimensions)
    sizes = call.shapes[0]
    return [
        Labels(
            sizes,
            tuple(
                (why if sizes[k] > 1 else UNIFORM) if k in spots else entry
                for k, entry in enumerate(made.axes)
            ),
        )
    ]


@rule("tril", "triu")
def triangle(call: Call) -> Outcome:
    """Half of the last two axes."""
    labels = call.tensors[0]
    for axis in (-2, -1):
        labels = _fixed_along(call.channels, labels, axis % len(labels.shape), "a triangle")
    return [labels]


@rule("_embedding_bag", "_embedding_bag_forward_only")
def embedding_bag(call: Call) -> Outcome:
    """Sums of rows of the weights, by numbers that data give."""
    weight = call.arguments[0]
    call.channels.fix(weight, 0, "an index")
    made = reduced(call.channels, weight, [0], keep=True)
    fixed = [Labels.fixed(shape, "an index") for shape in call.shapes[1:]]
    return [Labels(call.shapes[0], ("an index", made.axes[1])), *fixed]
