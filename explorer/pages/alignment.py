"""One model's channels permuted to match another's: choose both, ask, see what is left between."""

from collections.abc import Mapping
from dataclasses import replace
from functools import partial

import streamlit as st

from explorer.ask import questions
from explorer.ask.subject_names import subject_names
from explorer.ask.subjects import point_text
from explorer.contracts.facts import ProblemFacts
from explorer.kinds import KINDS, Kind
from explorer.kinds.alignment import ALIGNMENT, ALIGNMENT_PICTURES, AlignmentLook
from explorer.kinds.alignment_result import Alignment
from explorer.kinds.alignment_settings import AlignmentSettings
from explorer.pages import _asking as asking
from explorer.pages import _charts as charts
from explorer.pages import _forms as forms
from explorer.pages import _parts as parts
from explorer.pages._alignment_tables import (
    show_fixed_axes,
    show_groups,
    show_searches,
    verdict,
)
from explorer.pages._export import export_line
from explorer.pages._links import Link, Subjects, kind_link, parameter_names, show_link
from explorer.pages._objective import choose_objective
from explorer.pages._offers import offer_stored
from explorer.pages._pairs import ChosenPoint, choose_pair
from explorer.pages._provenance import show_provenance
from explorer.pages._terms import cited, term_help
from explorer.pages._text import as_text
from store import Catalog, records

SEARCH_NAMES = ("restarts", "seed")
PICTURE_WORDS = {"tensors": "Tensors", "searches": "Searches", "places": "Permutation"}
EXPLANATIONS = {
    "tensors": "Each tensor's distance between the two models: grey, as they are; blue, after the "
    "best search. Biases and norms count as weights do.",
    "searches": "Distance to the fixed model where each search ended; dashed: before. Blue are the "
    "searches that ended at the best one's permutation.",
    "places": "A square for each group of channels that may change places: each mark is a channel "
    "of the moved model (down) at its place in the copy (across). On the diagonal are those that "
    "stayed.",
}


def choose(catalog: Catalog) -> tuple[ChosenPoint, ChosenPoint, AlignmentSettings]:
    """Both models and the settings, from the left column."""
    first, second = choose_pair(catalog, ALIGNMENT, from_start=False)
    with st.expander("Search", expanded=True):
        values: forms.Values = {"method": forms.choose(AlignmentSettings, "method", menu=True)}
        values |= forms.choose_all(AlignmentSettings, SEARCH_NAMES)
    problem = catalog.problem(first.model.problem_id)
    with st.expander("Objective"):
        usual = "recalibrated" if ProblemFacts.of(problem.facts).has_batchnorm else None
        values |= choose_objective(AlignmentSettings, problem, batchnorm=usual)
    return first, second, forms.checked_settings(AlignmentSettings, values)


def show(
    catalog: Catalog,
    pair: tuple[ChosenPoint, ChosenPoint],
    stored_questions: Mapping[str, records.Question],
) -> None:
    """What came of it so far: in words, a picture and tables."""
    from explorer.render.alignment import draw

    (question,) = stored_questions.values()
    alignment = questions.result_as(catalog, question, Alignment)
    st.markdown(verdict(alignment), help=term_help("aligned_distance", "log10_permutations"))
    words = list(PICTURE_WORDS.values())
    chosen = forms.choose_one_of("Picture", words, "picture")
    picture = ALIGNMENT_PICTURES[words.index(chosen)]
    width = charts.plot_width(beside=250 if picture == "tensors" else charts.AXIS_WIDTH, most=900)
    look = AlignmentLook(picture=picture, width=width)
    if picture == "places":
        look = replace(look, width=min(width, 640))
    chart = partial(draw, alignment, look, subject_names(catalog, question))
    fixed, moved = (point.words for point in pair)
    charts.show_chart(chart(), f"{chosen} of the alignment of {moved} with {fixed}")
    st.caption(EXPLANATIONS[picture])
    if picture == "places":
        places_note(alignment)
    show_copies(catalog, question, alignment, pair)
    export_line({"": question}, {"": alignment}, chart)
    st.subheader("Searches", anchor=False)
    show_searches(alignment, ProblemFacts.of(catalog.problem(question.problem_id).facts).metrics)
    st.subheader("What may change places", anchor=False)
    show_groups(alignment)
    show_fixed_axes(alignment)
    show_provenance(catalog, question, alignment.facts)


