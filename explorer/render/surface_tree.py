"""How basins of a surface begin and end: the persistence barcode and the merge tree."""

import pandas  # noqa: F401 - whole before altair looks at it: another thread may be at it

# isort: split
from typing import Any

import altair as alt
import numpy as np

from explorer.kinds.surface import SurfaceLook
from explorer.kinds.topology import GridTopology
from explorer.render.marks.arrow import arrow_table
from explorer.render.marks.curve import GREY
from explorer.render.marks.layers import layered_chart
from explorer.render.marks.scale import value_title
from explorer.render.marks.ticks import number_text, tick_label_expression, ticks
from explorer.render.surface_basins import basin_colours
from explorer.topology.merge_tree import MergeTree

MOST_BARS = 60  # drawn, the longest
MOST_BRANCHES = 60  # drawn, those that persist for longest
MOST_NAMED = 30  # rows or branches that have their number beside them
BAR_HEIGHT, LEAST_HEIGHT, MOST_HEIGHT = 16, 90, 480  # px
TREE_HEIGHT = 340  # px
BELOW = "below the threshold"
ROOM = 0.06  # of the range of values, beyond its ends


def barcode_chart(look: SurfaceLook, topology: GridTopology) -> alt.LayerChart:
    """A bar for each basin that joins a deeper one, the longest first; grey below the threshold.

    Args:
        look: how it is drawn.
        topology: the basins of a surface.
    """
    whole = topology.whole
    places = np.flatnonzero(whole.joins)
    places = places[np.argsort(-whole.persistence[places], kind="stable")][:MOST_BARS]
    colours = basin_colours(topology.tree)
    number_of = {point: place for place, point in enumerate(topology.tree.minima.tolist())}
    rows: list[dict[str, object]] = []
    for row, place in enumerate(places.tolist()):
        number = number_of.get(int(whole.minima[place]))
        kept = number is not None
        rows.append(
            {
                "row": row,
                "birth": float(whole.births[place]),
                "death": float(whole.deaths[place]),
                "basin": str(number + 1) if number is not None else BELOW,
                "label": str(number + 1) if number is not None else "",
                "colour": colours[number] if number is not None else GREY,
                "strength": 1.0 if kept else 0.55,
                "from": number_text(whole.births[place], 4),
                "to": number_text(whole.deaths[place], 4),
                "length": number_text(whole.persistence[place], 4),
            }
        )
    height = int(min(MOST_HEIGHT, max(LEAST_HEIGHT, BAR_HEIGHT * len(rows))))
    axis = value_axis(look, topology)
    if not rows:
        return _empty_barcode(look, topology, axis, height)
    y = alt.Y("row:Q", scale={"domain": [len(rows) - 0.4, -0.6], "nice": False}, axis=None)
    base = alt.Chart(arrow_table(rows))
    tooltip = [
        alt.Tooltip(f"{name}:N", title=title)
        for name, title in (
            ("basin", "basin"),
            ("from", "begins at"),
            ("to", "joins at"),
            ("length", "persistence"),
        )
    ]
    bars = base.mark_rule(strokeWidth=min(8, 0.6 * height / len(rows)), strokeCap="butt").encode(
        x=alt.X("birth:Q", **axis),
        x2="death:Q",
        y=y,
        color=alt.Color("colour:N", scale=None),
        opacity=alt.Opacity("strength:Q", scale=None, legend=None),
        tooltip=tooltip,
    )
    layers = [bars]
    if sum(bool(row["label"]) for row in rows) <= MOST_NAMED:
        names = base.mark_text(align="left", dx=6, fontSize=10)
        layers.append(names.encode(x="death:Q", y=y, text="label:N"))
    return layered_chart(layers, look.width, height, look.title)


def _empty_barcode(
    look: SurfaceLook, topology: GridTopology, axis: dict[str, Any], height: int
) -> alt.LayerChart:
    """The axis, and that there is no bar."""
    low, high = axis["scale"]["domain"]
    words = (
        "no bar: one basin, and no other"
        if len(topology.tree) == 1
        else "no bar: no basin joins another"
    )
    middle = (low * high) ** 0.5 if axis["scale"]["type"] == "log" else (low + high) / 2
    row = {"x": middle, "y": 0.5, "words": words}
    text = alt.Chart(arrow_table([row])).mark_text(fontSize=13)
    y = alt.Y("y:Q", scale={"domain": [0, 1]}, axis=None)
    layer = text.encode(x=alt.X("x:Q", **axis), y=y, text="words:N")
    return layered_chart([layer], look.width, height, look.title)


