"""Densities of eigenvalues: with their band, extreme pairs as spikes, random-matrix references."""

import pandas  # noqa: F401 - whole before altair looks at it: another thread may be at it

# isort: split
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import altair as alt
import numpy as np

from explorer.kinds.quadrature import density_grid, smoothed_density
from explorer.kinds.random_matrices import Reference, references
from explorer.kinds.spectrum import KERNEL_WIDTH, Spectrum
from explorer.render.marks import curves
from explorer.render.marks.arrow import table
from explorer.render.marks.colours import series_colours
from explorer.render.marks.curve import GREY, Curve, Row
from explorer.render.marks.rule import rule
from explorer.render.marks.scale import label_expression, number, ticks

SPIKE = "#e5484d"  # as strong on a dark page as on a light one
DASHES = ([6, 4], [2, 3], [8, 3, 2, 3])
ROOM = 22  # px above the curves for the spikes' numbers
APART = 15  # px that the numbers of two spikes need
FLOOR = 1e-2  # of the height of a single eigenvalue: nothing below says anything


@dataclass(frozen=True)
class DensityStyle:
    """How a density is drawn. It has no theme: the chart takes the page's colours."""

    log: bool = True
    width_share: float = KERNEL_WIDTH  # of the kernel, as a share of the range of eigenvalues
    overlays: tuple[str, ...] = ()  # names of references
    ratio: float = 1.0  # phi of the references
    spikes: bool = True
    width: int = 500
    height: int = 320

    def __post_init__(self) -> None:
        """Refuse what cannot be drawn.

        Raises:
            ValueError: a kernel, a ratio or a size out of range.
        """
        if not 0 < self.width_share <= 1:
            raise ValueError(f"width_share must be above 0 and at most 1, got {self.width_share}")
        if not 0 < self.ratio < np.inf:
            raise ValueError(f"ratio must be finite and above 0, got {self.ratio}")
        if min(self.width, self.height) < 50:
            raise ValueError(
                f"width and height must be at least 50 px, got {self.width} x {self.height}"
            )


def density(
    spectra: Spectrum | Mapping[str, Spectrum], style: DensityStyle | None = None
) -> alt.LayerChart:
    """An Altair chart of the density of eigenvalues as far as it is known.

    The curve of one spectrum has its band, +- 1 standard deviation over the probes, and its extreme
    pairs as spikes; of several, only their curves are drawn.
    """
    style = style or DensityStyle()
    named = {"": spectra} if isinstance(spectra, Spectrum) else dict(spectra)
    ends = [end for spectrum in named.values() for end in spectrum.ends or ()]
    low, high = (min(ends), max(ends)) if ends else (0.0, 1.0)
    width = style.width_share * ((high - low) or abs(high) or 1.0)
    grid = density_grid(low, high, width)
    made = {name: _curve(spectrum, grid, width) for name, spectrum in named.items()}
    known = {name: curve for name, curve in made.items() if curve is not None}
    only = next(iter(named.values())) if len(named) == 1 else None
    fitted = overlays(only, style) if only is not None else {}
    laid = {
        name: Curve(grid, smoothed_density(grid, made.nodes, made.weights, width), _all(grid))
        for name, made in fitted.items()
    }
    floor = min((FLOOR / (s.size or 1) for s in named.values()), default=FLOOR) / width
    drawn = {**known, **laid}
    y = _y(drawn, floor, style)
    x = _x(float(grid[0]), float(grid[-1]))
    layers = _layers(known, laid, x, y, floor if style.log else 0.0)
    if only is not None and style.spikes:
        layers += spikes(only, (float(grid[0]), float(grid[-1])), style)
    if drawn:
        layers.append(rule(Row("density", drawn), x))
    if not layers:
        empty = table([{"x": low, "density": floor}, {"x": high, "density": 1.0}])
        layers = [alt.Chart(empty).mark_point(opacity=0, style="nothing").encode(x=x, y=y)]
    return whole(layers, style.width, style.height)


def whole(layers: Sequence[alt.Chart], width: int, height: int) -> alt.LayerChart:
    """Layers as a chart whose plot, without axes and legends, has that size on a page too."""
    fit = alt.AutoSizeParams(type="pad", contains="padding")
    return alt.LayerChart(layer=list(layers), width=width, height=height, autosize=fit)