def places_note(alignment: Alignment) -> None:
    """What of a permutation is not drawn."""
    from explorer.render.alignment import place_rows

    rows, _ = place_rows(alignment)
    stored = alignment.facts.places.get(-1 if alignment.best is None else alignment.best, ())
    count = sum(map(len, stored))
    if alignment.best is not None and not stored:
        st.caption("This permutation is too long to be kept beside its copy; the copy has it.")
    elif len(rows) < count:
        st.caption(f"Drawn are the first {len(rows):,} of {count:,} channels, group by group.")


def show_copies(
    catalog: Catalog,
    question: records.Question,
    alignment: Alignment,
    pair: tuple[ChosenPoint, ChosenPoint],
) -> None:
    """The way to analyses of a permuted copy, alone and beside the fixed model."""
    copies = {point_text(p): p for p in catalog.answer_points(key=question.key)}
    if not copies:
        return
    best = next((n for n, p in copies.items() if p.unit == alignment.best), next(iter(copies)))
    fixed_step = str(Subjects(catalog).step(pair[0].model.id, pair[0].point))
    with st.container(horizontal=True, vertical_alignment="bottom", gap="small"):
        names = list(copies)
        chosen = st.selectbox("Analyse the", names, index=names.index(best), key="copy", width=300)
        kinds = [kind for kind in KINDS if kind.own_page and not kind.whole_run]
        for kind in kinds:
            if len(kind.subjects) == 2 and not kind.own_second:
                _pair_link(kind, pair, fixed_step, chosen)
        for kind in kinds:
            if len(kind.subjects) == 1 or kind.own_second:
                kind_link(kind, f"{kind.title} here", pair[1].label, step=chosen)


def _pair_link(
    kind: Kind, pair: tuple[ChosenPoint, ChosenPoint], fixed_step: str, copy: str
) -> None:
    """The way to what a kind can ask about the fixed model and a copy."""
    if kind is ALIGNMENT:
        return
    fixed, moved = pair
    names = parameter_names(kind, kind.settings())
    places = zip(names, (fixed.label, moved.label), (fixed_step, copy), strict=False)
    parameters: dict[str, str | list[str]] = {}
    for (name, step_name), label, step in places:
        parameters |= {name: label, step_name: step}
    words = f"{kind.title}: {as_text(fixed.words)} {kind.joined} the copy"
    show_link(Link(kind, "", parameters), words)


app = parts.start_page()
sides = parts.sides()
with sides.left:
    first, second, settings = choose(app.catalog)
    wish = asking.WantedQuestion(ALIGNMENT, settings, (first.subject, second.subject))
    same_twice = settings.matches and first.point == second.point
    stored_question = None if same_twice else asking.find_questions(app.catalog, {"": wish})[""]
with sides.top:
    missing = {} if same_twice else asking.ask_button(app, {"": stored_question}, {"": wish})
with sides.right:
    parts.show_heading(f"Alignment of {second.words} with {first.words}")
    st.caption(
        cited(
            "Channels that are alike may change places without any change of the function. "
            "Permuting one model's until they match another's shows how much of the distance "
            "between both is no more than that (Entezari et al. 2022; Ainsworth et al. 2023)."
        )
    )
    if same_twice:
        st.info("Both are the same model: choose another, or the method random.")
    elif stored_question is None:
        st.info(f"Not computed yet: {asking.PRESS_COMPUTE}.", icon=ALIGNMENT.icon)
        offer_stored(app, missing)
    else:
        show_pair = partial(show, app.catalog, (first, second))
        asking.show_answers(app, {"": stored_question}, show_pair)
