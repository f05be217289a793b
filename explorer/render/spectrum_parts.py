"""What a spectrum says beside its density: pairs, layers, escape, mini-batches."""

import pandas  # noqa: F401 - whole before altair looks at it: another thread may be at it

# isort: split

import altair as alt
import numpy as np
import pyarrow as pa

from explorer.kinds.matrix import MatrixRole
from explorer.kinds.spectrum import SpectrumLook
from explorer.kinds.spectrum_result import Spectrum
from explorer.render.marks import curves
from explorer.render.marks.arrow import arrow_table
from explorer.render.marks.colours import BLUE, ORANGE
from explorer.render.marks.curve import GREY, Curve, Row
from explorer.render.marks.ticks import number_text, tick_label_expression, ticks
from explorer.render.spectrum_density import chart_of_layers
from explorer.render.spectrum_spikes import SPIKE_COLOUR

SIGNS = ("positive", "negative")


def pairs_chart(spectrum: Spectrum, look: SpectrumLook) -> alt.LayerChart:
    """The extreme eigenvalues in their order, each with its residual as a bar.

    On a log scale their absolute values are drawn, and bars end at the axis.
    """
    pair_rows = _pair_rows(spectrum, look.log)
    rows = pair_rows or [{"rank": "1", "value": 1.0, "low": 1.0, "high": 1.0, "sign": SIGNS[0]}]
    scale = {"type": "log" if look.log else "linear", "nice": True}
    title = "Absolute eigenvalue" if look.log else "Eigenvalue"
    order = [str(row["rank"]) for row in pair_rows]
    x = alt.X("rank:N", sort=order, title="Number, from the top; −1 is the smallest")
    x = x.axis(labelAngle=0, labelOverlap=True)
    colour = alt.Color("sign:N").scale(domain=SIGNS, range=[BLUE, SPIKE_COLOUR])
    signs = [sign for sign in SIGNS if any(row["sign"] == sign for row in rows)]
    colour = colour.legend(title=None, orient="top", values=signs)
    tooltips = [
        alt.Tooltip("rank:N", title="number"),
        alt.Tooltip("eigenvalue:N"),
        alt.Tooltip("residual:N", title="± residual"),
    ]
    base = alt.Chart(arrow_table(rows)).encode(x=x, color=colour, tooltip=tooltips)
    axis = {"tickCount": 6, "format": "~g", "gridColor": GREY, "gridOpacity": 0.22}
    y = alt.Y("low:Q", scale=scale, title=title, axis=axis)
    bars = base.mark_rule(style="residual", strokeWidth=2).encode(y=y, y2=alt.Y2("high:Q"))
    y = alt.Y("value:Q", scale=scale, title=title, axis=axis)
    dots = base.mark_point(style="pair", filled=True, size=60, opacity=1).encode(y=y)
    if not pair_rows:
        bars, dots = (layer.encode(opacity=alt.OpacityValue(0)) for layer in (bars, dots))
    return chart_of_layers([bars, dots], look, 220)


def _pair_rows(spectrum: Spectrum, log: bool) -> list[dict[str, object]]:
    """The extreme eigenvalues with their residuals; on a log scale those that are not 0."""
    values, residuals = spectrum.eigenvalues
    size = np.abs(values) if log else values
    places = [n for n in range(len(values)) if not log or size[n] > 0]
    floor = min((float(size[n]) for n in places), default=1.0) / 3
    return [
        {
            "rank": spectrum.ranks[n],
            "value": float(size[n]),
            "low": float(max(size[n] - residuals[n], floor) if log else size[n] - residuals[n]),
            "high": float(size[n] + residuals[n]),
            "sign": SIGNS[int(values[n] < 0)],
            "eigenvalue": number_text(float(values[n]), 6),
            "residual": number_text(float(residuals[n]), 3),
        }
        for n in places
    ]


