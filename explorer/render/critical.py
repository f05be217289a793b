"""Critical points drawn: index against loss, and the gradient before and after each search."""

import pandas  # noqa: F401 - whole before altair looks at it: another thread may be at it

# isort: split
import math
from collections.abc import Sequence
from dataclasses import replace

import altair as alt
import pyarrow as pa

from explorer.kinds.critical import CriticalLook
from explorer.kinds.critical_result import END_WORDS, Critical, EndReason
from explorer.kinds.look import SubjectName
from explorer.render.critical_rows import SearchRow, search_rows
from explorer.render.marks.arrow import Encodings, arrow_table
from explorer.render.marks.colours import BLUE, GREEN, ORANGE, SERIES_COLOURS
from explorer.render.marks.curve import GREY
from explorer.render.marks.layers import layered_chart
from explorer.render.marks.ticks import tick_label_expression, ticks

HOLLOW = "rgba(0,0,0,0)"
COLOURS = {  # of the reasons for which a search ended; all of `SERIES_COLOURS`
    EndReason.CRITICAL: BLUE,
    EndReason.GRADIENT_FLAT: ORANGE,
    EndReason.STALLED: SERIES_COLOURS[3],
    EndReason.STEPS: SERIES_COLOURS[5],
    EndReason.NOT_FINITE: SERIES_COLOURS[4],
    EndReason.VANISHING: GREEN,
}
SHAPES = ("circle", "square", "triangle-up", "diamond", "cross", "triangle-down")  # of the runs
TOOLTIP_TITLES = {
    "kind": "class",
    "index_words": "index",
    "loss_words": "loss",
    "before_words": "before",
    "after_words": "gradient",
}
SMALLEST_GRADIENT = 1e-16  # a gradient below, 0 too, is drawn there


def draw(
    searches: Critical, look: CriticalLook, names: Sequence[SubjectName] = ()
) -> alt.LayerChart:
    """The picture that the look names, as an Altair chart.

    Args:
        searches: the searches.
        look: how they are drawn.
        names: of the runs in their order, with their snapshots' steps.
    """
    charts = {"index": index_chart, "gradients": gradients_chart}
    return charts[look.picture](searches, look, names)


def index_chart(
    searches: Critical, look: CriticalLook, names: Sequence[SubjectName] = ()
) -> alt.LayerChart:
    """Where searches ended: share of negative eigenvalues against the loss.

    Critical points are filled, all else is hollow; bars are the 95 % interval of an index that is
    an estimate. What has no index, or no place on a log scale, is left out.
    """
    log = look.log
    rows = [row for row in search_rows(searches, names) if not log or row.loss > 0]
    rows = [row for row in rows if math.isfinite(row.loss) and math.isfinite(row.share)]
    x = alt.X("share:Q", scale=_share_scale([row.high for row in rows] + [0.0]))
    x = x.axis(title="Negative eigenvalues, share of all", format="~%", gridOpacity=0.22)
    losses = _axis_ends([row.loss for row in rows], log)
    places = ticks(*losses, log, 6)
    y = alt.Y(
        "loss:Q",
        scale={
            "type": "log" if log else "linear",
            "domain": list(losses),
            "nice": False,
            "zero": False,
        },
        axis={
            "title": "Loss",
            "values": places,
            "labelExpr": tick_label_expression(places),
            "gridColor": GREY,
            "gridOpacity": 0.22,
        },
    )
    base = alt.Chart(_table(rows)).encode(y=y)
    bars = base.mark_rule(strokeWidth=1.5, opacity=0.6).encode(
        x=alt.X("low:Q", scale=x["scale"], axis=x["axis"]), x2=alt.X2("high:Q")
    )
    dots = base.mark_point(style="search", size=70, strokeWidth=1.8, opacity=0.9).encode(
        x=x,
        tooltip=_tooltips("start", "ended", "kind", "loss_words", "index_words", "after_words"),
    )
    dots = dots.encode(**_point_encodings(rows, names))
    return _whole_chart([bars.encode(stroke=_stroke_encoding(rows)), dots], look)


def _whole_chart(layers: list[alt.Chart], look: CriticalLook) -> alt.LayerChart:
    return layered_chart(layers, look.width, look.height, look.title)


def _table(rows: Sequence[SearchRow]) -> pa.Table:
    return arrow_table([vars(row) for row in rows or [SearchRow()]])


def _reasons_present(rows: Sequence[SearchRow]) -> list[EndReason]:
    """The reasons that occur, in their order."""
    reasons = {row.ended for row in rows}
    return [ended for ended in EndReason if END_WORDS[ended] in reasons] or [EndReason.CRITICAL]


