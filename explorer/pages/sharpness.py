"""Sharpness of one or several models: choose, ask, compare, rescale, export."""

from collections.abc import Callable
from functools import partial

import streamlit as st

from explorer.ask import questions
from explorer.kinds.measures import MEASURES_IN_READING_ORDER, NO, YES, Measure
from explorer.kinds.sharpness import SHARPNESS, SharpnessLook
from explorer.kinds.sharpness_comparison import ranks, unequal_losses
from explorer.kinds.sharpness_result import NOT_YET, Sharpness
from explorer.kinds.sharpness_settings import SharpnessSettings
from explorer.pages import _asking as asking
from explorer.pages import _charts as charts
from explorer.pages import _checks as checks
from explorer.pages import _controls as controls
from explorer.pages import _forms as forms
from explorer.pages import _parts as parts
from explorer.pages._address import check_address
from explorer.pages._ending import show_provenances
from explorer.pages._export import export_chart, export_numbers
from explorer.pages._objective import choose_objective
from explorer.pages._text import as_message, as_text, in_badge, joined_names
from store import records

LETTER_WIDTH = 7  # px of a letter of a measure's title, at most
INVARIANCE_WORDS = {YES: "✓ invariant", NO: "moves"}
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
    "probes",
    "steps",
    "room",
    "z",
    "drop",
    "delta",
    "seed",
)

app = parts.start_page()
catalog = app.catalog


def choose() -> tuple[dict[str, asking.WantedQuestion], SharpnessSettings]:
    """The questions by the models' labels, and their settings, from the left column."""
    subjects_by_label = choose_subjects()
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
        n: asking.WantedQuestion(SHARPNESS, settings, both) for n, both in subjects_by_label.items()
    }, settings


def measures_shown() -> list[Measure]:
    """The measures asked for, in the order of reading."""
    return [measure for measure in MEASURES_IN_READING_ORDER if measure.name in settings.chosen]


def choose_subjects() -> dict[str, tuple[questions.Subject, questions.Subject]]:
    """Each model's point and its initial parameters: one model at any snapshot, or several."""
    models_by_label = parts.known_models(catalog)
    check_address("model", f"one of {', '.join(models_by_label)}", models_by_label.__contains__)
    first = [next(iter(models_by_label))]
    names = st.multiselect("Models", list(models_by_label), first, key="model", bind="query-params")
    if not names:
        st.info("Choose at least one model.")
        st.stop()
    points = {name: models_by_label[name].point_id for name in names}
    if len(names) == 1:
        points[names[0]] = controls.choose_point(catalog, models_by_label[names[0]])
    return {
        n: (
            (models_by_label[n], point),
            (models_by_label[n], start_point(models_by_label[n], point)),
        )
        for n, point in points.items()
    }


def start_point(model: records.Model, point: str) -> str:
    """The first snapshot of a model's training; the point itself where there is none before it."""
    snapshots = catalog.points(model.id)
    return snapshots[0].point_id if len(snapshots) > 1 else point


def choose_rescaling() -> dict[str, object]:
    """None, by layers or by neurons, and the factor, as settings."""
    rescaling = forms.choose(SharpnessSettings, "rescaling")
    if rescaling == "none":
        return {"rescaling": rescaling}
    return {"rescaling": rescaling, "alpha": forms.choose(SharpnessSettings, "alpha")}


def show(stored_questions: dict[str, records.Question]) -> None:
    """The measures so far, the rescaling test, the worst directions."""
    sharpness_by_model: dict[str, Sharpness] = {
        n: questions.result_as(catalog, q, Sharpness) for n, q in stored_questions.items()
    }
    show_losses(stored_questions, sharpness_by_model)
    tabs: dict[str, Callable[[], None]] = {
        "Values": lambda: show_table(stored_questions, sharpness_by_model),
        "Chart": lambda: show_measures_chart(stored_questions, sharpness_by_model),
        **(
            {"Rescaling": lambda: show_rescaling(stored_questions, sharpness_by_model)}
            if is_rescaled()
            else {}
        ),
        "Worst directions": lambda: show_directions(stored_questions, sharpness_by_model),
        "Definitions": show_definitions,
    }
    for tab, part in zip(st.tabs(list(tabs)), tabs.values(), strict=True):
        with tab:
            part()
    show_provenances(catalog, stored_questions, sharpness_by_model)


