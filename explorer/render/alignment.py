"""An alignment drawn: distances before and after, where each search ended, which channel moved."""

import pandas  # noqa: F401 - whole before altair looks at it: another thread may be at it

# isort: split
import math
from collections.abc import Sequence
from typing import Any

import altair as alt
import numpy as np

from explorer.kinds.alignment import AlignmentLook
from explorer.kinds.alignment_result import Alignment
from explorer.kinds.look import SubjectName
from explorer.render.marks.arrow import arrow_table
from explorer.render.marks.colours import BLUE, ORANGE
from explorer.render.marks.curve import GREY
from explorer.render.marks.layers import layered_chart
from explorer.render.marks.ticks import number_text, tick_label_expression, ticks

MOST_TENSORS = 60  # drawn: those that are farthest apart
MOST_CHANNELS = 4000  # drawn: those of the first groups
ROW_HEIGHTS = (20, 14)  # px for each of them: few, or more than MANY
MANY = 30
GAP = 0.05  # around the square of a group, in cells
BEFORE, AFTER, BEST = "as they are", "permuted", "most alike"
LEGEND: dict[str, Any] = {"title": None, "orient": "top", "symbolOpacity": 1}


def draw(
    alignment: Alignment, look: AlignmentLook, names: Sequence[SubjectName] = ()
) -> alt.LayerChart:
    """The picture that the look names, as an Altair chart.

    Args:
        alignment: the searches.
        look: how they are drawn.
        names: of the two models.
    """
    charts = {"tensors": tensors_chart, "searches": searches_chart, "places": places_chart}
    return charts[look.picture](alignment, look)


def tensors_chart(alignment: Alignment, look: AlignmentLook) -> alt.LayerChart:
    """The distance of each tensor of the two models, before and after the best search."""
    rows = tensor_rows(alignment)
    order = list(dict.fromkeys(row["tensor"] for row in rows))
    y = alt.Y("tensor:N", sort=order, title=None)
    y = y.axis(labelLimit=220, labelOverlap=False, labelFlush=False, ticks=False, domain=False)
    high = 1.04 * max(row["high"] for row in rows) or 1.0
    scale: dict[str, Any] = {"domain": [0, high], "nice": False}
    x = alt.X("distance:Q", title="Distance of the two models' tensors", scale=scale)
    x = x.axis(**_axis(0.0, high))
    tooltip = [alt.Tooltip("tensor:N"), *(_tooltip(name) for name in ("before", "after", "share"))]
    base = alt.Chart(arrow_table(rows)).encode(y=y, tooltip=tooltip)
    lines = alt.Chart(arrow_table([r for r in rows if r["state"] == AFTER] or rows[:1]))
    lines = lines.mark_rule(strokeWidth=2, color=GREY, opacity=0.5).encode(
        y=y,
        x=alt.X("low:Q", scale=scale, title=x["title"], axis=x["axis"]),
        x2=alt.X2("high:Q"),
    )
    colour = alt.Color("state:N").scale(domain=[BEFORE, AFTER], range=[GREY, BLUE])
    dots = base.mark_point(filled=True, size=80, opacity=1).encode(
        x=x, color=colour.legend(**LEGEND)
    )
    height = max(60, ROW_HEIGHTS[len(order) > MANY] * len(order))
    return layered_chart([lines, dots], look.width, height, look.title)


def _axis(low: float, high: float) -> dict[str, Any]:
    """Ticks at round places, and faint lines across."""
    places = ticks(low, high, False, 6)
    words = {"values": places, "labelExpr": tick_label_expression(places)}
    return {**words, "gridColor": GREY, "gridOpacity": 0.22}


