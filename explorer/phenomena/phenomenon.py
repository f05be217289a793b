"""What a phenomenon is: a known fact of loss surfaces, the questions that show it, its numbers."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TypeVar

from explorer.kinds.kind import Kind
from explorer.kinds.objective_settings import ObjectiveSettings
from explorer.kinds.result import Result

R = TypeVar("R", bound=Result)


class Group(StrEnum):
    """Where the gallery shows a phenomenon, in its order."""

    MINIMA = "Minima and saddles"
    FLATNESS = "Flatness and generalisation"
    ARCHITECTURE = "Architecture"
    TRAINING = "Training"
    CONNECTIVITY = "Connectivity"
    BEYOND = "Beyond supervised learning"


WHOSE_EXPECTATION = (
    "The ends are this program's: so clear must it be here. Where a number is a source's or a "
    "law's, that is named; “measured before” is a single earlier run of our own."
)


class Verdict(StrEnum):
    """How what was measured stands to what was expected."""

    HOLDS = "as expected"
    DIFFERS = "not as expected"
    OPEN = "does not come out here"  # known, and said with what was tried


@dataclass(frozen=True)
class SampleSubject:
    """A point of a shipped sample model: its final one, a snapshot, or one that an answer brought.

    In the place of a run the final point stands for all of the run's snapshots.
    """

    sample: str
    step: int | None = None  # of training
    question: int | None = None  # place of an earlier question of the phenomenon, which brought it
    point: str = ""  # the name by which that question's answer knows it, as "01" for a first bend


@dataclass(frozen=True)
class SampleQuestion:
    """A question about sample models, asked as a user asks it."""

    kind: Kind
    settings: ObjectiveSettings
    subjects: tuple[SampleSubject, ...]
    words: str = ""  # which of a phenomenon's questions it is, as "with skip connections"

    @property
    def samples(self) -> tuple[str, ...]:
        """The sample models that it is about, each once."""
        return tuple(dict.fromkeys(subject.sample for subject in self.subjects))


@dataclass(frozen=True)
class Proof:
    """A number that a phenomenon comes down to, and between what it is expected."""

    words: str  # what is measured
    value: float  # NaN where it could not be measured
    low: float = -math.inf  # both ends are as expected
    high: float = math.inf
    expected: str = ""  # in words, with whose number that is

    @property
    def holds(self) -> bool:
        """Whether it is as expected."""
        return self.low <= self.value <= self.high  # False for NaN


Prove = Callable[[Sequence[Result]], Sequence[Proof]]  # of the answers, in the questions' order


@dataclass(frozen=True, kw_only=True)
class Phenomenon:
    """A known fact of loss surfaces, shown on sample models by the analyses that users run."""

    name: str  # in addresses and on the command line: never renamed
    title: str  # a short sentence that says the fact
    group: Group
    text: str  # a paragraph in plain words: what is seen, and why
    loose: str = ""  # where the popular statement does not hold, or says too much
    sources: tuple[str, ...] = ()  # as explorer/kinds/citations.py has them: "Li et al. 2018"
    seconds: float = 0.0  # that its questions took together on two cores, measured by `verify`
    questions: tuple[SampleQuestion, ...] = field(default=())
    prove: Prove = field(compare=False)
    cover: int = 0  # place of the question whose picture its card shows
    tried: str = ""  # of one that does not come out: what was tried
    rows: tuple[str, ...] = ()  # what it answers of the texts' rows, as "0.30": text and row

    @property
    def samples(self) -> tuple[str, ...]:
        """The sample models that it needs, each once."""
        return tuple(dict.fromkeys(name for each in self.questions for name in each.samples))

    def verdict(self, proofs: Sequence[Proof]) -> Verdict:
        """What its numbers say together."""
        if all(proof.holds for proof in proofs) and proofs:
            return Verdict.HOLDS
        return Verdict.OPEN if self.tried else Verdict.DIFFERS


def answer_of(results: Sequence[Result], place: int, sort: type[R]) -> R:
    """The answer at a place, which is of that class.

    Raises:
        TypeError: it is of another.
    """
    result = results[place]
    if not isinstance(result, sort):
        raise TypeError(f"answer {place} must be {sort.__name__}, got {type(result).__name__}")
    return result


def number_of(results: Sequence[Result], place: int, name: str) -> float:
    """A number that the answer at a place comes down to.

    Raises:
        KeyError: it has no such number.
    """
    return results[place].numbers[name].value
