"""Planes of the page Compare in one picture: contour lines of the others over the baseline."""

from collections.abc import Sequence
from dataclasses import replace

import streamlit as st

from explorer.ask.overlays import around_another_point, lies_over
from explorer.kinds.look import PlaneLook, look_over
from explorer.pages import _charts as charts
from explorer.pages._panel import LABEL_LETTERS, Panel
from explorer.pages._text import as_text
from store import UnreadableAnswer


def show_overlaid_planes(panels: Sequence[Panel], baseline: Panel) -> None:
    """The baseline's plane with the contour lines of the others that share its axes, if wished."""
    planes = [panel for panel in panels if panel is not baseline and panel.is_plane]
    planes = [panel for panel in planes if panel.kind.over and panel.question.units_done]
    if not baseline.is_plane or not baseline.question.units_done or not planes:
        return
    name = as_text(baseline.label, LABEL_LETTERS)
    if not st.toggle(f"Contour lines over {name}", key="overlaid", bind="query-params"):
        return
    from explorer.render.overlay import draw_over

    base = baseline.kind.look.usual(baseline.result)
    assert isinstance(base, PlaneLook)  # it is a plane
    width = charts.plane_width("")
    try:
        drawing = baseline.draw(replace(base, width=width, view="contour"))
        for panel in planes:
            if not _shares_axes(panel, baseline):
                continue
            look = look_over(panel.kind.look.usual(panel.result), base, panel.label)
            drawing = draw_over(drawing, panel.result, look)  # type: ignore[arg-type]
    except (ValueError, UnreadableAnswer) as error:
        st.caption(f"No contour lines over {name}: {as_text(error, 300)}.")
        return
    charts.show_chart(drawing, f"Contour lines over {baseline.label}", key="overlaid-planes")


def _shares_axes(panel: Panel, baseline: Panel) -> bool:
    """Whether it can be drawn over the baseline; says so where its place or its axes are others."""
    if lies_over(panel.question, baseline.question):
        return True
    label = as_text(panel.label, LABEL_LETTERS)
    if around_another_point(panel.question, baseline.question):
        st.caption(
            f"{label} is around a point of its own: its axes are made alike, places are not the "
            "same."
        )
        return True
    st.caption(f"{label} has other axes and is not drawn over the baseline.")
    return False
