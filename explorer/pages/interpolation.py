"""Loss along paths between two points: choose both, ask, look for barriers, export."""

from collections.abc import Mapping
from dataclasses import replace
from functools import partial

import streamlit as st

from explorer.ask import questions
from explorer.ask.subject_names import subject_names
from explorer.ask.subjects import Subject
from explorer.contracts.facts import ProblemFacts
from explorer.kinds import statistics
from explorer.kinds.interpolation import (
    INTERPOLATION,
    Interpolation,
    InterpolationLook,
    InterpolationSettings,
)
from explorer.kinds.path_shape import STRAIGHT
from explorer.pages import _asking as asking
from explorer.pages import _barriers as barriers
from explorer.pages import _charts as charts
from explorer.pages import _checks as checks
from explorer.pages import _controls as controls
from explorer.pages import _forms as forms
from explorer.pages import _parts as parts
from explorer.pages._ending import show_ending
from explorer.pages._interpolation_table import show_path_table
from explorer.pages._objective import choose_objective
from explorer.pages._offers import offer_stored
from explorer.pages._pairs import ChosenPoint, choose_pair
from explorer.pages._path_choice import ChosenPath, choose_paths
from explorer.pages._stopping import stop_page
from explorer.pages._text import as_text, joined_names
from store import Catalog, records

MOST_IN_WORDS = 2  # curves of which each has its heights as badges; those of more are a table


def choose(catalog: Catalog) -> tuple[ChosenPoint, ChosenPoint, dict[str, asking.WantedQuestion]]:
    """Both points, and the question about each split that is shown, from the left column."""
    first, second = choose_pair(catalog, INTERPOLATION, from_start=True)
    problem = catalog.problem(first.model.problem_id)
    with st.expander("Objective", expanded=True):
        values = choose_objective(
            InterpolationSettings, problem, batchnorm=InterpolationSettings.usual_batchnorm()
        )
        others = [name for name in ProblemFacts.of(problem.facts).splits if name != values["split"]]
        beside = bool(others) and st.checkbox(
            f"Show {joined_names(others, ' and ')} beside it",
            key="beside",
            bind="query-params",
        )
    with st.expander("Path", expanded=True):
        repairable = not ProblemFacts.of(problem.facts).has_batchnorm
        paths = choose_paths(catalog, first.subject, second.subject, repairable)
        values |= forms.choose_axis(InterpolationSettings, "x")
    splits = [str(values["split"]), *(others if beside else [])]
    wishes = {
        _curve_name(path.label, split, len(paths), len(splits)): _wish(
            path, first.subject, values, problem, split
        )
        for path in paths
        for split in splits
    }
    return first, second, wishes


def _curve_name(path: str, split: str, paths: int, splits: int) -> str:
    """What a curve is called: the path and the split, as far as there are several."""
    if paths == 1:
        return split
    return path if splits == 1 else f"{path}, {split}"


def _wish(
    path: ChosenPath,
    first: Subject,
    values: forms.Values,
    problem: records.Problem,
    split: str,
) -> asking.WantedQuestion:
    """The question about a path on a split; only the straight line goes on beyond both ends."""
    own = {**values, "shape": path.shape, "repair": path.repair}
    if path.shape != STRAIGHT:
        low, high = (float(str(values[name])) for name in ("x_min", "x_max"))
        own |= {"x_min": max(0.0, low), "x_max": min(1.0, high)}
    settings = forms.checked_settings(InterpolationSettings, own).with_further(len(path.bends))
    settings = _settings_on(settings, problem, split)
    return asking.WantedQuestion(INTERPOLATION, settings, (first, path.last, *path.bends))


def _settings_on(
    settings: InterpolationSettings, problem: records.Problem, split: str
) -> InterpolationSettings:
    """The settings over another split; the page stops where that has too few examples."""
    count = ProblemFacts.of(problem.facts).splits[split].count
    if settings.examples > count:
        stop_page(f"{as_text(split)} has only {count:,} examples; choose fewer, or leave it out.")
    return replace(settings, split=split)


def show(catalog: Catalog, between: str, stored_questions: Mapping[str, records.Question]) -> None:
    """The profiles so far, the heights on them, their checks and where they come from.

    Args:
        catalog: where they are.
        between: which points, in words.
        stored_questions: the questions, by the split of the data.
    """
    from explorer.render.interpolation import draw

    lines: dict[str, Interpolation] = {
        n: questions.result_as(catalog, q, Interpolation) for n, q in stored_questions.items()
    }
    log, below = controls.choose_profile(
        next(iter(lines.values())).values, several=len(lines) > MOST_IN_WORDS
    )
    width = charts.plot_width()
    look = InterpolationLook(log=log, second=below, width=width, height=charts.plot_height(width))
    names = subject_names(catalog, next(iter(stored_questions.values())))
    chart = partial(draw, lines, look, names)
    values = [value for line in lines.values() for value in line.loss]
    charts.show_chart(chart(), between, values)
    if len(lines) > MOST_IN_WORDS:
        show_path_table(lines)
    for name, line in lines.items() if len(lines) <= MOST_IN_WORDS else ():
        explain(name if len(lines) > 1 else "", line)
        barriers.show_barrier_badges(stored_questions[name], line)
        checks.show_badges(stored_questions[name], line)
    show_ending(catalog, stored_questions, lines, chart)


def explain(name: str, line: Interpolation) -> None:
    """What lies between the points, below the chart."""
    from explorer.render.interpolation import loss_band

    facts, notes = line.facts, []
    if facts.distance is not None:
        notes.append(
            f"distance {facts.distance:.4g}, cosine of the parameters {facts.points_cosine:.3f}"
        )
    if facts.statistics:
        notes.append(f"running statistics {facts.statistics}")
    banded = loss_band(line) is not None
    if banded:
        notes.append(f"band: {statistics.interval_words(facts.examples, line.available)}")
    text = "; ".join(notes)
    if name:
        text = f"**{as_text(name)}**: {text}"
    st.caption(f"{text[:1].upper()}{text[1:]}.", help=statistics.CAVEAT if banded else None)


app = parts.start_page()
sides = parts.sides()
with sides.left:
    first, second, wishes = choose(app.catalog)
    questions_by_name = asking.find_questions(app.catalog, wishes)
with sides.top:
    missing = asking.ask_button(app, questions_by_name, wishes)
with sides.right:
    between = f"Loss from {first.words} to {second.words}"
    parts.show_heading(between)
    stored_questions = {
        name: question for name, question in questions_by_name.items() if question is not None
    }
    with st.container():
        if first.point == second.point:
            st.info("Both are the same point, so nothing changes between them: choose another.")
        elif missing:
            which = f" on {joined_names(missing)}" if stored_questions else ""
            st.info(f"Not computed yet{which}: {asking.PRESS_COMPUTE}.")
            offer_stored(app, missing)
    if stored_questions:
        asking.show_answers(app, stored_questions, partial(show, app.catalog, between))
