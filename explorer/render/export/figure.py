"""Figures for papers: exact width, embedded fonts, one quiet style; SVG, PDF or PNG."""

import pandas  # noqa: F401 - whole before altair looks at it: another thread may be at it

# isort: split
import math
import re
from collections.abc import Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

import altair as alt

from explorer.kinds.provenance import Provenance
from explorer.render.export.metadata import with_provenance

INNER_VIEWS = ("layer", "vconcat", "hconcat", "concat")  # where a view holds others
FORMATS = ("svg", "pdf", "png")
POINTS = 72  # per inch; one pixel of the chart is one point of the figure
# A generic family that the machine lacks would make all text vanish without a word (vl-convert):
# these come with matplotlib and vl-convert.
BUNDLED_FONTS = {
    "serif": "STIXGeneral",
    "sans-serif": "Liberation Sans",
    "monospace": "DejaVu Sans Mono",
}
# Marks of the screen, by their style, as they are in a paper.
PAPER_MARKS: Mapping[str, Mapping[str, float]] = {
    "contour": {"strokeWidth": 0.4},
    "contour-label": {"fontSize": 7},
    "contour-halo": {"fontSize": 7, "strokeWidth": 2.5},
    "label": {"fontSize": 8},
    "marker": {"size": 28, "strokeWidth": 0.5},
    "profile": {"strokeWidth": 1},
    "faint": {"strokeWidth": 0.4},
    "chord": {"strokeWidth": 0.7},
    "end": {"size": 20, "strokeWidth": 0.7},
    "profile-point": {"size": 6},
    "rug": {"size": 30, "strokeWidth": 0.6},
}
SYMBOL_SCALES = {"symbolSize": 0.4, "symbolStrokeWidth": 0.55}  # of their size on the screen
SANS = ("Liberation Sans", "sans-serif")
SERIF = ("STIXGeneral", "serif")
# Source: Okabe & Ito 2008, "Color Universal Design": told apart by the colour-blind, and in print.
LEGEND_COLUMN = 66  # points that a symbol and its words need at least
MOST_TRIES = 16  # drawings until one has the width asked for; two or three are usual
SMALLEST_PLOT, SMALLEST_STEP = 20.0, 0.05  # points of a plot's width, and between two drawings
WIDEST_MARGIN = 0.15  # of the width, that a figure may leave free where nothing fits better
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")


def publication_config(fonts: Sequence[str] = SANS) -> dict[str, Any]:
    """Vega-Lite configuration for a paper: 7 to 9 pt at final size, thin lines, no clutter."""
    text = {"labelFontSize": 7, "titleFontSize": 8, "titleFontWeight": "normal"}
    black = {"labelColor": "black", "titleColor": "black"}
    return {
        "font": ", ".join(font_families(fonts)),
        "background": "white",
        "padding": 1,
        "view": {"stroke": None},
        "range": {"category": list(COLOURS)},
        "title": {"fontSize": 9, "fontWeight": "normal", "offset": 5, "color": "black"},
        "axis": {
            **text,
            **black,
            "domainWidth": 0.5,
            "domainColor": "black",
            "tickWidth": 0.5,
            "tickColor": "black",
            "tickSize": 3,
            "labelPadding": 2,
            "titlePadding": 4,
            "gridWidth": 0.4,
        },
        "legend": {
            **text,
            **black,
            "offset": 7,
            "gradientThickness": 7,
            "rowPadding": 1,
            "columnPadding": 8,
            "titlePadding": 4,
        },
    }


def font_families(fonts: Sequence[str]) -> tuple[str, ...]:
    """The fonts, ending in a bundled one and its generic family.

    Raises:
        ValueError: no font given.
    """
    if not fonts:
        raise ValueError("fonts must name at least one family, got none")
    generic = fonts[-1] if fonts[-1] in BUNDLED_FONTS else "sans-serif"
    named = tuple(font for font in fonts if font not in (generic, BUNDLED_FONTS[generic]))
    return (*named, BUNDLED_FONTS[generic], generic)


def save_figure(
    chart: alt.TopLevelMixin,
    path: str | Path | None,
    format: str,
    width_inches: float,
    dpi: int = 300,
    fonts: Sequence[str] = SANS,
    provenance: Sequence[Provenance] = (),
) -> bytes:
    """The chart as a figure of exactly that width, all axes, legends and titles included.

    Its height follows. Text stays text (PDF: fonts embedded). Also written to `path` if given. The
    file carries the provenance of each analysis that it shows.

    Raises:
        ValueError: an unknown format, a width or a resolution that is out of range, or axes and
            legends that leave no room for the plot.
    """
    require_figure(format, width_inches, dpi)
    drawing = _with_raised_digits(fit_width(paper_spec(chart, fonts), width_inches * POINTS), fonts)
    drawing = _renumber_ids(drawing)
    content = with_provenance(_convert_svg(drawing, format, width_inches, dpi), format, provenance)
    if path is not None:
        Path(path).write_bytes(content)
    return content


