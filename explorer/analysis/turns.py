"""Two pieces of code in turns, operation by operation: what they share shows in their values."""

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from torch.utils._python_dispatch import TorchDispatchMode

PATIENCE = 0.2  # seconds; small operations take less, and who waits for the user's lock never comes
T = TypeVar("T")


class _Turns:
    """Whose turn it is of two; each ends when it waits for the other, or is done."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._whose = 0
        self._done = [False, False]
        self._free = False

    def wait(self, own: int) -> None:
        """Come back when it is one's turn, or the other has no more."""
        with self._changed:
            if not self._changed.wait_for(lambda: self._may(own), PATIENCE):
                self._free = True
                self._changed.notify_all()

    def _may(self, own: int) -> bool:
        return self._free or self._whose == own or self._done[1 - own]

    def give(self, own: int, done: bool = False) -> None:
        """Let the other go on."""
        with self._changed:
            self._done[own] |= done
            self._whose = 1 - own
            self._changed.notify_all()


class _InTurns(TorchDispatchMode):
    """Lets the other go on before each operation."""

    def __init__(self, turns: _Turns, own: int) -> None:
        super().__init__()
        self._turns, self._own = turns, own

    @classmethod
    def _should_skip_dynamo(cls) -> bool:
        return False  # else torch loads its compiler, as in `cost`

    @classmethod
    def ignore_compile_internals(cls) -> bool:
        """No compiler is involved."""
        return False

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):  # type: ignore[no-untyped-def]
        self._turns.give(self._own)
        self._turns.wait(self._own)
        return func(*args, **(kwargs or {}))


def in_turns(first: Callable[[], T], second: Callable[[], T]) -> tuple[T, T]:
    """What both return, run in two threads that take turns before each operation of torch.

    Threads that run freely meet in a place that matters once in many runs; so they always do. Code
    that holds a lock of its own while it is not its turn takes care itself: both then run freely.
    """
    turns = _Turns()

    def run(own: int, code: Callable[[], T]) -> T:
        try:
            turns.wait(own)
            with _InTurns(turns, own):
                return code()
        finally:
            turns.give(own, done=True)

    with ThreadPoolExecutor(2, thread_name_prefix="turn") as pool:
        runs = [pool.submit(run, own, code) for own, code in enumerate((first, second))]
        found = [done.result() for done in runs]
    return found[0], found[1]
