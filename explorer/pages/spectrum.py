"""The spectrum of a matrix of second derivatives: choose, ask, see density, pairs, traces."""

from dataclasses import replace
from functools import partial
from typing import Any

import streamlit as st

from explorer.jobs import desk
from explorer.kinds.random_matrices import NAMES
from explorer.kinds.spectrum import (
    MATRICES,
    MATRIX_WORDS,
    MOST_PROBES,
    SPECTRUM,
    WIDTH,
    Role,
    Spectrum,
    SpectrumSettings,
)
from explorer.pages import _asking as asking
from explorer.pages import _checks as checks
from explorer.pages import _controls as controls
from explorer.pages import _parts as parts
from explorer.pages import _planes as planes
from explorer.pages import _spectrum as words
from explorer.pages._export import export_chart, export_line
from store import records

COMPARED = ("hessian", "gauss_newton", "empirical_fisher")
BESIDE = (*COMPARED, "fisher")  # drawn beside them where it is known: not every loss has one
MORE = 10  # probes that the button adds

running = parts.start()
catalog = running.catalog


def choose() -> tuple[desk.Subject, SpectrumSettings]:
    """The point and what is asked about it, from the left column."""
    model = controls.choose_model(catalog)
    point = controls.choose_point(catalog, model)
    with st.expander("Objective", expanded=True):
        values = controls.choose_objective(
            catalog.problem(model.problem_id), precisions=("float32", "float64")
        )
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
        "with labels that the model draws from its own prediction; scaled_hessian: "
        "times the size of both weights, which rescalings of a ReLU network do not change.",
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
    usual, values = SpectrumSettings(), {}
    fields = (
        ("top", "Largest", "eigenvalues with their vectors' residuals"),
        ("bottom", "Smallest", "the negative ones, if there are any"),
        ("probes", "Probes", "random vectors of the density and the traces"),
        ("steps", "Steps each", "of Lanczos: products with the matrix"),
        ("batches", "Mini-batches", "whose largest eigenvalues are found one by one; 0: none"),
        ("batch_examples", "Batch size", "counts beside mini-batches"),
        (
            "trace_products",
            "XTrace",
            "products for the trace alone; 0: it is from the probes",
        ),
        ("seed", "Seed", "of the random vectors and mini-batches"),
        ("room", "Search steps", "of Lanczos for the pairs, at most; as many vectors are held"),
    )
    for place, (name, label, help) in enumerate(fields):
        if place % 2 == 0:
            columns = st.columns(2, gap="xsmall")
        controls.from_address(name, "a whole number", controls.is_whole)
        values[name] = columns[place % 2].number_input(
            label, value=getattr(usual, name), step=1, key=name, bind="query-params", help=help
        )
    controls.from_address("tolerance", "a number", controls.is_finite)
    values["tolerance"] = columns[1].number_input(
        "Tolerance",
        value=usual.tolerance,
        format="%.1e",
        step=1e-4,
        key="tolerance",
        bind="query-params",
        help="of a residual, as a share of the largest absolute eigenvalue",
    )
    return values


def more_button(settings: SpectrumSettings, subject: desk.Subject) -> None:
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
    if settings.matrix not in known:
        return
    asked = known[settings.matrix]
    results: dict[str, Spectrum] = {n: desk.result_of(catalog, q) for n, q in known.items()}
    spectrum = results[settings.matrix]
    words.verdict(spectrum)
    show_density(asked, spectrum)
    words.badges(asked, spectrum)
    with st.container(horizontal=True, gap="small"):
        if asked.status == "complete" and not spectrum.facts.get("dense"):
            more_button(settings, subject)
    if len(spectrum.eigenvalues[0]):
        show_pairs(spectrum)
    if spectrum.trace is not None:
        show_traces(spectrum)
    words.summary_table(spectrum)
    if len(spectrum.eigenvalues[0]):
        show_escape(spectrum)
    if settings.batches:
        show_batches(spectrum)
    if settings.matrix in BESIDE:
        show_comparison(results)
    checks.provenance(catalog, asked, spectrum)


def show_density(asked: records.Question, spectrum: Spectrum) -> None:
    """The density with its controls, and what is drawn over it."""
    from explorer.render.spectrum import DensityStyle, density, overlays

    with st.container(horizontal=True, vertical_alignment="bottom", gap="medium"):
        scale = st.segmented_control(
            "Density axis", ["Log", "Linear"], default="Log", required=True, key="density-scale"
        )
        share = st.slider(
            "Kernel width, % of the range",
            0.1,
            5.0,
            100 * WIDTH,
            0.1,
            key="kernel",
            width=190,
            help="Standard deviation of the Gaussian that each node of the quadrature becomes.",
        )
        laid = st.multiselect("Overlays", NAMES, key="overlays", width=230)
    ratio = choose_ratio(spectrum) if laid else 1.0
    style = DensityStyle(
        log=scale == "Log", width_share=share / 100, overlays=tuple(laid), ratio=ratio
    )
    if spectrum.ends is None:
        st.skeleton(height=340)
        return
    st.altair_chart(density(spectrum, style), width="content")
    told = ["Red: extreme eigenvalues, numbered from the top, −1 the smallest; bars: residuals"]
    if len(spectrum.probes) > 1 and not spectrum.facts.get("dense"):
        told.append(f"band: ± 1 standard deviation over {len(spectrum.probes)} probes")
    st.caption("; ".join(told) + ".")
    show_references(spectrum, style, overlays)
    words.outlier_line(spectrum)
    name = spectrum_name()
    export_line({name: asked}, {name: spectrum}, partial(density, spectrum, style))


def spectrum_name() -> str:
    """What is shown, in words."""
    of = f" of {settings.layer}" if settings.layer else ""
    return f"{MATRIX_WORDS[settings.matrix]}{of}"


