"""The look of a chart in a paper: text of 7 to 9 points, thin lines, no clutter."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from explorer.render.drawing import Chart
from explorer.render.export.fonts import SANS, font_families
from explorer.render.export.views import Spec, all_views, static_spec

# Marks of the screen, by their style, as they are in a paper.
PAPER_MARKS: Mapping[str, Mapping[str, float | str]] = {
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
    "density": {"strokeWidth": 0.9},
    "spike": {"strokeWidth": 0.5},
    "rank": {"fontSize": 7, "fontWeight": "normal"},
    "tick": {},  # of a picture in three dimensions: thin already
}
SYMBOL_SCALES = {"symbolSize": 0.4, "symbolStrokeWidth": 0.55}  # of their size on the screen
# Source: Okabe & Ito 2008, "Color Universal Design": told apart by the colour-blind, and in print.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")


@dataclass(frozen=True)
class TextSizes:
    """Sizes of a figure's words at its final width, in points."""

    heading: float = 9
    axis: float = 8
    tick: float = 7


def publication_config(fonts: Sequence[str] = SANS, sizes: TextSizes = TextSizes()) -> Spec:
    """Vega-Lite configuration for a paper: thin lines, no clutter."""
    text = {
        "labelFontSize": sizes.tick,
        "titleFontSize": sizes.axis,
        "titleFontWeight": "normal",
    }
    black = {"labelColor": "black", "titleColor": "black"}
    return {
        "font": ", ".join(font_families(fonts)),
        "background": "white",
        "padding": 1,
        "view": {"stroke": None},
        "range": {"category": list(COLOURS)},
        "title": {"fontSize": sizes.heading, "fontWeight": "normal", "offset": 5, "color": "black"},
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


def paper_spec(chart: Chart, fonts: Sequence[str] = SANS, sizes: TextSizes = TextSizes()) -> Spec:
    """The chart as Vega-Lite in the publication style, without what only a screen needs."""
    spec = static_spec(chart)
    spec["config"] = publication_config(fonts, sizes)
    spec["autosize"] = {"type": "pad", "contains": "padding"}
    for view in all_views(spec):
        mark = view.get("mark")
        if isinstance(mark, dict):
            mark.update(PAPER_MARKS.get(mark.get("style", ""), _thinner(mark)))
        for channel in view.get("encoding", {}).values():
            _thin_strokes(channel)
            legend = (channel.get("legend") if isinstance(channel, dict) else None) or {}
            legend |= {
                name: legend[name] * part for name, part in SYMBOL_SCALES.items() if name in legend
            }
    return spec


def _thinner(mark: Spec) -> dict[str, float]:
    """Stroke and size of a mark that has no style of its own here."""
    parts = {"strokeWidth": SYMBOL_SCALES["symbolStrokeWidth"], "size": SYMBOL_SCALES["symbolSize"]}
    return {
        name: mark[name] * part
        for name, part in parts.items()
        if isinstance(mark.get(name), int | float)
    }


def _thin_strokes(channel: object) -> None:
    """Give a scale of stroke widths those of a paper."""
    if isinstance(channel, dict) and channel.get("field") == "part" and "scale" in channel:
        scale = channel["scale"]
        if max(scale["range"]) > 1:  # else of opacities
            scale["range"] = [
                SYMBOL_SCALES["symbolStrokeWidth"] * width for width in scale["range"]
            ]
