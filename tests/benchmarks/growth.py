"""Time and memory of the same work at sizes that double, and the exponent they grow with."""

import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from tests.benchmarks.memory import memory_taken
from tests.benchmarks.report import Row, Size, interleaved, spread

MEMORY_ROUNDS = 3
TIME, MEMORY = "time", "memory"
UNITS = {TIME: "s", MEMORY: "MB"}
LEAST = {TIME: 1e-5, MEMORY: 4.0}  # what is less counts as this: other memory comes and goes too
Work = Callable[[], object]


@dataclass(frozen=True)
class Growth:
    """What is doubled, and why it does not grow as that does, where it does not."""

    what: str
    why_time: str = ""
    why_memory: str = ""

    def rows(self, works: Mapping[int, Work], rounds: int) -> Iterator[Row]:
        """Time, then memory beyond what was there before, of the work of each size.

        Sizes take turns within a round, and each round has an exponent of its own.
        """
        timed = {str(size): Timed(work) for size, work in works.items()}
        seconds = interleaved(timed, rounds)
        processor = exponents({size: timed[size].processor_seconds[1:] for size in seconds}, TIME)
        low, middle, high = spread(processor)
        said = f"of the processor time {middle:.2f} ({low:.2f} to {high:.2f})"
        yield self.row(TIME, seconds, "; ".join(filter(None, [said, self.why_time])))
        weighed = {str(size): lambda w=work: memory_taken(w) for size, work in works.items()}
        yield self.row(MEMORY, interleaved(weighed, min(rounds, MEMORY_ROUNDS)), self.why_memory)

    def row(self, quantity: str, taken_by_size: Mapping[str, list[float]], note: str) -> Row:
        """The exponent of a quantity: 1 is in proportion, 0 is no growth."""
        sizes = tuple(Size(int(size), spread(taken)) for size, taken in taken_by_size.items())
        measure = f"exponent of the {quantity} in {UNITS[quantity]}"
        figure = spread(exponents(taken_by_size, quantity))
        return Row(self.what, "", measure, figure, note=note, sizes=sizes)


class Timed:
    """Work that says how long it took, and keeps how long processors were at it.

    That is all the time of all threads: what else the machine does adds little to it.
    """

    def __init__(self, work: Work) -> None:
        self._work = work
        self.processor_seconds: list[float] = []

    def __call__(self) -> float:
        began, processor = time.perf_counter(), time.process_time()
        self._work()
        self.processor_seconds.append(time.process_time() - processor)
        return time.perf_counter() - began


def exponents(taken_by_size: Mapping[str, list[float]], quantity: str) -> list[float]:
    """The exponent of each round: the slope of log(taken) over log(size) by least squares."""
    sizes = np.log(list(map(int, taken_by_size)))
    taken = np.log(np.maximum(list(taken_by_size.values()), LEAST[quantity]))
    return [float(slope) for slope in np.polyfit(sizes, taken, 1)[0]]