def choose_ratio(spectrum: Spectrum) -> float:
    """Phi of the references: parameters over examples times outputs."""
    facts = spectrum.facts
    outputs = facts.get("classes", 1)
    usual = spectrum.size / max(1, facts.get("examples", 1) * outputs)
    return float(
        st.number_input(
            "φ of the overlays",
            min_value=1e-6,
            max_value=1e6,
            value=usual,
            format="%.4g",
            key=f"phi-{settings.layer}-{settings.split}",
            width=180,
            help=f"Parameters over examples times outputs: {spectrum.size:,} / "
            f"({facts.get('examples', 1):,} x {outputs}).",
        )
    )


def show_references(spectrum: Spectrum, style: Any, overlays: Any) -> None:
    """The parameters of what is laid over, and why something is missing."""
    if not style.overlays:
        return
    found = overlays(spectrum, style)
    for name in style.overlays:
        if name in found:
            said = ", ".join(f"{n} {words.said(v)}" for n, v in found[name].parameters.items())
            st.caption(f"{name}: {said}.")
        else:
            st.caption(
                f"{name} does not fit: it needs a mean above 0, and the sum a variance above φ "
                "times its square."
            )


def show_pairs(spectrum: Spectrum) -> None:
    """The extreme pairs as a chart and a table."""
    from explorer.render.eigen import pairs

    st.subheader("Extreme eigenvalues", anchor=False)
    scale = st.segmented_control(
        "Axis", ["Linear", "Log"], default="Linear", required=True, key="pairs-scale"
    )
    chart = partial(pairs, spectrum, scale == "Log")
    st.altair_chart(chart(), width="content")
    words.pair_table(spectrum)
    if settings.matrix == "hessian" and not settings.layer and spectrum.size > 1:
        planes.link_planes()
    export_chart("eigenvalues", chart)


def show_traces(spectrum: Spectrum) -> None:
    """Sums over all eigenvalues, and the trace tensor by tensor."""
    from explorer.render.eigen import layers

    st.subheader("Traces", anchor=False)
    z = st.number_input(
        "z", 1e-12, 1e12, 1.0, format="%.3g", key="z", width=160, help="Of effective dimension."
    )
    words.traces(spectrum, float(z))
    if spectrum.layers:
        st.altair_chart(layers(spectrum), width="content")
        count = len(spectrum.probes)
        st.caption(f"Trace of each tensor's block; grey: 95 % interval over {count} probes.")
        export_chart("layers", partial(layers, spectrum))


def show_escape(spectrum: Spectrum) -> None:
    """The loss along the last pair's vector."""
    from explorer.render.eigen import escape

    st.subheader("Along the vector of the smallest eigenvalue", anchor=False)
    st.altair_chart(escape(spectrum), width="content")
    facts, values = spectrum.facts, spectrum.eigenvalues[0]
    text = (
        f"predicted: loss + slope t + λ t² / 2 with slope {words.said(facts['escape_slope'])} and "
        f"λ {words.said(float(values[-1]))}; to the right the slope goes down."
    )
    if settings.matrix != "hessian":
        text += " λ is that of this matrix, which is not the loss's own curvature."
    st.caption(text)
    export_chart("escape", partial(escape, spectrum))


def show_batches(spectrum: Spectrum) -> None:
    """Largest eigenvalues of mini-batches."""
    from explorer.render.eigen import batches

    st.subheader("Largest eigenvalue of mini-batches", anchor=False)
    count = len(spectrum.of(Role.BATCH)[1])
    if not count:
        st.caption("The first mini-batch is on its way.")
        return
    st.altair_chart(batches(spectrum), width="content")
    st.caption(f"{count:,} mini-batches of {settings.batch_examples:,} examples.")
    export_chart("batches", partial(batches, spectrum))


def show_comparison(results: dict[str, Spectrum]) -> None:
    """Hessian, Gauss-Newton and Fisher matrices over each other, as far as they are stored."""
    from explorer.render.spectrum import DensityStyle, compare

    st.subheader("Hessian, Gauss-Newton, Fisher", anchor=False)
    drawn = {
        MATRIX_WORDS[n]: results[n] for n in BESIDE if n in results and results[n].ends is not None
    }
    log = st.session_state.get("density-scale", "Log") == "Log"
    if len(drawn) > 1:
        chart = partial(compare, drawn, DensityStyle(log=log, spikes=False))
        st.altair_chart(chart(), width="content")
        export_chart("matrices", chart)
    absent = {n: others[n] for n in COMPARED if n not in results}
    if not absent:
        return
    names = " and ".join(MATRIX_WORDS[n] for n in absent)
    if st.button(f"Compute {names}", icon=":material/play_arrow:", key="ask-others"):
        for wish in absent.values():
            wish.ask(running)
        st.rerun()
    st.caption("With the same settings; they are drawn over each other here.")


left, right = st.columns([2, 5], gap="large")
with left:
    subject, settings = choose()
    compared = BESIDE if settings.matrix in BESIDE else (settings.matrix,)
    others = {
        name: asking.Wish(SPECTRUM, replace(settings, matrix=name), (subject,)) for name in compared
    }
    asked = asking.found(catalog, others)
    if asked[settings.matrix] is None:
        asking.ask_button(running, {settings.matrix: others[settings.matrix]})
with right:
    st.subheader(f"{spectrum_name()} of {subject[0].name}", anchor=False)
    st.caption(parts.facts_line(subject[0]), help=subject[0].facts.get("about"))
    known = {name: question for name, question in asked.items() if question is not None}
    with st.container():
        if settings.matrix not in known:
            st.info(
                "This spectrum has not been computed yet: press **Compute** on the left.",
                icon=":material/bar_chart:",
            )
    if known:
        asking.answered(running, known, show)