def tensor_rows(alignment: Alignment) -> list[dict[str, Any]]:
    """A row for each tensor and state, in the order of the model."""
    facts, best = alignment.facts, alignment.best
    before = np.array(facts.before, dtype=float)
    after = np.array(facts.after.get(-1 if best is None else best, facts.before), dtype=float)
    shown = sorted(np.argsort(-np.maximum(before, after), kind="stable")[:MOST_TENSORS].tolist())
    rows: list[dict[str, Any]] = []
    for place in shown:
        low, high = sorted((before[place], after[place]))
        share = after[place] / before[place] if before[place] else math.nan
        words = {
            "tensor": facts.tensors[place],
            "before": number_text(float(before[place]), 4),
            "after": number_text(float(after[place]), 4),
            "share": f"{share:.0%}" if math.isfinite(share) else "",
            "low": float(low),
            "high": float(high),
        }
        states = {BEFORE: before[place], AFTER: after[place]}
        rows += [{**words, "state": s, "distance": float(v)} for s, v in states.items()]
    empty = {"tensor": "", "before": "", "after": "", "share": "", "low": 0.0, "high": 0.0}
    return rows or [{**empty, "state": BEFORE, "distance": 0.0}]


def _tooltip(name: str) -> alt.Tooltip:
    return alt.Tooltip(
        field=name, type="nominal", title={"share": "after / before"}.get(name, name)
    )


def searches_chart(alignment: Alignment, look: AlignmentLook) -> alt.LayerChart:
    """The distance of each search's copy to the fixed model; dashed: the models as they are."""
    rows: list[dict[str, Any]] = [
        {
            "search": str(unit + 1),
            "distance": float(alignment.values["distance"][unit]),
            "state": BEST if _is_best(alignment, unit) else "other searches",
            **_search_words(alignment, unit),
        }
        for unit in np.flatnonzero(alignment.computed).tolist()
    ]
    start = alignment.facts.distance
    order = [row["search"] for row in rows]
    x = alt.X("search:N", sort=order, title="Search").axis(labelAngle=0, labelOverlap=True)
    has_start = not math.isnan(start)
    values = [*(row["distance"] for row in rows), *([start] if has_start else [])]
    low, high = (min(values), max(values)) if values else (0.0, 1.0)
    room = 0.08 * (high - low) or 0.05 * abs(high) or 1.0
    scale: dict[str, Any] = {
        "domain": [max(0.0, low - room), high + room],
        "nice": False,
        "zero": False,
    }
    y = alt.Y("distance:Q", scale=scale, title="Distance to the fixed model")
    y = y.axis(**_axis(*scale["domain"]))
    empty = {"search": "1", "distance": low, "state": BEST, "similarity": "", "loss": ""}
    tooltip = [alt.Tooltip(f"{name}:N") for name in ("search", "similarity", "loss", "midpoint")]
    colour = alt.Color("state:N").scale(domain=[BEST, "other searches"], range=[BLUE, ORANGE])
    dots = alt.Chart(arrow_table(rows or [{**empty, "midpoint": ""}]))
    dots = dots.mark_point(filled=True, size=90, opacity=1 if rows else 0)
    dots = dots.encode(x=x, y=y, color=colour.legend(**LEGEND), tooltip=tooltip)
    line = alt.Chart(arrow_table([{"distance": start if has_start else low}]))
    dashed = line.mark_rule(strokeDash=[4, 3], color=GREY, strokeWidth=1.5).encode(y=y)
    return layered_chart([dashed, dots], look.width, look.height, look.title)


def _is_best(alignment: Alignment, unit: int) -> bool:
    """Whether a search ended at the best one's permutation."""
    digests, best = alignment.facts.digests, alignment.best
    return unit == best or (
        best is not None and unit in digests and digests[unit] == digests.get(best)
    )


def _search_words(alignment: Alignment, unit: int) -> dict[str, str]:
    names = ("similarity", "loss", "midpoint")
    return {name: number_text(float(alignment.values[name][unit]), 5) for name in names}


