"""Charts as a page shows them: as wide as their column, told in words too, in readable colours."""

from typing import TYPE_CHECKING

import streamlit as st

from explorer.pages._running import app_state
from explorer.pages._session import kept
from explorer.render.theme import theme_config
from explorer.wording import printable

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import ArrayLike

    from explorer.render.drawing import Drawing
    from explorer.render.linked import LinkedChart

AXIS_WIDTH = 105  # px beside a plot for its axis of values
SMALLEST_WIDTH, LARGEST_WIDTH = 150, 1340  # px of a plot: wider ones are stretched
HEIGHT_AROUND_PLANE, SMALLEST_PLANE = (
    320,
    480,
)  # px above and below a plane in a window; of the side that any may have
_HTML = '<div class="ruler"></div>'
_CSS = ".ruler { width: 100%; height: 0; }"
_JS = """
// px by which columns and windows differ, ms in which a window comes to rest
const STEP = 20, HIGH = 100, PAUSE = 150;
const rulers = new WeakMap();

export default function ({ data, parentElement, setStateValue }) {
  const ruler = parentElement.querySelector(".ruler");
  const kept = rulers.get(ruler) ?? {};
  kept.known = { width: data.width, height: data.height };
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

    At first they are what a browser last said; one of the same size says nothing, and keeps it
    whatever another window says meanwhile.
    """
    last_size = {"width": column_width(), "height": window_height()}
    kept().setdefault("column width", last_size["width"])
    kept().setdefault("window height", last_size["height"])
    # Flat: to look at a dictionary in it, Streamlit would import pandas.
    new_size = _RULER(key="ruler", data=last_size, on_size_change=lambda: None).get("size")
    if new_size:
        kept()["column width"] = app_state().width = int(new_size["width"])
        kept()["window height"] = app_state().height = int(new_size["height"])


def column_width() -> int:
    """Width in px of the column that shows."""
    return int(kept().get("column width", app_state().width))


def window_height() -> int:
    """Height in px of the browser's window, in full hundreds."""
    return int(kept().get("window height", app_state().height))


def plot_width(beside: int = AXIS_WIDTH, most: float = LARGEST_WIDTH) -> int:
    """Width in px of a plot that has so many px of axes and legends beside it."""
    return int(max(SMALLEST_WIDTH, min(column_width() - beside, most)))


def plane_width(value: str) -> int:
    """Width in px of a plane's plot, beside its axis and the colour bar of this value.

    A plane is a square: it is no wider than the window is high.
    """
    most = max(SMALLEST_PLANE, window_height() - HEIGHT_AROUND_PLANE)
    return plot_width(85 + max(85, 8 * len(value)), most)


def plot_height(width: int) -> int:
    """Height in px of a plot of curves of that width."""
    return int(min(460, max(300, 0.4 * width)))


def show_chart(
    drawing: "Drawing", description: str, values: "ArrayLike | None" = None, key: str | None = None
) -> None:
    """Show a chart.

    Args:
        drawing: the chart.
        description: what it shows, for those who do not see it.
        values: whose range is told too.
        key: of the element.
    """
    from explorer.render.drawing import as_chart, unchecked

    chart = as_chart(drawing).copy(deep=False)
    chart.config = theme_config(st.context.theme.type == "dark")
    # Streamlit would otherwise ask for "fit": then a plot's axes are taken from its width, and the
    # x and y of a plane have different scales.
    chart.autosize = {"type": "pad", "contains": "padding"}
    words = printable(description + _range_text(values), 400)
    st.altair_chart(unchecked(chart), width="content", key=key, alt=words)


def show_linked(charts: "Sequence[LinkedChart]", across: int, description: str, key: str) -> None:
    """Show charts of curves in rows, under one rule.

    Args:
        charts: in reading order.
        across: how many stand in a row.
        description: what they show, for those who do not see it.
        key: of the element.
    """
    from explorer.render.drawing import unchecked
    from explorer.render.linked import LinkedCharts

    config = theme_config(st.context.theme.type == "dark")
    linked = LinkedCharts(charts, across, plot_width() // across, config)
    st.altair_chart(unchecked(linked), width="content", key=key, alt=printable(description, 400))


def load_drawing_library() -> None:
    """Have the browser load what draws charts, by one that is not seen, before one is asked for."""
    # Else it would take up a row of the page.
    st.html("<style>div:has(> .st-key-ahead) { display: none; }</style>")
    with st.container(key="ahead"):
        spec = {"data": {"values": []}, "mark": "point", "width": 1, "height": 1}
        st.vega_lite_chart(spec=spec, width="content")


def _range_text(values: "ArrayLike | None") -> str:
    import numpy as np

    finite_values = np.asarray([] if values is None else values, dtype=float)
    finite_values = finite_values[np.isfinite(finite_values)]
    return (
        f", from {finite_values.min():.4g} to {finite_values.max():.4g}"
        if finite_values.size
        else ""
    )