def is_rescaled() -> bool:
    """Whether the measures are asked for at rescaled points too."""
    return settings.rescaling != "none"


def show_losses(
    stored_questions: dict[str, records.Question], sharpness_by_model: dict[str, Sharpness]
) -> None:
    """The losses of the models, and a sentence where they are not equal."""
    with st.container(horizontal=True, gap="small"):
        for name, one in sharpness_by_model.items():
            text = (
                f"{in_badge(name)}: {stored_questions[name].settings['split']} loss {one.loss:.4g}"
            )
            if one.facts.accuracy is not None:
                text += f", accuracy {one.facts.accuracy:.1%}"
            st.badge(text, icon=":material/center_focus_strong:", color="blue")
            checks.moved_parameters_badge(one.facts)
        if len(sharpness_by_model) > 1 and not unequal_losses(sharpness_by_model, settings.split):
            st.badge("equal loss", icon=":material/check:", color="green")
    if sentence := unequal_losses(sharpness_by_model, settings.split):
        st.warning(as_message(sentence), icon=":material/warning:")


def show_table(
    stored_questions: dict[str, records.Question], sharpness_by_model: dict[str, Sharpness]
) -> None:
    """A row for each measure: its value at each model, and whether it is invariant."""
    rows = [_row(measure, sharpness_by_model) for measure in measures_shown()]
    columns = {
        "Measure": st.column_config.TextColumn(pinned=True, width=215),
        **{name: st.column_config.TextColumn(width=155) for name in sharpness_by_model},
        "Invariant": st.column_config.TextColumn(
            width=95, help="Whether a rescaling of layers or neurons leaves it as it is."
        ),
    }
    st.dataframe(
        {name: [row[name] for row in rows] for name in rows[0]},
        column_config=columns,
        hide_index=True,
        height=35 * (len(rows) + 1) + 3,
        row_height=35,
    )
    st.caption(
        "≥: the best found of a maximum. ± or in brackets: a 95 % interval over draws or probes, "
        "or an eigenvalue's residual. The others are exact but for rounding. What each measures: "
        "see Definitions."
    )
    if len(sharpness_by_model) > 1:
        st.caption("#: rank of the model, #1 for the smallest value. Intervals may overlap.")
    for sentence, titles in _reasons_without_value(sharpness_by_model).items():
        st.caption(f"**{', '.join(titles)}**: {sentence}")
    export_numbers(stored_questions, sharpness_by_model)


def _row(measure: Measure, sharpness_by_model: dict[str, Sharpness]) -> dict[str, str]:
    from explorer.render.sharpness import value_text

    values_by_model = {name: one.of(measure.name) for name, one in sharpness_by_model.items()}
    places, values = ranks(values_by_model), {}
    for name, value in values_by_model.items():
        text = value_text(value.value, value.low, value.high) or (
            "…" if value.why == NOT_YET else "—"
        )
        values[name] = f"{text}  #{places[name]}" if name in places else text
    return {
        "Measure": measure.title,
        **values,
        "Invariant": INVARIANCE_WORDS.get(measure.invariant, "✓ by layers"),
    }


def show_definitions() -> None:
    """What each measure is, and where it is from."""
    st.table(
        {
            "Measure": [measure.title for measure in MEASURES_IN_READING_ORDER],
            "Definition": [as_message(measure.definition) for measure in MEASURES_IN_READING_ORDER],
            "Source": [measure.source for measure in MEASURES_IN_READING_ORDER],
        }
    )
    st.caption(
        "L is the mean loss, w the parameters, d a perturbation, g the gradient, H the Hessian."
    )


def show_measures_chart(
    stored_questions: dict[str, records.Question], sharpness_by_model: dict[str, Sharpness]
) -> None:
    """The values with their intervals."""
    from explorer.render.sharpness import draw

    look = SharpnessLook(width=charts.plot_width(titles_width()))
    chart = partial(draw, sharpness_by_model, look)
    description = f"Sharpness of {', '.join(sharpness_by_model)} by each measure"
    charts.show_chart(chart(), description)
    st.caption(
        "Bars are 95 % intervals; a triangle is a lower bound, the best found of a maximum. Values "
        "that are not above 0 have no place on this axis: see the table."
    )
    export_chart("sharpness", chart, stored_questions.values())


