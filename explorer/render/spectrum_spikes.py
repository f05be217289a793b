"""Extreme eigenvalues over a density: numbered lines, with their residuals as bars."""

import pandas  # noqa: F401 - whole before altair looks at it: another thread may be at it

# isort: split
from collections.abc import Sequence
from dataclasses import dataclass

import altair as alt
import numpy as np

from explorer.kinds.spectrum import SpectrumLook
from explorer.kinds.spectrum_result import Spectrum
from explorer.render.marks.arrow import arrow_table
from explorer.render.marks.ticks import number_text, tick_label_expression, ticks

SPIKE_COLOUR = "#e5484d"  # as strong on a dark page as on a light one
RANKS_HEIGHT = 22  # px above the curves for the spikes' numbers
RANKS_DISTANCE = 15  # px that the numbers of two spikes need


def x_encoding(low: float, high: float, field: str = "x") -> alt.X:
    """The axis of the eigenvalues between these ends."""
    values = ticks(low, high, False, 7)
    axis = {
        "title": "Eigenvalue",
        "values": values,
        "labelExpr": tick_label_expression(values),
        "labelFlush": False,
        "grid": False,
    }
    return alt.X(
        f"{field}:Q", scale={"domain": [low, high], "nice": False, "zero": False}, axis=axis
    )


@dataclass(frozen=True)
class SpikeRow:
    """What is drawn and told of an extreme eigenvalue."""

    x: float
    low: float  # its residual's ends
    high: float
    rank: str
    value: str
    residual: str
    converged: str  # "yes" or "no"


def spike_layers(
    spectrum: Spectrum, span: tuple[float, float], look: SpectrumLook
) -> list[alt.Chart]:
    """The extreme eigenvalues as numbered lines with their residuals as bars."""
    rows = _spike_rows(spectrum, span)
    if not rows:
        return []
    tooltips = [
        alt.Tooltip(f"{name}:N", title=title)
        for name, title in (
            ("rank", "number"),
            ("value", "eigenvalue"),
            ("residual", "± residual"),
            ("converged", "converged"),
        )
    ]
    x = x_encoding(*span)
    base = alt.Chart(arrow_table([vars(row) for row in rows])).encode(x=x, tooltip=tooltips)
    converged = {"test": "datum.converged == 'yes'", "value": 0.7}
    faint = alt.OpacityValue(0.3, condition=converged)
    lines = base.mark_rule(style="spike", color=SPIKE_COLOUR, strokeWidth=1.2, clip=True).encode(
        y=alt.YValue(look.height), y2=alt.Y2Value(RANKS_HEIGHT - 4), opacity=faint
    )
    bars = base.mark_rule(style="residual", color=SPIKE_COLOUR, strokeWidth=3, clip=True).encode(
        x=x_encoding(*span, field="low"), x2=alt.X2("high:Q"), y=alt.YValue(RANKS_HEIGHT - 4)
    )
    apart = [vars(row) for row in _rows_apart(rows, (span[1] - span[0]) / look.width)]
    rank_texts = alt.Chart(arrow_table(apart)).mark_text(
        style="rank", color=SPIKE_COLOUR, fontSize=11, fontWeight="bold", baseline="bottom"
    )
    return [
        lines,
        bars,
        rank_texts.encode(
            x=x, y=alt.YValue(RANKS_HEIGHT - 7), text=alt.Text("rank:N"), tooltip=tooltips
        ),
    ]


def _spike_rows(spectrum: Spectrum, span: tuple[float, float]) -> list[SpikeRow]:
    """The extreme eigenvalues, their bars cut off where the axis ends."""
    values, residuals = spectrum.eigenvalues
    limit = spectrum.settings.tolerance * float(np.abs(values).max()) if len(values) else 0.0
    return [
        SpikeRow(
            x=float(value),
            low=float(max(value - residual, span[0])),
            high=float(min(value + residual, span[1])),
            rank=rank,
            value=number_text(float(value), 6),
            residual=number_text(float(residual), 3),
            converged="yes" if residual <= limit else "no",
        )
        for rank, value, residual in zip(spectrum.ranks, values, residuals, strict=True)
    ]


def _rows_apart(rows: Sequence[SpikeRow], per_px: float) -> list[SpikeRow]:
    """The rows whose numbers do not lie over each other, the outer ones first.

    Args:
        rows: of eigenvalues.
        per_px: what a pixel stands for.
    """
    rows_kept: list[SpikeRow] = []
    for row in sorted(rows, key=lambda row: abs(int(row.rank.replace("−", "-")))):
        if all(abs(row.x - other.x) >= RANKS_DISTANCE * per_px for other in rows_kept):
            rows_kept.append(row)
    return rows_kept
