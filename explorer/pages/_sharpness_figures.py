"""The figures of sharpness with their controls: values, rescaling, worst directions."""

from functools import partial

import streamlit as st

from explorer.kinds.sharpness import SharpnessLook
from explorer.pages import _charts as charts
from explorer.pages._export import export_chart
from explorer.pages._sharpness import Answers, show_rescaling_badges
from explorer.render.sharpness import draw

LETTER_WIDTH = 7  # px of a letter of a measure's title, at most


def show_values(answers: Answers) -> None:
    """The values of the measures with their intervals."""
    look = SharpnessLook(width=charts.plot_width(_titles_width(answers)))
    chart = partial(draw, answers.results, look)
    charts.show_chart(chart(), f"Sharpness of {', '.join(answers.results)} by each measure")
    st.caption(
        "Bars are 95 % intervals; a triangle is a lower bound, the best found of a maximum. Values "
        "that are not above 0 have no place on this axis: see the table."
    )
    export_chart("sharpness", chart, answers.questions.values())


def show_rescaling(answers: Answers) -> None:
    """Which pairs were rescaled, that outputs agree, and how far each measure moved."""
    for name, one in answers.results.items():
        show_rescaling_badges(name, one, answers.settings)
    rescaled_models = {name: one for name, one in answers.results.items() if one.ratios}
    if rescaled_models:
        width = charts.plot_width(_titles_width(answers))
        chart = partial(draw, rescaled_models, SharpnessLook(picture="ratios", width=width))
        description = f"Each measure of {', '.join(rescaled_models)} after rescaling over before"
        charts.show_chart(chart(), description)
        questions_drawn = [answers.questions[name] for name in rescaled_models]
        export_chart("sharpness-ratios", chart, questions_drawn)


def _titles_width(answers: Answers) -> int:
    """The px beside a plot that the titles of its measures take."""
    return 30 + LETTER_WIDTH * max(len(measure.title) for measure in answers.measures)


def show_directions(answers: Answers) -> None:
    """The loss along the worst direction of a measure."""
    names_by_title = {m.title: m.name for one in answers.results.values() for m in one.directions}
    if not names_by_title:
        st.caption("No worst direction is known yet.")
        return
    title = st.selectbox("Found by", list(names_by_title), width=320, key="direction-of")
    width = charts.plot_width()
    look = SharpnessLook(picture="direction", measure=names_by_title[title], width=width)
    chart = partial(draw, answers.results, look)
    charts.show_chart(chart(), f"Loss along the worst direction found by {title}")
    st.caption(
        "The loss of the problem itself, to one and a half lengths of the perturbation found, both "
        "ways."
    )
    export_chart("worst-direction", chart, answers.questions.values())
