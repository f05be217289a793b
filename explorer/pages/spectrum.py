"""The spectrum of a matrix of second derivatives: choose, ask, see density, pairs, traces."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial

import streamlit as st

from explorer.ask import questions
from explorer.ask.subjects import Subject
from explorer.contracts.facts import ModelFacts, TensorFacts
from explorer.kinds.curvature_settings import MOST_PROBES
from explorer.kinds.matrix import MATRIX_WORDS, SpectrumSettings
from explorer.kinds.spectrum import SPECTRUM, SpectrumLook
from explorer.kinds.spectrum_result import Spectrum
from explorer.pages import _asking as asking
from explorer.pages import _charts as charts
from explorer.pages import _controls as controls
from explorer.pages import _forms as forms
from explorer.pages import _parts as parts
from explorer.pages import _spectrum as words
from explorer.pages._export import export_chart
from explorer.pages._facts import about_text, facts_line
from explorer.pages._objective import choose_objective
from explorer.pages._offers import offer_stored
from explorer.pages._provenance import show_provenance
from explorer.pages._running import AppState
from store import Catalog, records

COMPARED = ("hessian", "gauss_newton", "empirical_fisher")
DRAWN_TOGETHER = (
    *COMPARED,
    "fisher",
)  # drawn beside them where it is known: not every loss has one
MORE_PROBES = 10  # probes that the button adds
EFFORT_NAMES = (
    "top",
    "bottom",
    "probes",
    "steps",
    "batches",
    "batch_examples",
    "trace_products",
    "seed",
    "room",
    "tolerance",
)


def choose(catalog: Catalog) -> tuple[Subject, SpectrumSettings]:
    """The point and what is asked about it, from the left column."""
    model = controls.choose_model(catalog)
    point = controls.choose_point(catalog, model)
    with st.expander("Objective", expanded=True):
        values = choose_objective(SpectrumSettings, catalog.problem(model.problem_id))
    with st.expander("Matrix", expanded=True):
        values |= choose_matrix(ModelFacts.of(model.facts).tensors)
    with st.expander("Pairs and probes", expanded=True):
        values |= forms.choose_all(SpectrumSettings, EFFORT_NAMES)
    if values["matrix"] == "hessian":
        with st.expander("Beside the Hessian"):
            values["fisher_gap"] = forms.choose(SpectrumSettings, "fisher_gap", menu=True)
            values["covariance"] = forms.choose(SpectrumSettings, "covariance")
    return (model, point), forms.checked_settings(SpectrumSettings, values)


def choose_matrix(tensors: Sequence[TensorFacts]) -> forms.Values:
    """Which matrix, and of which parameters, as settings."""
    values: forms.Values = {"matrix": forms.choose(SpectrumSettings, "matrix", menu=True)}
    if values["matrix"] == "fisher":
        values["labels"] = forms.choose(SpectrumSettings, "labels")
    names = [tensor.name for tensor in tensors if tensor.role == "parameter"]
    if names:
        values["layer"] = forms.choose(SpectrumSettings, "layer", options=["", *names], menu=True)
    return values


def more_button(app: AppState, wish: asking.WantedQuestion, settings: SpectrumSettings) -> None:
    """The way to more probes, which keeps all that is there."""
    if settings.probes + MORE_PROBES > MOST_PROBES:
        return
    more = replace(settings, probes=settings.probes + MORE_PROBES)

    def ask() -> None:
        st.session_state["probes"] = more.probes
        replace(wish, settings=more).ask(app)
        st.rerun()  # of the page: the number is in its left column

    st.button(
        f"{MORE_PROBES} more probes",
        icon=":material/add:",
        on_click=ask,
        help="Continues: pairs, probes and mini-batches that are there are kept.",
    )


def show(
    app: AppState,
    settings: SpectrumSettings,
    wishes: Mapping[str, asking.WantedQuestion],
    stored_questions: Mapping[str, records.Question],
) -> None:
    """The answer so far, top to bottom.

    Args:
        app: the process-wide objects.
        settings: of the matrix that is shown.
        wishes: that one and those it is compared with, by the matrices' names.
        stored_questions: what is stored of them, by the matrices' words.
    """
    from explorer.pages import _spectrum_figures as figures
    from explorer.pages import _spectrum_fisher as fisher

    own = MATRIX_WORDS[settings.matrix]
    if own not in stored_questions:
        return
    question = stored_questions[own]
    results: dict[str, Spectrum] = {
        n: questions.result_as(app.catalog, q, Spectrum) for n, q in stored_questions.items()
    }
    spectrum = results[own]
    words.show_verdict(spectrum)
    fisher.show_signs(spectrum)
    look = figures.show_density(spectrum)
    words.show_spectrum_badges(question, spectrum)
    with st.container(horizontal=True, gap="small"):
        figures.export_density(spectrum_name(settings), question, spectrum, look)
        if question.status == "complete" and not spectrum.facts.dense:
            more_button(app, wishes[settings.matrix], settings)
    if len(spectrum.eigenvalues[0]):
        figures.show_pairs(question, spectrum)
    if spectrum.trace is not None:
        figures.show_traces(question, spectrum)
    words.show_summary_table(spectrum)
    if len(spectrum.eigenvalues[0]):
        figures.show_escape(question, spectrum)
        fisher.show_escape_points(app.catalog, question)
    fisher.show_comparisons(question, spectrum)
    if settings.batches:
        figures.show_batches(question, spectrum)
    if settings.matrix in DRAWN_TOGETHER:
        show_comparison(stored_questions, results, look.log)
        ask_for_others(app, {n: wishes[n] for n in COMPARED if MATRIX_WORDS[n] not in results})
    show_provenance(app.catalog, question, spectrum.facts)


def spectrum_name(settings: SpectrumSettings) -> str:
    """What is shown, in words."""
    word = MATRIX_WORDS[settings.matrix]
    of = f" of {settings.layer}" if settings.layer else ""
    return f"{word[:1].upper()}{word[1:]} spectrum{of}"


def show_comparison(
    stored_questions: Mapping[str, records.Question], results: Mapping[str, Spectrum], log: bool
) -> None:
    """Hessian, Gauss-Newton and Fisher matrices over each other, as far as they are stored."""
    from explorer.render.spectrum import draw

    st.subheader("Hessian, Gauss-Newton, Fisher", anchor=False)
    spectra_drawn = {
        name: spectrum for name, spectrum in results.items() if spectrum.ends is not None
    }
    if len(spectra_drawn) > 1:
        look = SpectrumLook(log=log, spikes=False, width=charts.plot_width())
        chart = partial(draw, spectra_drawn, look)
        charts.show_chart(chart(), f"Densities of eigenvalues of {', '.join(spectra_drawn)}")
        export_chart("matrices", chart, [stored_questions[name] for name in spectra_drawn])


def ask_for_others(app: AppState, absent: Mapping[str, asking.WantedQuestion]) -> None:
    """The way to the matrices that are not stored, by their names; nothing where all are."""
    if not absent:
        return
    names = " and ".join(MATRIX_WORDS[n] for n in absent)
    if st.button(f"Compute {names}", icon=":material/play_arrow:", key="ask-others"):
        for wish in absent.values():
            wish.ask(app)
        st.rerun()
    st.caption("With the same settings; they are drawn over each other here.")


app = parts.start_page()
sides = parts.sides()
with sides.left:
    subject, settings = choose(app.catalog)
    compared = DRAWN_TOGETHER if settings.matrix in DRAWN_TOGETHER else (settings.matrix,)
    wishes = {
        name: asking.WantedQuestion(SPECTRUM, replace(settings, matrix=name), (subject,))
        for name in compared
    }
    questions_by_name = asking.find_questions(app.catalog, wishes)
with sides.top:
    own = settings.matrix
    missing = asking.ask_button(app, {own: questions_by_name[own]}, {own: wishes[own]})
with sides.right:
    parts.show_heading(f"{spectrum_name(settings)} of {subject[0].name}")
    st.caption(facts_line(subject[0]), help=about_text(subject[0]))
    stored_questions = {
        MATRIX_WORDS[n]: question
        for n, question in questions_by_name.items()
        if question is not None
    }
    with st.container():
        if questions_by_name[settings.matrix] is None:
            st.info(
                f"This spectrum has not been computed yet: {asking.PRESS_COMPUTE}.",
                icon=SPECTRUM.icon,
            )
            offer_stored(app, missing)
    if stored_questions:
        asking.show_answers(app, stored_questions, partial(show, app, settings, wishes))
