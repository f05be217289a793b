"""Where a curve has points and where gaps; marks of what has no place at the foot of its plot."""

import math
from collections.abc import Mapping
from typing import Any

import altair as alt
import numpy as np

from explorer.render.marks.arrow import table, tip_title
from explorer.render.marks.curve import Curve, Row
from explorer.render.marks.scale import drawable, number

STROKE = "M0,-1L0,1"
Rows = list[dict[str, Any]]


def points(name: str, x: np.ndarray, y: np.ndarray, log: bool) -> Rows:
    """Rows of the drawable points; `gap` counts the gaps before each."""
    held = drawable(y, log)
    gaps = np.cumsum(~held)
    return [
        {"x": at, "y": value, "line": name, "gap": gap}
        for at, value, good, gap in zip(x.tolist(), y.tolist(), held, gaps.tolist(), strict=True)
        if good
    ]


def alone(found: Rows) -> Rows:
    """Points between two gaps, which a line does not show."""
    sizes: dict[tuple[str, int], int] = {}
    for row in found:
        key = row["line"], row["gap"]
        sizes[key] = sizes.get(key, 0) + 1
    return [row for row in found if sizes[row["line"], row["gap"]] == 1]


def holes(name: str, curve: Curve, log: bool) -> Rows:
    """Rows of the computed points that have no place in the plot."""
    x, y = curve.x[curve.computed], curve.y[curve.computed]
    bad = ~drawable(y, log)
    return [
        {"x": at, "line": name, "value": number(value), "why": _why(value)}
        for at, value in zip(x[bad].tolist(), y[bad].tolist(), strict=True)
    ]


def _why(value: float) -> str:
    if math.isnan(value):
        return "NaN"
    return "infinite" if math.isinf(value) else "not above 0"


def rug(found: Rows, shared: Mapping[str, Any], row: Row) -> alt.Chart:
    """Marks at the foot of the plot, and what they mean in a legend."""
    counts = {why: sum(hole["why"] == why for hole in found) for why in ("NaN", "infinite")}
    counts["not above 0"] = len(found) - sum(counts.values())
    note = f"No {row.words}: " + ", ".join(f"{n:,} {why}" for why, n in counts.items() if n)
    legend = alt.Legend(title=None, orient="bottom", symbolSize=90, labelLimit=0)
    return (
        alt.Chart(table([{**hole, "note": note} for hole in found]))
        .mark_point(style="rug", size=90, strokeWidth=1.2, opacity=1)
        .encode(
            x=shared["x"],
            y=alt.value(row.height - 6),
            color=shared["color"],
            shape=alt.Shape("note:N", legend=legend).scale(domain=[note], range=[STROKE]),
            tooltip=[alt.Tooltip("x:Q"), alt.Tooltip("value:N", title=tip_title(row.words))],
        )
    )
