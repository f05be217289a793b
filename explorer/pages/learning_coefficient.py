"""The local learning coefficient of a point: choose, ask, see its estimate and its chains."""

from collections.abc import Mapping
from functools import partial

import streamlit as st

from explorer.ask import questions
from explorer.ask.subject_names import subject_names
from explorer.kinds.learning_coefficient import LEARNING_COEFFICIENT, LearningCoefficientLook
from explorer.kinds.learning_coefficient_result import LearningCoefficient
from explorer.kinds.learning_coefficient_settings import LearningCoefficientSettings
from explorer.kinds.mixing import FEWEST_DRAWS, MIXED
from explorer.pages import _asking as asking
from explorer.pages import _charts as charts
from explorer.pages import _checks as checks
from explorer.pages import _controls as controls
from explorer.pages import _forms as forms
from explorer.pages._ending import show_ending
from explorer.pages._objective import choose_objective
from explorer.pages._one_question import show_page
from explorer.pages._terms import cited, term_help
from explorer.render.marks.ticks import number_text
from explorer.wording import counted
from store import Catalog, records

DENSITY_NAMES = ("localisation", "temperature")
CHAIN_NAMES = (
    "chains",
    "draws",
    "burn_in",
    "steps_per_draw",
    "step_size",
    "batch_examples",
    "seed",
)
DIGITS = 4


def choose(catalog: Catalog) -> asking.WantedQuestion:
    """The point and how it is sampled about, from the left column."""
    model = controls.choose_model(catalog)
    point = controls.choose_point(catalog, model)
    with st.expander("Objective", expanded=True):
        values = choose_objective(LearningCoefficientSettings, catalog.problem(model.problem_id))
    with st.expander("Density", expanded=True):
        values |= forms.choose_all(LearningCoefficientSettings, DENSITY_NAMES)
    with st.expander("Chains", expanded=True):
        values |= forms.choose_all(LearningCoefficientSettings, CHAIN_NAMES)
    settings = forms.checked_settings(LearningCoefficientSettings, values)
    return asking.WantedQuestion(LEARNING_COEFFICIENT, settings, ((model, point),))


def show(catalog: Catalog, stored_questions: Mapping[str, records.Question]) -> None:
    """The chains so far, in numbers and curves, and where they come from."""
    from explorer.render.learning_coefficient import draw

    (question,) = stored_questions.values()
    result = questions.result_as(catalog, question, LearningCoefficient)
    names = subject_names(catalog, question)
    show_numbers(result)
    warn(result)
    chart = partial(draw, result, LearningCoefficientLook(width=charts.plot_width()), names)
    if len(result.chains):
        words = f"Estimate, losses and distances of chains about {names[0].text}"
        charts.show_chart(chart(), words, result.values["loss"][result.chains])
    explain(result)
    checks.show_badges(question, result, partial(mixing_badge, result))
    show_ending(catalog, {"": question}, {"": result}, chart)


def show_numbers(result: LearningCoefficient) -> None:
    """The estimate with its interval, each chain's, and R-hat."""
    estimate = result.estimate
    if estimate is None:
        return
    low, high = (number_text(end, DIGITS) for end in (estimate.low, estimate.high))
    with st.container(horizontal=True, gap="medium"):
        st.metric(
            "Learning coefficient",
            number_text(estimate.value, DIGITS),
            help=term_help("learning_coefficient"),
            width="content",
        )
        if estimate.probes > 1:
            st.metric("95 % interval", f"{low} to {high}", width="content")
        st.metric(
            "R-hat", number_text(result.r_hat, DIGITS), help=term_help("r_hat"), width="content"
        )


def warn(result: LearningCoefficient) -> None:
    """What is wrong with the chains, a sentence each."""
    if diverged := result.diverged:
        st.warning(
            f"{counted(len(diverged), 'chain')} of {len(result.chains)} diverged, the first at "
            f"draw {min(diverged.values()) + 1:,}, so that there is no estimate: choose a smaller "
            "step size.",
            icon=":material/warning:",
        )
    if result.r_hat > MIXED:
        st.warning(
            f"The chains do not mix, or all still move away: R-hat is "
            f"{number_text(result.r_hat, 3)}, above {MIXED:g}; choose more draws and burn-in, "
            "longer steps, or a stronger localisation.",
            icon=":material/warning:",
        )
    estimate = result.estimate
    if estimate is not None and estimate.value < 0:
        st.warning(
            "The estimate is below 0: the chains met a lower loss than the point has, which is no "
            "minimum at their scale; train further, or localise more.",
            icon=":material/warning:",
        )


def explain(result: LearningCoefficient) -> None:
    """What the number says, and how it is biased."""
    count = f"{result.facts.examples:,} examples" if result.facts.examples else "the examples"
    scale = f" (n β = {number_text(result.scale, DIGITS)})" if result.facts.examples else ""
    half = result.facts.parameters / 2
    at_most = f", here {number_text(half, 6)}," if half else ""
    sentences = (
        f"Half of the number of parameters{at_most} for a minimum with no flat direction, less "
        "where the loss is degenerate (Lau et al. 2023).",
        f"It is defined for infinitely many examples; by {count}{scale} and with a localisation γ "
        "it is biased: of eigenvalues a it counts n β a / (n β a + γ) for 1 each, halved, so that "
        "those far below γ / (n β) count nothing.",
        "A step size ε adds a share of about ε (n β a + γ) / 4, and chains diverge where that "
        "reaches 1; noise of mini-batches adds to that of the chains, more so with small batches.",
    )
    st.caption(cited(" ".join(sentences)), help=term_help("learning_coefficient"))


def mixing_badge(result: LearningCoefficient) -> None:
    """Whether the chains agree."""
    if not len(result.chains) or result.diverged:
        return
    if result.settings.draws < FEWEST_DRAWS:
        st.badge(f"R-hat needs {FEWEST_DRAWS} draws", icon=":material/help:", color="gray")
        return
    mixes = result.r_hat <= MIXED
    st.badge(
        "chains mix" if mixes else "chains do not mix",
        icon=":material/check:" if mixes else ":material/warning:",
        color="green" if mixes else "orange",
        help=f"R-hat is {number_text(result.r_hat, DIGITS)}; up to {MIXED:g} is "
        "taken for mixing (Vehtari et al. 2021 advise 1.01 for long chains).",
    )


show_page("Learning coefficient", choose, show)
