"""What a benchmark found: rows that say what was measured, against what, and the target."""

import statistics
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True)
class Size:
    """What one size of something that grows takes."""

    size: int
    taken: tuple[float, float, float]  # least, middle and largest over the rounds


@dataclass(frozen=True)
class Row:
    """One figure: its least, middle and largest value over the rounds."""

    what: str
    target: str = ""  # "<= 0.7" or ">= 12"
    measure: str = "ratio"
    figure: tuple[float, float, float] | None = None
    seconds: float | None = None  # ours, the median
    against: str = ""
    limit: float | None = None  # seconds of what it is measured against, the median
    note: str = ""
    skipped: str = ""  # why there is no figure
    sizes: tuple["Size", ...] = ()  # of what grows, where the figure is how it grows

    @property
    def is_met(self) -> bool | None:
        """Whether the middle value meets the target; None where there is none of either."""
        if self.figure is None or not self.target:
            return None
        sign, bound = self.target.split()
        return self.figure[1] <= float(bound) if sign == "<=" else self.figure[1] >= float(bound)

    @property
    def json(self) -> dict[str, Any]:
        """JSON values."""
        return {**asdict(self), "met": self.is_met}

    def __str__(self) -> str:
        if self.figure is None:
            return f"{self.what}: skipped: {self.skipped}"
        parts = []
        if self.seconds is not None:
            parts.append(f"{self.seconds:.3f} s")
        if self.limit is not None:
            parts.append(f"{self.against} {self.limit:.3f} s")
        low, middle, high = (f"{value:.3g}" for value in self.figure)
        parts.append(f"{self.measure} {middle} ({low} to {high})")
        if self.target:
            parts.append(f"target {self.target} {'met' if self.is_met else 'MISSED'}")
        lines = [f"{self.what}: {', '.join(parts)}" + (f" [{self.note}]" if self.note else "")]
        for each in self.sizes:
            low, middle, high = (f"{value:.3g}" for value in each.taken)
            lines.append(f"{each.size:>12,}  {middle:>8} ({low} to {high})")
        return "\n".join(lines)


def spread(values: list[float]) -> tuple[float, float, float]:
    """Least, median, largest."""
    return min(values), statistics.median(values), max(values)


def interleaved(
    contestants: Mapping[str, Callable[[], float]], rounds: int
) -> dict[str, list[float]]:
    """What each contestant answers in each round, after one that does not count.

    The order turns from round to round, so that a slow spell of the machine falls on everyone.
    """
    names = list(contestants)
    results: dict[str, list[float]] = {name: [] for name in names}
    for number in range(-1, rounds):
        turn = max(0, number) % len(names)
        for name in names[turn:] + names[:turn]:
            value = contestants[name]()
            if number >= 0:
                results[name].append(value)
    return results


def ratio(what: str, target: str, ours: list[float], limit: list[float], **said: str) -> Row:
    """Our seconds over those of the limit, round by round."""
    figure = spread([a / b for a, b in zip(ours, limit, strict=True)])
    middle, other = statistics.median(ours), statistics.median(limit)
    return Row(what, target, "ratio", figure, middle, limit=other, **said)


def speed_up(what: str, target: str, ours: list[float], peer: list[float], **said: str) -> Row:
    """A peer's seconds over ours, round by round."""
    figure = spread([b / a for a, b in zip(ours, peer, strict=True)])
    middle, other = statistics.median(ours), statistics.median(peer)
    return Row(what, target, "speed-up", figure, middle, limit=other, **said)
