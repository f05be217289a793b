"""The curves of a kind on the page Compare: over each other or side by side, under one rule."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import streamlit as st

from explorer.ask.subject_names import subject_names
from explorer.kinds.look import Look, PlaneLook, overlaid_look
from explorer.pages import _charts as charts
from explorer.pages._facts import distinguishing_words
from explorer.pages._panel import LABEL_LETTERS, Panel
from explorer.pages._text import as_text

if TYPE_CHECKING:
    from explorer.render.drawing import Drawing
    from explorer.render.linked import LinkedChart


def show_overlaid(groups: Sequence[Sequence[Panel]]) -> None:
    """The panels of each group in one picture, with one legend."""
    from explorer.render.drawing import as_chart
    from explorer.render.linked import LinkedChart, can_be_linked

    pictures, shown = [], []
    for panels in groups:
        try:
            drawing = as_chart(_overlaid(panels))
        except ValueError as error:
            names = ", ".join(panel.label for panel in panels)
            _say_refusal(f"{names}: not drawn in one picture: {error}.")
            continue
        title = panels[0].label if len(panels) == 1 else ""
        pictures.append(LinkedChart(drawing, title, panels[0].progress if title else ""))
        shown.append(panels)
    if all(can_be_linked(picture.chart) for picture in pictures):
        _show(pictures, 1, [panel for panels in shown for panel in panels])
        return
    for picture, panels in zip(pictures, shown, strict=True):
        _show_alone(picture, panels)


def show_side_by_side(panels: Sequence[Panel], looks: Sequence[Look], across: int) -> bool:
    """Curves in rows, a rule through all of them; False where a panel has none, and nothing shows.

    Args:
        panels: of one kind, begun.
        looks: how each is drawn.
        across: how many stand in a row.
    """
    from explorer.render.linked import LinkedChart, can_be_linked
    from explorer.render.relief3d.relief import Relief

    if any(isinstance(look, PlaneLook) for look in looks):
        return False
    pictures, refusals = [], []
    for panel, look in zip(panels, looks, strict=True):
        try:
            drawing = panel.draw(look)
        except ValueError as error:
            refusals.append(f"{panel.label}: {error}.")
            continue
        if isinstance(drawing, Relief) or not can_be_linked(drawing):
            return False
        words = [distinguishing_words(panel.question), panel.progress]
        pictures.append(LinkedChart(drawing, panel.label, " · ".join(filter(None, words))))
    for refusal in refusals:
        _say_refusal(refusal)
    _show(pictures, across, panels)
    return True


def _overlaid(panels: Sequence[Panel]) -> "Drawing":
    """All in one picture.

    Raises:
        ValueError: they have no such picture.
    """
    from explorer.render.drawing import drawing_of

    kind = panels[0].kind
    width = charts.plot_width()
    results = {panel.label: panel.result for panel in panels}
    looks = [kind.look.usual(result) for result in results.values()]
    look = overlaid_look(looks, width=width, height=charts.plot_height(width))
    if len(panels) > 1:
        return drawing_of(kind, results, look)
    names = subject_names(panels[0].catalog, panels[0].question)
    return drawing_of(kind, panels[0].result, look, names)


def _say_refusal(words: str) -> None:
    st.error(as_text(words, 300), icon=":material/error:")


def _show(pictures: Sequence["LinkedChart"], across: int, panels: Sequence[Panel]) -> None:
    """The pictures as one element, which keeps its place on the page."""
    if not pictures:
        return
    if len(pictures) == 1:
        _show_alone(pictures[0], panels)
    else:
        words, key = _told(panels)
        charts.show_linked(pictures, across, words, key)


def _show_alone(picture: "LinkedChart", panels: Sequence[Panel]) -> None:
    """A picture by itself, below its title."""
    if picture.title:
        st.markdown(f"**{as_text(picture.title, LABEL_LETTERS)}**")
    if picture.subtitle:
        st.caption(as_text(picture.subtitle, LABEL_LETTERS))
    words, key = _told(panels)
    charts.show_chart(picture.chart, words, key=key)


def _told(panels: Sequence[Panel]) -> tuple[str, str]:
    """What a picture of these is, for those who do not see it, and the key of its element."""
    words = f"{panels[0].kind.title} of {', '.join(panel.label for panel in panels)}"
    return words, f"curves-{panels[0].question.key}"
