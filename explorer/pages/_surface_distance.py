"""How far a surface's barcode is from that of another stored one on the same grid."""

import numpy as np
import streamlit as st

from explorer.ask import questions
from explorer.ask.comparability import hindrances
from explorer.kinds.penalty import with_penalty
from explorer.kinds.surface import SURFACE, Surface, SurfaceLook
from explorer.kinds.topology import GridTopology, grid_topology
from explorer.pages._address import check_address, choose_listed
from explorer.pages._panel import Panel, panels_of
from explorer.pages._pins import readable_questions
from explorer.pages._terms import term_help
from explorer.pages._text import as_text
from explorer.render.marks.ticks import number_text
from explorer.topology.bottleneck import bottleneck_distance
from store import Catalog, records

NONE = "none"
MOST_OFFERED = 100  # surfaces that are looked at
DIGITS = 4


def show_distance(
    catalog: Catalog, question: records.Question, topology: GridTopology, look: SurfaceLook
) -> None:
    """The bottleneck distance to a surface that is chosen.

    Args:
        catalog: where surfaces are.
        question: of the surface.
        topology: of the surface.
        look: which value it is of, and above which threshold.
    """
    panels = {panel.question.key: panel for panel in _offered(catalog, question)}
    keys = [NONE, *panels]
    check_address("other", "the key of a whole surface on this grid", keys.__contains__)
    if not panels:
        return
    chosen = choose_listed(
        "Compare its barcode with",
        keys,
        "other",
        NONE,
        lambda key: as_text(panels[key].label) if key in panels else "none",
        "Whole surfaces on the same grid, of any model.",
    )
    if chosen != NONE:
        _say_distance(catalog, question, topology, panels[chosen], look)


def _offered(catalog: Catalog, question: records.Question) -> list[Panel]:
    """Whole surfaces with as many points over the same ranges."""
    stored, _ = catalog.questions(kind=SURFACE.name, status="complete", limit=MOST_OFFERED)
    grid = [question.settings.get(name) for name in SURFACE.axes]
    alike = [
        other.key
        for other in stored
        if other.key != question.key and [other.settings.get(name) for name in SURFACE.axes] == grid
    ]
    return panels_of(catalog, readable_questions(catalog, alike))


def _say_distance(
    catalog: Catalog,
    question: records.Question,
    topology: GridTopology,
    panel: Panel,
    look: SurfaceLook,
) -> None:
    other = questions.result_as(catalog, panel.question, Surface)
    values = with_penalty(other.values, look.decay)
    if look.value not in values:
        st.info(f"That surface has no {as_text(look.value)}.")
        return
    theirs = grid_topology(values, other.computed, look.value, look.threshold)
    distance = bottleneck_distance(topology.tree.bars, theirs.tree.bars)
    with np.errstate(invalid="ignore"):
        apart = np.abs(topology.values - theirs.values)
    apart = apart[np.isfinite(apart)]
    with st.container(horizontal=True, gap="large"):
        st.metric(
            "Bottleneck distance",
            number_text(distance, DIGITS),
            help=term_help("bottleneck_distance"),
            width="content",
        )
        st.metric("Its basins", f"{len(theirs.tree):,}", width="content")
        if apart.size:
            largest = number_text(float(apart.max()), DIGITS)
            st.metric("Largest difference of values", largest, width="content")
    if words := ", ".join(hindrances(catalog, question, panel.question).of_numbers):
        st.caption(as_text(f"Their numbers mean different things: {words}."))
