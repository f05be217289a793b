"""Which network in a checkpoint is the model: found by the model's own names, told by a part.

Nested dictionaries and prefixes of keys are one thing here: `{"state_dict": {"student.0.bias": t}}`
holds the path `state_dict.student.0.bias`. A network is a prefix after which all of the model's
names are found.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import torch
from torch import Tensor, nn

from explorer.analysis.model.checkpoint_file import CheckpointError
from explorer.analysis.objective.parameters import content_hash
from explorer.extra_state import is_extra_state
from explorer.wording import few, one_line, quote

# Keys under which trainers put the weights, and averages of them.
PARTS = ("state_dict", "model_state_dict", "model", "module", "net", "network", "params", "weights")
AVERAGED = (
    *("ema", "model_ema", "ema_state_dict", "state_dict_ema", "ema_model"),
    *("swa", "swa_model", "swa_state_dict"),
)
SLOW = ("teacher", "target", "momentum", "old", "reference", "ref")  # follow another network
TOP = "."  # the part that is no key: names without a prefix
COUNTER = "num_batches_tracked"  # of BatchNorm; evaluation does not use it, and many leave it out
WRAPPERS = ("_orig_mod.", "_fsdp_wrapped_module.", "_checkpoint_wrapped_module.")
DEEPEST = 50  # dictionaries within each other
MOST_ENTRIES = 500_000  # of all dictionaries together, as they are reached
MOST_CHARACTERS = 100_000_000  # of their names


@dataclass
class FileContents:
    """Tensors and extra states of a file by their path, with the dictionary that each lies in."""

    values: dict[str, Any] = field(default_factory=dict)
    homes: dict[str, str] = field(default_factory=dict)
    others: dict[str, str] = field(default_factory=dict)  # type of what is neither, by path
    unnamed: Any = None  # a key of a tensor that is no text
    entries: int = 0
    characters: int = 0

    @classmethod
    def of(cls, content: Any, source: object) -> "FileContents":
        """What a file holds.

        Raises:
            CheckpointError: no tensor is in it, or names without end.
        """
        made = cls()
        if isinstance(content, Mapping | list | tuple):
            made._walk(content, "", (), source)
        if made.unnamed is not None and not made.values:
            raise CheckpointError(
                f"{one_line(source)}: tensors must have names, got {one_line(repr(made.unnamed))}; "
                "save model.state_dict()"
            )
        if not any(isinstance(value, Tensor) for value in made.values.values()):
            raise CheckpointError(
                f"{one_line(source)} holds no dictionary of tensors; save model.state_dict()"
            )
        return made

    def _walk(self, content: object, path: str, around: tuple[int, ...], source: object) -> None:
        """Note what lies in a container and below it; one that holds itself ends there."""
        if id(content) in around or len(around) > DEEPEST:
            return
        for key, value in _entries(content):
            name = f"{path}{key}"
            self.entries += 1
            self.characters += len(name)
            if self.entries > MOST_ENTRIES or self.characters > MOST_CHARACTERS:
                raise CheckpointError(
                    f"{one_line(source)} holds entries without end; save model.state_dict()"
                )
            if is_extra_state(name) or (isinstance(value, Tensor) and isinstance(key, str)):
                self.values[name], self.homes[name] = value, path
            elif isinstance(value, Tensor):
                self.unnamed = key if isinstance(content, Mapping) else self.unnamed
            elif isinstance(value, Mapping | list | tuple):
                self._walk(value, f"{name}.", (*around, id(content)), source)
            else:
                self.others[name] = type(value).__name__

    @property
    def parts(self) -> list[str]:
        """The parts that hold tensors: the first keys, below the only one if there is one alone."""
        return _heads(self.values) or _heads(self.values, 1)


def _entries(content: Any) -> Iterator[tuple[Any, Any]]:
    """Keys and values of a dictionary; of a list what can hold tensors."""
    if isinstance(content, Mapping):
        return ((key, value) for key, value in content.items() if isinstance(key, str | int))
    holding = Mapping | list | tuple | Tensor
    return ((n, value) for n, value in enumerate(content) if isinstance(value, holding))


def _heads(paths: Mapping[str, object], depth: int = 0) -> list[str]:
    """The different beginnings of dotted paths; none where there is but one."""
    split = [path.split(".") for path in paths]
    heads = dict.fromkeys(".".join(parts[: depth + 1]) for parts in split if len(parts) > depth + 1)
    return list(heads) if len(heads) > 1 or depth else []


class ModelNames:
    """The names of a model's state, as they are looked for in a file."""

    def __init__(self, model: nn.Module) -> None:
        """Names without what wrappers put between them, and which of them are of one tensor."""
        state = model.state_dict(keep_vars=True)
        kept = [name for name in state if not _is_counter(name)]
        outer = "module." if kept and all(n.startswith("module.") for n in kept) else ""
        names = [without_wrappers(name).removeprefix(outer) for name in state]
        self.unwraps = len(set(map(without_parallel_wrapper, names))) == len(names)
        own = map(without_parallel_wrapper, names) if self.unwraps else names
        self.own = dict(zip(own, state, strict=True))
        self.values = {name: state[own] for name, own in self.own.items()}
        first: dict[int, str] = {}
        self.group = {
            name: name if is_extra_state(name) else first.setdefault(id(value), name)
            for name, value in self.values.items()
        }
        self.groups = {group for name, group in self.group.items() if not _is_counter(name)}

    def __contains__(self, name: str) -> bool:
        """Whether the model has this name."""
        return name in self.values


