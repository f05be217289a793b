"""The gallery: known facts of loss surfaces, each computed here, with the number that shows it."""

import streamlit as st

from explorer.gallery.state import states_of
from explorer.pages import _charts as charts
from explorer.pages import _gallery_cards as cards
from explorer.pages import _gallery_tables as tables
from explorer.pages import _gallery_tour as tour
from explorer.pages import _gallery_view as view
from explorer.pages import _parts as parts
from explorer.pages._address import correct_address
from explorer.pages._running import AppState
from explorer.phenomena import PHENOMENA, phenomenon_named

HEADING = "Gallery of phenomena"
PHENOMENA_PART, TOUR_PART, TABLES_PART, STATEMENTS_PART = (
    "Phenomena",
    "Tour",
    "Tables",
    "Statements",
)
PARTS = (PHENOMENA_PART, TOUR_PART, TABLES_PART, STATEMENTS_PART)


def show_phenomenon(app: AppState, name: str) -> None:
    """The phenomenon of that name, or that there is none."""
    try:
        chosen_phenomenon = phenomenon_named(name)
    except ValueError:
        parts.show_heading(HEADING)
        cards.say_unknown(name)
        return
    (state,) = states_of(app.catalog, [chosen_phenomenon])
    view.show_phenomenon(app, state)


def show_part(app: AppState) -> None:
    """The cards, the tour, the tables, or all statements, as the address says."""
    correct_address("part", PARTS)
    part = st.segmented_control(
        "Part",
        PARTS,
        default=PHENOMENA_PART,
        key="part",
        bind="query-params",
        required=True,
        label_visibility="collapsed",
    )
    if part == TOUR_PART:
        tour.show_tour(app)
        return
    parts.show_heading(HEADING)
    if part == TABLES_PART:
        tables.show_tables()
    elif part == STATEMENTS_PART:
        tables.show_statements()
    else:
        cards.show_all(app, PHENOMENA)


app = parts.start_page()
charts.measure_column()
if named := st.query_params.get(view.PARAMETER, ""):
    show_phenomenon(app, named)
else:
    show_part(app)
