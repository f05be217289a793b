"""What was read of a database, for as long as nothing changes in it."""

import dataclasses
import functools
import pickle
import threading
from collections.abc import Callable, Hashable
from typing import TYPE_CHECKING, Concatenate, ParamSpec, TypeVar

if TYPE_CHECKING:
    from store.door import Door

MOST_RESULTS = 512  # that are kept of one state

Reader = TypeVar("Reader", bound="Door")
Arguments = ParamSpec("Arguments")
Result = TypeVar("Result")


class ReadMemory:
    """Results of reads, all of one state of the database."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._state: Hashable = None
        self._results: dict[bytes, object] = {}

    def recall(self, state: Hashable, key: bytes) -> object:
        """The result of that key in that state; those of another state are dropped."""
        with self._lock:
            if self._state != state:
                self._state, self._results = state, {}
            return self._results.get(key)

    def keep(self, state: Hashable, key: bytes, result: object) -> None:
        """Keep a result, unless another state has been asked for since."""
        with self._lock:
            if self._state == state:
                while len(self._results) >= MOST_RESULTS:
                    self._results.pop(next(iter(self._results)))
                self._results[key] = result


def remembered(
    read: Callable[Concatenate[Reader, Arguments], Result],
) -> Callable[Concatenate[Reader, Arguments], Result]:
    """A method that reads, and reads again only once the database has changed.

    A page asks for the same models many times, and each query costs what a hundred looks at the
    database's mark do. The state is looked at before the read: what was read of a newer one is
    read again.
    """

    @functools.wraps(read)
    def read_once(self: Reader, /, *args: Arguments.args, **kwargs: Arguments.kwargs) -> Result:
        try:
            key = pickle.dumps((read.__qualname__, args, kwargs))
        except (TypeError, AttributeError, pickle.PicklingError):  # a generator, a view
            return read(self, *args, **kwargs)
        memory, state = self._lease.memory, self._state
        kept = memory.recall(state, key)
        if kept is None:
            kept = read(self, *args, **kwargs)
            memory.keep(state, key, kept)
        copy: Result = _copied(kept)  # type: ignore[assignment]
        return copy

    return read_once


def _copied(value: object) -> object:
    """The same lists, mappings and records made anew, as deep as the records.

    What lies deeper within a record's facts is the same for all who read it, and read-only by type:
    of a run of a thousand steps to copy it took longer than to read it.
    """
    if isinstance(value, list):
        return [_copied(entry) for entry in value]
    if isinstance(value, dict):
        return {name: _copied(entry) for name, entry in value.items()}
    if isinstance(value, tuple):
        return tuple(map(_copied, value))
    if not dataclasses.is_dataclass(value):
        return value
    copy = object.__new__(type(value))
    for name, entry in vars(value).items():
        own = dict(entry) if isinstance(entry, dict) else entry
        object.__setattr__(copy, name, list(own) if isinstance(own, list) else own)
    return copy