def without_wrappers(name: str) -> str:
    """A name without what compiling, sharding or checkpointing put into it."""
    for wrapper in WRAPPERS:
        name = name.replace(wrapper, "")
    return name


def without_parallel_wrapper(name: str) -> str:
    """A name without what making a part of a model parallel puts into it."""
    first, *rest = name.split(".")
    return ".".join([first, *(part for part in rest if part != "module")])


def _is_counter(name: str) -> bool:
    return name.endswith(COUNTER)


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
        return len({self.wanted.group[n] for n in self.paths if not _is_counter(n)})

    @property
    def whole(self) -> bool:
        """Whether it has them all."""
        return self.covered_count == len(self.wanted.groups)

    def value(self, name: str) -> Any:
        """Its value for one of the model's names, by another one of a tied tensor if need be."""
        if name in self.paths:
            return self.contents.values[self.paths[name]]
        group = self.wanted.group[name]
        same = next((n for n in self.paths if self.wanted.group[n] == group), None)
        return None if same is None else self.contents.values[self.paths[same]]

    @cached_property
    def missing_names(self) -> list[str]:
        """The model's names for which it has nothing; counters may be left out."""
        held = {self.wanted.group[name] for name in self.paths}
        return [
            name
            for name, group in self.wanted.group.items()
            if group not in held and not _is_counter(name)
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
        taken = set(self.paths.values())
        inside = tuple(o.prefix for o in others if len(o.prefix) > len(self.prefix))
        return [
            path.removeprefix(self.prefix)
            for path, home in self.contents.homes.items()
            if home in homes
            and path.startswith(self.prefix)
            and path not in taken
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
        return content_hash({n: v for n, v in named.items() if isinstance(v, Tensor)})

    def size_words(self, part: str) -> str:
        """How large it is, in words."""
        own = self.wanted.values
        count = sum(own[n].numel() for n in self.paths if isinstance(own[n], nn.Parameter))
        return f"{one_line(part, 60)} ({len(self.paths)} tensors, {count:,} parameters)"


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


def choose_network(
    candidates: list[Network], everywhere: list[Network], part: str, source: object
) -> tuple[Network | None, tuple[Network, ...], str]:
    """The network that is meant, all that are whole, and a remark on what else the file holds.

    None where none has all of the model's tensors.

    Args:
        candidates: the networks of the part that was named.
        everywhere: all networks of the file.
        part: that was named, or nothing.
        source: the file, for messages.

    Raises:
        CheckpointError: several are meant as well as each other.
    """
    whole = tuple(network for network in everywhere if network.whole)
    meant = [network for network in candidates if network.whole]
    exact = [n for n in meant if n.fits and not n.extra(whole)]
    fitting = exact or [n for n in meant if n.fits] or meant[:1]
    if len(fitting) < 2 or len({network.content for network in fitting}) == 1:
        return (fitting[0] if fitting else None), whole, ""
    fitting.sort(key=lambda n: bool({*AVERAGED, *SLOW} & set(n.part.split("."))))
    names = _distinguishing_names([network.part for network in fitting])
    sizes = [network.size_words(names[network.part]) for network in fitting]
    usual = [n for n in fitting if n.part in PARTS and n.is_apart]
    averaged = [n for n in fitting if n.part in AVERAGED and n.is_apart]
    if not part and len(usual) == 1 and len(averaged) == len(fitting) - 1:
        beside = few([s for n, s in zip(fitting, sizes, strict=True) if n is not usual[0]])
        remark = f"{one_line(source)} also holds {beside}; {usual[0].part} was taken"
        return usual[0], whole, f"{remark}: name another one as the part, --part {averaged[0].part}"
    held = f"{', '.join(sizes[:-1])} and {sizes[-1]}" if len(sizes) < 5 else few(sizes, 4)
    shown = names[fitting[0].part]
    raise CheckpointError(
        f"{one_line(source)} holds {held}: choose with --part {one_line(shown, 60)} (on the Import "
        "page under Weights)"
    )


def _distinguishing_names(parts: list[str]) -> dict[str, str]:
    """The shortest name of each that says which is meant: without what they begin with alike."""
    split = [part.split(".") for part in parts]
    alike_first = 0
    while all(len(s) > alike_first + 1 and s[alike_first] == split[0][alike_first] for s in split):
        alike_first += 1
    rest = [s[alike_first:] for s in split]
    heads = [s[0] for s in rest]
    if len(set(heads)) == len(heads) and "" not in heads and TOP not in parts:
        return dict(zip(parts, heads, strict=True))
    return dict(zip(parts, parts, strict=True))


def networks_of_part(everywhere: list[Network], part: str) -> list[Network]:
    """The networks of a part: of that very prefix, else below it, else anywhere it stands."""
    if part == TOP:
        return [network for network in everywhere if not network.prefix]
    own = f"{part.strip('.')}."
    exact = [n for n in everywhere if n.prefix == own]
    below = [n for n in everywhere if n.prefix.startswith(own)]
    anywhere = [n for n in everywhere if f".{own}" in f".{n.prefix}"]
    return exact or below or anywhere


def missing_part_refusal(contents: FileContents, part: str, source: object) -> CheckpointError:
    """The refusal of a part that the file does not have, with those that it has."""
    held = few([quote(name, 60) for name in contents.parts], 8) or "no parts"
    return CheckpointError(f"{one_line(source)} has no part {quote(part)}; it holds {held}")