def require_figure(format: str, width_inches: float, dpi: int) -> None:
    """Refuse a figure that cannot be.

    Raises:
        ValueError: an unknown format, or a width or a resolution that is out of range.
    """
    if format not in FORMATS:
        raise ValueError(f"format must be one of {', '.join(FORMATS)}, got {format!r}")
    if not 0.5 <= width_inches <= 50:
        raise ValueError(f"width must be from 0.5 to 50 inches, got {width_inches}")
    if not 30 <= dpi <= 2400:
        raise ValueError(f"dpi must be from 30 to 2400, got {dpi}")


def side_by_side(charts: Sequence[Any], columns: int = 2) -> alt.ConcatChart:
    """The charts as panels of one figure, each with its own scales and legends.

    Raises:
        ValueError: no chart.
    """
    if not charts:
        raise ValueError("a figure needs at least one chart, got none")
    channels = ("color", "shape", "stroke", "opacity", "strokeWidth", "strokeDash", "fill")
    whole = alt.ConcatChart(concat=list(charts), columns=min(columns, len(charts)))
    whole.resolve = alt.Resolve(scale=dict.fromkeys(channels, "independent"))
    return whole


def paper_spec(chart: alt.TopLevelMixin, fonts: Sequence[str] = SANS) -> dict[str, Any]:
    """The chart as Vega-Lite in the publication style, without what only a screen needs."""
    spec = static_spec(chart)
    spec["config"] = publication_config(fonts)
    spec["autosize"] = {"type": "pad", "contains": "padding"}
    for view in _all_views(spec):
        mark = view.get("mark")
        if isinstance(mark, dict):
            mark.update(PAPER_MARKS.get(mark.get("style", ""), {}))
        for channel in view.get("encoding", {}).values():
            _thin_strokes(channel)
            legend = (channel.get("legend") if isinstance(channel, dict) else None) or {}
            legend |= {
                name: legend[name] * part for name, part in SYMBOL_SCALES.items() if name in legend
            }
    return spec


def static_spec(chart: alt.TopLevelMixin) -> dict[str, Any]:
    """The chart as Vega-Lite, without the layers and parameters that answer the mouse."""
    with alt.data_transformers.disable_max_rows():
        return _static_view(chart.to_dict())


def inner_views(view: Mapping[str, Any]) -> list[tuple[str, list[Any]]]:
    """The views that a view holds, by the key under which it holds them."""
    return [(key, view[key]) for key in INNER_VIEWS if key in view]


def _thin_strokes(channel: Any) -> None:
    """Give a scale of stroke widths those of a paper."""
    if isinstance(channel, dict) and channel.get("field") == "part" and "scale" in channel:
        scale = channel["scale"]
        if max(scale["range"]) > 1:  # else of opacities
            scale["range"] = [
                SYMBOL_SCALES["symbolStrokeWidth"] * width for width in scale["range"]
            ]


def _static_view(view: dict[str, Any]) -> dict[str, Any]:
    """The view without the layers and parameters that answer the mouse."""
    view = {name: part for name, part in view.items() if name != "params"}
    for key in INNER_VIEWS:
        if key in view:
            view[key] = [_static_view(inner) for inner in view[key] if not _is_hover(inner)]
    return view


def _is_hover(view: dict[str, Any]) -> bool:
    mark = view.get("mark")
    return isinstance(mark, dict) and mark.get("style") == "hover"


def _all_views(spec: Mapping[str, Any]) -> list[Any]:
    """The specification and every view in it."""
    inner = [view for key in INNER_VIEWS for view in spec.get(key, [])]
    return [spec, *(deeper for view in inner for deeper in _all_views(view))]


def _scale_view(view: dict[str, Any], factor: float, width: float) -> dict[str, Any]:
    """The view with its plots, and what is placed in pixels of a plot, `factor` times as large.

    Legends below plots `width` points wide get fewer columns where these have no room.
    """
    view = dict(view)
    for name in ("width", "height"):
        if isinstance(view.get(name), int | float):
            view[name] *= factor
    for key in INNER_VIEWS:
        if key in view:
            view[key] = [_scale_view(inner, factor, width) for inner in view[key]]
    if "encoding" in view:
        encoding = view["encoding"].items()
        view["encoding"] = {n: _scale_channel(c, factor, width) for n, c in encoding}
    return view


