"""Loss along lines: one or several models over the same axis, a second value in a row below."""

from collections.abc import Mapping, Sequence

from explorer.kinds.line import Line, LineLook
from explorer.kinds.look import SubjectName
from explorer.render.marks import curves
from explorer.render.marks.curve import Band, Curve, Row, Spot, visible_band
from explorer.render.marks.given import given_titles, named_marks

SECOND_HEIGHT = 0.4  # of the first row's
# Short: the legend has to fit a column of a paper.
PARTS = {"curve": "mean of {count} directions", "faint": "each", "band": "± 1 SD"}


def draw(
    lines: Line | Mapping[str, Line], look: LineLook, names: Sequence[SubjectName] = ()
) -> curves.CurvesChart:
    """An Altair chart of the points computed so far of each named line, joined.

    Many lines through one model are thin around their bold mean; through each of several models
    only their means are drawn. Bands are standard deviations over lines; for a single line, its
    95 % interval where that is wide enough to see. What x is comes from the first line's settings.

    Raises:
        ValueError: no lines, or a line without such a value.
    """
    named = {"": lines} if isinstance(lines, Line) else dict(lines)
    values = [look.value, look.second] if look.second else [look.value]
    _refuse_missing_values(named, values)
    heights = (look.height, round(look.height * SECOND_HEIGHT))
    rows = [
        _value_row(named, value, look, height, names)
        for value, height in zip(values, heights, strict=False)
    ]
    first = next(iter(named.values()))
    x_title = next(iter(given_titles(first.facts, names)), first.settings.x_title)
    return curves.chart(rows, x_title, look.width, look.title)


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


def _value_row(
    named: Mapping[str, Line],
    value: str,
    look: LineLook,
    height: int,
    names: Sequence[SubjectName],
) -> Row:
    """The plot of one value; a ring is the loss of a point that a given direction leads to."""
    curves_by_name = {name: mean_curve(line, value, look.band) for name, line in named.items()}
    counts = {len(line.computed) for line in named.values()}
    parts: dict[str, str] = {}
    if counts != {1}:
        most = max(counts)
        parts = {name: words.format(count=most) for name, words in PARTS.items()}
    if len(named) > 1:
        curves_by_name = {n: Curve(c.x, c.y, c.computed, c.band) for n, c in curves_by_name.items()}
        parts.pop("faint", None)
    first = value == look.value
    spots = [
        Spot(mark.x, mark.loss, mark.name, line=name)
        for name, line in named.items()
        for mark in named_marks(line.facts, names)
        if value == "loss" and mark.loss is not None and line.x[0] <= mark.x <= line.x[-1]
    ]
    log = look.log and first
    return Row(value, curves_by_name, height, log, parts if first else {}, spots=spots)


def mean_curve(line: Line, value: str = "loss", band: bool = True) -> Curve:
    """The mean of a value over the lines with its spread, or a single line with its interval."""
    values = line.values[value]
    if len(values) > 1:
        mean, spread = line.mean(value), line.spread(value)
        return Curve(line.x, mean, line.complete, (mean - spread, mean + spread), values)
    band_ends = loss_band(line) if band and value == "loss" else None
    return Curve(line.x, values[0], line.computed[0], band_ends)


def loss_band(line: Line) -> Band | None:
    """The 95 % interval around a single line's loss, where it is wide enough to see."""
    bounds = line.interval if len(line.loss) == 1 else None
    return bounds and visible_band((bounds[0][0], bounds[1][0]), line.loss[0], line.computed[0])
