"""Charts as Vega-Lite, and the views within views that they are made of."""

import pandas  # noqa: F401 - whole before altair looks at it: another thread may be at it

# isort: split
from collections.abc import Mapping
from typing import Any

import altair as alt
import pyarrow as pa

INNER_VIEWS = ("layer", "vconcat", "hconcat", "concat")  # where a view holds others
VIEW_SIZE = {"continuousWidth": 300, "continuousHeight": 300}  # altair's theme, where none is set


def whole_spec(chart: alt.TopLevelMixin) -> dict[str, Any]:
    """The chart as Vega-Lite with all its rows, whatever another thread sets in altair meanwhile.

    Altair's theme and its way with data are one for the process, and Streamlit sets both
    while it sends a chart: a chart that holds plain rows asks for neither.
    """
    chart = _with_plain_rows(chart)
    spec: dict[str, Any] = chart.to_dict(validate=False)  # what draws it checks it, far sooner
    config = spec.setdefault("config", {})
    config["view"] = VIEW_SIZE | config.get("view", {})
    return spec


def static_spec(chart: alt.TopLevelMixin) -> dict[str, Any]:
    """The chart as Vega-Lite, without the layers and parameters that answer the mouse."""
    return _static_view(whole_spec(chart))


def inner_views(view: Mapping[str, Any]) -> list[tuple[str, list[Any]]]:
    """The views that a view holds, by the key under which it holds them."""
    return [(key, view[key]) for key in INNER_VIEWS if key in view]


def all_views(spec: Mapping[str, Any]) -> list[Any]:
    """The specification and every view in it."""
    inner = [view for key in INNER_VIEWS for view in spec.get(key, [])]
    return [spec, *(deeper for view in inner for deeper in all_views(view))]


def _with_plain_rows(chart: Any) -> Any:
    """A copy of the chart whose tables are lists of rows."""
    copy = chart.copy(deep=True)
    pending = [copy]
    while pending:
        view = pending.pop()
        if isinstance(view.data, pa.Table):
            view.data = alt.default_data_transformer(view.data, max_rows=len(view.data))
        pending += [inner for key in INNER_VIEWS for inner in getattr(view, key, ())]
    return copy


def _static_view(view: dict[str, Any]) -> dict[str, Any]:
    """The view without the layers and parameters that answer the mouse."""
    view = {name: part for name, part in view.items() if name != "params"}
    for key in INNER_VIEWS:
        if key in view:
            view[key] = [_static_view(inner) for inner in view[key] if not _is_hover(inner)]
    return view


def _is_hover(view: dict[str, object]) -> bool:
    mark = view.get("mark")
    return isinstance(mark, dict) and mark.get("style") == "hover"
