"""Contour lines with their labels."""

import math
from collections.abc import Iterator

import altair as alt
import contourpy
import numpy as np

from explorer.kinds.look import PlaneLook
from explorer.kinds.preview import Preview
from explorer.kinds.surface import Surface
from explorer.render.marks.arrow import arrow_table
from explorer.render.marks.image import cell_extent
from explorer.render.marks.scale import ColourScale, ink_colour, is_drawable
from explorer.render.marks.ticks import tick_labels

OVER_HALO = "#ffffff"  # of lines over the colours of something else
CONTOUR_VERTICES = 4800  # with the hover points below 5,000, where Altair refuses to go on


def contour_layers(
    surface: Surface,
    preview: Preview,
    scale: ColourScale,
    look: PlaneLook,
    ratio: float,
    ink: str = "",
    bold: bool = True,
) -> list[alt.Chart]:
    """Contour lines, and labels on the main ones; none before the coarsest level is complete.

    All have the ink's colour where they are drawn over something else than their own values, and
    are bold there unless told otherwise.

    They run through what is computed and interpolated, not where a neighbour stands in, and
    through the outer half of the cells at the border as straight as they come.
    """
    x, y, z = surface.x, surface.y, preview.values
    levels = scale.ticks(look.levels)
    if preview.stride is None or not levels:
        return []
    has_place = is_drawable(z, look.log) & np.isfinite(preview.uncertainty)
    place_of = np.where(has_place, scale.fractions(z), np.nan)  # in the colours' unit: no overflow
    lines = _simplify(_level_lines(surface, place_of, scale.fractions(np.array(levels)), ratio))
    if not lines:
        return []
    inks = [ink or ink_colour(colour) for colour in scale.colours(np.array(levels))]
    placed = [  # back to the coordinates of the axes, level beside each line
        (n, np.column_stack((x[0] + line[:, 0] * np.ptp(x), y[0] + line[:, 1] / ratio * np.ptp(y))))
        for n, line in lines
    ]
    layers = [
        layer
        for colour in sorted({inks[n] for n, _ in lines})
        for layer in _line_layers(
            [line for n, line in placed if inks[n] == colour], colour, bold=bold and bool(ink)
        )
    ]
    main = set(scale.ticks(5)) & set(levels) or set(levels[::2])
    level_texts = tick_labels(levels)
    rows = []
    for n, spot, angle in _label_spots([(n, line) for n, line in lines if levels[n] in main]):
        px, py = x[0] + spot[0] * np.ptp(x), y[0] + spot[1] / ratio * np.ptp(y)
        halo = OVER_HALO if ink else _colour_of(levels[n], scale)
        rows.append(
            {"x": px, "y": py, "text": level_texts[n], "angle": angle, "ink": inks[n], "halo": halo}
        )
    complete = bool(preview.computed.all())  # a halo would show on the pale preview
    return layers + (_label_layers(rows, complete) if rows else [])


def _level_lines(
    surface: Surface, places: np.ndarray, levels: np.ndarray, ratio: float
) -> list[tuple[int, np.ndarray]]:
    """The lines of each level with its number, their vertices (V, 2) in widths of the plot.

    Args:
        surface: whose axes they are over.
        places: of the values in the scale's unit, (Y, X); NaN where no line is.
        levels: in the same unit.
        ratio: height of the plot in widths.
    """
    x, y = surface.x, surface.y
    (left, right), (bottom, top) = cell_extent(x), cell_extent(y)
    generator = contourpy.contour_generator(
        (np.array([left, *x, right]) - x[0]) / np.ptp(x),
        (np.array([bottom, *y, top]) - y[0]) / np.ptp(y) * ratio,
        np.ma.masked_invalid(_with_border(places)),
    )
    return [
        (n, np.asarray(line)) for n, level in enumerate(levels) for line in generator.lines(level)
    ]


def _colour_of(value: float, scale: ColourScale) -> str:
    """The colour of a value, as "#rrggbb"."""
    return "#" + bytes(scale.colours(np.array([value]))[0]).hex()


def _with_border(places: np.ndarray) -> np.ndarray:
    """The places (N, M) with a border half a cell beyond them, (N + 2, M + 2).

    They go on as straight as they come; where only the last one is known, it stands for what is
    beyond. A corner is where the planes of its two sides meet, so that nothing turns there.
    """
    across, along = _border_values(places), _border_values(places.T).T
    wide = np.pad(places, 1)
    wide[1:-1, [0, -1]], wide[[0, -1], 1:-1] = across, along
    for row in (0, -1):
        for column in (0, -1):
            sides = across[row, column] + along[row, column]
            wide[row, column] = sides - places[row, column]
    return wide


def _border_values(places: np.ndarray) -> np.ndarray:
    """Places half a cell before the first column and after the last, (N, 2)."""
    last, before = places[:, [0, -1]], places[:, [1, -2]]
    return last + np.where(np.isfinite(before), last - before, 0.0) / 2


