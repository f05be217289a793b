"""The diagnosis of a model or a run: choose, ask, see each symptom with its number."""

from collections.abc import Mapping
from dataclasses import replace
from functools import partial

import streamlit as st

from explorer.ask import questions
from explorer.ask.subject_names import all_labels, subject_names
from explorer.contracts.facts import ProblemFacts
from explorer.importing.training import training_of
from explorer.kinds.diagnosis import DIAGNOSIS, DiagnosisLook
from explorer.kinds.diagnosis_result import Diagnosis
from explorer.kinds.diagnosis_settings import DiagnosisSettings
from explorer.kinds.setting import setting_field
from explorer.kinds.stability_threshold import OPTIMISERS
from explorer.pages import _asking as asking
from explorer.pages import _charts as charts
from explorer.pages import _controls as controls
from explorer.pages import _forms as forms
from explorer.pages import _parts as parts
from explorer.pages._address import check_address
from explorer.pages._checks import moved_parameters_badge
from explorer.pages._diagnosis_rates import show_rates
from explorer.pages._diagnosis_symptoms import show_symptoms
from explorer.pages._ending import show_ending
from explorer.pages._facts import facts_line
from explorer.pages._objective import choose_objective
from explorer.pages._offers import offer_stored
from explorer.wording import counted, one_line
from store import Catalog, records

ID_LETTERS = 8  # of a model's id, in the names of what each model has of its own
RANGE_NAMES = (
    *("rate_least", "rate_most", "rate_count", "rate_steps", "rate_batch", "rate_orders"),
    "rate_start",
)


def choose(catalog: Catalog) -> tuple[asking.WantedQuestion, DiagnosisLook]:
    """The question, and the training that it is held against, from the left column."""
    model = controls.choose_model(catalog, DIAGNOSIS.fewest)
    problem = catalog.problem(model.problem_id)
    with st.expander("Objective", expanded=True):
        values = choose_objective(DiagnosisSettings, problem)
        values["held_out"] = _choose_held_out(problem)
    with st.expander("Training", expanded=True):
        look = choose_look(model)
    with st.expander("Learning rates"):
        values |= forms.choose_all(DiagnosisSettings, RANGE_NAMES)
    with st.expander("Estimates"):
        names = ("most_snapshots", "probes", "density_steps", "tolerance", "room", "seed")
        values |= forms.choose_all(DiagnosisSettings, names)
    settings = forms.checked_settings(DiagnosisSettings, values)
    return asking.WantedQuestion(DIAGNOSIS, settings, ((model, ""),)), look


def _choose_held_out(problem: records.Problem) -> str:
    """A split that the problem has, or the usual one: that it has none is said with the answer."""
    splits = list(ProblemFacts.of(problem.facts).splits)
    usual = str(setting_field(DiagnosisSettings, "held_out").default)
    options = splits if usual in splits else [usual, *splits]
    return str(forms.choose(DiagnosisSettings, "held_out", usual=usual, options=options, menu=True))


def choose_look(model: records.Model) -> DiagnosisLook:
    """Rate, optimiser and momentum of the training, filled in as far as they are known."""
    notes = training_of(model)
    usual = notes.rule or ("heavy ball" if notes.momentum else OPTIMISERS[0])
    key = f"optimiser-{model.id[:ID_LETTERS]}"
    check_address(key, f"one of {', '.join(OPTIMISERS)}", OPTIMISERS.__contains__)
    optimiser = st.selectbox(
        "Optimiser",
        OPTIMISERS,
        OPTIMISERS.index(usual),
        key=key,
        bind="query-params",
        help="It only says what curvature the training's steps stand.",
    )
    if notes.optimiser and notes.rule is None:
        st.text(f"Trained by {one_line(notes.optimiser, 40)}, whose threshold is not known.")
    left, right = st.columns(2, gap="xsmall")
    with left:
        rate = _own_number("rate", model, notes.rate or 0.0)
    momentum = 0.0
    if optimiser != OPTIMISERS[0]:
        with right:
            momentum = _own_number("momentum", model, notes.momentum or 0.0)
    return DiagnosisLook(
        rate=rate, optimiser=optimiser, momentum=momentum, width=charts.plot_width()
    )


def _own_number(name: str, model: records.Model, usual: float) -> float:
    """A number of the look that each model has of its own."""
    described = setting_field(DiagnosisLook, name)
    return forms.number_field(
        replace(described, name=f"{name}-{model.id[:ID_LETTERS]}", default=usual),
        help=described.setting.help,
    )


def show(
    catalog: Catalog,
    model: records.Model,
    look: DiagnosisLook,
    stored_questions: Mapping[str, records.Question],
) -> None:
    """All symptoms together, each one by itself, the learning rates."""
    from explorer.render.diagnosis import draw

    (question,) = stored_questions.values()
    diagnosis = questions.result_as(catalog, question, Diagnosis)
    names = subject_names(catalog, question)
    overview = partial(draw, diagnosis, look, names)
    if diagnosis.computed[: diagnosis.snapshots].any():
        charts.show_chart(overview(), f"Each symptom of {model.name} over its threshold")
        show_symptoms(diagnosis, look, names, all_labels(catalog)[model.id])
    show_rates(diagnosis, look)
    moved_parameters_badge(diagnosis.facts)
    show_ending(catalog, {"": question}, {"": diagnosis}, overview)


app = parts.start_page()
sides = parts.sides()
with sides.left:
    wish, chosen_look = choose(app.catalog)
    stored_question = asking.find_questions(app.catalog, {"": wish})[""]
with sides.top:
    missing = asking.ask_button(app, {"": stored_question}, {"": wish})
with sides.right:
    model, _ = wish.subjects[0]
    parts.show_heading(f"Diagnosis of {model.name}")
    st.caption(f"{counted(model.points, 'snapshot')} · {facts_line(model)}")
    if stored_question is None:
        st.info(
            f"This model has not been looked at yet: {asking.PRESS_COMPUTE}; each symptom comes "
            "with its number.",
            icon=DIAGNOSIS.icon,
        )
        offer_stored(app, missing)
    else:
        show_model = partial(show, app.catalog, model, chosen_look)
        asking.show_answers(app, {"": stored_question}, show_model)