def layers_chart(spectrum: Spectrum, look: SpectrumLook) -> alt.LayerChart:
    """The trace of each parameter tensor's block with its 95 % interval."""
    trace_estimates = spectrum.layers
    values = [e.value for e in trace_estimates.values()]
    reach = max((abs(value) for value in values), default=1.0) or 1.0
    rows: list[dict[str, object]] = [
        {
            "tensor": name,
            "trace": estimate.value,
            "low": max(estimate.low, -3 * reach),
            "high": min(estimate.high, 3 * reach),
            "said": f"{number_text(estimate.low, 3)} to {number_text(estimate.high, 3)}",
            "probes": estimate.probes,
        }
        for name, estimate in trace_estimates.items()
    ] or [{"tensor": "", "trace": 0.0, "low": 0.0, "high": 0.0, "said": "", "probes": 0}]
    y = alt.Y("tensor:N", sort=list(trace_estimates), title=None)
    y = y.axis(labelLimit=220)
    tooltips = [
        alt.Tooltip("tensor:N"),
        alt.Tooltip("trace:Q", format=".4~g"),
        alt.Tooltip("said:N", title="95 % interval"),
        alt.Tooltip("probes:Q"),
    ]
    base = alt.Chart(arrow_table(rows)).encode(y=y, tooltip=tooltips)
    x = alt.X("trace:Q", title="Trace of the block").axis(tickCount=6)
    bars = base.mark_bar(style="layer", color=BLUE, height=11).encode(x=x)
    # Grey reads on the bar and on both pages.
    spans = base.mark_rule(style="interval", color=GREY, strokeWidth=2.5)
    spans = spans.encode(x=alt.X("low:Q"), x2=alt.X2("high:Q"))
    return chart_of_layers([bars, spans], look, max(60, 20 * len(rows)))


def escape_chart(spectrum: Spectrum, look: SpectrumLook) -> curves.CurvesChart:
    """The loss along the last pair's vector, downhill to the right, and what the pair foretells."""
    _, steps, losses = spectrum.of(MatrixRole.ESCAPE)
    if not len(steps):
        empty = Curve(np.array([-1.0, 1.0]), np.full(2, np.nan), np.zeros(2, dtype=bool))
        return curves.chart([Row("loss", {"loss": empty}, 220)], X_TITLE, look.width, look.title)
    every = np.ones(len(steps), dtype=bool)
    curved = spectrum.predicted_losses(steps)
    lines = {"loss": Curve(steps, losses, every), "predicted": Curve(steps, curved, every)}
    return curves.chart(
        [Row("loss", lines, 240, colours=(BLUE, ORANGE))], X_TITLE, look.width, look.title
    )


X_TITLE = "Distance along the eigenvector"


def _bins(values: np.ndarray, low: float, high: float) -> pa.Table:
    """How many of the values lie in each part of the range."""
    bins = int(np.clip(np.sqrt(len(values)) * 2, 5, 40))
    counts, edges = np.histogram(values, bins=bins, range=(low, high))
    return arrow_table(
        [
            {"from": float(a), "to": float(b), "count": int(count)}
            for a, b, count in zip(edges[:-1], edges[1:], counts, strict=True)
        ]
    )


def batches_chart(spectrum: Spectrum, look: SpectrumLook) -> alt.LayerChart:
    """Histogram of the mini-batches' largest eigenvalues, and the one of all examples."""
    _, values, _ = spectrum.of(MatrixRole.BATCH)
    eigenvalues, _ = spectrum.eigenvalues
    full = [float(eigenvalues[0])] if len(eigenvalues) else []
    all_values = [*values.tolist(), *full]
    low, high = (min(all_values), max(all_values)) if all_values else (0.0, 1.0)
    margin = 0.05 * ((high - low) or abs(high) or 1.0)
    low, high = low - margin, high + margin
    at = ticks(low, high, False, 7)
    axis = {"values": at, "labelExpr": tick_label_expression(at), "grid": False}
    scale = {"domain": [low, high], "nice": False, "zero": False}
    x = alt.X("from:Q", scale=scale, axis=axis, title="Largest eigenvalue")
    bars = alt.Chart(_bins(values, low, high)).mark_bar(style="bin", color=BLUE, binSpacing=1)
    bars = bars.encode(
        x=x,
        x2=alt.X2("to:Q"),
        y=alt.Y("count:Q", title="Mini-batches").axis(tickMinStep=1).scale(zero=True),
        y2=alt.datum(0),
        tooltip=[
            alt.Tooltip("from:Q", format=".4~g"),
            alt.Tooltip("to:Q", format=".4~g"),
            alt.Tooltip("count:Q", title="mini-batches"),
        ],
    )
    chart_layers = [bars]
    if full:
        own = arrow_table(
            [{"from": full[0], "words": "all examples", "value": number_text(full[0])}]
        )
        mark = alt.Chart(own).mark_rule(style="whole", strokeWidth=2.2, strokeDash=[5, 4])
        legend = {"title": None, "orient": "top", "symbolType": "stroke", "symbolStrokeWidth": 2}
        colour = alt.Color("words:N", scale={"range": [SPIKE_COLOUR]}, legend=legend)
        tooltips = [alt.Tooltip("value:N", title="all examples")]
        chart_layers.append(mark.encode(x=x, color=colour, tooltip=tooltips))
    return chart_of_layers(chart_layers, look, 180)
