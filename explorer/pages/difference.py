"""Two models compared example by example, as they are and along a direction: ask, look, export."""

from collections.abc import Mapping
from functools import partial

import streamlit as st

from explorer.ask import questions
from explorer.ask.subject_names import subject_names
from explorer.kinds.difference import DIFFERENCE, Difference, DifferenceLook, DifferenceSettings
from explorer.pages import _asking as asking
from explorer.pages import _charts as charts
from explorer.pages import _checks as checks
from explorer.pages import _controls as controls
from explorer.pages import _forms as forms
from explorer.pages import _parts as parts
from explorer.pages import _planes as planes
from explorer.pages._ending import show_ending
from explorer.pages._objective import choose_objective
from explorer.pages._offers import offer_stored
from explorer.pages._pairs import ChosenPoint, choose_pair
from explorer.pages._text import as_text
from explorer.render.marks.ticks import number_text
from store import Catalog, records

HEIGHT_SHARE = 0.7  # of a plot that stands alone


def choose(catalog: Catalog) -> tuple[ChosenPoint, ChosenPoint, asking.WantedQuestion]:
    """Both models and the question, from the left column."""
    first, second = choose_pair(catalog, DIFFERENCE, from_start=False)
    with st.expander("Objective", expanded=True):
        values = choose_objective(DifferenceSettings, catalog.problem(first.model.problem_id))
    with st.expander("Line", expanded=True):
        values |= planes.choose_directions(DifferenceSettings)
        values |= forms.choose_axis(DifferenceSettings, "x")
    settings = forms.checked_settings(DifferenceSettings, values)
    return (
        first,
        second,
        asking.WantedQuestion(DIFFERENCE, settings, (first.subject, second.subject)),
    )


def show(
    catalog: Catalog,
    pair: tuple[ChosenPoint, ChosenPoint],
    stored_questions: Mapping[str, records.Question],
) -> None:
    """The comparison so far: in words, as curves, with checks and where it comes from."""
    from explorer.render.difference import draw

    (question,) = stored_questions.values()
    line = questions.result_as(catalog, question, Difference)
    show_verdict(line, pair)
    log = controls.choose_scale(label="Scale of the losses")
    width = charts.plot_width()
    height = round(HEIGHT_SHARE * charts.plot_height(width))
    look = DifferenceLook(log=log, width=width, height=height)
    chart = partial(draw, line, look, subject_names(catalog, question))
    first, second = (point.words for point in pair)
    description = f"Losses of {first} and {second} along a direction, and their difference"
    charts.show_chart(chart(), description, line.loss)
    if line.facts.distance is not None:
        st.caption(
            f"Difference: {as_text(first)} minus {as_text(second)}; below 0 "
            f"{as_text(first)} has the lower loss. Band: 95 % interval, paired "
            f"example by example. Distance of the two {line.facts.distance:.4g}, cosine of the "
            f"parameters {line.facts.points_cosine:.3f}."
        )
    checks.show_badges(question, line)
    show_ending(catalog, {"": question}, {"": line}, chart)


def show_verdict(line: Difference, pair: tuple[ChosenPoint, ChosenPoint]) -> None:
    """Which model has the lower loss, with both intervals; nothing before that is computed."""
    at = line.centre
    if at is None or line.paired_interval is None or line.unpaired_interval is None:
        return
    middle, count = float(line.loss[at]), line.facts.examples
    paired, apart = (
        float(ends[1][at]) - middle for ends in (line.paired_interval, line.unpaired_interval)
    )
    better, worse = (as_text(point.words) for point in (pair if middle < 0 else reversed(pair)))
    difference_text = (
        f"{number_text(abs(middle), 3)} ± {number_text(paired, 2)} "
        f"(95 % interval, paired on {count:,} examples)"
    )
    if paired < abs(middle):
        st.markdown(f"**{better}** is lower than **{worse}** by {difference_text}.")
    else:
        st.markdown(
            f"No difference can be told: **{better}** is lower than **{worse}** by "
            f"{difference_text}."
        )
    wider = f", {apart / paired:.2g} times as wide" if paired > 0 else ""
    st.caption(
        f"Not paired example by example the interval would be ± {number_text(apart, 2)}{wider}."
    )


app = parts.start_page()
sides = parts.sides()
with sides.left:
    first, second, wish = choose(app.catalog)
    stored_question = asking.find_questions(app.catalog, {"": wish})[""]
with sides.top:
    missing = asking.ask_button(app, {"": stored_question}, {"": wish})
with sides.right:
    parts.show_heading(f"{first.words} against {second.words}")
    with st.container():
        if first.point == second.point:
            st.info("Both are the same point, so they do not differ: choose another.")
        elif stored_question is None:
            st.info(f"Not computed yet: {asking.PRESS_COMPUTE}.")
            offer_stored(app, missing)
    if stored_question is not None:
        show_pair = partial(show, app.catalog, (first, second))
        asking.show_answers(app, {"": stored_question}, show_pair)
