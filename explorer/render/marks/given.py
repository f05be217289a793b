"""Axes that the user gave, in pictures: what they are called, and where their points lie."""

from collections.abc import Sequence
from dataclasses import dataclass

from explorer.kinds.facts import AxesFacts, GivenAxis
from explorer.kinds.look import SubjectName
from explorer.render.marks.ticks import number_text

BESIDE = 1e-4  # of the length of an axis: a point that is nearer lies on it
UNITS = {"raw": "", "unit": ", as a distance", "filter": ", per filter"}


@dataclass(frozen=True)
class NamedMark:
    """A point that an axis leads through."""

    name: str
    x: float
    y: float
    loss: float | None  # its own
    beside: float  # its distance from the plane or the line; 0 where it lies on it

    @property
    def words(self) -> str:
        """Its name, loss, and distance from the plane, as in a legend."""
        parts = [self.name]
        if self.loss is not None:
            parts.append(number_text(self.loss, 4))
        if self.beside:
            parts.append(f"{number_text(self.beside, 3)} beside")
        return ", ".join(parts)


def named_marks(facts: AxesFacts, names: Sequence[SubjectName]) -> list[NamedMark]:
    """The points that given axes lead through; none where the subjects' names are not known."""
    shortest = min((norm for norm in facts.direction_norms if norm), default=1.0)
    return [
        NamedMark(
            names[mark.subject].text,
            mark.x,
            mark.y,
            mark.loss,
            mark.out if mark.out > BESIDE * shortest else 0.0,
        )
        for mark in facts.marks
        if mark.subject < len(names)
    ]


def given_titles(facts: AxesFacts, names: Sequence[SubjectName] = ()) -> list[str]:
    """What given axes are called; nothing where they are none."""
    return [_title(axis, names) for axis in facts.given]


def _title(axis: GivenAxis, names: Sequence[SubjectName]) -> str:
    """What one axis is called."""
    if axis.sort == "random":
        return "Random direction"
    unit = UNITS.get(axis.scaling, "")
    ends = [names[place].text for place in axis.subjects if place < len(names)]
    if axis.sort == "stored":
        return f"Along {ends[0] if ends else 'a stored direction'}{unit}"
    if len(ends) < 2:
        return f"Along a difference{unit}"
    return f"{ends[0]} to {ends[1]}{unit}"
