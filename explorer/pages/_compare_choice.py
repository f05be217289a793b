"""What the page Compare offers while it has nothing to compare."""

from collections.abc import Sequence

import streamlit as st

from explorer.pages import _pins as pins
from explorer.pages._panel import Panel, panels_of
from explorer.pages._recent import recent_keys
from store import Catalog

MOST_OFFERED = 40  # analyses in a menu


def choose_recent(catalog: Catalog, panels: Sequence[Panel]) -> None:
    """What to compare, of the analyses that were looked at or asked last."""
    st.info(
        "Choose two to six analyses. Others come here by the pin beside an answer's star, or by "
        "**Compare** below the table of the catalog."
    )
    latest, _ = catalog.questions(limit=MOST_OFFERED)
    looked_at = recent_keys(catalog)
    keys = dict.fromkeys([*looked_at, *(question.key for question in latest)])
    offered = panels_of(catalog, pins.readable_questions(catalog, list(keys)[:MOST_OFFERED]))
    labels = {panel.question.key: panel.label for panel in [*panels, *offered]}
    if not offered:
        return
    chosen = st.multiselect(
        "Analyses",
        list(labels),
        [panel.question.key for panel in panels],
        format_func=lambda key: labels.get(key, ""),
        max_selections=pins.MOST_PANELS,
        key="chosen",
    )
    few = len(chosen) < pins.FEWEST_PANELS
    if st.button("Compare", type="primary", disabled=few, icon=":material/compare:"):
        st.query_params[pins.PANEL_PARAMETER] = chosen
        st.rerun()
