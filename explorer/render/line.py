"""Loss along lines: one or several models over the same axis, a second value in a row below."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from explorer.kinds.line import Line
from explorer.render.marks import curves
from explorer.render.marks.curve import Band, Curve, Row, visible_band

SECOND_HEIGHT = 0.4  # of the first row's
# Short: the legend has to fit a column of a paper.
PARTS = {"curve": "mean of {count} directions", "faint": "each", "band": "± 1 SD"}


@dataclass(frozen=True)
class LineStyle:
    """How lines are drawn. It has no theme: the chart takes the page's colours."""

    value: str = "loss"  # or the name of a metric
    log: bool = False
    second: str | None = None  # a value in a row of its own below, linear
    band: bool = True  # where it says something: the interval around the loss of a single line
    width: int = 560  # of the plot without axes and legends, in px
    height: int = 300

    def __post_init__(self) -> None:
        """Refuse what cannot be drawn.

        Raises:
            ValueError: width or height too small.
        """
        if min(self.width, self.height) < 50:
            raise ValueError(
                f"width and height must be at least 50 px, got {self.width} x {self.height}"
            )


def profile_chart(
    lines: Line | Mapping[str, Line],
    style: LineStyle | None = None,
    *,
    title: str | None = None,
    x_title: str = "Distance along the direction",
) -> Any:
    """An Altair chart of the points computed so far of each named line, joined.

    Many lines through one model are thin around their bold mean; through each of several models
    only their means are drawn. Bands are standard deviations over lines; for a single line, its
    95 % interval where that is wide enough to see.

    Raises:
        ValueError: no lines, or a line without such a value.
    """
    style = style or LineStyle()
    named = {"": lines} if isinstance(lines, Line) else dict(lines)
    names = [style.value] if style.second is None else [style.value, style.second]
    _refuse_missing_values(named, names)
    heights = (style.height, round(style.height * SECOND_HEIGHT))
    rows = [
        _value_row(named, name, style, height) for name, height in zip(names, heights, strict=False)
    ]
    return curves.chart(rows, x_title, style.width, title)


def _refuse_missing_values(named: Mapping[str, Line], values: list[str]) -> None:
    if not named:
        raise ValueError("lines must hold at least one line, got none")
    for name, line in named.items():
        for value in values:
            if value not in line.values:
                value_names = ", ".join(line.values)
                raise ValueError(
                    f"value must be one of {value_names}, got {value!r} (line {name!r})"
                )


def _value_row(named: Mapping[str, Line], value: str, style: LineStyle, height: int) -> Row:
    """The plot of one value."""
    curves_by_name = {name: mean_curve(line, value, style.band) for name, line in named.items()}
    counts = {len(line.computed) for line in named.values()}
    parts: dict[str, str] = {}
    if counts != {1}:
        most = max(counts)
        parts = {name: words.format(count=most) for name, words in PARTS.items()}
    if len(named) > 1:
        curves_by_name = {n: Curve(c.x, c.y, c.computed, c.band) for n, c in curves_by_name.items()}
        parts.pop("faint", None)
    first = value == style.value
    return Row(value, curves_by_name, height, style.log and first, parts if first else {})


def mean_curve(line: Line, value: str = "loss", band: bool = True) -> Curve:
    """The mean of a value over the lines with its spread, or a single line with its interval."""
    values = line.values[value]
    if len(values) > 1:
        mean, spread = line.mean(value), line.spread(value)
        return Curve(line.x, mean, line.complete, (mean - spread, mean + spread), values)
    band_ends = loss_interval(line) if band and value == "loss" else None
    return Curve(line.x, values[0], line.computed[0], band_ends)


def loss_interval(line: Line) -> Band | None:
    """The 95 % interval around a single line's loss, where it is wide enough to see."""
    bounds = line.interval if len(line.loss) == 1 else None
    return bounds and visible_band((bounds[0][0], bounds[1][0]), line.loss[0], line.computed[0])


def thumbnail(line: Line) -> bytes:
    """A small picture (PNG) of the loss along the lines, readable on light and dark pages."""
    return curves.thumbnail(mean_curve(line, band=False))
