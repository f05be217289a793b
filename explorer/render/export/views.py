"""Charts as Vega-Lite, and the views within views that they are made of."""

import pandas  # noqa: F401 - whole before altair looks at it: another thread may be at it

# isort: split
from typing import Any, TypeAlias

import altair as alt
import pyarrow as pa

from explorer.render.drawing import Chart

Spec: TypeAlias = dict[str, Any]  # a view of Vega-Lite as JSON values, whose shape its schema gives
INNER_VIEWS = ("layer", "vconcat", "hconcat", "concat")  # where a view holds others
MOUSE_CHANNELS = ("strokeOpacity", "fillOpacity")  # that dim what is not under the mouse
VIEW_SIZE = {"continuousWidth": 300, "continuousHeight": 300}  # altair's theme, where none is set


def whole_spec(chart: Chart) -> Spec:
    """The chart as Vega-Lite with all its rows, whatever another thread sets in altair meanwhile.

    Altair's theme and its way with data are one for the process, and Streamlit sets both
    while it sends a chart: a chart that names its rows asks for neither.
    """
    chart, rows = _with_named_rows(chart)
    spec: Spec = chart.to_dict(validate=False)  # what draws it checks it, far sooner
    spec["datasets"] = rows | spec.get("datasets", {})
    config = spec.setdefault("config", {})
    config["view"] = VIEW_SIZE | config.get("view", {})
    return spec


def static_spec(chart: Chart) -> Spec:
    """The chart as Vega-Lite, without the layers and parameters that answer the mouse."""
    return _static_view(whole_spec(chart))


def inner_views(view: Spec) -> list[tuple[str, list[Spec]]]:
    """The views that a view holds, by the key under which it holds them."""
    return [(key, view[key]) for key in INNER_VIEWS if key in view]


def all_views(spec: Spec) -> list[Spec]:
    """The specification and every view in it."""
    inner = [view for key in INNER_VIEWS for view in spec.get(key, [])]
    return [spec, *(deeper for view in inner for deeper in all_views(view))]


def _with_named_rows(chart: Chart) -> tuple[Chart, dict[str, list[Spec]]]:
    """A copy of the chart whose tables are names, and the rows by those names.

    Rows within the chart would be copied with every part of it, many times.
    """
    copy, rows, names = chart.copy(deep=True), {}, dict[int, str]()
    pending = [copy]
    while pending:
        view = pending.pop()
        table = view.data
        if isinstance(table, pa.Table):
            name = names.setdefault(id(table), f"rows-{len(names)}")
            if name not in rows:
                rows[name] = alt.default_data_transformer(table, max_rows=len(table))["values"]
            view.data = alt.NamedData(name)
        pending += [inner for key in INNER_VIEWS for inner in getattr(view, key, ())]
    return copy, rows


def _static_view(view: Spec) -> Spec:
    """The view without the layers and parameters that answer the mouse."""
    view = {name: part for name, part in view.items() if name != "params"}
    if "transform" in view:
        view["transform"] = [step for step in view["transform"] if not _is_choice(step)]
    if "encoding" in view:
        view["encoding"] = {n: c for n, c in view["encoding"].items() if n not in MOUSE_CHANNELS}
    for key in INNER_VIEWS:
        if key in view:
            view[key] = [_static_view(inner) for inner in view[key] if not _is_hover(inner)]
    return view


def _is_hover(view: Spec) -> bool:
    mark = view.get("mark")
    return isinstance(mark, dict) and str(mark.get("style", "")).startswith("hover")


def _is_choice(step: Spec) -> bool:
    """Whether a transform leaves out what the user has hidden."""
    return "filter" in step and "'param'" in repr(step["filter"])
