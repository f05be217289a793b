"""What becomes of the channels along a tensor's axes: broadcasting, sums, views and the like."""

from collections.abc import Sequence

import numpy as np

from explorer.analysis.symmetry.channels import UNIFORM, Axis, Channels, Labels


def varies(numbers: np.ndarray, axis: int) -> bool:
    """Whether channels depend on the position along an axis."""
    if numbers.shape[axis] == 1:
        return False
    return not bool((numbers == numbers.take([0], axis)).all())


def aligned(labels: Labels, dimensions: int) -> Labels:
    """The same with axes of size 1 in front, so that there are as many as that."""
    missing = dimensions - len(labels.shape)
    axes = tuple(
        a.reshape((1,) * missing + a.shape) if isinstance(a, np.ndarray) else a for a in labels.axes
    )
    return Labels((1,) * missing + labels.shape, (UNIFORM,) * missing + axes)


def broadcast(channels: Channels, operands: Sequence[Labels]) -> Labels:
    """Of what is computed position by position: channels that meet are one.

    Those that meet positions which cannot move are told apart by these.
    """
    dimensions = max(len(labels.shape) for labels in operands)
    operands = [aligned(labels, dimensions) for labels in operands]
    shape = np.broadcast_shapes(*(labels.shape for labels in operands))
    axes = tuple(_met(channels, operands, axis) for axis in range(dimensions))
    return Labels(shape, axes)


def _met(channels: Channels, operands: Sequence[Labels], axis: int) -> Axis:
    """What stands along an axis where several tensors meet."""
    with_channels = [labels for labels in operands if axis in labels.channels]
    words = [labels.axes[axis] for labels in operands if axis not in labels.channels]
    whys = [str(why) for why in words if isinstance(why, str) and why != UNIFORM]
    if not with_channels:
        return whys[0] if whys else UNIFORM
    arrays = [labels.channels[axis] for labels in with_channels]
    for other in arrays[1:]:
        channels.join(arrays[0], other)
    for labels in with_channels if whys else ():
        channels.fix(labels, axis, whys[0])
    return min(arrays, key=lambda numbers: numbers.size)


def mixed(channels: Channels, labels: Labels, axis: int) -> Labels:
    """The same where positions along an axis are mixed: no other channels may depend on it."""
    axes = list(labels.axes)
    for k, numbers in labels.channels.items():
        if k != axis and numbers.shape[axis] > 1:
            axes[k] = numbers.take([0], axis)
            channels.join(numbers, axes[k])  # type: ignore[arg-type]
    return Labels(labels.shape, tuple(axes))


def reduced(channels: Channels, labels: Labels, axes: Sequence[int], keep: bool = False) -> Labels:
    """Of a sum over axes, or anything else that does not heed the order along them."""
    axes = [axis % max(1, len(labels.shape)) for axis in axes]
    for axis in axes:
        labels = mixed(channels, labels, axis)
    folded = Labels(
        tuple(1 if k in axes else size for k, size in enumerate(labels.shape)),
        tuple(UNIFORM if k in axes else axis for k, axis in enumerate(labels.axes)),
    )
    return folded if keep else squeezed(folded, axes)


def squeezed(labels: Labels, axes: Sequence[int]) -> Labels:
    """The same without some axes of size 1."""
    axes = tuple(sorted({axis % len(labels.shape) for axis in axes}))
    left = [k for k in range(len(labels.shape)) if k not in axes]
    return Labels(
        tuple(labels.shape[k] for k in left),
        tuple(_without(labels.axes[k], axes) for k in left),
    )


def _without(axis: Axis, gone: tuple[int, ...]) -> Axis:
    if isinstance(axis, str):
        return axis
    return axis[tuple(0 if k in gone else slice(None) for k in range(axis.ndim))]


