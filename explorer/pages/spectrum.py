"""The spectrum of a matrix of second derivatives: choose, ask, see density, pairs, traces."""

from dataclasses import replace
from functools import partial
from typing import Any

import streamlit as st

from explorer.ask import questions
from explorer.kinds.matrix import MATRICES, MATRIX_WORDS, MOST_PROBES, SpectrumSettings
from explorer.kinds.spectrum import SPECTRUM, Spectrum
from explorer.pages import _asking as asking
from explorer.pages import _charts as charts
from explorer.pages import _checks as checks
from explorer.pages import _controls as controls
from explorer.pages import _parts as parts
from explorer.pages import _spectrum as words
from explorer.pages._export import export_chart
from explorer.pages._objective import choose_objective
from store import records

COMPARED = ("hessian", "gauss_newton", "empirical_fisher")
BESIDE = (*COMPARED, "fisher")  # drawn beside them where it is known: not every loss has one
MORE = 10  # probes that the button adds
EFFORT = {  # setting -> its label and what it is
    "top": ("Largest", "So many of the largest eigenvalues, with their residuals."),
    "bottom": ("Smallest", "So many of the smallest: the negative ones, if there are any."),
    "probes": ("Probes", "Random vectors of the density and the traces."),
    "steps": ("Steps each", "Of Lanczos: products with the matrix for each probe."),
    "batches": ("Mini-batches", "Whose largest eigenvalues are found one by one; 0: none."),
    "batch_examples": ("Batch size", "Examples of each mini-batch."),
    "trace_products": ("XTrace", "Products for the trace alone; 0: it is from the probes."),
    "seed": controls.SEED,
    "room": controls.ROOM,
    "tolerance": controls.TOLERANCE,
}

running = parts.start()
catalog = running.catalog


def choose() -> tuple[questions.Subject, SpectrumSettings]:
    """The point and what is asked about it, from the left column."""
    model = controls.choose_model(catalog)
    point = controls.choose_point(catalog, model)
    with st.expander("Objective", expanded=True):
        values = choose_objective(catalog.problem(model.problem_id), curvature=True)
    with st.expander("Matrix", expanded=True):
        values |= choose_matrix(model.facts.get("tensors", []))
    with st.expander("Pairs and probes", expanded=True):
        values |= choose_effort()
    return (model, point), controls.checked(SpectrumSettings, values)


def choose_matrix(tensors: list[dict[str, Any]]) -> dict[str, Any]:
    """Which matrix, and of which parameters, as settings."""
    controls.from_address("matrix", f"one of {', '.join(MATRICES)}", MATRICES.__contains__)
    matrix = st.selectbox(
        "Matrix",
        MATRICES,
        key="matrix",
        bind="query-params",
        help="gauss_newton: J' H J, with H the second derivatives of the loss by the outputs; "
        "empirical_fisher: mean of the outer products of each example's gradient; fisher: the same "
        "with labels that the model draws from its own prediction; scaled_hessian: each entry "
        "times the sizes of both its weights, which rescalings of a ReLU network do not change.",
    )
    values: dict[str, Any] = {"matrix": matrix}
    if matrix == "fisher":
        controls.from_address("labels", "a whole number", controls.is_whole)
        values["labels"] = st.number_input(
            "Labels drawn",
            value=1,
            step=1,
            key="labels",
            bind="query-params",
            help="For each label of the data, from the seed below. More come nearer to "
            "Gauss-Newton, and cost little.",
        )
    names = [row["name"] for row in tensors if row["role"] == "parameter"]
    if not names:
        return values
    controls.from_address("layer", f"one of {', '.join(names)}", ["", *names].__contains__)
    layer = st.selectbox(
        "Parameters",
        ["", *names],
        format_func=lambda name: name or "all",
        key="layer",
        bind="query-params",
        help="All, or the diagonal block of one tensor alone.",
    )
    return {**values, "layer": layer}


def choose_effort() -> dict[str, Any]:
    """How much is found out, as settings."""
    return controls.choose_numbers(SpectrumSettings(), EFFORT)


