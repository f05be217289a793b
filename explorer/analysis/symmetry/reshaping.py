"""What becomes of channels when a tensor is seen in another shape: axes are split and merged."""

from collections.abc import Sequence

import numpy as np

from explorer.analysis.symmetry.axes import varies
from explorer.analysis.symmetry.channels import UNIFORM, Axis, Channels, Labels

TWO_KINDS = "a merge of two axes with channels"


def reshaped(channels: Channels, labels: Labels, shape: tuple[int, ...]) -> Labels:
    """The same in another shape of as many values.

    An axis that is split is one of blocks and one of the channels within: they change places as
    blocks, and within each. Where the axes of both shapes share no common factors, nothing moves.
    """
    factors = _common_factors(labels.shape, shape)
    if factors is None:
        channels.fix_all(labels, "a change of shape")
        return Labels.fixed(shape, "a change of shape")
    before, after = factors
    place = 0
    for parts in before:
        labels = _split(channels, labels, place, parts)
        place += len(parts)
    for place, parts in enumerate(after):
        labels = _merged(channels, labels, place, len(parts))
    return Labels(shape, labels.axes)


def _common_factors(
    old: Sequence[int], new: Sequence[int]
) -> tuple[list[list[int]], list[list[int]]] | None:
    """Factors of the sizes of both shapes that are the same, one after the other."""
    before: list[list[int]] = [[] for _ in old]
    after: list[list[int]] = [[] for _ in new]
    i = j = 0
    left_old, left_new = (list(old), list(new))
    while i < len(old) and j < len(new):
        one, other = left_old[i], left_new[j]
        if one == 1:
            i += 1
            continue
        if other == 1:
            j += 1
            continue
        if one % other and other % one:
            return None
        factor = min(one, other)
        before[i].append(factor)
        after[j].append(factor)
        left_old[i] //= factor
        left_new[j] //= factor
    return before, after


def _split(channels: Channels, labels: Labels, axis: int, factors: list[int]) -> Labels:
    """One axis as several, or as none if it has one position."""
    if len(factors) == 1:
        return labels
    inner = slice(axis, axis + len(factors))

    def cut(numbers: np.ndarray) -> np.ndarray:
        sizes = factors if numbers.shape[axis] > 1 else [1] * len(factors)
        return numbers.reshape((*numbers.shape[:axis], *sizes, *numbers.shape[axis + 1 :]))

    axes: list[Axis] = []
    for k, entry in enumerate(labels.axes):
        if k != axis:
            axes.append(cut(entry) if isinstance(entry, np.ndarray) else entry)
        elif isinstance(entry, np.ndarray):
            axes += _blocks(channels, cut(entry), range(inner.start, inner.stop))
        else:
            axes += [entry] * len(factors)
    shape = (*labels.shape[:axis], *factors, *labels.shape[axis + 1 :])
    return Labels(shape, tuple(axes))


def _blocks(channels: Channels, numbers: np.ndarray, factors: range) -> list[Axis]:
    """What stands along the parts of a split axis: blocks of blocks, at last the channels."""
    along: list[Axis] = [UNIFORM for _ in factors]
    varying = [k for k in factors if varies(numbers, k)]
    for k in factors:
        if k not in varying:
            numbers = numbers.take([0], k)
            along[k - factors.start] = "positions beside channels"
    outside = any(varies(numbers, k) for k in range(numbers.ndim) if k not in factors)
    parent: np.ndarray | None = None
    for k in varying[:-1]:
        shape = [1 if j in varying and j > k else size for j, size in enumerate(numbers.shape)]
        if outside:  # blocks within blocks: their order stays
            places = np.arange(numbers.shape[k])
            channels.colour(
                numbers,
                places.reshape([-1 if j == k else 1 for j in range(numbers.ndim)]),
                len(places),
            )
            along[k - factors.start] = "blocks within blocks"
            continue
        block = channels.new(tuple(shape))
        if parent is not None:
            _put_in(channels, block, parent)
        along[k - factors.start] = parent = block
    if varying:
        if parent is not None:
            _put_in(channels, numbers, parent)
        along[varying[-1] - factors.start] = numbers
    return along


def _put_in(channels: Channels, numbers: np.ndarray, blocks: np.ndarray) -> None:
    one, other = np.broadcast_arrays(numbers, blocks)
    channels.parents.append((one.ravel(), other.ravel()))


def _merged(channels: Channels, labels: Labels, axis: int, count: int) -> Labels:
    """Several axes that follow each other as one; none as one of size 1."""
    if count == 1:
        return labels
    own = range(axis, axis + count)
    sizes = labels.shape[axis : axis + count]
    total = int(np.prod(sizes))

    def joined(numbers: np.ndarray, spread: bool = False) -> np.ndarray:
        shape = numbers.shape
        if spread or any(shape[k] > 1 for k in own):
            numbers = np.broadcast_to(numbers, (*shape[:axis], *sizes, *shape[axis + count :]))
            return numbers.reshape((*shape[:axis], total, *shape[axis + count :]))
        return numbers.reshape((*shape[:axis], 1, *shape[axis + count :]))

    with_channels = {k: labels.channels[k] for k in own if k in labels.channels}
    deepest = [a for a in with_channels.values() if all(varies(a, k) for k in with_channels)]
    merged: Axis
    if not with_channels:
        whys = [str(labels.axes[k]) for k in own if labels.axes[k] != UNIFORM]
        merged = whys[0] if whys else UNIFORM
    elif deepest:
        merged = joined(deepest[0], spread=True)
    else:
        for k in with_channels:
            channels.fix(labels, k, TWO_KINDS)
        merged = TWO_KINDS
    rest = [joined(a) if isinstance(a, np.ndarray) else a for a in labels.axes]
    axes = (*rest[:axis], merged, *rest[axis + count :])
    return Labels((*labels.shape[:axis], total, *labels.shape[axis + count :]), axes)
