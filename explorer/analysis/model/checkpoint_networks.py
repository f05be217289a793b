"""The networks in a checkpoint file, found by the model's own names.

Nested dictionaries and prefixes of keys are one thing here: `{"state_dict": {"student.0.bias": t}}`
holds the path `state_dict.student.0.bias`. A network is a prefix after which all of the model's
names are found.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TypeGuard

import torch
from torch import Tensor, nn

from explorer.analysis.model.file_contents import FileContents
from explorer.analysis.model.model_names import (
    ModelNames,
    is_counter,
    without_parallel_wrapper,
    without_wrappers,
)
from explorer.analysis.objective.named_tensors import content_hash
from explorer.extra_state import is_extra_state
from explorer.wording import one_line

TOP = "."  # the part that is no key: names without a prefix


@dataclass(frozen=True)
class Network:
    """A prefix in a file, and the path of each of the model's names found after it."""

    prefix: str
    paths: Mapping[str, str]
    contents: FileContents
    wanted: ModelNames

    @property
    def part(self) -> str:
        """The prefix as somebody would name it."""
        return self.prefix.removesuffix(".") or TOP

    @property
    def covered_count(self) -> int:
        """How many of the model's tensors it has."""
        return len({self.wanted.group[n] for n in self.paths if not is_counter(n)})

    @property
    def whole(self) -> bool:
        """Whether it has them all."""
        return self.covered_count == len(self.wanted.groups)

    def value(self, name: str) -> object:
        """Its value for one of the model's names, by another one of a tied tensor if need be."""
        if name in self.paths:
            return self.contents.values[self.paths[name]]
        group = self.wanted.group[name]
        same = next((n for n in self.paths if self.wanted.group[n] == group), None)
        return None if same is None else self.contents.values[self.paths[same]]

    def differing_names(self) -> list[str]:
        """Names of one tensor of the model under which it has different values; none as a rule."""
        first: dict[str, str] = {}
        for name in self.paths:
            before = first.setdefault(self.wanted.group[name], name)
            one, other = self.value(before), self.value(name)
            if one is not other and _bits(one) != _bits(other):
                return [before, name]
        return []

    @cached_property
    def missing_names(self) -> list[str]:
        """The model's names for which it has nothing; counters may be left out."""
        held = {self.wanted.group[name] for name in self.paths}
        return [
            name
            for name, group in self.wanted.group.items()
            if group not in held and not is_counter(name)
        ]

    @property
    def fits(self) -> bool:
        """Whether its tensors have the model's shapes and sorts of numbers."""
        return all(
            is_extra_state(name) or can_replace(self.value(name), value)
            for name, value in self.wanted.values.items()
            if self.value(name) is not None
        )

    def extra(self, others: tuple["Network", ...] = ()) -> list[str]:
        """What lies beside its tensors, in the same dictionaries, and is unknown to the model.

        Networks further inside are not its own.
        """
        homes = {self.contents.homes[path] for path in self.paths.values()}
        own_paths = set(self.paths.values())
        inside = tuple(o.prefix for o in others if len(o.prefix) > len(self.prefix))
        return [
            path.removeprefix(self.prefix)
            for path, home in self.contents.homes.items()
            if home in homes
            and path.startswith(self.prefix)
            and path not in own_paths
            and not (inside and path.startswith(inside))
        ]

    @property
    def is_apart(self) -> bool:
        """Whether it has a dictionary to itself, as a trainer makes one, and no prefix in it."""
        return {self.contents.homes[path] for path in self.paths.values()} == {self.prefix}

    @property
    def content(self) -> str:
        """Hash of what it holds for the model."""
        named = {name: self.value(name) for name in self.wanted.values}
        return content_hash({n: v for n, v in named.items() if _has_values(v)})

    def size_words(self, part: str) -> str:
        """How large it is, in words."""
        own = self.wanted.values
        count = sum(own[n].numel() for n in self.paths if isinstance(own[n], nn.Parameter))
        return f"{one_line(part, 60)} ({len(self.paths)} tensors, {count:,} parameters)"


def _bits(value: object) -> str:
    """Hash of a tensor's shape, type and bits; NaN is what it is."""
    return content_hash({"": value}) if _has_values(value) else ""


def _has_values(value: object) -> TypeGuard[Tensor]:
    """Whether it is a dense tensor whose values are there."""
    return isinstance(value, Tensor) and value.layout == torch.strided and not value.is_meta


def can_replace(given: object, own: Tensor) -> bool:
    """Whether a tensor could take the place of the model's own one."""
    return (
        isinstance(given, Tensor)
        and given.shape == own.shape
        and number_sort(given) == number_sort(own)
    )


WHOLE = (torch.bool, torch.uint8, torch.int8, torch.int16, torch.int32, torch.int64)


def number_sort(tensor: Tensor) -> str:
    """What sort of numbers a tensor holds; 8-bit floats are quantised and a sort of their own."""
    if tensor.is_floating_point() and tensor.element_size() > 1:
        return "real"
    return "whole" if tensor.dtype in WHOLE else str(tensor.dtype)


def networks_in_file(contents: FileContents, wanted: ModelNames) -> list[Network]:
    """All prefixes in the file after which one of the model's names is found."""
    paths_by_prefix: dict[str, dict[str, str]] = {}
    short = {path: without_wrappers(path) for path in contents.values}
    if len(set(short.values())) < len(short):  # with and without a wrapper: not the same network
        short = {path: path for path in contents.values}
    for path, name in short.items():
        start = 0
        while start >= 0:
            own = without_parallel_wrapper(name[start:]) if wanted.unwraps else name[start:]
            if own in wanted:
                paths_by_prefix.setdefault(name[:start], {})[own] = path
            start = name.find(".", start) + 1 or -1
    networks_of_prefixes = [
        Network(prefix, paths, contents, wanted) for prefix, paths in paths_by_prefix.items()
    ]
    return [network for network in networks_of_prefixes if network.covered_count]
