"""Charts as Vega-Lite, and the views within views that they are made of."""

import pandas  # noqa: F401 - whole before altair looks at it: another thread may be at it

# isort: split
from collections.abc import Mapping
from typing import Any

import altair as alt

INNER_VIEWS = ("layer", "vconcat", "hconcat", "concat")  # where a view holds others


def static_spec(chart: alt.TopLevelMixin) -> dict[str, Any]:
    """The chart as Vega-Lite, without the layers and parameters that answer the mouse."""
    with alt.data_transformers.disable_max_rows():
        return _static_view(chart.to_dict())


def inner_views(view: Mapping[str, Any]) -> list[tuple[str, list[Any]]]:
    """The views that a view holds, by the key under which it holds them."""
    return [(key, view[key]) for key in INNER_VIEWS if key in view]


def all_views(spec: Mapping[str, Any]) -> list[Any]:
    """The specification and every view in it."""
    inner = [view for key in INNER_VIEWS for view in spec.get(key, [])]
    return [spec, *(deeper for view in inner for deeper in all_views(view))]


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
