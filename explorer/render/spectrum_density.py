"""Densities of eigenvalues: band, extreme pairs as spikes, random-matrix references."""

import pandas  # noqa: F401 - whole before altair looks at it: another thread may be at it

# isort: split
from collections.abc import Mapping, Sequence

import altair as alt
import numpy as np

from explorer.kinds.look import Look
from explorer.kinds.quadrature import smoothed_density
from explorer.kinds.random_matrices import Reference, references
from explorer.kinds.spectrum import SpectrumLook, density_axis, density_floor
from explorer.kinds.spectrum_result import Spectrum
from explorer.render.marks.arrow import arrow_table
from explorer.render.marks.cells import PlotFrame
from explorer.render.marks.colours import series_colours
from explorer.render.marks.cursor import POINTED, cursor_layers, dimming_test
from explorer.render.marks.curve import GREY, Curve, Row
from explorer.render.marks.layers import layered_chart
from explorer.render.marks.series import dimmed, shown_alone, with_mouse
from explorer.render.marks.ticks import tick_label_expression, ticks
from explorer.render.spectrum_spikes import RANKS_HEIGHT, spike_layers, x_encoding

REFERENCE_DASHES = ([6, 4], [2, 3], [8, 3, 2, 3])


def density_chart(spectra: Spectrum | Mapping[str, Spectrum], look: SpectrumLook) -> alt.LayerChart:
    """An Altair chart of the density of eigenvalues as far as it is known.

    The curve of one spectrum has its band, +- 1 standard deviation over the probes, and its extreme
    pairs as spikes; of several, only their curves are drawn.
    """
    named = {"": spectra} if isinstance(spectra, Spectrum) else dict(spectra)
    grid, width = density_axis(named.values(), look.kernel)
    curves_or_none = {
        name: _density_curve(spectrum, grid, width, look.band) for name, spectrum in named.items()
    }
    spectrum_curves = {name: curve for name, curve in curves_or_none.items() if curve is not None}
    only = next(iter(named.values())) if len(named) == 1 else None
    reference_curves = _reference_curves(only, look, grid, width)
    floor = density_floor(named.values(), width)
    all_curves = {**spectrum_curves, **reference_curves}
    limits = _value_limits(all_curves, floor, look)
    frame = PlotFrame(
        x=x_encoding(float(grid[0]), float(grid[-1])),
        y=_y_encoding(limits, look),
        span=(float(grid[0]), float(grid[-1])),
        limits=limits,
        width=look.width,
        height=look.height,
        log=look.log,
    )
    layers = _layers(spectrum_curves, reference_curves, frame, floor if look.log else 0.0)
    if only is not None and look.spikes:
        layers += spike_layers(only, frame.span, look)
    several = len(spectrum_curves) > 1
    cursors = cursor_layers(Row("density", all_curves), frame, several) if all_curves else []
    if not layers:
        empty = arrow_table(
            [{"x": x, "density": y} for x, y in zip(frame.span, (floor, 1.0), strict=True)]
        )
        layers = [
            alt.Chart(empty).mark_point(opacity=0, style="nothing").encode(x=frame.x, y=frame.y)
        ]
    chart = chart_of_layers([*layers, *cursors], look, look.height)
    return with_mouse(chart, POINTED, list(spectrum_curves) if several else [])


def chart_of_layers(layers: Sequence[alt.Chart], look: Look, height: int) -> alt.LayerChart:
    """Layers as a chart whose plot, without axes and legends, has that size."""
    return layered_chart(layers, look.width, height, look.title)


def _all_computed(grid: np.ndarray) -> np.ndarray:
    return np.ones(len(grid), dtype=bool)


def _density_curve(spectrum: Spectrum, grid: np.ndarray, width: float, band: bool) -> Curve | None:
    mean_and_band = spectrum.quadrature.density(grid, width)
    if mean_and_band is None:
        return None
    mean, below, above = mean_and_band
    exact = spectrum.facts.dense or len(spectrum.probes) < 2
    return Curve(grid, mean, _all_computed(grid), (below, above) if band and not exact else None)


def _reference_curves(
    spectrum: Spectrum | None, look: SpectrumLook, grid: np.ndarray, width: float
) -> dict[str, Curve]:
    """The densities of the fitted references on the grid (G,), by the same kernel."""
    fitted = fitted_overlays(spectrum, look) if spectrum is not None else {}
    return {
        name: Curve(
            grid,
            smoothed_density(grid, reference.nodes, reference.weights, width),
            _all_computed(grid),
        )
        for name, reference in fitted.items()
    }


