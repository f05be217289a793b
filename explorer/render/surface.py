"""A surface from above: colours, contour lines, markers, tooltips, one legend in true units."""

import base64
import io
import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import altair as alt
import contourpy
import numpy as np
import pyarrow as pa
from PIL import Image
from scipy.ndimage import distance_transform_edt

from explorer.kinds.grid import COARSEST_STRIDE
from explorer.kinds.surface import Surface
from explorer.render.colours import lut

IMAGE_PIXELS = 600  # per side at least: cell edges and hatching stay sharp on paper
HOVER_POINTS = 3600
HOVER_BYTES = 380_000
CONTOUR_VERTICES = 4800  # with HOVER_POINTS below 5,000, where Altair refuses to go on
PREVIEW_OPACITY = 0.75
SQUARE_WITHIN = 3.0  # ranges that differ by less share one scale per unit

# The legend's symbols, as Vega's SVG paths in a box from -1 to 1.
BOX = "M-1,-1L1,-1L1,1L-1,1L-1,-1"
CENTRE, LOWEST, NAN, INFINITE, NOT_POSITIVE, PREVIEW = (
    "cross",
    "diamond",
    BOX + "M-1,0L0,-1M-1,1L1,-1M0,1L1,0",
    BOX + "M-1,-1L1,1M-1,1L1,-1",
    BOX + "M-1,0L1,0",
    BOX,
)


@dataclass(frozen=True)
class ContourStyle:
    """How a surface is drawn. It has no theme: what lies on the page takes the page's colours."""

    value: str = "loss"  # or the name of a metric
    log: bool = False
    clip: float | None = None  # what lies above is drawn in the top colour
    colour_map: str = "viridis"
    levels: int = 12  # contour lines at most; 0 for none
    width: int = 440  # of the plot without axes and legends, in px
    limits: tuple[float, float] | None = None  # of the colours; None: those of the values

    def __post_init__(self) -> None:
        """Refuse what cannot be drawn.

        Raises:
            ValueError: levels, width, clip or limits out of range.
        """
        if self.levels < 0:
            raise ValueError(f"levels must be at least 0, got {self.levels}")
        if self.width < 50:
            raise ValueError(f"width must be at least 50 px, got {self.width}")
        if self.clip is not None and (
            not math.isfinite(self.clip) or (self.log and self.clip <= 0)
        ):
            raise ValueError(f"clip must be finite, and positive on a log scale, got {self.clip}")
        if self.limits is not None and not self.limits[0] < self.limits[1]:
            raise ValueError(f"limits must increase, got {self.limits}")


@dataclass(frozen=True)
class ColourScale:
    """Which colour stands for which value."""

    low: float
    high: float
    log: bool
    colour_map: str

    def fractions(self, values: np.ndarray) -> np.ndarray:
        """Place of each value from 0 (lowest colour) to 1; NaN where a value has none."""
        with np.errstate(all="ignore"):
            low, high, at = (
                (np.log(self.low), np.log(self.high), np.log(values))
                if self.log
                else (self.low / 2, self.high / 2, values / 2)  # halves: the span cannot overflow
            )
            placed = np.clip((at - low) / (high - low), 0, 1)
        return np.where(drawable(values, self.log), placed, np.nan)

    def colours(self, values: np.ndarray) -> np.ndarray:
        """Colour of each value, uint8, shape (..., 3); a value without one gets the lowest."""
        places = np.nan_to_num(self.fractions(np.asarray(values, dtype=float)))
        return lut(self.colour_map)[np.rint(places * 255).astype(int)]

    def stops(self, count: int = 64) -> list[float]:
        """Values whose colours are evenly spaced, from low to high."""
        parts = np.linspace(0, 1, count)
        if self.log:
            values = np.exp(np.log(self.low) * (1 - parts) + np.log(self.high) * parts)
        else:
            values = self.low * (1 - parts) + self.high * parts
        values[0], values[-1] = self.low, self.high
        return [float(value) for value in values]


def drawable(values: np.ndarray, log: bool) -> np.ndarray:
    """Whether each value has a place on the scale: finite, and positive on a log scale."""
    return np.isfinite(values) & ((values > 0) | (not log))