def value_axis(look: SurfaceLook, topology: GridTopology) -> dict[str, Any]:
    """Scale and axis of levels, from the deepest point to beyond the highest saddle."""
    whole = topology.whole
    finite = topology.values[np.isfinite(topology.values)]
    low = float(finite.min()) if finite.size else 0.0
    joins = whole.deaths[whole.joins]
    high = float(joins.max()) if len(joins) else float(finite.max()) if finite.size else 1.0
    log = look.log and low > 0 and high > low
    if log:
        room = (high / low) ** ROOM
        low, high = low / room**1.5, high * room
    else:
        room = ROOM * (high - low) or 0.05 * abs(high) or 0.5
        low, high = low - 1.5 * room, high + room
    places = ticks(low, high, log, 6)
    return {
        "scale": {
            "type": "log" if log else "linear",
            "domain": [low, high],
            "nice": False,
            "zero": False,
        },
        "axis": {
            "title": value_title(look.value),
            "values": places,
            "labelExpr": tick_label_expression(places),
            "gridColor": GREY,
            "gridOpacity": 0.22,
        },
    }


def merge_tree_chart(look: SurfaceLook, topology: GridTopology) -> alt.LayerChart:
    """A branch for each basin above the threshold, up to the saddle where it joins a deeper one.

    Args:
        look: how it is drawn.
        topology: the basins of a surface.
    """
    tree = topology.tree
    axis = value_axis(look, topology)
    top = axis["scale"]["domain"][1]
    columns, colours = branch_columns(tree), basin_colours(tree)
    shown = np.argsort(-tree.persistence, kind="stable")[:MOST_BRANCHES].tolist()
    shown = sorted(shown, key=lambda place: columns[place])
    column_of = {place: column for column, place in enumerate(shown)}
    branches: list[dict[str, object]] = []
    joints: list[dict[str, object]] = []
    for place, column in column_of.items():
        joins = bool(tree.joins[place])
        end = float(tree.deaths[place]) if joins else top
        words = {
            "basin": str(place + 1),
            "from": number_text(tree.births[place], 4),
            "to": number_text(tree.deaths[place], 4) if joins else "never",
            "joins": str(tree.parents[place] + 1) if joins else "none",
        }
        row = {"x": column, "birth": float(tree.births[place]), "end": end}
        branches.append({**row, "colour": colours[place], **words})
        if joins:
            joints.append({"x": column, "x2": column_of[int(tree.parents[place])], "end": end})
    return _branches_chart(look, axis, branches, joints)


def branch_columns(tree: MergeTree) -> np.ndarray:
    """Where each branch stands, (N,): beside what it joins, the earlier the nearer; none cross."""
    children: dict[int, list[int]] = {}
    for place in np.argsort(tree.deaths, kind="stable").tolist():
        children.setdefault(int(tree.parents[place]), []).append(place)
    columns = np.empty(len(tree), dtype=int)
    pending = children.get(-1, [])[::-1]
    for column in range(len(tree)):
        place = pending.pop()
        columns[place] = column
        pending += children.get(place, [])[::-1]
    return columns


def _branches_chart(
    look: SurfaceLook,
    axis: dict[str, Any],
    branches: list[dict[str, object]],
    joints: list[dict[str, object]],
) -> alt.LayerChart:
    scale = {"domain": [-0.6, len(branches) - 0.4], "nice": False, "zero": False}
    x = alt.X("x:Q", scale=scale, axis=None)
    base = alt.Chart(arrow_table(branches))
    tooltip = [
        alt.Tooltip(f"{name}:N", title=title)
        for name, title in (
            ("basin", "basin"),
            ("from", "begins at"),
            ("to", "joins at"),
            ("joins", "joins basin"),
        )
    ]
    colour = alt.Color("colour:N", scale=None)
    lines = base.mark_rule(strokeWidth=3).encode(
        x=x, y=alt.Y("birth:Q", **axis), y2="end:Q", color=colour, tooltip=tooltip
    )
    dots = base.mark_point(size=60, filled=True, opacity=1).encode(
        x=x, y="birth:Q", color=colour, tooltip=tooltip
    )
    layers = [lines, dots]
    if joints:
        across = alt.Chart(arrow_table(joints)).mark_rule(strokeWidth=1.5, color=GREY)
        layers.insert(0, across.encode(x=x, x2="x2:Q", y=alt.Y("end:Q", **axis)))
    if len(branches) <= MOST_NAMED:
        names = base.mark_text(dy=12, fontSize=10).encode(x=x, y="birth:Q", text="basin:N")
        layers.append(names)
    return layered_chart(layers, look.width, TREE_HEIGHT, look.title)
