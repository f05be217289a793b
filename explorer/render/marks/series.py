"""Curves and dots by name: a click in the legend hides one, the mouse on one dims the others."""

from collections.abc import Sequence
from typing import TypeVar, cast

import altair as alt

SHOWN = "shown"  # of the parameter: the names that are not hidden
CURSOR = "cursor"  # of the parameter: what is under the mouse
FIELD = "line"  # the column of names
DIMMED = 0.2  # opacity of what is not under the mouse while something else is

FEELS = "hover"  # the style of the layer of a plot that feels the mouse

Parameter = alt.TopLevelSelectionParameter
PlotsChart = TypeVar("PlotsChart", bound=alt.LayerChart | alt.VConcatChart)


def with_mouse(chart: PlotsChart, pointed: Sequence[str], names: Sequence[str]) -> PlotsChart:
    """The chart, whose layers now answer the mouse.

    Altair (6.3) gives parameters of charts that it concatenates to layers that they are not of, so
    they come last.

    Args:
        chart: one plot, or several below each other. Its first layer of style `FEELS` feels the
            mouse in each.
        pointed: the columns of what feels it that say where it is.
        names: of the curves that a legend has; none without one.
    """
    plots = chart.vconcat if isinstance(chart, alt.VConcatChart) else [chart]
    feeling = []
    legend = ""
    for number, plot in enumerate(plots):
        for place, layer in enumerate(plot.layer):
            if isinstance(layer.mark, dict) and layer.mark.get("style") == FEELS:
                layer.name = f"feels_{number}"
                feeling.append(layer.name)
            elif names and not legend and layer.encoding.color is not alt.Undefined:
                layer.name = legend = f"legend_{number}_{place}"
    params = [_pointed_parameter(pointed, feeling)] if feeling else []
    if legend:
        params.append(_shown_parameter(names, legend))
    chart.params = params or alt.Undefined
    return chart


def _shown_parameter(names: Sequence[str], view: str) -> Parameter:
    """The names that are shown: all, until a click in the legend takes one out or back in.

    Args:
        names: all of them.
        view: the layer that has the legend; Vega-Lite (6.4) takes one alone.
    """
    return Parameter(
        name=SHOWN,
        select={"type": "point", "fields": [FIELD], "toggle": "true", "clear": False},
        bind="legend",
        value=[{FIELD: name} for name in names],
        views=[view],
    )


def _pointed_parameter(fields: Sequence[str], views: Sequence[str]) -> Parameter:
    """These columns of the mark that is under the mouse in these layers."""
    return Parameter(
        name=CURSOR,
        select={
            "type": "point",
            "fields": list(fields),
            "on": "pointerover",
            "clear": "pointerout",
            "toggle": False,
        },
        views=list(views),
    )


def shown_alone(layer: alt.Chart) -> alt.Chart:
    """The layer without what is hidden; what has no name stays."""
    shown = [{"param": SHOWN, "empty": False}, {"field": FIELD, "equal": ""}]
    return layer.transform_filter(cast(alt.PredicateComposition, {"or": shown}))


def dimmed(layer: alt.Chart, test: str) -> alt.Chart:
    """The layer, faint where the test holds; without a mouse it is as it was.

    Args:
        layer: of lines, areas or dots.
        test: an expression of Vega.
    """
    faint = [{"test": test, "value": DIMMED}]
    return layer.encode(
        strokeOpacity=alt.StrokeOpacityValue(1, condition=faint),
        fillOpacity=alt.FillOpacityValue(1, condition=faint),
    )


def other_is_pointed(field: str = FIELD) -> str:
    """The test whether the mouse is on another name than that of a mark."""
    at = f"{CURSOR}.{field}"
    return f"isArray({at}) && isValid({at}[0]) && {at}[0] !== '' && {at}[0] !== datum.{field}"
