"""The learning-rate range test drawn: the loss after some steps against the rate."""

import pandas  # noqa: F401 - whole before altair looks at it: another thread may be at it

# isort: split
import math
from collections.abc import Sequence
from typing import Any

import altair as alt
import numpy as np

from explorer.kinds.diagnosis import DiagnosisLook
from explorer.kinds.diagnosis_result import Diagnosis, DiagnosisRole
from explorer.render.marks.arrow import arrow_table
from explorer.render.marks.colours import BLUE, GREEN, ORANGE, SERIES_COLOURS, SERIES_GREY
from explorer.render.marks.layers import layered_chart
from explorer.render.marks.ticks import number_text, tick_label_expression, ticks

# Times the loss at the start, on a log scale and else: what is above, or not finite, stands at the
# edge.
LOG_CEILING, CEILING = 1e4, 30.0
ROOM = 1.15  # of an axis beyond its values, as a factor
LOSS, BEYOND, START = "mean over batch orders", "diverged", "loss at the start"
LIMIT, TRAINED = "2/λ", "trained at"
COLOURS = {LOSS: BLUE, BEYOND: ORANGE, START: SERIES_GREY, LIMIT: SERIES_COLOURS[3], TRAINED: GREEN}
PlotRow = dict[str, object]
Ends = tuple[float, float]


def rates_chart(diagnosis: Diagnosis, look: DiagnosisLook) -> alt.LayerChart:
    """Mean and range over orders of batches; what diverges stands at the upper edge.

    With the loss at the start, 2 / lambda_max there, and the rate that the run was trained by.
    """
    log, ends = _value_axis(diagnosis)
    rates = diagnosis.settings.rates
    x_ends = (float(rates[0]) / ROOM, float(rates[-1]) * ROOM)
    scales = {
        "x": alt.X("rate:Q", **_axis(x_ends, "Learning rate", True)),
        "y": alt.Y("loss:Q", **_axis(ends, _words(diagnosis), log)),
    }
    rows = _rate_rows(diagnosis, ends[1])
    marked = _marked_rows(diagnosis, look, x_ends, ends)
    names = [name for name in COLOURS if any(row["name"] == name for row in [*rows, *marked])]
    shared = {**scales, "color": _colour(names)}
    inside = _chart([row for row in rows if row["name"] == LOSS])
    beyond = _chart([row for row in rows if row["name"] == BEYOND])
    tooltip = [alt.Tooltip("rate:Q", format=".4~g"), alt.Tooltip("words:N", title="loss")]
    lines = _chart(marked).mark_line(strokeDash=[5, 4], strokeWidth=1.5)
    low = alt.Y("low:Q", **_axis(ends, _words(diagnosis), log))
    layers = [
        lines.encode(**shared, tooltip=alt.Tooltip("words:N", title=" ")),
        inside.mark_line(strokeWidth=1.8).encode(**shared, order="rate:Q"),
        inside.mark_rule(strokeWidth=4, opacity=0.45).encode(**{**shared, "y": low}, y2="high:Q"),
        inside.mark_point(filled=True, size=45, opacity=1).encode(**shared, tooltip=tooltip),
        beyond.mark_point(filled=True, size=90, shape="triangle-up", opacity=1).encode(
            **shared, tooltip=tooltip
        ),
    ]
    return layered_chart(layers, look.width, look.height, look.title)


def _words(diagnosis: Diagnosis) -> str:
    """What the loss is that of, as the title of its axis."""
    return f"Loss after {diagnosis.settings.rate_steps:,} steps"


def _chart(rows: Sequence[PlotRow]) -> alt.Chart:
    """A chart of rows, of which there may be none."""
    nowhere: PlotRow = {"name": "", "words": ""} | dict.fromkeys(
        ("rate", "loss", "low", "high"), 1.0
    )
    return alt.Chart(arrow_table(list(rows) or [nowhere])).transform_filter("datum.name")


