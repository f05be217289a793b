"""The body of a page that asks one question about one model."""

from collections.abc import Callable, Mapping
from functools import partial

import streamlit as st

from explorer.pages import _asking as asking
from explorer.pages import _parts as parts
from explorer.pages._facts import facts_line
from explorer.pages._offers import offer_stored
from store import Catalog, records


def show_page(
    heading: str,
    choose: Callable[[Catalog], asking.WantedQuestion],
    show: Callable[[Catalog, Mapping[str, records.Question]], None],
) -> None:
    """The question's settings on the left, how to ask it above, its answer on the right.

    Args:
        heading: what is shown of the model, as "Game".
        choose: draws the settings.
        show: draws the answer so far.
    """
    app = parts.start_page()
    sides = parts.sides()
    with sides.left:
        wish = choose(app.catalog)
        stored_question = asking.find_questions(app.catalog, {"": wish})[""]
    with sides.top:
        missing = asking.ask_button(app, {"": stored_question}, {"": wish})
    with sides.right:
        model, _ = wish.subjects[0]
        parts.show_heading(f"{heading} of {model.name}")
        st.caption(facts_line(model))
        if stored_question is None:
            st.info(f"Not computed yet: {asking.PRESS_COMPUTE}.", icon=wish.kind.icon)
            offer_stored(app, missing)
        else:
            asking.show_answers(app, {"": stored_question}, partial(show, app.catalog))