def compare(spectra: Mapping[str, Spectrum], style: DensityStyle | None = None) -> alt.LayerChart:
    """Densities of several matrices at one point, over each other."""
    return density(spectra, style)


def _all(grid: np.ndarray) -> np.ndarray:
    return np.ones(len(grid), dtype=bool)


def _curve(spectrum: Spectrum, grid: np.ndarray, width: float) -> Curve | None:
    found = spectrum.quadrature.density(grid, width)
    if found is None:
        return None
    mean, below, above = found
    exact = spectrum.facts.get("dense", False) or len(spectrum.probes) < 2
    return Curve(grid, mean, _all(grid), None if exact else (below, above))


def overlays(spectrum: Spectrum, style: DensityStyle) -> dict[str, Reference]:
    """The references of the style that can be fitted to the spectrum's mean and variance."""
    trace, square = spectrum.trace, spectrum.quadrature.squared_norm
    if trace is None or square is None or not style.overlays:
        return {}
    mean = trace.value / spectrum.size
    variance = square.value / spectrum.size - mean**2
    found = references(mean, variance, style.ratio)
    return {name: found[name] for name in style.overlays if name in found}


def _x(low: float, high: float, field: str = "x") -> alt.X:
    values = ticks(low, high, False, 7)
    axis = alt.Axis(
        title="Eigenvalue",
        values=values,
        labelExpr=label_expression(values),
        labelFlush=False,
        grid=False,
    )
    return alt.X(
        f"{field}:Q", scale=alt.Scale(domain=[low, high], nice=False, zero=False), axis=axis
    )


