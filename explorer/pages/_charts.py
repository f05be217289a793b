"""Charts as a page shows them: as wide as their column, told in words too, in readable colours."""

import math
from typing import Any

import streamlit as st

from explorer.pages._running import running
from explorer.render.marks.colours import SERIES_COLOURS
from explorer.wording import printable

AXIS = 105  # px beside a plot for its axis of values
SMALLEST = 150  # px of a plot's width
AROUND, LOW = 320, 480  # px above and below a plane in a window; of the side that any may have
TEXT = {"light": "#31333f", "dark": "#fafafa"}  # of axes and legends: 12 and 17 to 1 on their page
_HTML = '<div class="ruler"></div>'
_CSS = ".ruler { width: 100%; height: 0; }"
_JS = """
// px by which columns and windows differ, ms in which a window comes to rest
const STEP = 20, HIGH = 100, PAUSE = 150;
const rulers = new WeakMap();

export default function ({ data, parentElement, setStateValue }) {
  const ruler = parentElement.querySelector(".ruler");
  const kept = rulers.get(ruler) ?? {};
  kept.known = data.known;
  const told = () => {
    const width = STEP * Math.floor(ruler.clientWidth / STEP);
    const height = HIGH * Math.floor(window.innerHeight / HIGH);
    if (!width || (width === kept.known.width && height === kept.known.height)) return;
    kept.known = { width, height };
    setStateValue("size", kept.known);
  };
  if (!kept.observer) {
    kept.observer = new ResizeObserver(() => {
      clearTimeout(kept.rest);
      kept.rest = setTimeout(told, kept.seen ? PAUSE : 0);
      kept.seen = true;
    });
    kept.observer.observe(ruler);
    rulers.set(ruler, kept);
  }
  return () => {
    clearTimeout(kept.rest);
    kept.observer.disconnect();
    rulers.delete(ruler);
  };
}
"""
# Once per process, at import: registering again on every rerun is warned about.
_RULER = st.components.v2.component("column_ruler", html=_HTML, css=_CSS, js=_JS)


def measure_column() -> None:
    """Have the browser say how wide this column and how high the window is.

    At first they are what a browser last said.
    """
    known = {"width": column_width(), "height": window_height()}
    said = _RULER(key="ruler", data={"known": known}, on_size_change=lambda: None).get("size")
    if said:
        st.session_state["column width"] = running().width = int(said["width"])
        st.session_state["window height"] = running().height = int(said["height"])


def column_width() -> int:
    """Width in px of the column that shows."""
    return int(st.session_state.get("column width", running().width))


def window_height() -> int:
    """Height in px of the browser's window, in full hundreds."""
    return int(st.session_state.get("window height", running().height))


def plot_width(beside: int = AXIS, most: float = math.inf) -> int:
    """Width in px of a plot that has so many px of axes and legends beside it."""
    return int(max(SMALLEST, min(column_width() - beside, most)))


def plane_width(value: str) -> int:
    """Width in px of a plane's plot, beside its axis and the colour bar of this value.

    A plane is a square: it is no wider than the window is high.
    """
    most = max(LOW, window_height() - AROUND)
    return plot_width(85 + max(85, 8 * len(value)), most)


def plot_height(width: int) -> int:
    """Height in px of a plot of curves of that width."""
    return int(min(460, max(300, 0.4 * width)))


def show_chart(drawn: Any, told: str, values: Any = None, key: str | None = None) -> None:
    """Show a chart.

    Args:
        drawn: the chart.
        told: what it shows, for those who do not see it.
        values: whose range is told too.
        key: of the element.
    """
    chart = drawn.copy(deep=False)
    chart.config = _config(st.context.theme.type == "dark")
    alt = printable(told + _range(values), 400)
    st.altair_chart(chart, width="content", key=key, alt=alt)


def _range(values: Any) -> str:
    import numpy as np

    known = np.asarray([] if values is None else values, dtype=float)
    known = known[np.isfinite(known)]
    return f", from {known.min():.4g} to {known.max():.4g}" if known.size else ""


def _config(dark: bool) -> dict[str, Any]:
    """What text and series look like on the page."""
    text = TEXT["dark" if dark else "light"]
    words = {"labelColor": text, "titleColor": text}
    return {
        "axis": words,
        "legend": words,
        "title": {"color": text},
        "range": {"category": list(SERIES_COLOURS)},
        "line": {"color": SERIES_COLOURS[0]},
        "area": {"color": SERIES_COLOURS[0]},
        "bar": {"color": SERIES_COLOURS[0]},
        "point": {"color": SERIES_COLOURS[0]},
    }