def places_chart(alignment: Alignment, look: AlignmentLook) -> alt.LayerChart:
    """Which channel of the moved model came to which place: a square for each group."""
    across = _columns(alignment)
    rows, blocks = place_rows(alignment, look.width / across)
    down = max(1, math.ceil(len(blocks) / across))
    plain: dict[str, Any] = {"grid": False, "ticks": False, "labels": False, "domain": False}
    scales = [
        {"domain": [0, across], "nice": False},
        {"domain": [0, down], "nice": False, "reverse": True},
    ]
    axes = [{**plain, "title": f"Place in the {which}"} for which in ("copy", "moved model")]
    empty: dict[str, object] = {"x": 0.0, "y": 0.0, "x2": 0.0, "y2": 0.0, "group": "", "size": ""}
    base = alt.Chart(arrow_table(blocks or [empty])).encode(
        x=alt.X("x:Q", scale=scales[0], axis=axes[0]),
        y=alt.Y("y:Q", scale=scales[1], axis=axes[1]),
        tooltip=[alt.Tooltip("group:N"), alt.Tooltip("size:N", title="channels")],
    )
    frames = base.mark_rect(fill=GREY, fillOpacity=0.13, stroke=GREY, strokeOpacity=0.5)
    frames = frames.encode(x2=alt.X2("x2:Q"), y2=alt.Y2("y2:Q"))
    words = base.mark_text(align="left", baseline="bottom", dy=-3, color=GREY, limit=140)
    words = words.encode(text="group:N")
    colour = alt.Color("state:N").scale(domain=["moved", "stayed"], range=[BLUE, ORANGE])
    none = {**empty, "state": "moved", "from": "", "to": "", "area": 0.0}
    dots = alt.Chart(arrow_table(rows or [none])).mark_point(filled=True, shape="square", opacity=1)
    dots = dots.encode(
        x=alt.X("x:Q", scale=scales[0], axis=axes[0]),
        y=alt.Y("y:Q", scale=scales[1], axis=axes[1]),
        size=alt.Size("area:Q", scale=None, legend=None),
        color=colour.legend(**LEGEND),
        tooltip=[alt.Tooltip(f"{name}:N") for name in ("group", "from", "to")],
    )
    height = round(look.width / across * down)
    return layered_chart([frames, dots, words], look.width, height, look.title)


def _columns(alignment: Alignment) -> int:
    """How many squares stand in a row."""
    best = alignment.best
    count = len(alignment.facts.places.get(-1 if best is None else best, ()))
    return max(2, math.ceil(math.sqrt(count)))


def place_rows(
    alignment: Alignment, side: float = 100.0
) -> tuple[list[dict[str, object]], list[dict[str, object]]]:
    """A row for each channel, and one for the square of each group, in cells of size 1.

    Args:
        alignment: whose best search they are of.
        side: px of a cell.
    """
    best, across = alignment.best, _columns(alignment)
    lists = alignment.facts.places.get(-1 if best is None else best, ())
    names = [name for g in alignment.facts.groups for name in (g.name, *[g.name] * len(g.inner))]
    rows: list[dict[str, object]] = []
    blocks: list[dict[str, object]] = []
    for number, (name, places) in enumerate(zip(names, lists, strict=False)):
        if len(rows) + len(places) > MOST_CHANNELS:
            break
        left, top = number % across + GAP, number // across + 2 * GAP
        wide, high = 1 - 2 * GAP, 1 - 3 * GAP
        words = {"group": name, "size": f"{len(places):,}"}
        square = {"x": left, "y": top, "x2": left + wide, "y2": top + high}
        blocks.append({**square, **words})
        step = 1 / len(places)
        for to, source in enumerate(places):
            row: dict[str, object] = {
                "x": left + wide * (to + 0.5) * step,
                "y": top + high * (source + 0.5) * step,
                "state": "stayed" if to == source else "moved",
                "area": max(3.0, (0.8 * side * high * step) ** 2),
            }
            spots = {"from": f"{source + 1:,}", "to": f"{to + 1:,}"}
            rows.append({**row, "group": name, **spots})
    return rows, blocks