def _y(drawn: Mapping[str, Curve], floor: float, style: DensityStyle) -> alt.Y:
    tops = [float(np.nanmax(c.band[1] if c.band else c.y)) for c in drawn.values()]
    top = max([top for top in tops if np.isfinite(top)], default=1.0)
    room = style.height / (style.height - ROOM) if style.spikes else 1.03
    bottom = floor if style.log else 0.0
    if style.log:
        top = max(top, 10 * floor)
        high = float(np.exp(np.log(floor) + (np.log(top) - np.log(floor)) * room))
    else:
        high = top * room
    values = ticks(bottom, high, style.log, max(3, style.height // 45))
    axis = alt.Axis(
        title="Density",
        values=values,
        labelExpr=label_expression(values),
        gridColor=GREY,
        gridOpacity=0.22,
    )
    scale = alt.Scale(type="log" if style.log else "linear", domain=[bottom, high], nice=False)
    return alt.Y("density:Q", scale=scale, axis=axis)


def _layers(
    known: Mapping[str, Curve], laid: Mapping[str, Curve], x: alt.X, y: alt.Y, floor: float
) -> list[alt.Chart]:
    """Band below curves below references; what lies under the floor is drawn on it."""
    layers = []
    names = list(known)
    shown: dict[str, Any] = {}
    if len(names) > 1:
        scale = alt.Scale(domain=names, range=series_colours(names))
        legend = alt.Legend(
            title=None, orient="top", symbolType="stroke", symbolStrokeWidth=2, columns=2
        )
        shown["color"] = alt.Color("line:N", scale=scale, legend=legend)
    for name, curve in known.items():
        if curve.band is not None and len(known) == 1:
            below, above = (end.clip(min=floor) for end in curve.band)
            rows = [
                {"x": at, "density": top, "low": bottom}
                for at, top, bottom in zip(
                    curve.x.tolist(), above.tolist(), below.tolist(), strict=True
                )
            ]
            area = alt.Chart(table(rows)).mark_area(style="band", opacity=0.3, clip=True)
            layers.append(area.encode(x=x, y=y, y2="low:Q"))
        rows = _rows(name, curve.x, curve.y.clip(min=floor))
        line = alt.Chart(table(rows)).mark_line(
            style="density", strokeWidth=1.8, strokeJoin="round", clip=True
        )
        layers.append(line.encode(x=x, y=y, order="x:Q", **shown))
    if laid:
        layers.append(_references(laid, x, y, floor))
    return layers


def _rows(name: str, x: np.ndarray, y: np.ndarray) -> list[dict[str, Any]]:
    return [
        {"x": at, "density": value, "line": name}
        for at, value in zip(x.tolist(), y.tolist(), strict=True)
    ]


def _references(laid: Mapping[str, Curve], x: alt.X, y: alt.Y, floor: float) -> alt.Chart:
    rows = []
    for name, curve in laid.items():
        high = curve.y > floor
        shown = np.convolve(high, np.ones(3), "same") > 0  # with a foot on both sides
        rows += _rows(name, curve.x[shown], curve.y[shown].clip(min=floor))
    legend = alt.Legend(  # one below the other: it has to fit a column of a paper
        title=None, orient="top", symbolType="stroke", symbolSize=500, labelLimit=0, columns=1
    )
    scale = alt.Scale(domain=list(laid), range=[list(d) for d in DASHES[: len(laid)]])
    dashed = alt.StrokeDash("line:N", scale=scale, legend=legend)
    made = alt.Chart(table(rows)).mark_line(
        style="reference", color=GREY, strokeWidth=1.8, clip=True
    )
    return made.encode(x=x, y=y, strokeDash=dashed, order="x:Q")


def spikes(spectrum: Spectrum, span: tuple[float, float], style: DensityStyle) -> list[alt.Chart]:
    """The extreme eigenvalues as numbered lines with their residuals as bars."""
    values, residuals = spectrum.eigenvalues
    limit = spectrum.settings.tolerance * float(np.abs(values).max()) if len(values) else 0.0
    rows = []
    for place, value, residual in zip(spectrum.ranks, values, residuals, strict=True):
        rows.append(
            {
                "x": float(value),
                "low": float(max(value - residual, span[0])),
                "high": float(min(value + residual, span[1])),
                "rank": place,
                "value": number(float(value), 6),
                "residual": number(float(residual), 3),
                "converged": "yes" if residual <= limit else "no",
            }
        )
    if not rows:
        return []
    said = [
        alt.Tooltip(f"{name}:N", title=title)
        for name, title in (
            ("rank", "number"),
            ("value", "eigenvalue"),
            ("residual", "± residual"),
            ("converged", "converged"),
        )
    ]
    x = _x(*span)
    base = alt.Chart(table(rows)).encode(x=x, tooltip=said)
    faint = alt.condition("datum.converged == 'yes'", alt.value(0.7), alt.value(0.3))
    lines = base.mark_rule(style="spike", color=SPIKE, strokeWidth=1.2, clip=True).encode(
        y=alt.value(style.height), y2=alt.value(ROOM - 4), opacity=faint
    )
    bars = base.mark_rule(style="residual", color=SPIKE, strokeWidth=3, clip=True).encode(
        x=_x(*span, field="low"), x2="high:Q", y=alt.value(ROOM - 4)
    )
    told = alt.Chart(table(_apart(rows, span, style.width))).mark_text(
        style="rank", color=SPIKE, fontSize=11, fontWeight="bold", baseline="bottom"
    )
    return [lines, bars, told.encode(x=x, y=alt.value(ROOM - 7), text="rank:N", tooltip=said)]


def _apart(
    rows: list[dict[str, Any]], span: tuple[float, float], width: int
) -> list[dict[str, Any]]:
    """The rows whose numbers do not lie over each other, the outer ones first."""
    per_px = (span[1] - span[0]) / width
    kept: list[dict[str, Any]] = []
    for row in sorted(rows, key=lambda row: abs(int(row["rank"].replace("−", "-")))):
        if all(abs(row["x"] - other["x"]) >= APART * per_px for other in kept):
            kept.append(row)
    return kept


def thumbnail(spectrum: Spectrum) -> bytes:
    """A small picture (PNG) of the density on a log scale, readable on light and dark pages."""
    ends = spectrum.ends or (0.0, 1.0)
    width = KERNEL_WIDTH * 2 * ((ends[1] - ends[0]) or abs(ends[1]) or 1.0)
    grid = density_grid(*ends, width, 400)
    curve = _curve(spectrum, grid, width)
    if curve is None:
        return curves.thumbnail(Curve(grid, np.full(len(grid), np.nan), _all(grid)))
    floor = FLOOR / (spectrum.size or 1) / width
    return curves.thumbnail(Curve(grid, np.log10(curve.y.clip(min=floor)), _all(grid)))
