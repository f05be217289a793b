"""What a checkpoint file holds: its tensors by their path through the dictionaries."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from torch import Tensor

from explorer.analysis.model.checkpoint_file import CheckpointError
from explorer.extra_state import is_extra_state
from explorer.wording import one_line

DEEPEST = 50  # dictionaries within each other
MOST_ENTRIES = 500_000  # of all dictionaries together, as they are reached
MOST_CHARACTERS = 100_000_000  # of their names


Container = Mapping[object, object] | list[object] | tuple[object, ...]


@dataclass
class FileContents:
    """Tensors and extra states of a file by their path, with the dictionary that each lies in."""

    values: dict[str, object] = field(default_factory=dict)
    homes: dict[str, str] = field(default_factory=dict)
    others: dict[str, str] = field(default_factory=dict)  # type of what is neither, by path
    unnamed: object = None  # a key of a tensor that is no text
    entries: int = 0
    characters: int = 0

    @classmethod
    def of(cls, content: object, source: object) -> "FileContents":
        """What a file holds.

        Raises:
            CheckpointError: no tensor is in it, or names without end.
        """
        contents = cls()
        if isinstance(content, Mapping | list | tuple):
            contents._walk(content, "", (), source)
        if contents.unnamed is not None and not contents.values:
            raise CheckpointError(
                f"{one_line(source)}: tensors must have names, got "
                f"{one_line(repr(contents.unnamed))}; save model.state_dict()"
            )
        if not any(isinstance(value, Tensor) for value in contents.values.values()):
            raise CheckpointError(
                f"{one_line(source)} holds no dictionary of tensors; save model.state_dict()"
            )
        return contents

    def _walk(self, content: Container, path: str, around: tuple[int, ...], source: object) -> None:
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


def _entries(content: Container) -> Iterator[tuple[object, object]]:
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
