"""The gallery: known facts of loss surfaces, each computed here, with the number that shows it."""

import streamlit as st

from explorer.gallery.state import states_of
from explorer.pages import _gallery_cards as cards
from explorer.pages import _gallery_view as view
from explorer.pages import _parts as parts
from explorer.phenomena import PHENOMENA, phenomenon_named

app = parts.start_page()
named = st.query_params.get(view.PARAMETER, "")
if not named:
    parts.show_heading("Gallery of phenomena")
    cards.show_all(app, PHENOMENA)
else:
    try:
        chosen_phenomenon = phenomenon_named(named)
    except ValueError:
        parts.show_heading("Gallery of phenomena")
        cards.say_unknown(named)
    else:
        (state,) = states_of(app.catalog, [chosen_phenomenon])
        view.show_phenomenon(app, state)
