"""A path between two points: choose both, train it, watch its losses fall, go on from its bends."""

from collections.abc import Mapping
from dataclasses import replace
from functools import partial

import numpy as np
import streamlit as st

from explorer.ask import questions
from explorer.ask.subject_names import subject_names
from explorer.ask.subjects import point_text
from explorer.kinds.connection import CONNECTION, ConnectionLook
from explorer.kinds.connection_result import Connection
from explorer.kinds.connection_settings import BAND, ConnectionSettings
from explorer.kinds.piece import measured_names
from explorer.pages import _asking as asking
from explorer.pages import _charts as charts
from explorer.pages import _checks as checks
from explorer.pages import _controls as controls
from explorer.pages import _forms as forms
from explorer.pages import _parts as parts
from explorer.pages._export import export_chart, export_line
from explorer.pages._objective import choose_objective
from explorer.pages._offers import offer_stored
from explorer.pages._pairs import ChosenPoint, choose_pair
from explorer.pages._path_links import show_path_links
from explorer.pages._provenance import show_provenance
from explorer.pages._terms import cited, term_help
from explorer.pages._text import as_text
from explorer.render.marks.ticks import number_text
from store import Catalog, records

DESCENT_NAMES = (
    *("steps", "every", "batch_examples", "learning_rate", "momentum", "weight_decay", "seed"),
)
SHOWN_ALONE = 2  # of the measurements: the first and the latest
TRAINING_WORDS = (
    "Dashed: the loss of the higher end. The batches' losses, at random places of the path, are "
    "averaged from one measurement to the next."
)
MEASURE_NAMES = ("t_count", "tolerance")


def choose(catalog: Catalog) -> tuple[ChosenPoint, ChosenPoint, asking.WantedQuestion]:
    """Both points and the question, from the left column."""
    first, second = choose_pair(catalog, CONNECTION, from_start=False)
    values: forms.Values = {}
    with st.expander("Path", expanded=True):
        values["minimised"] = forms.choose(ConnectionSettings, "minimised", menu=True)
        if values["minimised"] == BAND:
            values |= forms.choose_row(ConnectionSettings, ("bends", "most_bends"), values)
        else:
            values["shape"] = forms.choose(ConnectionSettings, "shape", menu=True)
            values["bends"] = forms.choose(ConnectionSettings, "bends")
        values |= forms.choose_all(ConnectionSettings, MEASURE_NAMES)
    with st.expander("Objective"):
        problem = catalog.problem(first.model.problem_id)
        usual = ConnectionSettings.usual_batchnorm()
        values |= choose_objective(ConnectionSettings, problem, batchnorm=usual)
    with st.expander("Descent"):
        values |= forms.choose_all(ConnectionSettings, DESCENT_NAMES)
    settings = forms.checked_settings(ConnectionSettings, values)
    wish = asking.WantedQuestion(CONNECTION, settings, (first.subject, second.subject))
    return first, second, wish


def show(
    catalog: Catalog,
    pair: tuple[ChosenPoint, ChosenPoint],
    stored_questions: Mapping[str, records.Question],
) -> None:
    """The path as far as it is trained: in words, as curves, with checks and where it leads on."""
    from explorer.render.connection import draw

    (question,) = stored_questions.values()
    path = questions.result_as(catalog, question, Connection)
    if path.last is None:
        return
    st.markdown(outcome_words(path))
    value, log = choose_view(path)
    look = ConnectionLook(value=value, log=log, width=charts.plot_width())
    chart = partial(draw, path, look, subject_names(catalog, question))
    between = f"Losses along the path from {pair[0].words} to {pair[1].words}"
    charts.show_chart(chart(), between, path.values[value][path.last])
    explain(path)
    show_path_badges(path)
    checks.moved_parameters_badge(path.facts)
    export_line({"": question}, {"": path}, chart)
    if question.status == "complete":
        bends = catalog.answer_points(key=question.key)
        show_path_links(catalog, question, pair, map(point_text, bends))
    st.subheader("Training", anchor=False)
    training = replace(look, picture="training", height=260)
    falling = partial(draw, path, training)
    charts.show_chart(falling(), "Highest and mean loss of the path against the steps")
    if value == "loss":
        st.caption(TRAINING_WORDS)
    export_chart("training", falling, [question])
    show_provenance(catalog, question, path.facts)


def choose_view(path: Connection) -> tuple[str, bool]:
    """Which value is drawn, and on which scale."""
    with st.container(horizontal=True, vertical_alignment="bottom"):
        value = controls.choose_word("Value", measured_names(path.values), "value", 190)
        positive = value == "loss" and bool(np.nanmin(path.loss) > 0)
        return value, controls.choose_scale(f"scale-{value}", positive)


def outcome_words(path: Connection) -> str:
    """How high the path is now, beside its ends and the straight line."""
    if path.last is None:
        return ""
    highest, higher = float(path.highest[path.last]), max(path.end_losses)
    if not np.isfinite(highest):
        return (
            "**The path has diverged**: its losses are not finite; train it with a smaller "
            "learning rate."
        )
    start = float(path.highest[0]) if path.last else np.nan
    text = f"**Highest loss along the path {number_text(highest, 3)}**"
    text += f", {number_text(highest - higher, 3)} above the higher end"
    if np.isfinite(start):
        text += f"; on the straight line {number_text(start, 3)}"
    if path.facts.good_enough_at is not None:
        text += f". Good enough after {path.facts.good_enough_at:,} steps"
    return f"{text}."


def explain(path: Connection) -> None:
    """What the picture shows, and how far the path leads."""
    settings, facts = path.settings, path.facts
    length = float(path.values["arc_length"][path.last or 0, -1])
    notes = [
        *(["pale: earlier in the training"] if len(path.measured) > SHOWN_ALONE else []),
        f"length {number_text(length, 4)}, distance of the ends "
        f"{number_text(facts.distance or np.nan, 4)}",
        f"measured at {settings.t_count} places on {settings.split}",
    ]
    if facts.statistics:
        notes.append(f"running statistics {facts.statistics}")
    text = "; ".join(map(as_text, notes))
    words = term_help("arc_length", "bends")
    st.caption(cited(f"{text[:1].upper()}{text[1:]}."), help=words)


def show_path_badges(path: Connection) -> None:
    """Heights by their names."""
    numbers = path.numbers
    words = {
        "barrier": "barrier {} above the chord",
        "path_mean": "mean {}",
    }
    counts = {"bends": "bends: {:,.0f}", "path_steps": "steps: {:,.0f}"}
    texts = {name: text.format(number_text(numbers[name].value, 4)) for name, text in words.items()}
    texts |= {name: text.format(numbers[name].value) for name, text in counts.items()}
    with st.container(horizontal=True, gap="small"):
        for name, text in texts.items():
            st.badge(text, color="blue", help=term_help(name))


app = parts.start_page()
sides = parts.sides()
with sides.left:
    first, second, wish = choose(app.catalog)
    stored_question = asking.find_questions(app.catalog, {"": wish})[""]
with sides.top:
    missing = asking.ask_button(app, {"": stored_question}, {"": wish})
with sides.right:
    parts.show_heading(f"Path from {first.words} to {second.words}")
    with st.container():
        if first.point == second.point:
            st.info("Both are the same point: choose another, to which a path can lead.")
        elif stored_question is None:
            st.info(f"Not computed yet: {asking.PRESS_COMPUTE}.", icon=CONNECTION.icon)
            offer_stored(app, missing)
    if stored_question is not None:
        show_pair = partial(show, app.catalog, (first, second))
        asking.show_answers(app, {"": stored_question}, show_pair)