def colour_scale(values: np.ndarray, style: ContourStyle) -> ColourScale | None:
    """The scale that fits the values, wider when all are equal; None when none is drawable."""
    shown = values[drawable(values, style.log)]
    if style.limits is not None:
        low, high = style.limits
    elif shown.size:
        low, high = float(shown.min()), float(shown.max())
    else:
        return None
    if style.clip is not None:
        high = min(high, style.clip)
    if style.log and low <= 0:
        low = float(shown.min()) if shown.size else high / 10
    if not low < high:
        high = low if low > high else high
        room = 0.05 * abs(high) or 0.5
        low, high = (high / 1.1, high * 1.1) if style.log else (high - room, high + room)
    return ColourScale(low, high, style.log, style.colour_map)


def ticks(low: float, high: float, log: bool, count: int) -> list[float]:
    """Round values from low to high, about `count` and never many more."""
    if count < 1:
        return []
    if log and high / low >= 10:
        first, last = math.floor(math.log10(low)), math.ceil(math.log10(high))
        for mantissas in ((1, 2, 3, 4, 5, 6, 7, 8, 9), (1, 2, 5), (1, 3), (1,)):
            values = [float(f"{m}e{k}") for k in range(first, last + 1) for m in mantissas]
            values = [value for value in values if low <= value <= high]
            if len(values) <= count:
                return values if len(values) > 1 else ticks(low, high, False, count)
        step = math.ceil((last - first) / count)
        powers = range(math.ceil(first / step) * step, last + 1, step)
        return [v for v in (float(f"1e{k}") for k in powers) if low <= v <= high]
    least = (high / 2 - low / 2) / count * 2
    power = math.floor(math.log10(least))
    step = next(m for m in (1, 2, 5, 10) if float(f"{m}e{power}") >= least * (1 - 1e-9))
    unit = float(f"{step}e{power}")
    if (
        unit == 0 or not max(abs(low), abs(high)) / unit < 1e6
    ):  # the values differ only in their last digits
        return [low, high]
    first, last = math.floor(low / unit), math.ceil(high / unit)
    values = [float(f"{k * step}e{power}") for k in range(first, last + 1)]
    return [value for value in values if low <= value <= high]


def number(value: float, digits: int = 5) -> str:
    """The value as short text: 0.3, 1.2e-8, NaN, Inf."""
    if math.isnan(value):
        return "NaN"
    if math.isinf(value):
        return "Inf" if value > 0 else "-Inf"
    mantissa, _, exponent = f"{value:.{digits}g}".partition("e")
    return f"{mantissa}e{int(exponent)}" if exponent else mantissa


