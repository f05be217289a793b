"""Charts of curves beside each other as one picture: the rule under the mouse goes through all."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import altair as alt

from explorer.render.drawing import Chart
from explorer.render.marks.cursor import room_for_words
from explorer.render.marks.series import CURSOR, SHOWN

OF_THE_WHOLE = ("$schema", "config", "datasets", "params", "autosize", "background")
OWN_SCALES = ("color", "shape", "stroke", "opacity", "strokeWidth", "strokeDash", "fill")
TITLE = {"anchor": "start", "frame": "group", "offset": 20, "fontSize": 14}
SPACE = {"row": 28, "column": 24}  # px between plots


@dataclass(frozen=True)
class LinkedChart:
    """A chart of several, and what is written above it."""

    chart: Chart
    title: str = ""
    subtitle: str = ""


@dataclass(frozen=True)
class LinkedCharts:
    """Charts in rows, as Vega-Lite; each keeps its own colours and legend."""

    charts: Sequence[LinkedChart]
    across: int  # in a row
    title_width: int  # px at most
    config: Mapping[str, object] = field(default_factory=dict)

    def to_dict(self, *, validate: bool = False) -> dict[str, object]:
        """The whole as Vega-Lite.

        Args:
            validate: must be False: altair knows no such chart.
        """
        panels = []
        params: list[dict[str, Any]] = []
        datasets: dict[str, object] = {}
        for place, linked in enumerate(self.charts):
            spec = _with_room(linked.chart).to_dict(validate=False)
            datasets |= spec.get("datasets", {})
            own = _renamed({n: part for n, part in spec.items() if n != "datasets"}, place)
            params += own.get("params", [])
            panel = {name: part for name, part in own.items() if name not in OF_THE_WHOLE}
            panels.append(panel | _title(linked, self.title_width))
        return {
            "$schema": alt.SCHEMA_URL,
            "concat": panels,
            "columns": self.across,
            "spacing": SPACE,
            "resolve": {"scale": dict.fromkeys(OWN_SCALES, "independent")},
            "params": _joined(params),
            "datasets": datasets,
            "config": self.config,
            "autosize": {"type": "pad", "contains": "padding"},
        }


def can_be_linked(chart: Chart) -> bool:
    """Whether a rule follows the mouse in it."""
    params: Any = chart.params
    return params is not alt.Undefined and any(param.name == CURSOR for param in params)


def _with_room(chart: Chart) -> Chart:
    """The chart with room for the values that stand above it; rows of plots have it."""
    if not isinstance(chart, alt.LayerChart):
        return chart
    roomy = chart.copy(deep=False)
    roomy.layer = [*chart.layer, room_for_words(int(chart.width))]
    return roomy


def _title(linked: LinkedChart, width: int) -> dict[str, object]:
    if not linked.title:
        return {}
    title = {**TITLE, "text": linked.title, "limit": width}
    return {"title": title | ({"subtitle": linked.subtitle} if linked.subtitle else {})}


def _renamed(part: Any, place: int) -> Any:
    """A specification whose views, and whose choice in the legend, have names of their own."""
    if isinstance(part, list):
        return [_renamed(item, place) for item in part]
    if not isinstance(part, dict):
        return part
    changed = {name: _renamed(value, place) for name, value in part.items()}
    if "name" in changed and ("mark" in changed or changed["name"] == SHOWN):
        changed["name"] = f"{changed['name']}_{place}"
    if "views" in changed:
        changed["views"] = [f"{name}_{place}" for name in changed["views"]]
    if changed.get("param") == SHOWN:
        changed["param"] = f"{SHOWN}_{place}"
    return changed


def _joined(params: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """The parameters, those of one name as one for the views of all."""
    joined: dict[str, dict[str, Any]] = {}
    for param in params:
        first = joined.setdefault(param["name"], {**param, "views": []})
        first["views"] += param["views"]
    return list(joined.values())
