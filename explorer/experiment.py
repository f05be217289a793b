"""What a problem file measures itself, beside its loss: experiments, in parts.

An experiment trains or simulates what no analysis of one model shows: losses of many widths, of
many starts, with and without noise. It is declared by the problem file, runs in the worker alone,
and is stored, resumed and drawn as every other answer.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, TypeAlias

import numpy as np

if TYPE_CHECKING:
    import torch

    from explorer.problem import Problem

Numbers: TypeAlias = Sequence[float] | np.ndarray
Mark: TypeAlias = Literal["line", "dashed", "points", "bars"]


@dataclass(frozen=True, kw_only=True)
class Points:
    """Places of one series, (N,) each; NaN where something did not come out."""

    x: Numbers
    y: Numbers
    low: Numbers | None = None  # ends of an interval of each, where there is one
    high: Numbers | None = None


@dataclass(frozen=True)
class Series:
    """One curve or cloud of an experiment's picture."""

    name: str
    mark: Mark = "line"  # "dashed" is a line for what theory says
    panel: str = ""  # what its y is; series of one panel share a plot


@dataclass(frozen=True)
class Part:
    """Which part of an experiment is to be measured, and by which random numbers."""

    number: int  # from 0
    seed: int  # of the question; torch's and NumPy's generators are seeded by it and the number
    device: "torch.device"
    check: Callable[
        [], None
    ]  # call it now and then: it ends the part where somebody has stopped it


@dataclass(frozen=True, kw_only=True)
class Experiment:
    """Something that a problem measures itself, part by part; each part is kept once it is done.

    `measure(problem, part)` gets a copy of the problem whose model has the weights that are asked
    about, to train and change as it likes, and gives points of some of the series. A part stands
    alone: it may run in another process than the one before, or be left out.
    """

    measure: "Callable[[Problem, Part], Mapping[str, Points]]"
    parts: int
    series: Sequence[Series]
    title: str = ""  # a sentence: what is measured
    x: str = ""  # what x is, with its unit
    log: Sequence[str] = field(default_factory=tuple)  # axes on a log scale: "x", or panels
    # With which torch computes; all there are unless given. Many small operations are fastest with
    # one: threads of each of them wait for the others, on a busy machine far longer than they work.
    threads: int | None = None

    def __post_init__(self) -> None:
        """Refuse what has nothing to show.

        Raises:
            ValueError: no parts, no series, two series of one name, or no thread.
        """
        names = [series.name for series in self.series]
        if not isinstance(self.parts, int) or self.parts < 1:
            raise ValueError(f"parts must be a whole number of at least 1, got {self.parts!r}")
        if self.threads is not None and self.threads < 1:
            raise ValueError(f"threads must be at least 1 or None, got {self.threads}")
        if not names or len(set(names)) < len(names):
            raise ValueError(f"series must be at least one, each by its own name, got {names}")