def label(value: float) -> str:
    """The value as a tick label, with a raised exponent from 10⁴ on and from 10⁻⁴ down."""
    mantissa, _, exponent = f"{value:.5e}".partition("e")
    if value == 0 or -4 < int(exponent) < 4:
        return number(value)
    raised = "10" + str(int(exponent)).translate(str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹"))
    mantissa = mantissa.rstrip("0").rstrip(".")
    return raised if mantissa == "1" else f"{mantissa}×{raised}"


def label_expression(values: list[float]) -> str:
    """A Vega expression that writes each of the values as `label` does."""
    texts = ", ".join(f"'{label(value).replace('-', '−')}'" for value in values)
    return f"[{texts}][indexof([{', '.join(map(repr, values))}], datum.value)]"


def preview(values: np.ndarray, computed: np.ndarray) -> np.ndarray:
    """The values, places not computed yet filled from the nearest one that is; for drawing only.

    A computed NaN stays one and is passed on as one; with nothing computed all is NaN.
    """
    rows, columns = nearest_computed(computed)
    return values[rows, columns] if computed.any() else np.full(values.shape, np.nan)


def nearest_computed(computed: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Row and column of the nearest computed place of each place, two arrays (Y, X)."""
    rows, columns = distance_transform_edt(~computed, return_distances=False, return_indices=True)
    return rows, columns


def contour(
    surface: Surface,
    style: ContourStyle | None = None,
    *,
    title: str | None = None,
    x_title: str = "First direction",
    y_title: str = "Second direction",
) -> alt.LayerChart:
    """The surface from above.

    Every value fills a cell centred at its own coordinate. Places not computed yet show the
    nearest computed value, pale. The tooltips hold every point of a grid up to 60 x 60 (fewer with
    many metrics), above that every second, third, ..., which keeps them below 0.4 MB; they name
    the coordinates of the point they tell of. In Streamlit show it with `width="content"`:
    stretching would give x and y different scales.

    Raises:
        ValueError: the surface has no such value, or its axes are not evenly spaced.
    """
    style = style or ContourStyle()
    if style.value not in surface.values:
        raise ValueError(f"value must be one of {', '.join(surface.values)}, got {style.value!r}")
    values = surface.values[style.value]
    scale = colour_scale(values[surface.computed], style)
    x, y = _axis(surface.x, x_title), _axis(surface.y, y_title)
    spans = [float(np.ptp(extent(axis))) for axis in (surface.x, surface.y)]
    ratio = spans[1] / spans[0]
    if not 1 / SQUARE_WITHIN <= ratio <= SQUARE_WITHIN:
        ratio = 0.8
    height = round(style.width * ratio)
    layers = [_image(surface, values, scale, style, x, y)]
    if scale is not None:
        layers.append(colour_bar(scale, bar_title(scale, values, style), height))
        layers += _contours(surface, values, scale, style, ratio)
    layers += [*_markers(surface, values, style), *_hover(surface)]
    return alt.LayerChart(
        layer=layers,
        width=style.width,
        height=height,
        title=title or alt.Undefined,
        # Streamlit would otherwise ask for "fit", which gives x and y different scales.
        autosize=alt.AutoSizeParams(type="pad", contains="padding"),
    )


def extent(axis: np.ndarray) -> tuple[float, float]:
    """Outer edges of the first and the last cell.

    Raises:
        ValueError: the axis is not evenly spaced.
    """
    half = (axis[-1] - axis[0]) / (len(axis) - 1) / 2
    if not np.allclose(np.diff(axis), 2 * half, rtol=1e-6):
        raise ValueError("the values of an axis must be evenly spaced")
    return float(axis[0] - half), float(axis[-1] + half)


def _axis(axis: np.ndarray, title: str) -> dict[str, Any]:
    """Scale and axis of one coordinate, as keywords of its channel."""
    values = ticks(float(axis[0]), float(axis[-1]), False, 5)
    return {
        "scale": alt.Scale(domain=list(extent(axis)), nice=False, zero=False),
        "axis": alt.Axis(
            title=title, grid=False, values=values, labelExpr=label_expression(values)
        ),
    }


def _image(
    surface: Surface,
    values: np.ndarray,
    scale: ColourScale | None,
    style: ContourStyle,
    x: dict[str, Any],
    y: dict[str, Any],
) -> alt.Chart:
    """The colours, one PNG stretched over the cells; it also sets the axes of the whole chart."""
    left, right = extent(surface.x)
    bottom, top = extent(surface.y)
    url = "data:image/png;base64," + base64.b64encode(png(surface, values, scale, style)).decode()
    row = {"url": url, "left": left, "right": right, "bottom": bottom, "top": top}
    return (
        alt.Chart(table([row]))
        .mark_image(aspect=False)
        .encode(
            x=alt.X("left:Q", **x),
            x2="right:Q",
            y=alt.Y("top:Q", **y),
            y2="bottom:Q",
            url="url:N",
        )
    )


def png(
    surface: Surface, values: np.ndarray, scale: ColourScale | None, style: ContourStyle
) -> bytes:
    """The surface as a PNG, largest y in the first row; each cell is a block of whole pixels."""
    shown = preview(values, surface.computed)
    pixels = np.empty((*shown.shape, 4), dtype=np.uint8)
    pixels[..., :3] = 255 if scale is None else scale.colours(shown)
    pixels[..., 3] = np.where(surface.computed, 255, round(255 * PREVIEW_OPACITY))
    repeat = [math.ceil(IMAGE_PIXELS / count) for count in shown.shape]

    def blocks(cells: np.ndarray) -> np.ndarray:
        return cells[::-1].repeat(repeat[0], axis=0).repeat(repeat[1], axis=1)

    large, large_shown = blocks(pixels), blocks(shown)
    _hatch(large, large_shown, style.log)
    if not surface.computed.any():
        large[:] = 0
    file = io.BytesIO()
    Image.fromarray(large).save(file, "PNG", compress_level=9)
    return file.getvalue()


def _hatch(pixels: np.ndarray, values: np.ndarray, log: bool) -> None:
    """Draw holes on light grey: NaN as diagonals, Inf crossed, not positive (log) as levels."""
    row, column = np.arange(values.shape[0])[:, None], np.arange(values.shape[1])[None, :]
    rising, falling, level = (
        (axis % period) < thick
        for axis, period, thick in ((row + column, 12, 2), (row - column, 12, 2), (row, 10, 2))
    )
    infinite, nan = np.isinf(values), np.isnan(values)
    hole = ~drawable(values, log)
    lines = np.where(nan, rising, np.where(infinite, rising | falling, level)) & hole
    pixels[hole, :3] = 225
    pixels[lines, :3] = 90


def bar_title(scale: ColourScale, values: np.ndarray, style: ContourStyle) -> list[str]:
    """Lines of the title: the value's name, and that it is clipped when it is."""
    name = title_of(style.value)
    with np.errstate(invalid="ignore"):
        clipped = bool((values[np.isfinite(values)] > scale.high).any())
    return [name, f"clipped at {label(scale.high)}"] if clipped else [name]


def colour_bar(scale: ColourScale, title: list[str], height: int) -> alt.Chart:
    """The scale as Vega's own legend of an unseen point: so themes reach its text."""
    values = ticks(scale.low, scale.high, scale.log, 7)
    stops = scale.stops()
    hexes = ["#" + bytes(colour).hex() for colour in scale.colours(np.array(stops))]
    return (
        alt.Chart(table([{"value": scale.low}]))
        .mark_point(opacity=0, size=0)
        .encode(
            color=alt.Color("value:Q")
            .scale(
                type="log" if scale.log else "linear", domain=stops, range=hexes, interpolate="rgb"
            )
            .legend(
                title=title,
                values=values,
                labelExpr=label_expression(values),
                gradientLength=max(60, height - 22 * len(title)),
                titlePadding=8,
            )
        )
    )


def title_of(name: str) -> str:
    """The name of a value as a title: "loss" as "Loss"."""
    return name[:1].upper() + name[1:].replace("_", " ")


def ink(colour: np.ndarray) -> str:
    """Black or white, whichever reads better on the colour."""
    luminance = float(colour @ np.array([0.2126, 0.7152, 0.0722])) / 255
    return "#000000" if luminance > 0.4 else "#ffffff"


def _contours(
    surface: Surface, values: np.ndarray, scale: ColourScale, style: ContourStyle, ratio: float
) -> list[alt.Chart]:
    """Contour lines, and labels on the main ones; none before the coarsest level is complete."""
    rows, columns = _finest_complete(surface.computed)
    x, y, z = surface.x[columns], surface.y[rows], values[rows, columns]
    levels = ticks(scale.low, scale.high, style.log, style.levels)
    if min(z.shape) < 2 or not levels:
        return []
    held = drawable(z, style.log)
    place_of = np.ma.masked_array(
        scale.fractions(z), ~held
    )  # in the unit of the colours: no overflow
    generator = contourpy.contour_generator(
        (x - x[0]) / np.ptp(x), (y - y[0]) / np.ptp(y) * ratio, place_of
    )
    at = scale.fractions(np.array(levels))
    found = [(n, np.asarray(line)) for n, a in enumerate(at) for line in generator.lines(a)]
    lines = _simplified(found)
    if not lines:
        return []
    inks = [ink(colour) for colour in scale.colours(np.array(levels))]
    placed = [  # back to the coordinates of the axes, level beside each line
        (n, np.column_stack((x[0] + line[:, 0] * np.ptp(x), y[0] + line[:, 1] / ratio * np.ptp(y))))
        for n, line in lines
    ]
    layers = [
        _lines([line for n, line in placed if inks[n] == colour], colour)
        for colour in sorted({inks[n] for n, _ in lines})
    ]
    main = set(ticks(scale.low, scale.high, style.log, 5)) & set(levels) or set(levels[::2])
    labels = []
    for n, spot, angle in _label_spots([(n, line) for n, line in lines if levels[n] in main]):
        px, py = x[0] + spot[0] * np.ptp(x), y[0] + spot[1] / ratio * np.ptp(y)
        text = label(levels[n]).replace("-", "−")
        halo = "#" + bytes(scale.colours(np.array([levels[n]]))[0]).hex()
        labels.append(
            {"x": px, "y": py, "text": text, "angle": angle, "ink": inks[n], "halo": halo}
        )
    complete = bool(surface.computed.all())  # a halo would show on the pale preview
    return layers + (_labels(labels, complete) if labels else [])


def _finest_complete(computed: np.ndarray) -> tuple[slice, slice]:
    """Rows and columns of the finest complete level of `coarse_to_fine`, or empty slices."""
    for stride in (2**n for n in range(COARSEST_STRIDE.bit_length())):
        rows, columns = (slice((n - 1) // 2 % stride, None, stride) for n in computed.shape)
        if computed[rows, columns].all():
            return rows, columns
    return slice(0), slice(0)


def _simplified(lines: list[tuple[int, np.ndarray]]) -> list[tuple[int, np.ndarray]]:
    """The lines with as few vertices as the eye needs, and at most CONTOUR_VERTICES; specks go."""
    tolerance = 0.0007  # of the plot's width: a third of a pixel
    while True:
        large = [(n, line) for n, line in lines if np.ptp(line, 0).max() > 10 * tolerance]
        thinned = [(n, line[_kept(line, tolerance)]) for n, line in large]
        if sum(len(line) for _, line in thinned) <= CONTOUR_VERTICES:
            return thinned
        tolerance *= 1.5


def _kept(line: np.ndarray, tolerance: float) -> np.ndarray:
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


def _lines(lines: list[np.ndarray], colour: str) -> alt.Chart:
    """One layer of thin lines of one colour."""
    rows = [
        {"x": round(float(px), 6), "y": round(float(py), 6), "line": n, "k": k}
        for n, line in enumerate(lines)
        for k, (px, py) in enumerate(line)
    ]
    return (
        alt.Chart(table(rows))
        .mark_line(style="contour", strokeWidth=0.8, opacity=0.55, color=colour, clip=True)
        .encode(x="x:Q", y="y:Q", detail="line:N", order="k:Q")
    )


def _label_spots(lines: list[tuple[int, np.ndarray]]) -> Iterator[tuple[int, np.ndarray, float]]:
    """Level, place and angle (degrees, clockwise) of one label on the longest line of each level.

    Places keep away from the plot's edges and from each other.
    """
    taken = [np.array([0.5, 0.5])]
    longest: dict[int, np.ndarray] = {}
    for n, line in lines:
        if n not in longest or _length(line) > _length(longest[n]):
            longest[n] = line
    for n, line in longest.items():
        middles, steps = (line[1:] + line[:-1]) / 2, np.diff(line, axis=0)
        top = max(float(line[:, 1].max()), 0.5)
        inside = ((middles > 0.08) & (middles < np.array([0.92, top - 0.06]))).all(axis=1)
        if _length(line) < 0.25 or not inside.any():
            continue
        away = np.min([np.hypot(*(middles - spot).T) for spot in taken], axis=0)
        best = int(np.where(inside, away, -1).argmax())
        if away[best] < 0.07:
            continue
        taken.append(middles[best])
        angle = -math.degrees(math.atan2(steps[best][1], steps[best][0]))
        yield n, middles[best], (angle + 90) % 180 - 90


def _length(line: np.ndarray) -> float:
    return float(np.hypot(*np.diff(line, axis=0).T).sum())


def _labels(rows: list[dict[str, Any]], halo: bool) -> list[alt.Chart]:
    """Labels; the halo, in the colour of the level, interrupts their line."""
    text = alt.Chart(table(rows)).encode(
        x="x:Q", y="y:Q", text="text:N", angle=alt.Angle("angle:Q", scale=None)
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


def _markers(surface: Surface, values: np.ndarray, style: ContourStyle) -> list[alt.Chart]:
    """The centre and the lowest computed value; and what the holes mean, in the same legend."""
    drawn: list[alt.Chart] = []
    shapes: dict[str, str] = {}
    known = np.where(surface.computed & np.isfinite(values), values, np.inf)
    lowest = None
    if np.isfinite(known).any():
        j, i = np.unravel_index(known.argmin(), known.shape)
        lowest = {"x": float(surface.x[i]), "y": float(surface.y[j])}
    (left, right), (bottom, top) = extent(surface.x), extent(surface.y)
    centre = {"x": 0.0, "y": 0.0} if left <= 0 <= right and bottom <= 0 <= top else None
    name = "" if lowest is None else f"lowest, {number(known[j, i], 4)}"
    if lowest is not None and lowest == centre:
        marks: list[tuple[dict[str, float] | None, str, str]]
        marks = [(centre, f"Centre and {name}", CENTRE)]
    else:
        marks = [(centre, "Centre", CENTRE), (lowest, name.capitalize(), LOWEST)]
    for place, name, shape in marks:
        if place is not None:
            shapes[name] = shape
            drawn.append(
                alt.Chart(table([place]))
                .mark_point(
                    style="marker",
                    shape=shape,
                    size=90,
                    fill="white",
                    stroke="#222222",
                    strokeWidth=0.9,
                    opacity=1,
                )
                .encode(x="x:Q", y="y:Q")
            )
    holes = {
        "NaN": (np.isnan(values), NAN),
        "Infinite": (np.isinf(values), INFINITE),
        "Not above 0": (np.isfinite(values) & (values <= 0) & style.log, NOT_POSITIVE),
        "Not computed": (np.ones_like(surface.computed), PREVIEW),
    }
    for name, (where, shape) in holes.items():
        count = int((where & (surface.computed ^ (name == "Not computed"))).sum())
        if count:
            shapes[f"{name}, {count:,}"] = shape
    if not shapes:
        return []
    return [_symbols(shapes, style.width), *drawn]


def _symbols(shapes: dict[str, str], width: int) -> alt.Chart:
    """A legend of outlines without a point, in a grey that reads on any page.

    It hangs on the shape alone: with fill and stroke beside it Streamlit shows three legends.
    """
    legend = alt.Legend(
        title=None,
        orient="bottom",
        direction="horizontal",
        columns=max(1, width // 140),
        symbolSize=90,
        symbolStrokeWidth=1,
        labelLimit=0,
    )
    nowhere = pa.nulls(len(shapes), pa.float64())  # a NaN would not be JSON
    return (
        alt.Chart(pa.table({"x": nowhere, "y": nowhere, "mark": list(shapes)}))
        .mark_point(size=90, color="#888888", opacity=1)
        .encode(
            x="x:Q",
            y="y:Q",
            shape=alt.Shape("mark:N", legend=legend).scale(
                domain=list(shapes), range=list(shapes.values())
            ),
        )
    )


def _hover(surface: Surface) -> list[alt.Chart]:
    """Unseen cells that tell the coordinates and all values of the nearest computed point."""
    if not surface.computed.any():
        return []
    names = list(surface.values)
    allowed = min(HOVER_POINTS, HOVER_BYTES // (65 + 24 * len(names)))
    stride = 1
    while math.prod(math.ceil(n / stride) for n in surface.computed.shape) > allowed:
        stride += 1
    chosen = tuple(slice((n - 1) // 2 % stride, None, stride) for n in surface.computed.shape)
    cell_y, cell_x = (
        a.ravel() for a in np.meshgrid(surface.y[chosen[0]], surface.x[chosen[1]], indexing="ij")
    )
    j, i = (near[chosen].ravel() for near in nearest_computed(surface.computed))
    texts = {"x": surface.x[i], "y": surface.y[j]} | {n: g[j, i] for n, g in surface.values.items()}
    columns: dict[str, Any] = {"cell x": cell_x.round(9), "cell y": cell_y.round(9)}
    columns |= {
        name: [number(value) for value in column.tolist()] for name, column in texts.items()
    }
    half = [np.ptp(extent(axis)) / len(axis) * stride / 2 for axis in (surface.x, surface.y)]
    return [
        alt.Chart(pa.table(columns))
        .transform_calculate(
            left=f"datum['cell x'] - {half[0]}",
            right=f"datum['cell x'] + {half[0]}",
            bottom=f"datum['cell y'] - {half[1]}",
            top=f"datum['cell y'] + {half[1]}",
        )
        .mark_rect(style="hover", opacity=0, clip=True)
        .encode(
            x="left:Q",
            x2="right:Q",
            y="bottom:Q",
            y2="top:Q",
            tooltip=[
                alt.Tooltip(field=escaped(name), type="nominal", title=name.replace("_", " "))
                for name in ("x", "y", *surface.values)
            ],
        )
    ]


def escaped(field: str) -> str:
    """A field name that Vega reads as one name, not as a path."""
    return "".join("\\" + c if c in ".[]" else c for c in field)


def table(rows: list[dict[str, Any]]) -> pa.Table:
    """The rows as Arrow: Altair takes a second to check the same rows as a list."""
    return pa.Table.from_pylist(rows)
