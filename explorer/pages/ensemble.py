"""Averaged predictions of several points: choose, ask, see them against the number of members."""

from collections.abc import Mapping
from functools import partial

import streamlit as st

from explorer.ask import questions
from explorer.ask.subject_names import subject_names
from explorer.kinds.ensemble import ENSEMBLE, EnsembleLook
from explorer.kinds.ensemble_result import Ensemble
from explorer.kinds.ensemble_settings import POINTS, EnsembleSettings
from explorer.kinds.look import SubjectName
from explorer.kinds.members import member_names
from explorer.pages import _asking as asking
from explorer.pages import _charts as charts
from explorer.pages import _checks as checks
from explorer.pages import _controls as controls
from explorer.pages import _forms as forms
from explorer.pages import _parts as parts
from explorer.pages._ending import show_ending
from explorer.pages._members import (
    MEMBERS_HELP,
    choose_beside,
    choose_last,
    member_count,
    own_run,
)
from explorer.pages._objective import choose_objective
from explorer.pages._offers import offer_stored
from explorer.pages._stopping import stop_page
from explorer.pages._terms import columns_help, term_help
from explorer.render.marks.ticks import number_text
from explorer.wording import counted
from store import Catalog, records

FEW = (
    "An ensemble is of two points at least: choose further models or points beside this one, or "
    "import a run with several snapshots and take its last ones."
)


def choose(catalog: Catalog) -> asking.WantedQuestion:
    """The question, from the left column."""
    model = controls.choose_model(catalog)
    own = own_run(model, controls.choose_point(catalog, model))
    runs = {"": own, **choose_beside(catalog, model, "With", own=False, help=MEMBERS_HELP)}
    last = choose_last(EnsembleSettings, runs)
    values: forms.Values = {"last": last}
    if member_count(runs, last) < 2:
        stop_page(FEW, error=False, heading=ENSEMBLE.title)
    values["trajectory"] = forms.choose(EnsembleSettings, "trajectory", menu=True)
    if values["trajectory"] != POINTS:
        values["along"] = forms.choose(EnsembleSettings, "along")
    values["pooled"] = forms.choose(EnsembleSettings, "pooled", menu=True)
    with st.expander("Objective"):
        values |= choose_objective(EnsembleSettings, catalog.problem(model.problem_id))
    settings = forms.checked_settings(EnsembleSettings, values)
    return asking.WantedQuestion(ENSEMBLE, settings, tuple(runs.values()))


def show(catalog: Catalog, stored_questions: Mapping[str, records.Question]) -> None:
    """What is known so far, in words, a chart and a table."""
    from explorer.render.ensemble import draw

    (question,) = stored_questions.values()
    ensemble = questions.result_as(catalog, question, Ensemble)
    names = subject_names(catalog, question)
    st.markdown(outcome(ensemble))
    with st.container(horizontal=True, vertical_alignment="bottom"):
        value = controls.choose_word("Value", ensemble.measured, "value", 190)
        log = controls.choose_scale()
    width = charts.plot_width()
    look = EnsembleLook(value=value, log=log, width=width, height=charts.plot_height(width))
    chart = partial(draw, ensemble, look, names)
    charts.show_chart(
        chart(),
        f"{value} of the ensemble against the number of members",
        ensemble.values[value][ensemble.computed],
    )
    explain(ensemble)
    checks.show_badges(question, ensemble)
    st.subheader("All members", anchor=False)
    show_table(ensemble, names)
    show_ending(catalog, {"": question}, {"": ensemble}, chart)


def outcome(ensemble: Ensemble) -> str:
    """What the ensemble is worth, in words."""
    numbers = {name: number.value for name, number in ensemble.numbers.items()}
    if not numbers:
        done = int(ensemble.computed.sum())
        return f"{done} of {counted(len(ensemble.computed), 'member')} evaluated."
    count = counted(len(ensemble.computed), "member")
    text = f"**Ensemble of {count}: loss {number_text(numbers['ensemble_loss'])}**"
    text += f"; its members have {number_text(numbers['mean_member_loss'])} on average, "
    text += f"the best {number_text(numbers['best_member_loss'])}."
    if "ensemble_accuracy" in numbers:
        text += f" Accuracy {numbers['ensemble_accuracy']:.1%}, of its members "
        text += f"{numbers['mean_member_accuracy']:.1%} on average."
    if "disagreement" in numbers:
        text += f" Two members disagree on {numbers['disagreement']:.1%} of the examples."
    return text


def explain(ensemble: Ensemble) -> None:
    """What the marks mean."""
    pooled = {
        "probabilities": "Averaged are the members' softmax probabilities, in the order in which "
        "the members are listed; the loss is minus the logarithm of the label's mean probability.",
        "outputs": "Averaged are the members' outputs as they are, in the order in which the "
        "members are listed; the problem's own loss is taken of the mean.",
    }
    text = pooled.get(ensemble.facts.pooled, "")
    st.caption(
        f"{text} Rings: members alone; line of their colour: their mean. The band is the 95 % "
        "interval of the loss, where it is wide enough to see.",
        help=term_help("ensemble_loss", "disagreement", "spread"),
    )


def show_table(ensemble: Ensemble, names: tuple[SubjectName, ...]) -> None:
    """All members alone, and the ensembles up to each."""
    words = member_names(ensemble.settings.lengths, names, ensemble.settings.t)
    units = [unit for unit in range(len(words)) if ensemble.computed[unit]]
    columns: dict[str, list[object]] = {
        "members": [unit + 1 for unit in units],
        "the last one": [words[unit] for unit in units],
    }
    for name in ensemble.measured:
        alone = ensemble.alone(name)
        columns[f"{name} alone"] = [number_text(float(alone[unit])) for unit in units]
        together = ensemble.values[name]
        columns[f"{name} of the ensemble"] = [number_text(float(together[unit])) for unit in units]
    name, diversity = ensemble.diversity
    columns[name] = [number_text(float(diversity[unit]), 4) for unit in units]
    columns[name] = ["" if text == "NaN" else text for text in columns[name]]
    heads = {"loss alone": "loss", "loss of the ensemble": "ensemble_loss", name: name}
    config = columns_help(heads, pinned=("members", "the last one"))
    st.dataframe(columns, column_config=config, hide_index=True, width="stretch")


app = parts.start_page()
sides = parts.sides()
with sides.left:
    wish = choose(app.catalog)
    stored_question = asking.find_questions(app.catalog, {"": wish})[""]
with sides.top:
    missing = asking.ask_button(app, {"": stored_question}, {"": wish})
with sides.right:
    models = list(dict.fromkeys(model.name for model, _ in wish.subjects))
    parts.show_heading(f"{ENSEMBLE.title} of {', '.join(models)}")
    if stored_question is None:
        st.info(f"Not computed yet: {asking.PRESS_COMPUTE}.", icon=ENSEMBLE.icon)
        offer_stored(app, missing)
    else:
        asking.show_answers(app, {"": stored_question}, partial(show, app.catalog))
