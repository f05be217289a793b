"""Groups of channels that may change places, from what is known of each channel."""

from collections import Counter, defaultdict
from collections.abc import Hashable, Iterable, Mapping, Sequence
from itertools import pairwise

import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from explorer.analysis.symmetry.channels import Channels

Classes = dict[tuple[int, int], list[int]]  # block (-1: none) and signature -> its channels


class Grouping:
    """Channels that are one, the signature by which each is told from others, and its block."""

    def __init__(self, channels: Channels, axes: Iterable[np.ndarray]) -> None:
        """Work out which channels may change places.

        Args:
            channels: what is known of them.
            axes: channels along each axis of every parameter and buffer: those that change places
                must occur equally often on each.
        """
        self._signatures: dict[Hashable, int] = {}
        self.joint = _joined(channels)  # of each channel, the number of those it is one with
        self.count = int(self.joint.max(initial=-1)) + 1
        self.signature = self._first_signatures(channels, axes)
        self.blocks = _blocks(channels, self.joint)  # of a channel: the blocks that it is in
        while self._settle() or self._refine():
            pass

    def classes(self) -> Classes:
        """Channels that may change places, by their block and signature."""
        by_key: Classes = defaultdict(list)
        for channel in range(self.count):
            by_key[self._block(channel), self.signature[channel]].append(channel)
        return by_key

    def _signature(self, of: Hashable) -> int:
        return self._signatures.setdefault(of, len(self._signatures))

    def _first_signatures(self, channels: Channels, axes: Iterable[np.ndarray]) -> list[int]:
        """A number for all colours of a channel together."""
        of, colours = [], []
        for numbers, own_colours in channels.coloured:
            of.append(self.joint[numbers])
            colours.append(own_colours)
        next_colour = channels.colours
        for numbers in axes:
            here, counts = np.unique(self.joint[numbers.ravel()], return_counts=True)
            of.append(here)
            colours.append(next_colour + counts)
            next_colour += int(counts.max(initial=0)) + 1
        if not of:
            return []
        pairs = np.unique(np.stack([np.concatenate(of), np.concatenate(colours)], axis=1), axis=0)
        starts = np.searchsorted(pairs[:, 0], np.arange(self.count + 1))
        return [self._signature(pairs[start:stop, 1].tobytes()) for start, stop in pairwise(starts)]

    def _block(self, channel: int) -> int:
        return next(iter(self.blocks.get(channel, ())), -1)

    def _settle(self) -> bool:
        """Leave only blocks that may change places, each channel in one at most."""
        sizes = Counter((self._block(c), self.signature[c]) for c in range(self.count))
        changed = False
        for channel, blocks in list(self.blocks.items()):
            for block in [b for b in blocks if sizes[self._block(b), self.signature[b]] == 1]:
                self._leave(channel, block, ("in", self.signature[block]))
                changed = True
            left = self.blocks.get(channel, set())
            if len(left) > 1:
                changed = True
                for block in sorted(left):
                    self._fix(block)
                    self._leave(channel, block, ("in", self.signature[block]))
            elif left and not changed and self._block(block := next(iter(left))) >= 0:
                changed = self._fix(self._block(block))
        return changed

    def _fix(self, channel: int) -> bool:
        """Tell a channel from all others; whether it was not before."""
        signature = self._signature(("fixed", channel))
        changed = self.signature[channel] != signature
        self.signature[channel] = signature
        return changed

    def _leave(self, channel: int, block: int, words: Hashable) -> None:
        """Take a channel out of a block, which from now on is a part of what it is told by."""
        self.signature[channel] = self._signature((self.signature[channel], words))
        left = self.blocks[channel] - {block}
        outer = self._block(block)
        left |= {outer} if outer >= 0 else set()
        if left:
            self.blocks[channel] = left
        else:
            del self.blocks[channel]

    def _refine(self) -> bool:
        """Tell blocks from each other that do not hold the same; whether any are told anew."""
        held: dict[int, Counter[int]] = defaultdict(Counter)
        for channel in self.blocks:
            held[self._block(channel)][self.signature[channel]] += 1
        before = len(self.classes())
        for block, counts in held.items():
            self.signature[block] = self._signature(
                (self.signature[block], tuple(sorted(counts.items())))
            )
        return len(self.classes()) > before


def _joined(channels: Channels) -> np.ndarray:
    """For each channel the number of the one that stands for all it is one with, (N,)."""
    if not channels.joined:
        return np.arange(channels.count)
    one, other = (np.concatenate(ends) for ends in zip(*channels.joined, strict=True))
    links = coo_array((np.ones(len(one), dtype=np.int8), (one, other)), shape=(channels.count,) * 2)
    _, labels = connected_components(links, directed=False)
    return np.asarray(labels, dtype=np.int64)


def _blocks(channels: Channels, joint: np.ndarray) -> dict[int, set[int]]:
    """The blocks in which each channel lies; none where it would be its own."""
    blocks: dict[int, set[int]] = defaultdict(set)
    for children, parents in channels.parents:
        for child, parent in set(
            zip(joint[children].tolist(), joint[parents].tolist(), strict=True)
        ):
            if child != parent:
                blocks[child].add(parent)
    return dict(blocks)


def reasons_of(channels: Channels, joint: np.ndarray) -> Mapping[int, str]:
    """Why a channel is fixed, the first reason that was met."""
    reasons: dict[int, str] = {}
    for numbers, why in channels.reasons:
        for channel in joint[numbers].tolist():
            reasons.setdefault(channel, why)
    return reasons


def ordered(classes: Classes, block: int) -> Sequence[tuple[int, list[int]]]:
    """The classes within a block, by their signatures."""
    return sorted((key[1], members) for key, members in classes.items() if key[0] == block)
