"""Loss along lines: one or several over the same axis, a second value in a row below."""

import pandas  # noqa: F401 - whole before altair looks at it: another thread may be at it

# isort: split
import math
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import altair as alt
import numpy as np
import pyarrow as pa

from explorer.kinds.line import Line
from explorer.render.rows import escaped, table
from explorer.render.scale import drawable, label_expression, number, ticks, title_of

SECOND_HEIGHT = 0.4  # of the first row's
STROKE = "M0,-1L0,1"


@dataclass(frozen=True)
class LineStyle:
    """How lines are drawn. It has no theme: the chart takes the page's colours."""

    value: str = "loss"  # or the name of a metric
    log: bool = False
    second: str | None = None  # a value in a row of its own below, linear
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


def profile(
    lines: Line | Mapping[str, Line],
    style: LineStyle | None = None,
    *,
    title: str | None = None,
    x_title: str = "Distance along the direction",
) -> alt.LayerChart | alt.VConcatChart:
    """The points computed so far of each named line, joined.

    Where a value is NaN, infinite or, on a log scale, not positive, the line has a gap and the foot
    of the plot a mark.

    Raises:
        ValueError: no lines, or a line without such a value.
    """
    style = style or LineStyle()
    named = {"": lines} if isinstance(lines, Line) else dict(lines)
    values = [style.value] if style.second is None else [style.value, style.second]
    _check(named, values)
    heights = [style.height, round(style.height * SECOND_HEIGHT)]
    rows = []
    for value, height in zip(values, heights, strict=False):
        x = _x(named, x_title if value == values[-1] else None)
        layers = _row(named, value, style.log and value == style.value, x, (style.width, height))
        rows.append(alt.LayerChart(layer=layers, width=style.width, height=height))
    chart = rows[0] if len(rows) == 1 else alt.VConcatChart(vconcat=rows, spacing=12)
    if title:
        chart.title = title
    return chart


def _check(named: Mapping[str, Line], values: list[str]) -> None:
    if not named:
        raise ValueError("lines must hold at least one line, got none")
    for name, line in named.items():
        for value in values:
            if value not in line.values:
                known = ", ".join(line.values)
                raise ValueError(f"value must be one of {known}, got {value!r} (line {name!r})")


def _x(named: Mapping[str, Line], title: str | None) -> alt.X:
    low = min(float(line.x[0]) for line in named.values())
    high = max(float(line.x[-1]) for line in named.values())
    scale = alt.Scale(domain=[low, high], nice=False, zero=False)
    return alt.X("x:Q", scale=scale, axis=_axis(ticks(low, high, False, 6), title, grid=False))


def _axis(values: list[float], title: str | None, grid: bool) -> alt.Axis:
    """An axis whose grid is as faint on a dark page as on a light one."""
    return alt.Axis(
        title=title,
        values=values,
        labelExpr=label_expression(values),
        labelFlush=False,
        grid=grid,
        gridColor="#888888",
        gridOpacity=0.22,
    )