def _value_axis(diagnosis: Diagnosis) -> tuple[bool, Ends]:
    """Whether the loss is on a log scale, and from where to where it is drawn."""
    losses, start = diagnosis.rate_losses, diagnosis.start_loss
    values = np.append(losses[np.isfinite(losses)], start if math.isfinite(start) else [])
    if not len(values):
        return False, (0.0, 1.0)
    times = LOG_CEILING if values.min() > 0 else CEILING
    ceiling = times * abs(start) if math.isfinite(start) and start else float(values.max())
    values = np.minimum(values, max(ceiling, float(values.min())))
    low, high = float(values.min()), float(values.max())
    if low > 0:
        return True, (low / ROOM, high * ROOM)
    room = (high - low) * (ROOM - 1) or 0.5
    return False, (low - room, high + room)


def _rate_rows(diagnosis: Diagnosis, top: float) -> list[PlotRow]:
    """A row for each rate that is known: its mean and range, or its place at the edge."""
    rows: list[PlotRow] = []
    for rate, own in zip(diagnosis.settings.rates, diagnosis.rate_losses, strict=True):
        if np.isnan(own).any():
            continue
        mean = float(own.mean())
        row: PlotRow = {"rate": float(rate), "words": _range_words(own)}
        if mean < top:
            ends = {"low": float(own.min()), "high": min(float(own.max()), top)}
            rows.append({**row, "name": LOSS, "loss": mean, **ends})
        else:
            rows.append({**row, "name": BEYOND, "loss": top, "low": top, "high": top})
    return rows


def _range_words(own: np.ndarray) -> str:
    """A mean with its range, or that it is not finite."""
    lost = int(np.isinf(own).sum())
    if lost:
        return f"not finite in {lost} of {len(own)} orders"
    ends = f" ({number_text(own.min(), 4)} to {number_text(own.max(), 4)})" if len(own) > 1 else ""
    return f"{number_text(float(own.mean()), 4)}{ends}"


def _marked_rows(
    diagnosis: Diagnosis, look: DiagnosisLook, x_ends: Ends, y_ends: Ends
) -> list[PlotRow]:
    """Ends of the lines across the plot; those that do not cross it are left out."""
    rows: list[PlotRow] = []
    start = diagnosis.start_loss
    if y_ends[0] <= start <= y_ends[1]:
        words = f"{START}: {number_text(start, 4)}"
        rows += [{"name": START, "rate": x, "loss": start, "words": words} for x in x_ends]
    tops = diagnosis.along(DiagnosisRole.HIGHEST)
    top = tops[0 if diagnosis.settings.rate_start == "first" else -1] if len(tops) else math.nan
    if diagnosis.facts.batch_statistics:  # the curvature is that with frozen ones
        top = math.nan
    rates = {LIMIT: 2 / top if top > 0 else math.nan, TRAINED: look.rate}
    for name, rate in rates.items():
        if x_ends[0] <= rate <= x_ends[1]:
            words = f"{name}: {number_text(float(rate), 4)}"
            rows += [{"name": name, "rate": float(rate), "loss": y, "words": words} for y in y_ends]
    return rows


def _axis(ends: Ends, title: str, log: bool) -> dict[str, Any]:
    """Scale and axis from one end to the other."""
    places = ticks(*ends, log, 7)
    scale: dict[str, object] = {
        "type": "log" if log else "linear",
        "domain": list(ends),
        "nice": False,
    }
    if not log:
        scale["zero"] = False
    axis = {
        "title": title,
        "values": places,
        "labelExpr": tick_label_expression(places),
        "gridOpacity": 0.22,
    }
    return {"scale": scale, "axis": axis}


def _colour(names: Sequence[str]) -> alt.Color:
    scale = {"domain": list(names), "range": [COLOURS[name] for name in names]}
    return alt.Color("name:N", scale=scale, legend={"orient": "top", "title": None, "columns": 3})
