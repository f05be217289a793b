"""Figures of exactly the width asked for, all axes and legends included."""

import math
import textwrap

from explorer.render.export.svg import POINTS, drawing_size, drawn_svg
from explorer.render.export.views import INNER_VIEWS, Spec, all_views

LEGEND_COLUMN = 66  # points that a symbol and its words need at least
LEGEND_SYMBOL, LEGEND_LETTER = 20.0, 4.8  # points of a symbol, and of a letter of its words
MOST_TRIES = 16  # drawings until one has the width asked for; two or three are usual
TITLE_LETTER, LEAST_LETTERS = 6, 8  # points of a letter of a title; letters in a line
SMALLEST_PLOT, SMALLEST_STEP = 20.0, 0.05  # points of a plot's width, and between two drawings
WIDEST_MARGIN = 0.15  # of the width, that a figure may leave free where nothing fits better


def fit_width(spec: Spec, width: float) -> str:
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
        svg = drawn_svg(_scale_view(spec, factor, factor * widest))
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


def _scale_view(view: Spec, factor: float, width: float) -> Spec:
    """The view with its plots, and what is placed in pixels of a plot, `factor` times as large.

    Legends of plots `width` points wide get fewer columns where these have no room, and names and
    titles end with the plot: a title takes more lines, a name is cut.
    """
    view = dict(view)
    for name in ("width", "height"):
        if isinstance(view.get(name), int | float):
            view[name] *= factor
    for key in INNER_VIEWS:
        if key in view:
            view[key] = [_scale_view(inner, factor, width) for inner in view[key]]
    if "title" in view:
        view["title"] = _fit_title(view["title"], width)
    if "encoding" in view:
        encoding = view["encoding"].items()
        view["encoding"] = {n: _scale_channel(c, factor, width) for n, c in encoding}
    return view


def _fit_title(title: object, width: float) -> object:
    title = {"text": title} if isinstance(title, str) else title
    if not isinstance(title, dict) or not isinstance(title.get("text"), str):
        return title
    lines = textwrap.wrap(title["text"], max(LEAST_LETTERS, int(width // TITLE_LETTER)))
    return {**title, "text": lines, "limit": width} if len(lines) > 1 else title


def _scale_channel(channel: object, factor: float, width: float) -> object:
    if not isinstance(channel, dict):
        return channel
    if isinstance(channel.get("value"), int | float):
        return {**channel, "value": channel["value"] * factor}
    legend = dict(channel.get("legend") or {})
    if "gradientLength" in legend:
        legend["gradientLength"] *= factor
    if "columns" in legend:
        legend["columns"] = max(1, min(legend["columns"], int(width // _legend_column(channel))))
    if "labelLimit" in legend:
        legend["labelLimit"] = min(legend["labelLimit"] or math.inf, width)
    return {**channel, "legend": legend} if legend else channel


def _legend_column(channel: dict[str, object]) -> float:
    """Points that a column of a legend needs: its symbol and the longest of its names."""
    scale = channel.get("scale")
    names = scale.get("domain") if isinstance(scale, dict) else None
    longest = max((len(n) for n in names or () if isinstance(n, str)), default=0)
    return max(LEGEND_COLUMN, LEGEND_SYMBOL + LEGEND_LETTER * longest)


def _widest_plot(spec: Spec) -> float:
    """Width of the widest single plot, in the chart's own pixels."""
    return max(v["width"] for v in all_views(spec) if isinstance(v.get("width"), int | float))


def _width_across(spec: Spec) -> float:
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
