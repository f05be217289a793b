"""Sharpness of one or several models: choose, ask, compare, rescale, export."""

from collections.abc import Callable, Mapping
from functools import partial

import streamlit as st

from explorer.ask import questions
from explorer.ask.subjects import Subject, training_start
from explorer.kinds.sharpness import SHARPNESS
from explorer.kinds.sharpness_result import Sharpness
from explorer.kinds.sharpness_settings import SharpnessSettings
from explorer.pages import _asking as asking
from explorer.pages import _controls as controls
from explorer.pages import _forms as forms
from explorer.pages import _parts as parts
from explorer.pages import _sharpness as words
from explorer.pages._ending import show_provenances
from explorer.pages._facts import about_text, facts_line
from explorer.pages._objective import choose_objective
from explorer.pages._offers import offer_stored
from explorer.pages._text import joined_names
from store import Catalog, records

NUMBER_NAMES = (
    "box",
    "rho",
    "batch_examples",
    "adaptive_rho",
    "eta",
    "max_rho",
    "euclid_rho",
    "ascent",
    "restarts",
    "noise",
    "radius",
    "draws",
    "sphere",
    "sphere_draws",
    "probes",
    "steps",
    "room",
    "z",
    "drop",
    "delta",
    "seed",
)


def choose(catalog: Catalog) -> tuple[dict[str, asking.WantedQuestion], SharpnessSettings]:
    """The questions by the models' labels, and their settings, from the left column."""
    subjects_by_label = choose_subjects(catalog)
    problem = next(iter(subjects_by_label.values()))[0][0].problem_id
    with st.expander("Objective", expanded=True):
        values = choose_objective(SharpnessSettings, catalog.problem(problem))
    with st.expander("Rescaling test", expanded=True):
        values |= choose_rescaling()
    values["measures"] = forms.choose(SharpnessSettings, "measures")
    with st.expander("Numbers of the measures"):
        values |= forms.choose_all(SharpnessSettings, NUMBER_NAMES)
    settings = forms.checked_settings(SharpnessSettings, values)
    return {
        name: asking.WantedQuestion(SHARPNESS, settings, subjects)
        for name, subjects in subjects_by_label.items()
    }, settings


def choose_subjects(catalog: Catalog) -> dict[str, tuple[Subject, Subject]]:
    """Each model's point and its initial parameters: one model at any snapshot, or several."""
    return {
        name: (subject, training_start(catalog, subject))
        for name, subject in controls.choose_models(catalog).items()
    }


def choose_rescaling() -> forms.Values:
    """None, by layers or by neurons, and the factor, as settings."""
    rescaling = forms.choose(SharpnessSettings, "rescaling")
    if rescaling == "none":
        return {"rescaling": rescaling}
    return {"rescaling": rescaling, "alpha": forms.choose(SharpnessSettings, "alpha")}


def show(
    catalog: Catalog,
    settings: SharpnessSettings,
    stored_questions: Mapping[str, records.Question],
) -> None:
    """The measures so far, the rescaling test, the worst directions."""
    from explorer.pages import _sharpness_figures as figures

    results = {
        name: questions.result_as(catalog, q, Sharpness) for name, q in stored_questions.items()
    }
    answers = words.Answers(stored_questions, results, settings)
    words.show_losses(answers)
    tabs: dict[str, Callable[[], None]] = {
        "Values": partial(words.show_measures, answers),
        "Chart": partial(figures.show_values, answers),
        "Rescaling": partial(figures.show_rescaling, answers),
        "Worst directions": partial(figures.show_directions, answers),
        "Definitions": words.show_definitions,
    }
    if settings.rescaling == "none":
        del tabs["Rescaling"]
    for tab, part in zip(st.tabs(list(tabs)), tabs.values(), strict=True):
        with tab:
            part()
    show_provenances(catalog, stored_questions, results)


app = parts.start_page()
sides = parts.sides()
with sides.left:
    wishes, settings = choose(app.catalog)
    questions_by_name = asking.find_questions(app.catalog, wishes)
with sides.top:
    missing = asking.ask_button(app, questions_by_name, wishes)
with sides.right:
    parts.show_heading(f"Sharpness of {' and '.join(wishes)}")
    first, *others = wishes.values()
    if not others:
        model, _ = first.subjects[0]
        st.caption(facts_line(model), help=about_text(model))
    stored_questions = {
        name: question for name, question in questions_by_name.items() if question is not None
    }
    with st.container():
        if missing:
            st.info(
                f"Not computed yet for {joined_names(missing)}: {asking.PRESS_COMPUTE}.",
                icon=SHARPNESS.icon,
            )
            offer_stored(app, missing)
    if stored_questions:
        asking.show_answers(app, stored_questions, partial(show, app.catalog, settings))
