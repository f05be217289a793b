"""The disconnectivity tree: a branch for each minimum, joined where the loss lets one pass."""

import pandas  # noqa: F401 - whole before altair looks at it: another thread may be at it

# isort: split
import math
from dataclasses import dataclass
from typing import Any

import altair as alt
import numpy as np

from explorer.kinds.minima import Minima
from explorer.render.marks.arrow import arrow_table
from explorer.render.marks.colours import SERIES_COLOURS
from explorer.render.marks.curve import GREY
from explorer.render.marks.layers import layered_chart
from explorer.render.marks.ticks import number_text, tick_label_expression, ticks
from explorer.render.minima import DIGITS, MOST_LABELLED, NAME_LETTERS, MinimaLook

TREE_HEIGHT = 340  # px
GROUP_GAP = 0.6  # leaves between trees that nothing joins
ENDS_SHARE = 0.06  # of the range of losses, above and below


@dataclass(frozen=True)
class _Node:
    """A minimum, or a group from the loss on at which it became one."""

    x: float
    loss: float


def draw_tree(minima: Minima, look: MinimaLook) -> alt.LayerChart:
    """Each minimum at its own loss; two branches meet at the lowest pass between their minima.

    Args:
        minima: what is known.
        look: how.

    Raises:
        ValueError: no minimum has a loss that can be drawn.
    """
    nodes = _leaf_nodes(minima)
    drawable = [
        n.loss for n in nodes.values() if math.isfinite(n.loss) and (n.loss > 0 or not look.log)
    ]
    if not drawable:
        raise ValueError("no minimum has a loss that this scale can show; choose a linear scale")
    limits = _limits([*drawable, *(merge.saddle for merge in minima.merges)], look.log)
    floor = limits[0]
    segments, joints = _branches(minima, nodes, floor)
    places = ticks(*limits, look.log, 6)
    y: dict[str, Any] = {
        "scale": {
            "type": "log" if look.log else "linear",
            "domain": list(limits),
            "nice": False,
            "zero": False,
        },
        "axis": {
            "title": "Loss",
            "values": places,
            "labelExpr": tick_label_expression(places),
            "gridColor": GREY,
            "gridOpacity": 0.22,
        },
    }
    last = max(node.x for node in nodes.values())
    x: dict[str, Any] = {
        "scale": {"domain": [-0.6, last + 0.6], "nice": False, "zero": False},
        "axis": None,
    }
    lines = alt.Chart(arrow_table(segments)).mark_rule(
        strokeWidth=1.8, strokeCap="square", color=SERIES_COLOURS[0]
    )
    layers = [
        lines.encode(x=alt.X("x:Q", **x), y=alt.Y("y:Q", **y), x2="x2:Q", y2="y2:Q"),
        *_joint_layers(joints, len(minima), x, y),
        *_leaf_layers(minima, nodes, floor, x, y),
    ]
    return layered_chart(layers, look.width, TREE_HEIGHT)


def _leaf_nodes(minima: Minima) -> dict[int, _Node]:
    """The minima side by side in the order of the tree."""
    nodes: dict[int, _Node] = {}
    for number, group in enumerate(minima.groups):
        for place in group:
            nodes[place] = _Node(len(nodes) + GROUP_GAP * number, float(minima.losses[place]))
    return nodes


def _limits(losses: list[float], log: bool) -> tuple[float, float]:
    """The ends of the axis of losses, some way beyond them."""
    low, high = min(losses), max(losses)
    if log:
        margin = (high / low) ** ENDS_SHARE if high > low else 1.1
        return low / margin, high * margin
    margin = ENDS_SHARE * (high - low) or 0.05 * abs(high) or 0.5
    return low - margin, high + margin


def _branches(
    minima: Minima, nodes: dict[int, _Node], floor: float
) -> tuple[list[dict[str, object]], list[dict[str, object]]]:
    """The lines of the tree, and where they join."""
    segments: list[dict[str, object]] = []
    joints: list[dict[str, object]] = []
    for number, merge in enumerate(minima.merges):
        pair = nodes[merge.left], nodes[merge.right]
        top = merge.saddle
        for node in pair:
            below = node.loss if node.loss >= floor else floor
            segments.append({"x": node.x, "x2": node.x, "y": below, "y2": top})
        segments.append({"x": pair[0].x, "x2": pair[1].x, "y": top, "y2": top})
        middle = (pair[0].x + pair[1].x) / 2
        nodes[len(minima) + number] = _Node(middle, top)
        names = [minima.names[place] for place in merge.leaves]
        joints.append(
            {
                "x": middle,
                "y": top,
                "joined": ", ".join(names),
                "words": number_text(top, DIGITS),
            }
        )
    return segments or [{"x": 0.0, "x2": 0.0, "y": floor, "y2": floor}], joints


def _joint_layers(
    joints: list[dict[str, object]], count: int, x: dict[str, Any], y: dict[str, Any]
) -> list[alt.Chart]:
    """Where branches meet: felt by the mouse, and with its loss where they are few."""
    if not joints:
        return []
    base = alt.Chart(arrow_table(joints)).encode(x=alt.X("x:Q", **x), y=alt.Y("y:Q", **y))
    tooltip = [
        alt.Tooltip("words:N", title="lowest pass"),
        alt.Tooltip("joined:N", title="joins"),
    ]
    dots = base.mark_point(size=40, filled=True, opacity=1, color=SERIES_COLOURS[1])
    layers = [dots.encode(tooltip=tooltip)]
    if count <= MOST_LABELLED:
        layers.append(base.mark_text(align="left", dx=6, dy=-9, fontSize=11).encode(text="words:N"))
    return layers


def _leaf_layers(
    minima: Minima,
    nodes: dict[int, _Node],
    floor: float,
    x: dict[str, Any],
    y: dict[str, Any],
) -> list[alt.Chart]:
    """The minima: a dot each, and its name below the plot."""
    rows: list[dict[str, object]] = [
        {
            "x": nodes[place].x,
            "y": float(np.clip(nodes[place].loss, floor, None)),
            "name": name,
            "words": number_text(minima.losses[place], 4),
        }
        for place, name in enumerate(minima.names)
        if math.isfinite(nodes[place].loss)
    ]
    base = alt.Chart(arrow_table(rows)).encode(x=alt.X("x:Q", **x))
    tooltip = [alt.Tooltip("name:N", title="minimum"), alt.Tooltip("words:N", title="loss")]
    dots = base.mark_point(size=60, filled=True, opacity=1, color=SERIES_COLOURS[0]).encode(
        y=alt.Y("y:Q", **y), tooltip=tooltip
    )
    turned = len(minima) > 4
    names = base.mark_text(
        angle=320 if turned else 0,
        align="right" if turned else "center",
        baseline="top",
        dy=6,
        limit=NAME_LETTERS,
    ).encode(y=alt.value(TREE_HEIGHT), text="name:N")
    return [dots, names]
