"""Where a curve has points and where gaps; marks of what has no place at the foot of its plot."""

import math

import altair as alt
import numpy as np

from explorer.render.marks.arrow import Encodings, arrow_table, tooltip_title
from explorer.render.marks.curve import Curve, Row
from explorer.render.marks.scale import is_drawable
from explorer.render.marks.ticks import number_text

STROKE_PATH = "M0,-1L0,1"
PointRow = dict[str, float | str]
PointRows = list[PointRow]


def drawable_rows(name: str, x: np.ndarray, y: np.ndarray, log: bool) -> PointRows:
    """Rows of the drawable points; `gap` counts the gaps before each."""
    has_place = is_drawable(y, log)
    gaps = np.cumsum(~has_place)
    return [
        {"x": at, "y": value, "line": name, "gap": gap}
        for at, value, good, gap in zip(
            x.tolist(), y.tolist(), has_place, gaps.tolist(), strict=True
        )
        if good
    ]


def isolated_rows(point_rows: PointRows) -> PointRows:
    """Points between two gaps, which a line does not show."""
    sizes: dict[tuple[float | str, float | str], int] = {}
    for row in point_rows:
        key = row["line"], row["gap"]
        sizes[key] = sizes.get(key, 0) + 1
    return [row for row in point_rows if sizes[row["line"], row["gap"]] == 1]


def undrawable_rows(name: str, curve: Curve, log: bool) -> PointRows:
    """Rows of the computed points that have no place in the plot."""
    x, y = curve.x[curve.computed], curve.y[curve.computed]
    bad = ~is_drawable(y, log)
    return [
        {"x": at, "line": name, "value": number_text(value), "why": _reason_text(value)}
        for at, value in zip(x[bad].tolist(), y[bad].tolist(), strict=True)
    ]


def _reason_text(value: float) -> str:
    if math.isnan(value):
        return "NaN"
    return "infinite" if math.isinf(value) else "not above 0"


def rug_layer(hole_rows: PointRows, shared: Encodings, row: Row) -> alt.Chart:
    """Marks at the foot of the plot, and what they mean in a legend."""
    counts = {why: sum(hole["why"] == why for hole in hole_rows) for why in ("NaN", "infinite")}
    counts["not above 0"] = len(hole_rows) - sum(counts.values())
    note = f"No {row.words}: " + ", ".join(f"{n:,} {why}" for why, n in counts.items() if n)
    legend = {"title": None, "orient": "bottom", "symbolSize": 90, "labelLimit": 0}
    scale = {"domain": [note], "range": [STROKE_PATH]}
    return (
        alt.Chart(arrow_table([{**hole, "note": note} for hole in hole_rows]))
        .mark_point(style="rug", size=90, strokeWidth=1.2, opacity=1)
        .encode(
            x=shared["x"],
            y=alt.YValue(row.height - 6),
            color=shared["color"],
            shape=alt.Shape("note:N", legend=legend, scale=scale),
            tooltip=[alt.Tooltip("x:Q"), alt.Tooltip("value:N", title=tooltip_title(row.words))],
        )
    )