def titles_width() -> int:
    """The px beside a plot that the titles of its measures take."""
    return 30 + LETTER_WIDTH * max(len(measure.title) for measure in measures_shown())


def _reasons_without_value(sharpness_by_model: dict[str, Sharpness]) -> dict[str, list[str]]:
    """Why measures have no value: sentence -> their titles."""
    reasons: dict[str, list[str]] = {}
    for name, one in sharpness_by_model.items():
        for measure in measures_shown():
            why = one.of(measure.name).why
            if why and why != NOT_YET:
                title = (
                    f"{measure.title} of {as_text(name)}"
                    if len(sharpness_by_model) > 1
                    else measure.title
                )
                reasons.setdefault(why, []).append(title)
    return reasons


def show_rescaling(
    stored_questions: dict[str, records.Question], sharpness_by_model: dict[str, Sharpness]
) -> None:
    """Which pairs were rescaled, that outputs agree, and how far each measure moved."""
    from explorer.render.sharpness import draw

    for name, one in sharpness_by_model.items():
        rescaling_facts = one.facts.rescaling
        if rescaling_facts is None or not rescaling_facts.pairs:
            st.info(f"{as_text(name)}: this model has no pair of layers that can be rescaled.")
            continue
        with st.container(horizontal=True, gap="small"):
            st.badge(
                f"{in_badge(name)}: outputs agree to {rescaling_facts.gap:.1e}",
                icon=":material/check:",
                color="green",
                help=f"Rescaled: {as_message(rescaling_facts.pairs)}. Difference over the "
                "largest output.",
            )
            wrong = one.moved_measures(settings)
            st.badge(
                f"moved unexpectedly: {', '.join(wrong)}" if wrong else "the invariant ones stayed",
                icon=":material/warning:" if wrong else ":material/check:",
                color="orange" if wrong else "green",
                help="Within 1 % and the rounding of the losses.",
            )
    rescaled_models = {name: one for name, one in sharpness_by_model.items() if one.ratios}
    if rescaled_models:
        look = SharpnessLook(picture="ratios", width=charts.plot_width(titles_width()))
        chart = partial(draw, rescaled_models, look)
        description = f"Each measure of {', '.join(rescaled_models)} after rescaling over before"
        charts.show_chart(chart(), description)
        questions_drawn = [stored_questions[name] for name in rescaled_models]
        export_chart("sharpness-ratios", chart, questions_drawn)


def show_directions(
    stored_questions: dict[str, records.Question], sharpness_by_model: dict[str, Sharpness]
) -> None:
    """The loss along the worst direction of a measure."""
    from explorer.render.sharpness import draw

    names_by_title = {
        m.title: m.name for one in sharpness_by_model.values() for m in one.directions
    }
    if not names_by_title:
        st.caption("No worst direction is known yet.")
        return
    title = st.selectbox("Found by", list(names_by_title), width=320, key="direction-of")
    width = charts.plot_width()
    look = SharpnessLook(picture="direction", measure=names_by_title[title], width=width)
    chart = partial(draw, sharpness_by_model, look)
    charts.show_chart(chart(), f"Loss along the worst direction found by {title}")
    st.caption(
        "The loss of the problem itself, to one and a half lengths of the perturbation found, both "
        "ways."
    )
    export_chart("worst-direction", chart, stored_questions.values())


sides = parts.sides()
with sides.left:
    wishes, settings = choose()
    questions_by_name = asking.find_questions(catalog, wishes)
with sides.top:
    missing = asking.ask_button(app, questions_by_name, wishes)
with sides.right:
    parts.show_heading(f"Sharpness of {' and '.join(wishes)}")
    if len(wishes) == 1:
        (only,) = (wish.subjects[0][0] for wish in wishes.values())
        st.caption(parts.facts_line(only), help=parts.about_text(only))
    stored_questions = {
        name: question for name, question in questions_by_name.items() if question is not None
    }
    with st.container():
        if missing:
            st.info(
                f"Not computed yet for {joined_names(missing)}: {asking.PRESS_COMPUTE}.",
                icon=SHARPNESS.icon,
            )
            asking.offer_stored(app, missing)
    if stored_questions:
        asking.show_answers(app, stored_questions, show)
