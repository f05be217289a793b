"""What a problem file measures itself, beside its loss: experiments, in parts.

An experiment trains or simulates what no analysis of one model shows: losses of many widths, of
many starts, with and without noise. It is declared by the problem file, runs in the worker alone,
and is stored, resumed and drawn as every other answer.
"""

import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, TypeAlias, get_args

import numpy as np

if TYPE_CHECKING:
    import torch

    from explorer.problem import Problem

Numbers: TypeAlias = Sequence[float] | np.ndarray
Mark: TypeAlias = Literal["line", "dashed", "points", "bars"]
MOST_PARTS = 10_000
LONGEST_NAME = 100  # characters: more have no room at an axis or in a legend
LONGEST_TITLE = 500


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

    def __post_init__(self) -> None:
        """Refuse what cannot be drawn.

        Raises:
            ValueError: a name is no text or too long, or there is no such mark.
        """
        _require_texts({"the name of a series": self.name, "panel": self.panel})
        if self.mark not in get_args(Mark):
            marks = ", ".join(get_args(Mark))
            raise ValueError(f"the mark of a series must be one of {marks}, got {self.mark!r}")


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
        """Refuse what has nothing to show, or cannot be called.

        Raises:
            ValueError: no parts, no series, two series of one name, no thread, texts that are none,
                a log scale of no axis, or a function that takes something else.
        """
        if not _is_count(self.parts) or self.parts > MOST_PARTS:
            raise ValueError(
                f"parts must be a whole number from 1 to {MOST_PARTS:,}, got {self.parts!r}"
            )
        if self.threads is not None and not _is_count(self.threads):
            raise ValueError(f"threads must be at least 1 or None, got {self.threads!r}")
        _require_texts({"title": self.title}, LONGEST_TITLE)
        _require_texts({"x": self.x})
        _check_series(self.series, self.log)
        _check_measure(self.measure)


def _is_count(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 1


def _require_texts(texts: Mapping[str, object], most: int = LONGEST_NAME) -> None:
    """Refuse what is no text, or too long a one; by what it is."""
    for what, text in texts.items():
        if not isinstance(text, str):
            raise ValueError(f"{what} must be text, got {text!r}")
        if len(text) > most:
            raise ValueError(f"{what} must have at most {most} characters, got {len(text):,}")


def _check_series(series: Sequence[Series], log: Sequence[str]) -> None:
    """Refuse series that are none, or of one name, and a log scale of an axis that is not there."""
    if not isinstance(series, list | tuple) or not all(isinstance(one, Series) for one in series):
        raise ValueError(f"series must be a list of Series, got {series!r:.100}")
    names = [one.name for one in series]
    if not names or len(set(names)) < len(names):
        raise ValueError(f"series must be at least one, each by its own name, got {names}")
    axes = ["x", *dict.fromkeys(one.panel for one in series)]
    if isinstance(log, str) or not set(log) <= set(axes):
        raise ValueError(f"log must be a list of some of the axes {axes}, got {log!r}")


def _check_measure(measure: object) -> None:
    """Refuse what cannot be called with a problem and a part."""
    if not callable(measure):
        raise ValueError(f"measure must be a function, got {type(measure).__name__}")
    try:
        inspect.signature(measure).bind(None, None)
    except TypeError as error:
        raise ValueError(f"measure must take a problem and a part: {error}") from None
    except ValueError:
        return  # a function in C says nothing of what it takes
