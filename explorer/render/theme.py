"""What text and series look like on a page, light or dark; a chart itself has no theme."""

from explorer.render.marks.colours import SERIES_COLOURS

# Of axes and legends: 12 and 17 to 1 on their page.
TEXT_COLOURS = {"light": "#31333f", "dark": "#fafafa"}


def theme_config(dark: bool) -> dict[str, dict[str, object]]:
    """The configuration of Vega-Lite for a page."""
    text = TEXT_COLOURS["dark" if dark else "light"]
    words: dict[str, object] = {"labelColor": text, "titleColor": text}
    return {
        "axis": words,
        "legend": words,
        "title": {"color": text, "subtitleColor": text},
        "text": {"color": text},
        "range": {"category": list(SERIES_COLOURS)},
        "line": {"color": SERIES_COLOURS[0]},
        "area": {"color": SERIES_COLOURS[0]},
        "bar": {"color": SERIES_COLOURS[0]},
        "point": {"color": SERIES_COLOURS[0]},
    }
