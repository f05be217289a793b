"""Records as JSON values and back: the types of a record's fields are all there is to say.

A field may be text, a number, a path, a record, a list or mapping of these, or any JSON value. One
that is None by default is left out where it is None. Stored names stay what they are: `named` gives
a field another name in JSON than in code, `OTHERS` keeps what a newer version has added.
"""

import dataclasses
import json
import types
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import Field
from functools import lru_cache
from pathlib import Path
from typing import (
    TYPE_CHECKING,
    ClassVar,
    Literal,
    Protocol,
    Self,
    TypeVar,
    Union,
    get_args,
    get_origin,
    get_type_hints,
)

from explorer.wording import one_line

if TYPE_CHECKING:
    JsonValue = None | bool | int | float | str | Sequence["JsonValue"] | Mapping[str, "JsonValue"]
else:  # typing cannot resolve a name within itself where the alias is used
    JsonValue = object
Json = Mapping[str, JsonValue]

_NAME, _PREFIX, _OTHERS = "json name", "json prefix", "json others"
OTHERS = {_OTHERS: True}  # metadata of the mapping that keeps the entries which no field is for
_SHOWN = 60  # letters of a value that is refused
_SCALARS = frozenset({bool, int, float, str, type(None)})


class Record(Protocol):
    """A frozen dataclass."""

    __dataclass_fields__: ClassVar[dict[str, Field[object]]]


R = TypeVar("R", bound=Record)


def named(name: str) -> Mapping[str, str]:
    """Metadata of a field that has another name in JSON."""
    return {_NAME: name}


def prefixed(prefix: str) -> Mapping[str, str]:
    """Metadata of a mapping whose entries stand beside the other fields, under this prefix."""
    return {_PREFIX: prefix}


def json_of(text: str | bytes, parse_constant: Callable[[str], object] | None = None) -> JsonValue:
    """The JSON value of a text that somebody wrote.

    Args:
        text: as UTF-8 where it is bytes.
        parse_constant: is called with NaN and Infinity, which no JSON has; else they are numbers.

    Raises:
        ValueError: it is none.
    """
    try:
        value: JsonValue = json.loads(text, parse_constant=parse_constant)
    except RecursionError as error:
        raise ValueError("it is nested too deeply") from error
    return value


def to_json(record: Record) -> dict[str, JsonValue]:
    """The record as JSON values.

    Raises:
        TypeError: a field holds something else than its type says.
    """
    values: dict[str, JsonValue] = {}
    for each in dataclasses.fields(record):
        value = getattr(record, each.name)
        if _OTHERS in each.metadata:
            values |= {name: entry for name, entry in value.items() if name not in values}
        elif _PREFIX in each.metadata:
            prefix = each.metadata[_PREFIX]
            values |= {f"{prefix}{name}": _encode(entry) for name, entry in value.items()}
        elif value is not None or each.default is not None:
            values[_json_name(each)] = _encode(value)
    return values


def _encode(value: object) -> JsonValue:
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, Path):
        return str(value)
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return to_json(value)
    if isinstance(value, Mapping):
        return {str(name): _encode(entry) for name, entry in value.items()}
    if isinstance(value, Iterable):
        entries = list(value)
        return entries if _SCALARS.issuperset(map(type, entries)) else list(map(_encode, entries))
    raise TypeError(f"{value!r} is no JSON value; give numbers, text, lists and mappings")


def from_json(cls: type[R], value: object, *, ignore_unknown: bool = False) -> R:
    """The record that stands in JSON values.

    Args:
        cls: the class of the record.
        value: as `to_json` gave it, or as an earlier version stored it.
        ignore_unknown: pass over entries that no field is for, as of a newer version.

    Raises:
        ValueError: a field is missing, unknown or of another type; the sentence names it.
    """
    return _Reader(ignore_unknown).record(cls, value, "")


def _json_name(each: "Field[object]") -> str:
    return str(each.metadata.get(_NAME, each.name))


@lru_cache(maxsize=256)
def _typed_fields(cls: type[Record]) -> tuple[tuple["Field[object]", object], ...]:
    """The fields of a record with their types."""
    hints = get_type_hints(cls)
    return tuple((each, hints[each.name]) for each in dataclasses.fields(cls))


