"""A legend of lines that no channel of their plot can carry: of paths and contours on a plane."""

from collections.abc import Sequence

import altair as alt
import pyarrow as pa

SYMBOL_WIDTH, LETTER_WIDTH = 40, 6.5  # px of a line of the legend, and of a letter beside it


def stroke_legend(
    field: str, names: Sequence[str], colours: Sequence[str], width: object = None
) -> alt.Chart:
    """Which colour is which line, above the plot; its points are nowhere.

    It is on a channel of its own, as the colours' scale is that of the plane's values.

    Args:
        field: of the channel; two legends of one field would be one.
        names: of the lines.
        colours: of the lines, in the same order.
        width: px of the plot, beyond which the legend does not reach; unless it is a number, any.
    """
    entry_width = SYMBOL_WIDTH + LETTER_WIDTH * max(map(len, names))
    room = {"columns": max(1, int(width // entry_width))} if isinstance(width, int) else {}
    nowhere = pa.nulls(len(names), pa.float64())  # a NaN would not be JSON
    legend = {
        "title": None,
        "orient": "top",
        "symbolType": "stroke",
        "symbolStrokeWidth": 3,
        "labelLimit": 0,
        **room,
    }
    scale = {"domain": list(names), "range": list(colours)}
    stroke = alt.Stroke(f"{field}:N", legend=legend, scale=scale)
    return (
        alt.Chart(pa.table({"x": nowhere, "y": nowhere, field: list(names)}))
        .mark_point(opacity=1)
        .encode(x=alt.X("x:Q"), y=alt.Y("y:Q"), stroke=stroke)
    )
