"""Loss along lines through one or several models: choose, ask, compare, export."""

from collections.abc import Mapping
from functools import partial

import streamlit as st

from explorer.ask import questions
from explorer.ask.subjects import Subject
from explorer.kinds import statistics
from explorer.kinds.eigenvalues import eigenvalue_words
from explorer.kinds.line import LINE, Line, LineLook, LineSettings
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
from explorer.pages._text import as_text, joined_names
from store import Catalog, records


def choose(catalog: Catalog) -> tuple[dict[str, Subject], LineSettings]:
    """The models' points by label, and the lines, from the left column."""
    subjects = controls.choose_models(catalog)
    problem = next(iter(subjects.values()))[0].problem_id
    with st.expander("Objective", expanded=True):
        values = choose_objective(LineSettings, catalog.problem(problem))
    with st.expander("Lines", expanded=True):
        values |= choose_direction()
        values |= forms.choose_axis(LineSettings, "x")
    return subjects, forms.checked_settings(LineSettings, values)


def choose_direction() -> forms.Values:
    """Random directions or the gradient's, as settings."""
    direction = forms.choose(LineSettings, "direction")
    if direction == "eigenvector":
        return {"direction": direction, "rank": forms.choose(LineSettings, "rank")}
    if direction != "random":
        return {"direction": direction}
    count = forms.choose(LineSettings, "directions")
    random_settings = planes.choose_directions(LineSettings)
    return {"direction": direction, "directions": count, **random_settings}


def show(
    catalog: Catalog, settings: LineSettings, stored_questions: Mapping[str, records.Question]
) -> None:
    """The profiles so far, their checks and where they come from."""
    from explorer.render.line import draw

    lines: dict[str, Line] = {
        name: questions.result_as(catalog, q, Line) for name, q in stored_questions.items()
    }
    log, below = controls.choose_profile(next(iter(lines.values())).values)
    width = charts.plot_width()
    look = LineLook(log=log, second=below, width=width, height=charts.plot_height(width))
    values = [value for line in lines.values() for value in line.loss.ravel()]
    description = f"{settings.title} of {', '.join(lines)}: curves"
    chart = partial(draw, lines, look)
    charts.show_chart(chart(), description, values)
    explain(lines, settings.directions)
    for name, question in stored_questions.items():
        if len(stored_questions) > 1:
            st.caption(as_text(name))
        checks.show_badges(question, lines[name])
    show_ending(catalog, stored_questions, lines, chart)


def explain(lines: Mapping[str, Line], directions: int) -> None:
    """What band and step mean, below the chart of so many directions."""
    from explorer.render.line import loss_band

    if directions > 1:
        st.caption(f"SD: standard deviation over the {directions} directions.")
    for name, line in lines.items():
        head = f" of {as_text(name)}" if len(lines) > 1 else ""
        if loss_band(line) is not None:
            st.caption(
                f"Band{head}: {statistics.interval_words(line.facts.examples, line.available)}.",
                help=statistics.CAVEAT,
            )
        facts = line.facts
        if facts.eigenvalue is not None:
            st.caption(
                f"Eigenvalue of the Hessian{head}: "
                f"{eigenvalue_words(facts.eigenvalue, facts.residual)} (its residual); the "
                f"slope of the loss at 0 is {facts.slope:.4g}."
            )
        if facts.gradient_norm is not None:
            st.caption(
                f"Norm of the gradient{head} {facts.gradient_norm:.4g}, of the parameters "
                f"{facts.theta_norm:.4g}: the slope of the loss at 0 is {facts.slope:.4g} "
                "per unit of x."
            )


app = parts.start_page()
sides = parts.sides()
with sides.left:
    subjects, settings = choose(app.catalog)
    wishes = {
        name: asking.WantedQuestion(LINE, settings, (subject,))
        for name, subject in subjects.items()
    }
    questions_by_name = asking.find_questions(app.catalog, wishes)
with sides.top:
    missing = asking.ask_button(app, questions_by_name, wishes)
with sides.right:
    parts.show_heading(f"{settings.title} of {', '.join(subjects)}")
    stored_questions = {
        name: question for name, question in questions_by_name.items() if question is not None
    }
    with st.container():
        if missing:
            st.info(f"Not computed yet for {joined_names(missing)}: {asking.PRESS_COMPUTE}.")
            offer_stored(app, missing)
    if stored_questions:
        asking.show_answers(app, stored_questions, partial(show, app.catalog, settings))