@dataclasses.dataclass(frozen=True)
class _Reader:
    """Reads values; `where` says which one is at hand, as `checkpoints[2].step`."""

    ignore_unknown: bool

    def record(self, cls: type[R], value: object, where: str) -> R:
        """A record of that class."""
        if not isinstance(value, Mapping):
            raise ValueError(_refusal(where, "a mapping of its fields", value))
        left = dict(value)
        arguments: dict[str, object] = {}
        keeper = ""
        for each, hint in _typed_fields(cls):
            name = _json_name(each)
            if _OTHERS in each.metadata:
                keeper = each.name
            elif _PREFIX in each.metadata:
                prefix = str(each.metadata[_PREFIX])
                names = [entry for entry in left if str(entry).startswith(prefix)]
                entries = {str(n).removeprefix(prefix): left.pop(n) for n in names}
                arguments[each.name] = self.value(hint, entries, _inner(where, prefix))
            elif name in left:
                arguments[each.name] = self.value(hint, left.pop(name), _inner(where, name))
            elif each.default is each.default_factory is dataclasses.MISSING:
                raise ValueError(f"the field {_inner(where, name)} is missing")
        if keeper:
            arguments[keeper] = left
        elif left and not self.ignore_unknown:
            raise ValueError(f"there is no field {one_line(_inner(where, str(next(iter(left)))))}")
        return cls(**arguments)

    def value(self, hint: object, value: object, where: str) -> object:
        """A value of that type."""
        origin, inner = get_origin(hint), get_args(hint)
        if hint is object:
            return value
        if origin in (Union, types.UnionType):
            return self._choice(inner, value, where)
        if origin is Literal:
            if value in inner:
                return value
            raise ValueError(_refusal(where, f"one of {', '.join(map(str, inner))}", value))
        if origin is tuple:
            return self._tuple(inner, value, where)
        if isinstance(origin, type) and issubclass(origin, Mapping):
            if not isinstance(value, Mapping):
                raise ValueError(_refusal(where, "a mapping", value))
            return {
                _key(inner[0], n, where): self.value(inner[1], v, f"{where}[{n!r}]")
                for n, v in value.items()
            }
        if isinstance(hint, type) and dataclasses.is_dataclass(hint):
            return self.record(hint, value, where)
        return _scalar(hint, value, where)

    def _choice(self, options: tuple[object, ...], value: object, where: str) -> object:
        """A value of one of several types: None, or the first that it fits."""
        if value is None and type(None) in options:
            return None
        *first, last = (option for option in options if option is not type(None))
        for option in first:
            try:
                return self.value(option, value, where)
            except ValueError:
                continue
        return self.value(last, value, where)

    def _tuple(self, inner: tuple[object, ...], value: object, where: str) -> tuple[object, ...]:
        if not isinstance(value, list | tuple):
            raise ValueError(_refusal(where, "a list", value))
        if inner[1:] == (...,):
            if inner[0] is object or {inner[0]}.issuperset(map(type, value)):
                return tuple(value)  # millions of units are read at once
            inner = (inner[0],) * len(value)
        if len(inner) != len(value):
            raise ValueError(_refusal(where, f"a list of {len(inner)}", value))
        return tuple(
            self.value(hint, entry, f"{where}[{n}]")
            for n, (hint, entry) in enumerate(zip(inner, value, strict=True))
        )


def _scalar(hint: object, value: object, where: str) -> object:
    """Text, a number, true or false, or a path; a whole number is a number too."""
    if hint is Path and isinstance(value, str):
        return Path(value)
    if hint is float and isinstance(value, int | float) and not isinstance(value, bool):
        return float(value)
    if isinstance(hint, type) and type(value) is hint:
        return value
    names = {str: "text", int: "a whole number", float: "a number", bool: "true or false"}
    wanted = names.get(hint, "a path") if isinstance(hint, type) else str(hint)
    raise ValueError(_refusal(where, wanted, value))


def _key(hint: object, name: object, where: str) -> object:
    """The name of an entry, as a number where the mapping goes by numbers."""
    if hint is not int:
        return name
    try:
        return int(str(name))
    except ValueError as error:
        raise ValueError(_refusal(where, "a mapping of whole numbers", name)) from error


def _inner(where: str, name: str) -> str:
    return f"{where}.{name}" if where else name


def _refusal(where: str, wanted: str, value: object) -> str:
    return (
        f"{one_line(where) or 'the record'} must be {wanted}, got {one_line(repr(value), _SHOWN)}"
    )


@dataclasses.dataclass(frozen=True)
class StoredFacts:
    """A record of facts; what another version has added stays among its `others`."""

    @classmethod
    def of(cls, facts: Json) -> Self:
        """The facts as they are stored, or as a piece brings them.

        Raises:
            ValueError: they are none; the sentence names the field.
        """
        return from_json(cls, facts, ignore_unknown=True)
