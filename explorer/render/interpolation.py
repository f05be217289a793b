"""Loss between two points: the chord between their losses, and the points themselves as rings."""

from collections.abc import Mapping
from typing import Any

from explorer.kinds.facts import number
from explorer.kinds.interpolation import Interpolation
from explorer.render.line import SECOND_HEIGHT, LineStyle
from explorer.render.marks import curves
from explorer.render.marks.curve import Band, Curve, Row, Spot, visible_band


def profile_chart(
    lines: Interpolation | Mapping[str, Interpolation],
    style: LineStyle | None = None,
    *,
    ends: tuple[str, str] = ("the first point", "the second point"),
    title: str | None = None,
) -> Any:
    """An Altair chart of the points computed so far of each named line, joined.

    The chord is dashed. A ring is the value of a point by itself, with its own running statistics.

    Raises:
        ValueError: no lines, or a line without such a value.
    """
    style = style or LineStyle()
    named = {"": lines} if isinstance(lines, Interpolation) else dict(lines)
    values = [style.value] if style.second is None else [style.value, style.second]
    for value in values:
        if not named or any(value not in line.values for line in named.values()):
            raise ValueError(
                f"lines must hold at least one line with {value!r}, got {named.keys()}"
            )
    heights = (style.height, round(style.height * SECOND_HEIGHT))
    rows = [
        _value_row(named, value, style, height, ends)
        for value, height in zip(values, heights, strict=False)
    ]
    return curves.chart(rows, f"a: 0 is {ends[0]}, 1 is {ends[1]}", style.width, title)


def _value_row(
    named: Mapping[str, Interpolation],
    value: str,
    style: LineStyle,
    height: int,
    ends: tuple[str, str],
) -> Row:
    curves_by_name = {
        name: Curve(
            line.x,
            line.values[value],
            line.computed,
            loss_interval(line) if style.band and value == "loss" else None,
        )
        for name, line in named.items()
    }
    spots = [spot for name, line in named.items() for spot in _end_spots(name, line, value, ends)]
    return Row(value, curves_by_name, height, style.log and value == style.value, spots=spots)


def _end_spots(name: str, line: Interpolation, value: str, ends: tuple[str, str]) -> list[Spot]:
    """The chord, and the two points by themselves."""
    first, last = line.ends(value)
    own = [number(end, value) for end in line.facts.own or ({}, {})]
    rings = [Spot(a, y, end, line=name) for a, y, end in zip((0.0, 1.0), own, ends, strict=True)]
    return [Spot(0.0, first, "chord", to=(1.0, last)), *rings]


def loss_interval(line: Interpolation) -> Band | None:
    """The 95 % interval around the loss, where it is wide enough to see."""
    return visible_band(line.interval, line.loss, line.computed)


def thumbnail(line: Interpolation) -> bytes:
    """A small picture (PNG) of the loss between the points."""
    return curves.thumbnail(Curve(line.x, line.loss, line.computed))
