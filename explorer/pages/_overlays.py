"""Contour lines of other answers over a plane: those of another loss, split or task on it."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import streamlit as st

from explorer.ask import questions
from explorer.ask.overlays import answers_over, overlay_words
from explorer.kinds import KINDS, kind_named
from explorer.kinds.look import PlaneLook, look_over, spans_decades
from explorer.kinds.piece import measured_names
from explorer.kinds.surface import Surface
from explorer.pages._address import check_address
from explorer.pages._text import as_text
from store import Catalog, UnreadableAnswer, records

if TYPE_CHECKING:
    from explorer.render.drawing import Drawing

KEY_LETTERS = 8  # of an answer's key, beside its words
PLANE_KINDS = tuple(kind.name for kind in KINDS if issubclass(kind.look, PlaneLook) and kind.over)


@dataclass(frozen=True)
class Overlay:
    """An answer whose contour lines are drawn over a plane."""

    words: str  # in what it differs from the plane
    question: records.Question
    surface: Surface
    look: PlaneLook  # its usual one
    is_value: bool = False  # whether it is another value of the very answer that is drawn


def choose_overlays(
    catalog: Catalog, under: records.Question, surface: Surface, value: str
) -> list[Overlay]:
    """The other losses on the same plane that the user chooses; nothing where there are none.

    Args:
        catalog: where they are.
        under: the answer that they are drawn over.
        surface: that answer; its other values can be drawn over it too.
        value: the one that is drawn.
    """
    own = [name for name in measured_names(surface.values) if name != value]
    offered = answers_over(catalog, under, PLANE_KINDS)
    words_by_label = {f"{overlay_words(o, under)} ({o.key[:KEY_LETTERS]})": o for o in offered}
    labels = [*own, *words_by_label]
    if any(text not in labels for text in st.query_params.get_all("over")):
        check_address("over", f"analyses of this plane: {', '.join(labels) or 'none'}", _never)
    if not labels:
        return []
    chosen = st.multiselect(
        "Contours over it",
        labels,
        key="over",
        bind="query-params",
        format_func=as_text,
        placeholder="of another split, loss or task",
        help="Contour lines over the colours: of the other values of this answer, and of stored "
        "analyses of this very plane; in the contour view.",
    )
    return [
        _own_value(surface, label, under)
        if label in own
        else _overlay(catalog, words_by_label[label], under)
        for label in chosen
    ]


def draw_overlays(drawing: "Drawing", overlays: Sequence[Overlay], look: PlaneLook) -> "Drawing":
    """The picture of a plane with them; in relief without."""
    from explorer.render.overlay import draw_over

    if look.view == "relief":
        return drawing
    for overlay in overlays:
        own = overlay.look if overlay.is_value else look_over(overlay.look, look, overlay.words)
        if isinstance(own, PlaneLook):
            drawing = draw_over(drawing, overlay.surface, own)
    return drawing


def _own_value(surface: Surface, name: str, question: records.Question) -> Overlay:
    """Another value of the answer that is drawn."""
    look = PlaneLook(value=name, log=spans_decades(surface.values[name]), title=name)
    return Overlay(name, question, surface, look, is_value=True)


def _overlay(catalog: Catalog, over: records.Question, under: records.Question) -> Overlay:
    """An answer, ready to be drawn.

    Raises:
        UnreadableAnswer: it is no plane.
    """
    result = questions.result_of(catalog, over)
    look = kind_named(over.kind).look.usual(result)
    if not isinstance(result, Surface) or not isinstance(look, PlaneLook):
        raise UnreadableAnswer(f"{over.title} is no plane; take it out")
    return Overlay(overlay_words(over, under), over, result, look)


def _never(_: str) -> bool:
    return False
