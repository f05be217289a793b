"""Two models' losses along a line, and below them their difference with its interval."""

from typing import Any

from explorer.kinds.difference import Difference
from explorer.render.line import LineStyle
from explorer.render.marks import curves
from explorer.render.marks.curve import Curve, Row, Spot


def profile_chart(
    line: Difference,
    style: LineStyle | None = None,
    *,
    names: tuple[str, str] = ("first", "second"),
    title: str | None = None,
) -> Any:
    """An Altair chart of the points computed so far.

    The band is the 95 % interval from differences example by example; the dashed line is at 0.
    """
    style = style or LineStyle()
    first, second = (
        names if names[0] != names[1] else (f"{names[0]} (first)", f"{names[1]} (second)")
    )
    losses = {
        name: Curve(line.x, line.values[f"loss_{which}"], line.computed)
        for name, which in ((first, "first"), (second, "second"))
    }
    ends = float(line.x[0]), float(line.x[-1])
    zero = Spot(ends[0], 0.0, "no difference", to=(ends[1], 0.0))
    difference = Curve(
        line.x, line.loss, line.computed, line.paired_interval if style.band else None
    )
    height = round(style.height * 0.7)
    rows = [
        Row("loss", losses, height, style.log),
        Row("difference", {"": difference}, height, spots=[zero]),
    ]
    return curves.chart(rows, "Distance along the direction", style.width, title)


def thumbnail(line: Difference) -> bytes:
    """A small picture (PNG) of the difference."""
    return curves.thumbnail(Curve(line.x, line.loss, line.computed))
