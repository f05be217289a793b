"""Several points made into one: choose, ask, see what the average is worth beside them."""

import math
from collections.abc import Mapping
from dataclasses import replace
from functools import partial

import streamlit as st

from explorer.ask import questions
from explorer.ask.subject_names import subject_names
from explorer.ask.subjects import Subject
from explorer.contracts.facts import ProblemFacts
from explorer.kinds.averaging import AVERAGING, AveragingLook
from explorer.kinds.averaging_result import Averaging, Role
from explorer.kinds.averaging_settings import BASE, METHOD_WORDS, TASK_METHODS, AveragingSettings
from explorer.kinds.setting import setting_field
from explorer.pages import _asking as asking
from explorer.pages import _charts as charts
from explorer.pages import _checks as checks
from explorer.pages import _controls as controls
from explorer.pages import _forms as forms
from explorer.pages import _parts as parts
from explorer.pages._brought import show_brought_points
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
from explorer.pages._terms import cited, columns_help, term_help
from explorer.pages._text import as_text
from explorer.render.marks.ticks import number_text
from explorer.wording import counted
from store import Catalog, records

AXIS_WIDTH, LETTER_WIDTH, MOST_LETTERS = 40, 7, 40  # px beside a plot, and of its rows' names
METHOD_NAMES = ("criterion", "shape", "fraction", "coefficient", "keep", "drop", "seed")
NO_INGREDIENT = (
    "A merge adds to its base what fine-tuned models have beyond it: choose one or more of them as "
    "its ingredients."
)
FEW = (
    "An average is of two points at least: choose further models or points beside this one, or "
    "import a run with several snapshots and average its last ones."
)


def choose(catalog: Catalog) -> asking.WantedQuestion:
    """The question, from the left column."""
    method = str(forms.choose(AveragingSettings, "method", menu=True))
    values: forms.Values = {"method": method}
    if method == "slerp":
        values["origin"] = forms.choose(AveragingSettings, "origin")
    has_base = method in TASK_METHODS or values.get("origin") == BASE
    model = controls.choose_model(catalog, label="Base" if has_base else "Model")
    first: Subject = (model, controls.choose_point(catalog, model))
    label = "Ingredients" if has_base else "With"
    # The end of a run may be added to the place that it began at.
    own = has_base and first[1] not in ("", model.point_id)
    beside = choose_beside(catalog, model, label, own=own, help=MEMBERS_HELP)
    runs = beside if has_base else {"": own_run(*first), **beside}
    last = values["last"] = choose_last(AveragingSettings, runs)
    if member_count(runs, last) < (1 if method in TASK_METHODS else 2):
        words = NO_INGREDIENT if method in TASK_METHODS else FEW
        stop_page(words, error=False, heading=AVERAGING.title)
    names = [name for name in METHOD_NAMES if setting_field(AveragingSettings, name).counts(values)]
    for start in range(0, len(names), 2):
        values |= forms.choose_row(AveragingSettings, names[start : start + 2])
    with st.expander("Objective"):
        values |= choose_objective(AveragingSettings, catalog.problem(model.problem_id))
    settings = forms.checked_settings(AveragingSettings, values)
    subjects = (first, *beside.values()) if has_base else tuple(runs.values())
    return asking.WantedQuestion(AVERAGING, settings, subjects)


def show(catalog: Catalog, stored_questions: Mapping[str, records.Question]) -> None:
    """What is known so far, in words, a chart and a table."""
    from explorer.render.averaging import draw

    (question,) = stored_questions.values()
    averaging = questions.result_as(catalog, question, Averaging)
    names = subject_names(catalog, question)
    metrics = ["loss", *ProblemFacts.of(catalog.problem(question.problem_id).facts).metrics]
    measured = [name for name in metrics if name in averaging.values]
    labels = row_labels(catalog, question, averaging)
    st.markdown(outcome(averaging, labels))
    usual = AveragingLook.usual(averaging)
    with st.container(horizontal=True, vertical_alignment="bottom"):
        value = controls.choose_word("Value", measured, "value", 190)
        log = controls.choose_scale(f"scale-{value}", usual.log and value == "loss")
    beside = AXIS_WIDTH + LETTER_WIDTH * min(MOST_LETTERS, max(map(len, labels)))
    look = replace(usual, value=value, log=log, width=charts.plot_width(beside))
    chart = partial(draw, averaging, look, names)
    description = f"{value} of each point and of their {METHOD_WORDS[averaging.settings.method]}"
    charts.show_chart(chart(), description, averaging.values[value][averaging.computed])
    explain(averaging)
    checks.show_badges(question, averaging, partial(statistics_badge, averaging))
    st.subheader("All points", anchor=False)
    show_table(averaging, labels, measured)
    show_brought_points(catalog, question)
    show_ending(catalog, {"": question}, {"": averaging}, chart)


def row_labels(catalog: Catalog, question: records.Question, averaging: Averaging) -> list[str]:
    """What each row is called."""
    from explorer.render.averaging_rows import row_names

    return row_names(averaging, subject_names(catalog, question))