def _scale_channel(channel: Any, factor: float, width: float) -> Any:
    if not isinstance(channel, dict):
        return channel
    if isinstance(channel.get("value"), int | float):
        return {**channel, "value": channel["value"] * factor}
    legend = dict(channel.get("legend") or {})
    if "gradientLength" in legend:
        legend["gradientLength"] *= factor
    if "columns" in legend:
        legend["columns"] = max(1, min(legend["columns"], int(width // LEGEND_COLUMN)))
    return {**channel, "legend": legend} if legend else channel


def fit_width(spec: dict[str, Any], width: float) -> str:
    """The chart as SVG, its plots scaled until everything together is `width` points wide.

    Vega-Lite fits only single views by itself, and then changes their aspect ratio.

    Raises:
        ValueError: axes and legends leave no room.
    """
    across, widest = _width_across(spec), _widest_plot(spec)
    panels = max(1, round(across / widest))
    factor, best, best_spare = width * 0.75 / across, "", math.inf
    low, high = 0.0, math.inf  # factors that are known to fit, and not to
    for _ in range(MOST_TRIES):
        svg = _drawn_svg(_scale_view(spec, factor, factor * widest))
        spare = width - drawing_size(svg)[0]
        if 0 <= spare < best_spare:
            best, best_spare = svg, spare
        if 0 <= spare < panels:  # Vega rounds the size of each up to whole points
            return svg
        low, high = (max(low, factor), high) if spare >= 0 else (low, min(high, factor))
        factor += (spare - 0.5) / across
        if not low < factor < high:
            factor = (low + high) / 2 if math.isfinite(high) else 2 * low
        if factor * widest < SMALLEST_PLOT or (high - low) * across < SMALLEST_STEP:
            break
    if best and best_spare < WIDEST_MARGIN * width:  # where legends and labels leap, nothing fits
        return best  # exactly: the page is as wide as asked for, with a margin
    raise ValueError(
        f"axes and legends leave no room for the plot in {width / POINTS:g} inches; make it "
        "wider, or put fewer panels side by side"
    )


def _widest_plot(spec: Mapping[str, Any]) -> float:
    """Width of the widest single plot, in the chart's own pixels."""
    return max(v["width"] for v in _all_views(spec) if isinstance(v.get("width"), int | float))


def _width_across(spec: Mapping[str, Any]) -> float:
    """Width of all plots that stand side by side, without axes and legends."""
    own = spec.get("width")
    if isinstance(own, int | float):
        return float(own)
    for key in ("hconcat", "concat"):
        if key in spec:
            widths = [_width_across(view) for view in spec[key]]
            columns = int(spec.get("columns", len(widths)) if key == "concat" else len(widths))
            rows = [widths[n : n + columns] for n in range(0, len(widths), columns)]
            return max(map(sum, rows))
    return max(
        (_width_across(view) for key in INNER_VIEWS for view in spec.get(key, [])), default=0.0
    )


def _drawn_svg(spec: dict[str, Any]) -> str:
    """The specification drawn; nothing is fetched from anywhere."""
    import vl_convert

    _register_fonts()
    return str(vl_convert.vegalite_to_svg(spec, allowed_base_urls=[], show_warnings=False))


@lru_cache
def _register_fonts() -> None:
    """Make the fonts that come with matplotlib known: STIX and DejaVu, on any machine."""
    import matplotlib
    import vl_convert

    vl_convert.register_font_directory(str(Path(matplotlib.get_data_path()) / "fonts" / "ttf"))


def _with_raised_digits(svg: str, fonts: Sequence[str]) -> str:
    """The drawing with texts that hold raised digits in a font that has them all.

    Liberation Sans has only four: for the others the whole text would be in whatever font else is
    on the machine.
    """
    if BUNDLED_FONTS["sans-serif"] not in font_families(fonts):
        return svg
    raised = "(?<=>)[^<>]*[⁰¹²³⁴-⁹⁻][^<>]*(?=</text>)"
    return re.sub(raised, r'<tspan font-family="DejaVu Sans">\g<0></tspan>', svg)


def _renumber_ids(svg: str) -> str:
    """The drawing with gradients and clips counted from 0: Vega counts on from picture to picture.

    So the same figure is the same file.
    """
    names = dict.fromkeys(re.findall(r'id="((?:gradient_|clip)\d+)"', svg))
    new_ids = {name: f"{name.rstrip('0123456789')}{n}" for n, name in enumerate(names)}
    return re.sub(
        r'(?<=id=")(?:gradient_|clip)\d+(?=")|(?<=url\(#)(?:gradient_|clip)\d+(?=\))',
        lambda name: new_ids.get(name[0], name[0]),
        svg,
    )


def drawing_size(svg: str) -> tuple[float, float]:
    """Width and height of the drawing, in points."""
    head = re.search(r'width="([\d.]+)" height="([\d.]+)"', svg)
    if head is None:
        raise ValueError("the drawing has no size")
    return float(head[1]), float(head[2])


def _convert_svg(svg: str, format: str, width_inches: float, dpi: int) -> bytes:
    """The drawing in its format; the page is widened by the fraction of a point that is missing."""
    import vl_convert

    width, (_, height) = width_inches * POINTS, drawing_size(svg)
    start = svg.index("<g")
    body = f'<rect width="{width:g}" height="{height:g}" fill="white"/>{svg[start:]}'
    sizes = {
        "svg": (f"{width_inches:g}in", f"{height / POINTS:g}in"),
    }.get(format, (f"{width:g}", f"{height:g}"))
    page = (
        '<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" '
        f'version="1.1" width="{sizes[0]}" height="{sizes[1]}" '
        f'viewBox="0 0 {width:g} {height:g}">{body}'
    )
    if format == "svg":
        return page.encode()
    if format == "pdf":
        return bytes(vl_convert.svg_to_pdf(page))
    pixels = round(width_inches * dpi) + 0.01  # vl-convert rounds down
    return bytes(vl_convert.svg_to_png(page, scale=1.0, ppi=pixels / width_inches))
