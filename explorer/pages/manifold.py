"""The solution manifold through a point: choose, ask, see its dimension and a walk along it."""

import math
from collections.abc import Mapping
from functools import partial

import streamlit as st

from explorer.ask import questions
from explorer.ask.subject_names import subject_names
from explorer.contracts.facts import ModelFacts
from explorer.kinds.manifold import MANIFOLD, ManifoldLook
from explorer.kinds.manifold_result import KEPT_TARGETS, Manifold
from explorer.kinds.manifold_settings import MOST_PARAMETERS, ManifoldSettings
from explorer.pages import _asking as asking
from explorer.pages import _charts as charts
from explorer.pages import _checks as checks
from explorer.pages import _controls as controls
from explorer.pages import _forms as forms
from explorer.pages._brought import show_brought_points
from explorer.pages._ending import show_ending
from explorer.pages._objective import choose_objective
from explorer.pages._one_question import show_page
from explorer.pages._stopping import stop_page
from explorer.pages._terms import cited, term_help
from explorer.render.marks.ticks import number_text
from store import Catalog, records

WALK_NAMES = ("steps", "step_length", "seed", "most_loss")
EXACTNESS_NAMES = ("target", "rank_tolerance", "zero_tolerance")


def choose(catalog: Catalog) -> asking.WantedQuestion:
    """The point and what is asked about it, from the left column."""
    model = controls.choose_model(catalog)
    point = controls.choose_point(catalog, model)
    count = ModelFacts.of(model.facts).parameters or 0
    if count > MOST_PARAMETERS:
        stop_page(
            f"This model has {count:,} parameters: a walk takes the whole Jacobian, up to "
            f"{MOST_PARAMETERS:,}. Choose a smaller model, or see on its spectrum how dense "
            "eigenvalues are at 0.",
            error=False,
            heading=MANIFOLD.title,
        )
    with st.expander("Objective", expanded=True):
        values = choose_objective(ManifoldSettings, catalog.problem(model.problem_id))
    with st.expander("Walk", expanded=True):
        values |= forms.choose_all(ManifoldSettings, WALK_NAMES)
    with st.expander("Exactness"):
        values |= forms.choose_all(ManifoldSettings, EXACTNESS_NAMES)
    settings = forms.checked_settings(ManifoldSettings, values)
    return asking.WantedQuestion(MANIFOLD, settings, ((model, point),))


def show(catalog: Catalog, stored_questions: Mapping[str, records.Question]) -> None:
    """The walk so far, in words and curves, and where it comes from."""
    from explorer.render.manifold import draw

    (question,) = stored_questions.values()
    walk = questions.result_as(catalog, question, Manifold)
    names = subject_names(catalog, question)
    show_dimensions(walk)
    log = controls.choose_scale(log=True)
    width = charts.plot_width()
    chart = partial(draw, walk, ManifoldLook(log=log, width=width), names)
    words = f"Loss, distance and zero modes along a walk from {names[0].text}"
    charts.show_chart(chart(), words, walk.values["loss"])
    explain(walk)
    checks.show_badges(question, walk)
    show_brought_points(catalog, question)
    show_ending(catalog, {"": question}, {"": walk}, chart)


def show_dimensions(walk: Manifold) -> None:
    """Parameters, constraints, and what they leave, expected and found."""
    if not walk.computed[0]:
        return
    facts = walk.facts
    dimension = f"{walk.dimensions[0]:,.0f}"
    zeros = walk.values["zero_modes"][0]
    numbers = {
        "parameters": (f"{facts.parameters:,}", None),
        "constraints": (f"{facts.constraints:,}", "One for each output of each example."),
        "dimension expected": (f"{walk.expected_dimension:,}", term_help("expected_dimension")),
        "dimension found": (dimension, term_help("manifold_dimension", "jacobian_rank")),
        "zero modes": (f"{zeros:,.0f}", term_help("zero_modes")),
    }
    with st.container(horizontal=True, gap="medium"):
        for name, (value, help) in numbers.items():
            st.metric(name.capitalize(), value, help=help, width="content")
    if facts.constraints >= facts.parameters:
        st.info(
            "There are at least as many constraints as parameters, so that dimension 0 is "
            "expected: what is found more comes from symmetries, or examples that are alike."
        )


def explain(walk: Manifold) -> None:
    """What is kept on the walk, how sure its dimension is, and why it ended."""
    facts = walk.facts
    if facts.ended:
        st.warning(f"The walk ended early: {facts.ended}.", icon=":material/block:")
    if facts.kept == KEPT_TARGETS:
        kept = "The walk keeps all outputs at their targets, where the loss is 0 (Cooper 2018)."
    else:
        loss = number_text(facts.start_loss or 0.0, 3)
        kept = (
            f"The walk keeps all outputs, and so the loss of {loss}. No finite point has zero loss "
            "where it is a cross-entropy, which only tends to 0 as weights grow; and where the "
            "gradient is not 0, the Hessian need not be 0 along the walk."
        )
    sentences = [kept, _gap_text(walk)]
    if walk.computed.any():
        norm = facts.parameters_norm or 1.0
        away = walk.numbers["walk_distance"].value
        sentences.append(
            f"It came {number_text(away, 3)} away, {away / norm:.0%} of the parameters' norm."
        )
    st.caption(cited(" ".join(sentences)), help=term_help("walk_loss", "walk_distance"))


def _gap_text(walk: Manifold) -> str:
    """How far the singular values that count stand above those that do not."""
    tolerance = number_text(walk.settings.rank_tolerance, 2)
    if math.isinf(walk.gap):
        return (
            f"At the start no singular value is below {tolerance} of the largest but exact zeros."
        )
    return (
        f"At the start the last singular value that counts is {number_text(walk.gap, 2)} times the "
        f"next one; those below {tolerance} of the largest count as 0."
    )


show_page("Solution manifold", choose, show)
