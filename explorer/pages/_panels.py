"""The panels of the page Compare: answers of one kind beside or over each other, on one scale."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING

import streamlit as st

from explorer.ask.comparability import comparable_groups
from explorer.kinds.look import (
    Look,
    PlaneLook,
    looks_on_one_scale,
)
from explorer.pages import _charts as charts
from explorer.pages._camera import keep_camera, linked_camera
from explorer.pages._facts import distinguishing_text
from explorer.pages._groups import Grouping, show_groups
from explorer.pages._linked import show_overlaid, show_side_by_side
from explorer.pages._panel import LABEL_LETTERS, Panel
from explorer.pages._text import as_text
from explorer.render.relief3d.client import RenderError, renderer

if TYPE_CHECKING:
    from explorer.render.drawing import Drawing

VIEWS = {"Contour": "contour", "3-D": "relief"}  # of planes: on screen, and in a look
GAP, PLANE_AXES = 24, 180  # px between columns, and of a plane's axis and colours
MOST_PLANE = 480  # px
MOST_ACROSS = 3  # panels in a row
LEAST_PANEL = 330  # px: of a narrower one the axis, colours and their words leave no plot
KEY_LETTERS = 8  # of an analysis in the name of its own camera
RELIEF_SHARE = 0.85  # height of a view to turn over its width


@dataclass(frozen=True)
class Choices:
    """How panels are looked at."""

    view: str  # of planes, as in a look
    shared: bool  # one scale of values for all panels of a kind
    linked: bool  # one camera for all views to turn
    grouping: Grouping = field(default_factory=Grouping)  # of curves


def show_kind(panels: Sequence[Panel], choices: Choices) -> None:
    """The panels of one kind: in one picture where the kind has such, else side by side."""
    begun = [panel for panel in panels if panel.question.units_done]
    for panel in panels:
        if panel not in begun:
            _say_empty(panel)
    if not begun:
        return
    if panels[0].kind.profiles and choices.grouping:
        for place, group in enumerate(_comparable(begun)):
            show_groups(group, choices.grouping, place)
        return
    if panels[0].kind.overlaid and choices.shared:
        show_overlaid(_comparable(begun))
        return
    across = panels_across(len(begun))
    looks = _looks(begun, choices, _panel_width(across))
    if not show_side_by_side(begun, looks, across):
        _show_rows(begun, looks, choices)


def _comparable(panels: Sequence[Panel]) -> list[list[Panel]]:
    """The panels whose numbers mean the same, together."""
    groups = comparable_groups(panels[0].catalog, [panel.question for panel in panels])
    return [[panels[place] for place in group] for group in groups]


def show_singles(panels: Sequence[Panel], choices: Choices) -> None:
    """Panels each of which is the only one of its kind, side by side."""
    begun = [panel for panel in panels if panel.question.units_done]
    for panel in panels:
        if panel not in begun:
            _say_empty(panel)
    width = _panel_width(panels_across(len(begun)))
    _show_rows(begun, [_looks([panel], choices, width)[0] for panel in begun], choices)


def _say_empty(panel: Panel) -> None:
    """Why nothing of it shows: it has not begun, or it failed."""
    key = panel.question.key
    job = panel.catalog.latest_jobs([key]).get(key)
    if job is not None and job.status == "failed":
        words = as_text(f"{panel.label} has failed: {job.error or 'no reason is known'}", 300)
        st.error(words, icon=":material/error:")
        return
    st.info(f"{as_text(panel.label, LABEL_LETTERS)}: nothing of it is computed yet.")


def panels_across(count: int) -> int:
    """How many of so many panels stand in a row: as many in each, as far as they fit."""
    fitting = max(1, min(MOST_ACROSS, charts.column_width() // LEAST_PANEL))
    rows = max(1, -(-count // fitting))
    return max(1, -(-count // rows))


def _show_rows(panels: Sequence[Panel], looks: Sequence[Look], choices: Choices) -> None:
    across = panels_across(len(panels))
    width = _panel_width(across)
    for first in range(0, len(panels), across):
        columns = st.columns(across)
        for column, place in zip(columns, range(first, len(panels)), strict=False):
            with column:
                _show_panel(panels[place], looks[place], width, choices)


def _panel_width(across: int) -> int:
    """Width in px of each of so many panels in a row."""
    return (charts.column_width() - (across - 1) * GAP) // across


def _plane_width(panel: int) -> int:
    """Width in px of a plane's plot, beside its axis and its colours, in a panel that wide."""
    return max(charts.SMALLEST_WIDTH, panel - PLANE_AXES)


def _looks(panels: Sequence[Panel], choices: Choices, width: int) -> list[Look]:
    """How each is drawn: the same for all on one scale, each its own usual way otherwise."""
    plot = max(charts.SMALLEST_WIDTH, width - charts.AXIS_WIDTH)
    looks = [replace(p.kind.look.usual(p.result), width=plot) for p in panels]
    planes = [look for look in looks if isinstance(look, PlaneLook)]
    if len(planes) < len(looks):
        return looks
    planes = [replace(look, view=choices.view, width=_plane_width(width)) for look in planes]
    if choices.shared:
        value = planes[0].value
        planes = [replace(look, value=value) for look in planes]
        planes = looks_on_one_scale(planes, [p.result.values.get(value) for p in panels])
    return list(planes)


def _show_panel(panel: Panel, look: Look, width: int, choices: Choices) -> None:
    """One panel, or the sentence why there is none."""
    from explorer.render.relief3d.relief import Relief

    label = as_text(panel.label, LABEL_LETTERS)
    st.markdown(f"**{label}**", help=distinguishing_text(panel.question))
    if panel.progress:
        st.caption(panel.progress)
    try:
        drawing = panel.draw(look)
        if isinstance(drawing, Relief):
            _show_relief(panel, drawing, width, choices)
            return
    except (ValueError, RenderError) as error:
        st.error(as_text(str(error), 300), icon=":material/error:")
        return
    charts.show_chart(drawing, panel.label, key=f"panel-{panel.question.key}")


def _show_relief(panel: Panel, drawing: "Drawing", width: int, choices: Choices) -> None:
    from explorer.pages._viewer import surface_viewer
    from explorer.render.drawing import as_relief

    key = f"relief-{panel.question.key}"
    # One for all, or each its own; sent at first alone: a scene with each move would be slow.
    parameter = "camera" if choices.linked else f"camera-{panel.question.key[:KEY_LETTERS]}"
    first = f"first {parameter} of {key}"
    if first not in st.session_state:
        st.session_state[first] = linked_camera(parameter)
    surface_viewer(
        renderer().scene(as_relief(drawing).field),
        key=key,
        height=int(RELIEF_SHARE * width),
        dark=st.context.theme.type == "dark",
        camera=st.session_state[first],
        link="compare" if choices.linked else None,
        on_camera_change=partial(keep_camera, key, parameter),
    )


def draw_difference(panel: Panel, baseline: Panel, across: int) -> "Drawing | None":
    """The plane of losses of a panel minus the baseline's; None where they are equal.

    So many stand `across` a row.

    Raises:
        ValueError: there is no such difference.
    """
    from explorer.render.plane import draw_difference_of

    width = min(MOST_PLANE, _plane_width(_panel_width(across)))
    return draw_difference_of(panel.result, baseline.result, width)