def _row(
    named: Mapping[str, Line], value: str, log: bool, x: alt.X, size: tuple[int, int]
) -> list[alt.Chart]:
    """Layers of one row: lines, marks of what has no place, the rule that tells the values."""
    low, high = _limits(named, value, log)
    width, height = size
    places = ticks(low, high, log, max(3, height // 45))
    scale = alt.Scale(type="log" if log else "linear", domain=[low, high], nice=False)
    if not log:
        scale["zero"] = False
    y = alt.Y("y:Q", scale=scale, axis=_axis(places, title_of(value), grid=True))
    points, holes = _points(named, value, log)
    colour: Any = alt.Undefined  # one line: the page's own colour, no legend
    if len(named) > 1:
        legend = alt.Legend(
            title=None,
            orient="top",
            columns=max(1, width // (50 + 6 * max(map(len, named)))),
            symbolType="stroke",
            symbolStrokeWidth=2,
            labelLimit=0,
        )
        colour = alt.Color("line:N", legend=legend, scale=alt.Scale(domain=list(named)))
    layers = []
    if points:
        base = alt.Chart(table(points)).encode(x=x, y=y, color=colour)
        layers.append(
            base.mark_line(style="profile", strokeWidth=1.8, strokeJoin="round").encode(
                detail=["line:N", "part:Q"], order="x:Q"
            )
        )
        growing = any(not line.computed.all() for line in named.values())
        dotted = points if growing else _alone(points)
        if dotted:
            dots = base.properties(data=table(dotted))
            layers.append(dots.mark_point(style="profile-point", size=16, filled=True, opacity=1))
    if holes:
        layers.append(_rug(holes, x, colour, height, _words(value)))
    return [*layers, _rule(named, value, x)]


def _limits(named: Mapping[str, Line], value: str, log: bool) -> tuple[float, float]:
    """Ends of the value axis: those of the drawable values, and a little room."""
    known = np.concatenate([line.values[value][line.computed] for line in named.values()])
    shown = known[drawable(known, log)]
    if not shown.size:
        return (0.1, 10.0) if log else (0.0, 1.0)
    low, high = float(shown.min()), float(shown.max())
    if log:
        room = (math.log(high) - math.log(low)) * 0.04 or 0.1
        low, high = math.exp(math.log(low) - room), math.exp(min(math.log(high) + room, 709))
        return max(low, sys.float_info.min), high
    room = (high / 2 - low / 2) * 0.08 or 0.05 * abs(high) or 0.5
    largest = sys.float_info.max
    return max(low - room, -largest), min(high + room, largest)


def _points(
    named: Mapping[str, Line], value: str, log: bool
) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Rows of the drawable points, `part` counting the gaps before them; and rows of the others."""
    points: list[dict[str, Any]] = []
    holes: list[dict[str, Any]] = []
    for name, line in named.items():
        xs, ys = line.x[line.computed], line.values[value][line.computed]
        held = drawable(ys, log)
        parts = np.cumsum(~held)
        for x, y, good, part in zip(xs.tolist(), ys.tolist(), held, parts.tolist(), strict=True):
            row = {"x": x, "line": name}
            if good:
                points.append({**row, "y": y, "part": part})
            else:
                finite = math.isfinite(y)
                why = "not above 0" if finite else "NaN" if math.isnan(y) else "infinite"
                holes.append({**row, "value": number(y), "why": why})
    return points, holes


def _alone(points: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Points between two gaps, which a line does not show."""
    sizes: dict[tuple[str, int], int] = {}
    for row in points:
        key = row["line"], row["part"]
        sizes[key] = sizes.get(key, 0) + 1
    return [row for row in points if sizes[row["line"], row["part"]] == 1]


def _rug(holes: list[dict[str, Any]], x: alt.X, colour: Any, height: int, words: str) -> alt.Chart:
    """Marks at the foot of the plot, and what they mean in a legend."""
    counts = {why: sum(row["why"] == why for row in holes) for why in ("NaN", "infinite")}
    counts["not above 0"] = len(holes) - sum(counts.values())
    note = f"No {words}: " + ", ".join(f"{n:,} {why}" for why, n in counts.items() if n)
    legend = alt.Legend(title=None, orient="bottom", symbolSize=90, labelLimit=0)
    return (
        alt.Chart(table([{**row, "note": note} for row in holes]))
        .mark_point(style="rug", size=90, strokeWidth=1.2, opacity=1)
        .encode(
            x=x,
            y=alt.value(height - 6),
            color=colour,
            shape=alt.Shape("note:N", legend=legend).scale(domain=[note], range=[STROKE]),
            tooltip=[alt.Tooltip("x:Q"), alt.Tooltip("value:N", title=words)],
        )
    )


def _rule(named: Mapping[str, Line], value: str, x: alt.X) -> alt.Chart:
    """A vertical rule at the nearest x, with the value of every line there."""
    xs = np.unique(np.concatenate([line.x for line in named.values()]))
    columns: dict[str, Any] = {"x": xs, "x text": [number(at) for at in xs]}
    for name, line in named.items():
        texts = np.full(len(xs), "", dtype=object)
        texts[np.searchsorted(xs, line.x)] = [
            number(v, 6) if known else "not computed"
            for v, known in zip(line.values[value].tolist(), line.computed, strict=True)
        ]
        columns[f"value {name}"] = texts.tolist()
    titles = {"x text": "x"} | {f"value {name}": name or _words(value) for name in named}
    near = alt.selection_point(
        name=f"near_{''.join(c if c.isalnum() else '_' for c in value)}",
        on="pointerover",
        clear="pointerout",
        nearest=True,
        fields=["x"],
        empty=False,
    )
    return (
        alt.Chart(pa.table(columns))
        .mark_rule(style="hover", color="#888888", strokeWidth=1)
        .encode(
            x=x,
            opacity=alt.when(near).then(alt.value(0.8)).otherwise(alt.value(0)),
            tooltip=[
                alt.Tooltip(field=escaped(field), type="nominal", title=title)
                for field, title in titles.items()
            ],
        )
        .add_params(near)
    )


def _words(name: str) -> str:
    return name.replace("_", " ")


def thumbnail(line: Line) -> bytes:
    """A small picture (PNG) of the loss along the line, readable on light and dark pages."""
    import vl_convert

    known = line.computed & np.isfinite(line.loss)
    rows = [{"x": x, "loss": y} for x, y in zip(line.x[known], line.loss[known], strict=True)]
    bare = {"axis": None, "scale": {"nice": False, "zero": False}}
    spec = {
        "background": "transparent",
        "padding": 14,
        "width": 452,
        "height": 302,
        "view": {"stroke": None},
        "config": {"axis": {"grid": False}},
        "data": {"values": rows},
        "mark": {"type": "line", "strokeWidth": 4, "color": "#3b7dd8"},
        "encoding": {
            "x": {"field": "x", "type": "quantitative", **bare},
            "y": {"field": "loss", "type": "quantitative", **bare},
        },
    }
    return bytes(vl_convert.vegalite_to_png(spec, allowed_base_urls=[]))