def unsqueezed(labels: Labels, axis: int) -> Labels:
    """The same with a new axis of size 1."""
    axis %= len(labels.shape) + 1
    axes = [np.expand_dims(a, axis) if isinstance(a, np.ndarray) else a for a in labels.axes]
    shape = list(labels.shape)
    shape.insert(axis, 1)
    axes.insert(axis, UNIFORM)
    return Labels(tuple(shape), tuple(axes))


def transposed(labels: Labels, order: Sequence[int]) -> Labels:
    """The same with axes in another order."""
    order = [k % len(labels.shape) for k in order]
    axes = (labels.axes[k] for k in order)
    return Labels(
        tuple(labels.shape[k] for k in order),
        tuple(a.transpose(order) if isinstance(a, np.ndarray) else a for a in axes),
    )


def expanded(labels: Labels, shape: tuple[int, ...]) -> Labels:
    """The same repeated along axes of size 1, and new ones in front."""
    return Labels(shape, aligned(labels, len(shape)).axes)


def taken(channels: Channels, labels: Labels, axis: int, places: np.ndarray) -> Labels:
    """Some positions along an axis, each once, as a slice has them; they are told from others."""
    axis %= len(labels.shape)
    whole = len(places) == labels.shape[axis]
    axes: list[Axis] = []
    for k, numbers in enumerate(labels.axes):
        if isinstance(numbers, str) or numbers.shape[axis] == 1:
            axes.append(numbers)
            continue
        axes.append(numbers.take(places, axis))
        if k == axis and not whole:
            part = numbers.take(places, axis)
            channels.colour(part, np.zeros(1, dtype=np.int64), 1)
    shape = list(labels.shape)
    shape[axis] = len(places)
    if len(places) == 1:
        axes[axis] = UNIFORM
    return Labels(tuple(shape), tuple(axes))


def concatenated(channels: Channels, parts: Sequence[Labels], axis: int) -> Labels:
    """Of tensors one after the other along an axis; positions without channels get fixed ones."""
    axis %= len(parts[0].shape)
    ones = [
        reduced(channels, Labels(part.shape, _emptied(part.axes, axis)), [axis], keep=True)
        for part in parts
    ]
    met = broadcast(channels, ones)
    shape = tuple(
        sum(part.shape[k] for part in parts) if k == axis else size
        for k, size in enumerate(met.shape)
    )
    axes = list(met.axes)
    axes[axis] = _in_a_row(channels, parts, axis)
    return Labels(shape, tuple(axes))


def _emptied(axes: tuple[Axis, ...], gone: int) -> tuple[Axis, ...]:
    return tuple(UNIFORM if k == gone else axis for k, axis in enumerate(axes))


def _in_a_row(channels: Channels, parts: Sequence[Labels], axis: int) -> Axis:
    """The channels of all parts one after the other."""
    if not any(axis in part.channels for part in parts):
        whys = [str(part.axes[axis]) for part in parts if part.axes[axis] != UNIFORM]
        return whys[0] if whys else "a concatenation"
    rows = [_own_or_new(channels, part, axis) for part in parts]
    dimensions = rows[0].ndim
    outer = np.broadcast_shapes(
        *(tuple(1 if k == axis else s for k, s in enumerate(row.shape)) for row in rows)
    )
    return np.concatenate(
        [
            np.broadcast_to(
                row, tuple(row.shape[k] if k == axis else outer[k] for k in range(dimensions))
            )
            for row in rows
        ],
        axis,
    )


def _own_or_new(channels: Channels, part: Labels, axis: int) -> np.ndarray:
    """The channels of a part along an axis; new ones where it has none.

    Those of uniform values, as zeros with which an axis is padded, may change places.
    """
    own = part.channels.get(axis)
    if own is not None:
        return own
    size = part.shape[axis]
    numbers = channels.new(tuple(size if k == axis else 1 for k in range(len(part.shape))))
    if part.axes[axis] != UNIFORM or size == 1:
        new = Labels(
            part.shape, tuple(numbers if k == axis else UNIFORM for k in range(len(part.shape)))
        )
        channels.fix(new, axis, str(part.axes[axis]) or "a constant")
    return numbers