def more_button(settings: SpectrumSettings, subject: questions.Subject) -> None:
    """The way to more probes, which keeps all that is there."""
    if settings.probes + MORE > MOST_PROBES:
        return
    wanted = replace(settings, probes=settings.probes + MORE)

    def ask() -> None:
        st.session_state["probes"] = wanted.probes
        asking.Wish(SPECTRUM, wanted, (subject,)).ask(running)
        st.rerun()  # of the page: the number is in its left column

    st.button(
        f"{MORE} more probes",
        icon=":material/add:",
        on_click=ask,
        help="Continues: pairs, probes and mini-batches that are there are kept.",
    )


def show(known: dict[str, records.Question]) -> None:
    """The answer so far, top to bottom."""
    from explorer.pages import _spectrum_figures as figures

    own = MATRIX_WORDS[settings.matrix]
    if own not in known:
        return
    asked = known[own]
    results: dict[str, Spectrum] = {n: questions.result_of(catalog, q) for n, q in known.items()}
    spectrum = results[own]
    words.verdict(spectrum)
    look = figures.show_density(spectrum)
    words.badges(asked, spectrum)
    with st.container(horizontal=True, gap="small"):
        figures.export_density(spectrum_name(), asked, spectrum, look)
        if asked.status == "complete" and not spectrum.facts.get("dense"):
            more_button(settings, subject)
    if len(spectrum.eigenvalues[0]):
        figures.show_pairs(asked, spectrum)
    if spectrum.trace is not None:
        figures.show_traces(asked, spectrum)
    words.summary_table(spectrum)
    if len(spectrum.eigenvalues[0]):
        figures.show_escape(asked, spectrum)
    if settings.batches:
        figures.show_batches(asked, spectrum)
    if settings.matrix in BESIDE:
        show_comparison(known, results, look.log)
    checks.provenance(catalog, asked, spectrum)


def spectrum_name() -> str:
    """What is shown, in words."""
    word = MATRIX_WORDS[settings.matrix]
    of = f" of {settings.layer}" if settings.layer else ""
    return f"{word[:1].upper()}{word[1:]} spectrum{of}"


def show_comparison(
    known: dict[str, records.Question], results: dict[str, Spectrum], log: bool
) -> None:
    """Hessian, Gauss-Newton and Fisher matrices over each other, as far as they are stored."""
    from explorer.render.spectrum import DensityStyle, compare

    st.subheader("Hessian, Gauss-Newton, Fisher", anchor=False)
    drawn = {name: found for name, found in results.items() if found.ends is not None}
    if len(drawn) > 1:
        chart = partial(
            compare, drawn, DensityStyle(log=log, spikes=False, width=charts.plot_width())
        )
        charts.show_chart(chart(), f"Densities of eigenvalues of {', '.join(drawn)}")
        export_chart("matrices", chart, [known[name] for name in drawn])
    absent = {n: others[n] for n in COMPARED if MATRIX_WORDS[n] not in results}
    if not absent:
        return
    names = " and ".join(MATRIX_WORDS[n] for n in absent)
    if st.button(f"Compute {names}", icon=":material/play_arrow:", key="ask-others"):
        for wish in absent.values():
            wish.ask(running)
        st.rerun()
    st.caption("With the same settings; they are drawn over each other here.")


sides = parts.sides()
with sides.left:
    subject, settings = choose()
    compared = BESIDE if settings.matrix in BESIDE else (settings.matrix,)
    others = {
        name: asking.Wish(SPECTRUM, replace(settings, matrix=name), (subject,)) for name in compared
    }
    asked = asking.found(catalog, others)
with sides.top:
    own = settings.matrix
    missing = asking.ask_button(running, {own: asked[own]}, {own: others[own]})
with sides.right:
    parts.heading(f"{spectrum_name()} of {subject[0].name}")
    st.caption(parts.facts_line(subject[0]), help=parts.about(subject[0]))
    known = {MATRIX_WORDS[n]: question for n, question in asked.items() if question is not None}
    with st.container():
        if asked[settings.matrix] is None:
            st.info(
                f"This spectrum has not been computed yet: {asking.PRESS}.",
                icon=SPECTRUM.icon,
            )
            asking.offer_stored(running, missing)
    if known:
        asking.answered(running, known, show)
