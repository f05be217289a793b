"""The largest eigenvalue against the way along its eigenvector, snapshot by snapshot."""

import pandas  # noqa: F401 - whole before altair looks at it: another thread may be at it

# isort: split
from collections.abc import Sequence

import altair as alt
import numpy as np

from explorer.kinds.look import SubjectName
from explorer.kinds.stability import StabilityLook
from explorer.kinds.stability_result import PROJECTION, Stability
from explorer.render.marks.arrow import arrow_table
from explorer.render.marks.curve import GREY
from explorer.render.marks.layers import layered_chart
from explorer.render.marks.ticks import number_text, tick_label_expression, ticks

ROOM = 0.06  # of the range, beyond what is drawn
PhaseRow = dict[str, object]


def phase_chart(
    stability: Stability, look: StabilityLook, names: Sequence[SubjectName] = ()
) -> alt.LayerChart:
    """Each snapshot by its coordinate along the vector and its largest eigenvalue, in order.

    Source: Damian et al. 2023, arXiv:2209.15594, figure 2.

    Raises:
        ValueError: the answer was not asked for projections.
    """
    if PROJECTION not in stability.values:
        raise ValueError("a phase plot must have projections, got none; ask for them")
    rows = _phase_rows(stability, names)
    thresholds = look.thresholds(stability.preconditioned)
    edge = None if thresholds is None else float(thresholds[-1])
    x = _channel(alt.X, "x", "Coordinate along the last top eigenvector", [r["x"] for r in rows])
    tops = [r["y"] for r in rows] + ([] if edge is None else [edge])
    y = _channel(alt.Y, "y", "Largest eigenvalue", tops)
    base = alt.Chart(arrow_table(rows or [_row(0, 0, 0.0, 0.0, "")]))
    if not rows:
        base = base.transform_filter("false")
    way = base.mark_line(color=GREY, strokeWidth=1, opacity=0.7)
    way = way.encode(x=x, y=y, order="number:Q", detail="run:N")
    colour = alt.Color("number:Q", title="Snapshot").scale(scheme="viridis")
    colour = colour.legend(orient="top", format="d", tickCount=5, gradientLength=look.width // 3)
    tooltip = [alt.Tooltip("words:N", title="snapshot")]
    dots = base.mark_point(filled=True, size=45, opacity=0.95)
    layers = [way, dots.encode(x=x, y=y, color=colour, tooltip=tooltip)]
    if edge is not None:
        rule = alt.Chart(arrow_table([{"edge": edge}]))
        rule = rule.mark_rule(color=GREY, strokeDash=[5, 4], strokeWidth=1.6)
        layers.append(rule.encode(y=alt.Y("edge:Q")))
    return layered_chart(layers, look.width, look.height + 80, look.title)


def _phase_rows(stability: Stability, names: Sequence[SubjectName]) -> list[PhaseRow]:
    """The snapshots that have both numbers."""
    x, y = stability.values[PROJECTION], stability.values["lambda_max"]
    rows = []
    for run, span in enumerate(stability.runs):
        steps = names[run].steps if run < len(names) else ()
        for number, place in enumerate(range(span.start, span.stop)):
            if np.isfinite(x[place]) and np.isfinite(y[place]):
                step = f"step {steps[number]}" if number < len(steps) else f"number {number + 1}"
                rows.append(_row(run, number, float(x[place]), float(y[place]), step))
    return rows


def _row(run: int, number: int, x: float, y: float, step: str) -> PhaseRow:
    words = f"{step}: {number_text(x, 4)} along it, eigenvalue {number_text(y, 4)}"
    return {"run": str(run), "number": number, "x": x, "y": y, "words": words}


def _channel(
    channel: type[alt.X] | type[alt.Y], field: str, title: str, values: Sequence[object]
) -> alt.X | alt.Y:
    """Scale and axis that reach a little beyond the values."""
    numbers = np.array(values, dtype=np.float64)
    low, high = (float(numbers.min()), float(numbers.max())) if len(numbers) else (0.0, 1.0)
    room = ROOM * (high - low) or 0.1 * abs(high) or 0.5
    ends = [low - room, high + room]
    places = ticks(ends[0], ends[1], False, 6)
    axis = {"title": title, "values": places, "labelExpr": tick_label_expression(places)}
    scale = {"domain": ends, "nice": False, "zero": False}
    return channel(f"{field}:Q", scale=scale, axis={**axis, "gridOpacity": 0.22})