def fitted_overlays(spectrum: Spectrum, look: SpectrumLook) -> dict[str, Reference]:
    """The references of the style that can be fitted to the spectrum's mean and variance."""
    trace, square = spectrum.trace, spectrum.quadrature.squared_norm
    if trace is None or square is None or not look.overlays:
        return {}
    mean = trace.value / spectrum.size
    variance = square.value / spectrum.size - mean**2
    fitted_references = references(mean, variance, look.ratio)
    return {name: fitted_references[name] for name in look.overlays if name in fitted_references}


def _value_limits(
    curves_by_name: Mapping[str, Curve], floor: float, look: SpectrumLook
) -> tuple[float, float]:
    """Ends of the axis of densities."""
    tops = [float(np.nanmax(c.band[1] if c.band else c.y)) for c in curves_by_name.values()]
    top = max([top for top in tops if np.isfinite(top)], default=1.0)
    stretch = look.height / (look.height - RANKS_HEIGHT) if look.spikes else 1.03
    bottom = floor if look.log else 0.0
    if look.log:
        top = max(top, 10 * floor)
        high = float(np.exp(np.log(floor) + (np.log(top) - np.log(floor)) * stretch))
    else:
        high = top * stretch
    return bottom, high


def _y_encoding(limits: tuple[float, float], look: SpectrumLook) -> alt.Y:
    bottom, high = limits
    values = ticks(bottom, high, look.log, max(3, look.height // 45))
    axis = {
        "title": "Density",
        "values": values,
        "labelExpr": tick_label_expression(values),
        "gridColor": GREY,
        "gridOpacity": 0.22,
    }
    scale = {"type": "log" if look.log else "linear", "domain": [bottom, high], "nice": False}
    return alt.Y("density:Q", scale=scale, axis=axis)


def _layers(
    spectrum_curves: Mapping[str, Curve],
    reference_curves: Mapping[str, Curve],
    frame: PlotFrame,
    floor: float,
) -> list[alt.Chart]:
    """Band below curves below references; what lies under the floor is drawn on it."""
    layers: list[alt.Chart] = []
    x, y = frame.x, frame.y
    names = list(spectrum_curves)
    colour_encoding: dict[str, object] = {}
    if len(names) > 1:
        scale = {"domain": names, "range": series_colours(names)}
        legend = {
            "title": None,
            "orient": "top",
            "symbolType": "stroke",
            "symbolStrokeWidth": 2,
            "columns": 2,
        }
        colour_encoding["color"] = alt.Color("line:N", scale=scale, legend=legend)
    for name, curve in spectrum_curves.items():
        if curve.band is not None and len(spectrum_curves) == 1:
            below, above = (end.clip(min=floor) for end in curve.band)
            rows = [
                {"x": at, "density": top, "low": bottom}
                for at, top, bottom in zip(
                    curve.x.tolist(), above.tolist(), below.tolist(), strict=True
                )
            ]
            area = alt.Chart(arrow_table(rows)).mark_area(style="band", opacity=0.3, clip=True)
            layers.append(area.encode(x=x, y=y, y2=alt.Y2("low:Q")))
        rows = _curve_rows(name, curve.x, curve.y.clip(min=floor))
        line = alt.Chart(arrow_table(rows)).mark_line(
            style="density", strokeWidth=1.8, strokeJoin="round", clip=True
        )
        line = line.encode(x=x, y=y, order=alt.Order("x:Q"), **colour_encoding)
        if len(names) > 1:
            line = shown_alone(dimmed(line, dimming_test(names)))
        layers.append(line)
    if reference_curves:
        layers.append(_reference_layer(reference_curves, x, y, floor))
    return layers


def _curve_rows(name: str, x: np.ndarray, y: np.ndarray) -> list[dict[str, object]]:
    return [
        {"x": at, "density": value, "line": name}
        for at, value in zip(x.tolist(), y.tolist(), strict=True)
    ]


def _reference_layer(
    reference_curves: Mapping[str, Curve], x: alt.X, y: alt.Y, floor: float
) -> alt.Chart:
    rows = []
    for name, curve in reference_curves.items():
        high = curve.y > floor
        is_drawn = np.convolve(high, np.ones(3), "same") > 0  # with a foot on both sides
        rows += _curve_rows(name, curve.x[is_drawn], curve.y[is_drawn].clip(min=floor))
    legend = {  # one below the other: it has to fit a column of a paper
        "title": None,
        "orient": "top",
        "symbolType": "stroke",
        "symbolSize": 500,
        "labelLimit": 0,
        "columns": 1,
    }
    scale = {
        "domain": list(reference_curves),
        "range": [list(d) for d in REFERENCE_DASHES[: len(reference_curves)]],
    }
    dashed = alt.StrokeDash("line:N", scale=scale, legend=legend)
    lines = alt.Chart(arrow_table(rows)).mark_line(
        style="reference", color=GREY, strokeWidth=1.8, clip=True
    )
    return lines.encode(x=x, y=y, strokeDash=dashed, order=alt.Order("x:Q"))
