"""Loss along lines through one or several models: choose, ask, compare, export."""

from collections.abc import Mapping, Sequence
from functools import partial

import streamlit as st

from explorer.ask import questions
from explorer.ask.subject_names import subject_names
from explorer.ask.subjects import Subject
from explorer.kinds import statistics
from explorer.kinds.eigenvalues import eigenvalue_words
from explorer.kinds.given_axes import GIVEN
from explorer.kinds.line import LINE, Line, LineLook, LineSettings
from explorer.pages import _asking as asking
from explorer.pages import _charts as charts
from explorer.pages import _checks as checks
from explorer.pages import _controls as controls
from explorer.pages import _forms as forms
from explorer.pages import _parts as parts
from explorer.pages import _planes as planes
from explorer.pages._ending import show_ending
from explorer.pages._given_axes import ChosenAxes, choose_given_axes
from explorer.pages._objective import choose_objective
from explorer.pages._offers import offer_stored
from explorer.pages._text import as_text, joined_names
from store import Catalog, records


def choose(catalog: Catalog) -> tuple[dict[str, tuple[Subject, ...]], LineSettings]:
    """The subjects of each question by the model's label, and the lines, from the left column."""
    subjects = controls.choose_models(catalog)
    models = [model for model, _ in subjects.values()]
    with st.expander("Objective", expanded=True):
        values = choose_objective(LineSettings, catalog.problem(models[0].problem_id))
    with st.expander("Lines", expanded=True):
        axes = choose_direction(catalog, models)
        values |= axes.values
        values |= forms.choose_axis(LineSettings, "x")
    settings = forms.checked_settings(LineSettings, values)
    return {name: axes.subjects(own) for name, own in subjects.items()}, settings


def choose_direction(catalog: Catalog, models: Sequence[records.Model]) -> ChosenAxes:
    """What the direction is, or the directions are."""
    direction = forms.choose(LineSettings, "direction", menu=True)
    if direction == GIVEN:
        return choose_given_axes(catalog, LineSettings, models, "x")
    if direction == "eigenvector":
        return ChosenAxes({"direction": direction, "rank": forms.choose(LineSettings, "rank")})
    if direction != "random":
        return ChosenAxes({"direction": direction})
    count = forms.choose(LineSettings, "directions")
    random_settings = planes.choose_directions(LineSettings)
    return ChosenAxes({"direction": direction, "directions": count, **random_settings})


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
    names = subject_names(catalog, next(iter(stored_questions.values())))
    chart = partial(draw, lines, look, names)
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
        if facts.given:
            st.caption(f"{planes.given_axes_text(facts)[:-1]}{head}.")
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
        name: asking.WantedQuestion(LINE, settings, of_question)
        for name, of_question in subjects.items()
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
