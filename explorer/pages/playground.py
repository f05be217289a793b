"""Functions of one and two variables: optimisers race on them; what there is to find on them."""

import streamlit as st

from explorer.pages import _parts as parts
from explorer.pages._forms import choose_one_of
from explorer.pages._playground_controls import Chosen, choose
from explorer.pages._playground_examples import show_examples
from explorer.pages._playground_points import show_points
from explorer.pages._playground_race import show_race
from explorer.pages._playground_starts import show_basins, show_rates
from explorer.pages._text import as_text

VIEWS = {
    "Race": show_race,
    "Critical points": show_points,
    "Basins": show_basins,
    "Learning rate": show_rates,
    "Four examples": show_examples,
}


def explain(chosen: Chosen) -> None:
    """The formula, what it shows, and where popular texts about it are loose."""
    function = chosen.function
    formula = f"f({', '.join(function.names)}) = {function.formula or function.text}"
    st.caption(f"{as_text(formula, 400)} · {as_text(function.source, 200)}")
    if function.note:
        st.markdown(function.note)
    if function.caution:
        st.caption(f"**Often put loosely.** {function.caution}")


parts.start_page()
sides = parts.sides()
with sides.left:
    chosen = choose()
with sides.right:
    parts.show_heading(chosen.function.title)
    explain(chosen)
    shown = choose_one_of("Show", list(VIEWS), "show")
    VIEWS[shown](chosen)