def _stroke_encoding(rows: Sequence[SearchRow]) -> alt.Stroke:
    present = _reasons_present(rows)
    scale = {"domain": [END_WORDS[e] for e in present], "range": [COLOURS[e] for e in present]}
    return alt.Stroke(
        "ended:N", scale=scale, legend={"title": None, "orient": "top", "symbolOpacity": 1}
    )


def _point_encodings(rows: Sequence[SearchRow], names: Sequence[SubjectName]) -> Encodings:
    """Colours by the reason, filled where a point is critical; a shape a run."""
    present = _reasons_present(rows)
    fills = [COLOURS[e] if e == EndReason.CRITICAL else HOLLOW for e in present]
    scale = {"domain": [END_WORDS[e] for e in present], "range": fills}
    legend = {"title": None, "orient": "top", "symbolOpacity": 1}
    looks: dict[str, object] = {
        "stroke": _stroke_encoding(rows),
        "fill": alt.Fill("ended:N", scale=scale, legend=legend),
    }
    if len(names) > 1:
        shapes = [SHAPES[n % len(SHAPES)] for n in range(len(names))]
        looks["shape"] = alt.Shape(
            "run:N",
            scale={"domain": [name.text for name in names], "range": shapes},
            legend={"title": None, "orient": "top", "symbolFillColor": GREY},
        )
    return looks


def _share_scale(values: Sequence[float]) -> dict[str, object]:
    """From 0 to a little more than the largest, which is 1 at most."""
    return {"domain": [0, min(1.0, 1.06 * max(values) or 0.01)], "nice": False}


def _axis_ends(values: Sequence[float], log: bool) -> tuple[float, float]:
    """Ends of an axis: those of the values, with a little room."""
    if not values:
        return (0.1, 10.0) if log else (0.0, 1.0)
    low, high = min(values), max(values)
    if log:
        margin = (math.log(high) - math.log(low)) * 0.05 or 0.5
        return math.exp(math.log(low) - margin), math.exp(math.log(high) + margin)
    margin = (high - low) * 0.06 or 0.05 * abs(high) or 0.5
    return low - margin, high + margin


def _tooltips(*names: str) -> list[alt.Tooltip]:
    return [
        alt.Tooltip(field=name, type="nominal", title=TOOLTIP_TITLES.get(name, name))
        for name in names
    ]


def _gradient_rows(rows: Sequence[SearchRow]) -> list[SearchRow]:
    """The rows whose norms are finite, as they stand on a log axis."""
    return [
        replace(
            row,
            before=max(row.before, SMALLEST_GRADIENT),
            after=max(row.after, SMALLEST_GRADIENT),
        )
        for row in rows
        if math.isfinite(row.before) and math.isfinite(row.after)
    ]


def gradients_chart(
    searches: Critical, look: CriticalLook, names: Sequence[SubjectName] = ()
) -> alt.LayerChart:
    """The gradient's norm where each search began and ended, and the target.

    Norms below 1e-16 are drawn there, and those that are not finite left out.
    """
    rows = _gradient_rows(search_rows(searches, names))
    target = searches.settings.target
    values = [gradient for row in rows for gradient in (row.before, row.after)]
    ends = _axis_ends([*values, target], True)
    places = ticks(*ends, True, 7)
    axis = {
        "title": "Norm of the gradient",
        "values": places,
        "labelExpr": tick_label_expression(places),
        "gridColor": GREY,
        "gridOpacity": 0.22,
    }
    scale = {"type": "log", "domain": list(ends), "nice": False}
    order = [row.start for row in rows]
    x = alt.X("start:N", sort=order, title="Start").axis(labelOverlap=True, labelAngle=-45)
    base = alt.Chart(_table(rows)).encode(
        x=x, tooltip=_tooltips("start", "ended", "before_words", "after_words")
    )
    before = alt.Y("before:Q", scale=scale, axis=axis)
    after = alt.Y("after:Q", scale=scale, axis=axis)
    lines = base.mark_rule(color=GREY, strokeWidth=1.2, opacity=0.6).encode(
        y=before, y2=alt.Y2("after:Q")
    )
    first = base.mark_tick(color=GREY, thickness=2, width=8).encode(y=before)
    last = base.mark_point(size=60, strokeWidth=1.8, opacity=0.9).encode(
        y=after, **_point_encodings(rows, ())
    )
    across = alt.Chart(arrow_table([{"target": target}])).mark_rule(strokeDash=[4, 3], color=GREY)
    across = across.encode(y=alt.Y("target:Q", scale=scale, axis=axis))
    return _whole_chart([across, lines, first, last], look)
