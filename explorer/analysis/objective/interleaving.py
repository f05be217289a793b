"""A piece of code that another interrupts: what the two share shows in their values."""

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor, wait
from typing import TypeVar

from torch.autograd import forward_ad

from explorer.analysis.objective.torch_operations import TorchOperations

MOST = 48  # interruptions: of a small model before every operation
NO_LEVEL = -1  # of forward-mode derivatives, where none are taken
PATIENCE = 3.0  # seconds; what waits for a lock that the first one holds is not there before
T = TypeVar("T")


class _Operations(TorchOperations):
    """Does something before each operation of torch in this thread."""

    def __init__(self, before: Callable[[int], None]) -> None:
        super().__init__()
        self.count = 0
        self._before = before

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):  # type: ignore[no-untyped-def]
        self._before(self.count)
        self.count += 1
        return func(*args, **(kwargs or {}))


def enters_forward_mode(run: Callable[[], object]) -> bool:
    """Whether forward-mode derivatives (`torch.func.jvp`) are taken while it runs.

    Their level is one of the whole process (torch 2.13): threads that enter and leave it in another
    order than one within the other lose each other's.
    """
    levels: list[int] = []
    with _Operations(lambda number: levels.append(forward_ad._current_level)):
        run()
    return max(levels, default=NO_LEVEL) > NO_LEVEL


def run_interrupted(first: Callable[[], T], second: Callable[[], T]) -> list[T]:
    """What the first returns, and what the second does each time that it interrupts.

    The second runs as a whole, in a thread of its own, before operations of the first, all of them
    or evenly spread. Threads that run freely meet in a place that matters once in many runs; these
    always do. Where the first holds a lock that the second wants, it goes on.
    """
    with _Operations(lambda number: None) as counted:
        first()
    every = max(1, -(-counted.count // MOST))
    with ThreadPoolExecutor(1, thread_name_prefix="interrupting") as pool:
        runs: list[Future[T]] = []

        def interrupt(number: int) -> None:
            if number % every == 0 and all(run.done() for run in runs):
                runs.append(pool.submit(second))
                wait(runs[-1:], PATIENCE)

        with _Operations(interrupt):
            first_return = first()
        return [first_return, *(run.result() for run in runs)]
