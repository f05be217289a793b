"""Axes of the playground's pictures, with the same tick labels as those of all others."""

from explorer.render.marks.arrow import Encodings
from explorer.render.marks.ticks import tick_label_expression, ticks


def axis_keywords(
    low: float, high: float, title: str, count: int = 8, *, grid: bool = False, log: bool = False
) -> Encodings:
    """Scale and axis of a channel, as its keywords.

    Args:
        low: where it begins.
        high: where it ends.
        title: of the axis.
        count: of ticks, about.
        grid: whether lines lead from the ticks through the plot.
        log: whether the scale is logarithmic.
    """
    places = ticks(low, high, log, count)
    kind: dict[str, object] = {"type": "log"} if log else {"zero": False}
    return {
        "scale": {"domain": [low, high], "nice": False} | kind,
        "axis": {
            "title": title,
            "values": places,
            "labelExpr": tick_label_expression(places),
            "grid": grid,
            "gridOpacity": 0.22,
        },
    }
