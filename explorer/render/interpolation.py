"""Loss between two points: the chord between their losses, and the points themselves as rings."""

from collections.abc import Mapping, Sequence

from explorer.kinds.facts import number
from explorer.kinds.interpolation import Interpolation, InterpolationLook
from explorer.kinds.look import SubjectName
from explorer.render.line import SECOND_HEIGHT
from explorer.render.marks import curves
from explorer.render.marks.curve import Band, Curve, Row, Spot, visible_band

MOST_BANDED = 2  # curves with their bands, of which more would hide each other
UNNAMED_ENDS = ("the first point", "the second point")


def draw(
    lines: Interpolation | Mapping[str, Interpolation],
    look: InterpolationLook,
    names: Sequence[SubjectName] = (),
) -> curves.CurvesChart:
    """An Altair chart of the points computed so far of each named line, joined.

    The chord is dashed. A ring is the value of a point by itself, with its own running statistics.

    Args:
        lines: one, or several between the same two points, such as those of two splits.
        look: how they are drawn.
        names: of the two points.

    Raises:
        ValueError: no lines, or a line without such a value.
    """
    named = {"": lines} if isinstance(lines, Interpolation) else dict(lines)
    values = [look.value, look.second] if look.second else [look.value]
    for value in values:
        if not named or any(value not in line.values for line in named.values()):
            raise ValueError(
                f"lines must hold at least one line with {value!r}, got {named.keys()}"
            )
    first, second = (name.text for name in names[:2]) if names else UNNAMED_ENDS
    heights = (look.height, round(look.height * SECOND_HEIGHT))
    rows = [
        _value_row(named, value, look, height, (first, second))
        for value, height in zip(values, heights, strict=False)
    ]
    return curves.chart(rows, f"a: 0 is {first}, 1 is {second}", look.width, look.title)


def _value_row(
    named: Mapping[str, Interpolation],
    value: str,
    look: InterpolationLook,
    height: int,
    ends: tuple[str, str],
) -> Row:
    banded = look.band and len(named) <= MOST_BANDED
    curves_by_name = {
        name: Curve(
            line.x,
            line.values[value],
            line.computed,
            loss_band(line) if banded and value == "loss" else None,
        )
        for name, line in named.items()
    }
    spots = [spot for name, line in named.items() for spot in _end_spots(name, line, value, ends)]
    return Row(value, curves_by_name, height, look.log and value == look.value, spots=spots)


def _end_spots(name: str, line: Interpolation, value: str, ends: tuple[str, str]) -> list[Spot]:
    """The chord, and the two points by themselves."""
    first, last = line.ends(value)
    own = [number(end, value) for end in line.facts.own or ({}, {})]
    rings = [Spot(a, y, end, line=name) for a, y, end in zip((0.0, 1.0), own, ends, strict=True)]
    return [Spot(0.0, first, "chord", to=(1.0, last), line=name), *rings]


def loss_band(line: Interpolation) -> Band | None:
    """The 95 % interval around the loss, where it is wide enough to see."""
    return visible_band(line.interval, line.loss, line.computed)
