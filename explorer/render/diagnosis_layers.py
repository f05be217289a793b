"""Gradients by layer drawn: their norms, and histograms of their entries."""

import pandas  # noqa: F401 - whole before altair looks at it: another thread may be at it

# isort: split
from collections.abc import Sequence

import altair as alt
import numpy as np

from explorer.kinds.diagnosis import DiagnosisLook
from explorer.kinds.diagnosis_result import BIN_EDGES, BINS, Diagnosis
from explorer.kinds.look import SubjectName
from explorer.render.marks import curves
from explorer.render.marks.arrow import arrow_table
from explorer.render.marks.colours import BLUE, ORANGE
from explorer.render.marks.curve import Curve, Row
from explorer.render.marks.layers import layered_chart
from explorer.render.marks.ticks import tick_label_expression, ticks

NAME_ROOM, LEAST_PLOT = 130, 120  # px of the names beside a plot, and what is left of it at least
NAME_AXIS = {"labelLimit": 180, "labelOverlap": False, "labelFlush": False}
LEAST_CELL = 14  # px of a layer's height


def layers_chart(
    diagnosis: Diagnosis, look: DiagnosisLook, names: Sequence[SubjectName] = ()
) -> curves.CurvesChart:
    """Norm of the gradient over each layer, from input to output, at first and last snapshot."""
    norms = diagnosis.layer_gradients
    x = np.arange(1, max(norms.shape[1], 2) + 1, dtype=np.float64)
    steps = names[0].steps if names else ()
    drawn = {}
    for place in dict.fromkeys((0, len(norms) - 1)):
        step = steps[place] if place < len(steps) else place + 1
        words = f"step {step}" if isinstance(step, int) else str(step)
        if len(norms) and diagnosis.computed[place]:
            padded = np.full(len(x), np.nan)
            padded[: norms.shape[1]] = norms[place]
            drawn[words] = Curve(x, padded, np.arange(len(x)) < norms.shape[1])
    if not drawn:
        drawn[""] = Curve(x, np.full(len(x), np.nan), np.zeros(len(x), dtype=bool))
    if len(drawn) == 1:
        drawn = {"": next(iter(drawn.values()))}
    values = np.concatenate([curve.y for curve in drawn.values()])
    log = bool((values[np.isfinite(values)] > 0).any())
    row = Row("norm of the gradient", drawn, look.height, log, colours=(BLUE, ORANGE))
    return curves.chart(
        [row], "Layer, from the first to the last", look.width, look.title, whole=True
    )


def histogram_chart(diagnosis: Diagnosis, look: DiagnosisLook) -> alt.LayerChart:
    """Of each layer how its entries of the gradient are spread over sizes, at one snapshot."""
    place = look.snapshot if 0 <= look.snapshot < diagnosis.snapshots else diagnosis.snapshots - 1
    counts = diagnosis.histogram(place) if place >= 0 else np.zeros((0, BINS))
    width = float(BIN_EDGES[1] - BIN_EDGES[0])
    left = np.concatenate([[BIN_EDGES[0] - width], BIN_EDGES])
    rows = [
        {
            "layer": diagnosis.facts.layers[layer],
            "left": float(left[bin]),
            "right": float(left[bin] + width),
            "share": float(counts[layer, bin] / counts[layer].sum()),
            "words": _bin_words(int(bin)),
        }
        for layer, bin in zip(*np.nonzero(counts), strict=True)
    ]
    nothing = {"layer": "", "left": 0.0, "right": 0.0, "share": 0.0, "words": ""}
    base = alt.Chart(arrow_table(rows or [nothing]))
    low, high = _shown_range(rows)
    places = ticks(low, high, False, 8)
    axis = {
        "title": "log10 of the size of an entry of the gradient",
        "values": places,
        "labelExpr": tick_label_expression(places),
        "gridOpacity": 0.22,
    }
    x = alt.X("left:Q", scale={"domain": [low, high], "nice": False, "zero": False}, axis=axis)
    y = alt.Y(
        "layer:N",
        sort=list(diagnosis.facts.layers),
        title=None,
        axis=NAME_AXIS,
    )
    cells = base.mark_rect(color=BLUE).encode(
        x=x,
        x2="right:Q",
        y=y,
        opacity=alt.Opacity(
            "share:Q", legend=None, scale={"domain": [0, 0.5], "range": [0.08, 1], "clamp": True}
        ),
        tooltip=[
            alt.Tooltip("layer:N"),
            alt.Tooltip("words:N", title="size"),
            alt.Tooltip("share:Q", title="share of its entries", format=".1%"),
        ],
    )
    height = max(look.height // 2, LEAST_CELL * len(diagnosis.facts.layers))
    return layered_chart([cells], beside_names(look.width), height, look.title)


def beside_names(width: int) -> int:
    """What of a plot's width is left beside an axis of names, wider than one of numbers."""
    return max(LEAST_PLOT, width - NAME_ROOM)


def _bin_words(bin: int) -> str:
    """From where to where a bin goes."""
    if bin == 0:
        return f"below 10^{BIN_EDGES[0]:g}, or 0"
    if bin == BINS - 1:
        return f"10^{BIN_EDGES[-1]:g} and more"
    return f"10^{BIN_EDGES[bin - 1]:g} to 10^{BIN_EDGES[bin]:g}"


def _shown_range(rows: Sequence[dict[str, object]]) -> tuple[float, float]:
    """Ends of the axis: those of the bins that have entries."""
    ends = np.array([[row["left"], row["right"]] for row in rows], dtype=np.float64)
    if not len(ends):
        return float(BIN_EDGES[0]), 0.0
    return float(ends.min()), float(ends.max())