def outcome(averaging: Averaging, labels: list[str]) -> str:
    """What the average is worth, in words."""
    import numpy as np

    alone = averaging.of(Role.INGREDIENT)
    if averaging.average is None:
        done = int(averaging.computed.sum())
        return f"{done} of {counted(len(averaging.computed), 'point')} measured."
    loss, mean = float(averaging.loss[-1]), averaging.mean_of_ingredients()
    words = METHOD_WORDS[averaging.settings.method]
    entered = averaging.facts.entered
    text = f"**{words[:1].upper()}{words[1:]} of {len(entered)}: loss {number_text(loss)}**"
    if "accuracy" in averaging.values:
        text += f", accuracy {averaging.values['accuracy'][-1]:.1%}"
    text += f"; the points alone have {number_text(mean)} on average"
    best = int(np.nanargmin(alone)) if np.isfinite(alone).any() else None
    if best is not None:
        text += f", the best {number_text(float(alone[best]))} ({as_text(labels[best])})"
    if averaging.settings.method == "greedy":
        kept = ", ".join(as_text(labels[number]) for number in entered)
        text += f". In the soup: {kept}"
    return f"{text}."


def explain(averaging: Averaging) -> None:
    """What the marks mean, and what can be concluded."""
    facts, settings = averaging.facts, averaging.settings
    sentences = ["Circles: losses by themselves, with their 95 % intervals; dashed: the mean."]
    if settings.method == "greedy":
        sentences.append(
            "Below the ingredients, from above to below, what was tried: filled where it was kept, "
            "hollow where it made the soup worse (Wortsman et al. 2022). The choice was made on "
            f"the data shown, {as_text(settings.split)}: measure the soup on other data too."
        )
    if settings.method == "uniform" and averaging.average is not None:
        rise = averaging.rise
        below = "below" if rise <= 0 else "above"
        sentences.append(
            f"The average lies {number_text(abs(rise), 3)} {below} the mean of its ingredients"
            + (
                ": a barrier of at least that is between the two."
                if settings.members == 2 and rise > 0
                else "."
            )
        )
    if facts.angle is not None:
        about = "their base" if settings.origin == BASE else "0"
        sentences.append(
            f"The two are {math.degrees(facts.angle):.1f}° apart, seen from {about}; the fraction "
            "is counted from the first one listed."
        )
    if settings.method == "path":
        sentences.append(
            f"The place is at t = {settings.fraction:g} of the path from the first point listed to "
            "the last; those between are its bends (Garipov et al. 2018). An ensemble of several "
            "such places is one along the path."
        )
    if facts.base_distance is not None:
        sentences.append(f"From the base to the average: {number_text(facts.base_distance, 4)}.")
    st.caption(
        cited(" ".join(sentences)),
        help=term_help("average_rise", "farthest_ingredient", "average_loss"),
    )


def statistics_badge(averaging: Averaging) -> None:
    """Whether the average's running statistics were recomputed."""
    if not averaging.facts.recalibrated:
        return
    st.badge(
        "statistics recomputed",
        icon=":material/check:",
        color="green",
        help="BatchNorm's running statistics of the average, over the first examples of the split "
        "chosen; ingredients are measured with their own.",
    )


def show_table(averaging: Averaging, labels: list[str], measured: list[str]) -> None:
    """All points with what was measured, and how far from the average they are."""
    from explorer.render.averaging_rows import kind_words

    units = [unit for unit in range(len(labels)) if averaging.computed[unit]]
    columns: dict[str, list[object]] = {
        "point": [labels[unit] for unit in units],
        "is": [kind_words(averaging, unit) for unit in units],
        **{
            name: [number_text(float(averaging.values[name][unit]), 5) for unit in units]
            for name in measured
        },
        "distance": [number_text(float(averaging.values["distance"][unit]), 4) for unit in units],
    }
    columns["distance"] = ["" if text == "NaN" else text for text in columns["distance"]]
    config = columns_help({"loss": "loss", "distance": "distance"}, pinned=("point",))
    st.dataframe(columns, column_config=config, hide_index=True, width="stretch")


app = parts.start_page()
sides = parts.sides()
with sides.left:
    wish = choose(app.catalog)
    stored_question = asking.find_questions(app.catalog, {"": wish})[""]
with sides.top:
    missing = asking.ask_button(app, {"": stored_question}, {"": wish})
with sides.right:
    names = list(dict.fromkeys(model.name for model, _ in wish.subjects))
    base = f" on {names.pop(0)}" if wish.settings.further_subjects else ""
    parts.show_heading(f"{AVERAGING.title} of {', '.join(names)}{base}")
    if stored_question is None:
        st.info(f"Not computed yet: {asking.PRESS_COMPUTE}.", icon=AVERAGING.icon)
        offer_stored(app, missing)
    else:
        asking.show_answers(app, {"": stored_question}, partial(show, app.catalog))
