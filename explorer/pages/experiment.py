"""What a problem measures itself: choose one of its experiments, run it, see its points grow."""

from collections.abc import Mapping
from functools import partial

import streamlit as st

from explorer.ask import questions
from explorer.ask.subject_names import subject_names
from explorer.contracts.facts import ProblemFacts
from explorer.kinds.experiment import EXPERIMENT, ExperimentLook
from explorer.kinds.experiment_result import ExperimentResult
from explorer.kinds.experiment_settings import ExperimentSettings
from explorer.pages import _asking as asking
from explorer.pages import _charts as charts
from explorer.pages import _controls as controls
from explorer.pages import _forms as forms
from explorer.pages._ending import show_ending
from explorer.pages._one_question import show_page
from explorer.pages._stopping import stop_page
from explorer.pages._text import as_text
from store import Catalog, records


def choose(catalog: Catalog) -> asking.WantedQuestion:
    """The point, the experiment and how much of it, from the left column."""
    model = controls.choose_model(catalog)
    point = controls.choose_point(catalog, model)
    declared = ProblemFacts.of(catalog.problem(model.problem_id).facts).experiments
    if not declared:
        stop_page(
            f"The problem of {model.name} declares no experiments: choose another model, or add "
            "Problem(..., experiments=...) to its file and import it again.",
            error=False,
            heading=EXPERIMENT.title,
        )
    splits = list(ProblemFacts.of(catalog.problem(model.problem_id).facts).splits)
    values: forms.Values = {"split": forms.choose(ExperimentSettings, "split", options=splits)}
    first = next(iter(declared))
    names = list(declared)
    name = str(forms.choose(ExperimentSettings, "experiment", usual=first, options=names))
    values["experiment"] = name
    usual = {"part_count": declared[name].parts}
    values |= forms.choose_row(ExperimentSettings, ("part_count", "seed"), values, usual=usual)
    settings = forms.checked_settings(ExperimentSettings, values)
    if settings.part_count > declared[name].parts:
        stop_page(f"{name} has {declared[name].parts:,} parts; choose as many or fewer.")
    return asking.WantedQuestion(EXPERIMENT, settings, ((model, point),))


def show(catalog: Catalog, stored_questions: Mapping[str, records.Question]) -> None:
    """The points so far, and where they come from."""
    from explorer.render.experiment import draw
    from explorer.render.experiment_points import thinning_words

    (question,) = stored_questions.values()
    result = questions.result_as(catalog, question, ExperimentResult)
    names = subject_names(catalog, question)
    if result.facts.title:
        st.caption(as_text(result.facts.title))
    chart = partial(draw, result, ExperimentLook(width=charts.plot_width()), names)
    words = result.facts.title or f"An experiment of {names[0].text}"
    charts.show_chart(chart(), words, result.values["y"])
    if thinned := thinning_words(result):
        st.caption(thinned)
    show_ending(catalog, {"": question}, {"": result}, chart)


show_page("Experiment", choose, show)