def _simplify(lines: list[tuple[int, np.ndarray]]) -> list[tuple[int, np.ndarray]]:
    """The lines with as few vertices as the eye needs, and at most CONTOUR_VERTICES; specks go."""
    tolerance = 0.0007  # of the plot's width: a third of a pixel
    while True:
        large = [(n, line) for n, line in lines if np.ptp(line, 0).max() > 10 * tolerance]
        thinned = [(n, line[_kept_vertices(line, tolerance)]) for n, line in large]
        if sum(len(line) for _, line in thinned) <= CONTOUR_VERTICES:
            return thinned
        tolerance *= 1.5


def _kept_vertices(line: np.ndarray, tolerance: float) -> np.ndarray:
    """Which vertices stay, (N,) bool: dropped ones lie within the tolerance of the line drawn.

    Source: Douglas & Peucker 1973, Cartographica 10(2).
    """
    keep = np.zeros(len(line), dtype=bool)
    keep[[0, -1]] = True
    parts = [(0, len(line) - 1)]
    while parts:
        first, last = parts.pop()
        if last - first < 2:
            continue
        chord, away = line[last] - line[first], line[first + 1 : last] - line[first]
        length = math.hypot(*chord)
        if length > 0:
            distances = np.abs(chord[0] * away[:, 1] - chord[1] * away[:, 0]) / length
        else:
            distances = np.hypot(away[:, 0], away[:, 1])
        worst = int(distances.argmax())
        if distances[worst] > tolerance:
            middle = first + 1 + worst
            keep[middle] = True
            parts += [(first, middle), (middle, last)]
    return keep


def _line_layers(lines: list[np.ndarray], colour: str, bold: bool) -> list[alt.Chart]:
    """Thin lines of one colour; or bold ones with a halo, that are seen on any colour."""
    rows = [
        {"x": round(float(px), 6), "y": round(float(py), 6), "line": n, "k": k}
        for n, line in enumerate(lines)
        for k, (px, py) in enumerate(line)
    ]
    chart = alt.Chart(arrow_table(rows)).encode(
        x=alt.X("x:Q"), y=alt.Y("y:Q"), detail=alt.Detail("line:N"), order=alt.Order("k:Q")
    )
    if not bold:
        return [
            chart.mark_line(style="contour", strokeWidth=0.8, opacity=0.55, color=colour, clip=True)
        ]
    halo = chart.mark_line(color=OVER_HALO, strokeWidth=3.2, opacity=0.6, clip=True)
    return [halo, chart.mark_line(style="path", color=colour, strokeWidth=1.5, clip=True)]


def _label_spots(lines: list[tuple[int, np.ndarray]]) -> Iterator[tuple[int, np.ndarray, float]]:
    """Level, place and angle (degrees, clockwise) of one label on the longest line of each level.

    Places keep away from the plot's edges and from each other.
    """
    places_taken = [np.array([0.5, 0.5])]
    longest: dict[int, np.ndarray] = {}
    for n, line in lines:
        if n not in longest or _line_length(line) > _line_length(longest[n]):
            longest[n] = line
    for n, line in longest.items():
        middles, steps = (line[1:] + line[:-1]) / 2, np.diff(line, axis=0)
        top = max(float(line[:, 1].max()), 0.5)
        inside = ((middles > 0.08) & (middles < np.array([0.92, top - 0.06]))).all(axis=1)
        if _line_length(line) < 0.25 or not inside.any():
            continue
        away = np.min([np.hypot(*(middles - spot).T) for spot in places_taken], axis=0)
        best = int(np.where(inside, away, -1).argmax())
        if away[best] < 0.07:
            continue
        places_taken.append(middles[best])
        angle = -math.degrees(math.atan2(steps[best][1], steps[best][0]))
        yield n, middles[best], (angle + 90) % 180 - 90


def _line_length(line: np.ndarray) -> float:
    return float(np.hypot(*np.diff(line, axis=0).T).sum())


def _label_layers(rows: list[dict[str, object]], halo: bool) -> list[alt.Chart]:
    """Labels; the halo, in the colour of the level, interrupts their line."""
    text = alt.Chart(arrow_table(rows)).encode(
        x=alt.X("x:Q"),
        y=alt.Y("y:Q"),
        text=alt.Text("text:N"),
        angle=alt.Angle("angle:Q", scale=None),
    )
    below = [
        text.mark_text(style="contour-halo", fontSize=10, strokeWidth=4, strokeJoin="round").encode(
            stroke=alt.Stroke("halo:N", scale=None), fill=alt.Fill("halo:N", scale=None)
        )
    ]
    above = text.mark_text(style="contour-label", fontSize=10).encode(
        color=alt.Color("ink:N", scale=None)
    )
    return [*below, above] if halo else [above]
