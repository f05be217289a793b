"""The figures of a spectrum with their controls: density, pairs, traces, escape, mini-batches."""

from dataclasses import fields
from functools import partial

import streamlit as st

from explorer.kinds.matrix import MatrixRole
from explorer.kinds.objective_settings import ObjectiveSettings
from explorer.kinds.random_matrices import REFERENCE_NAMES
from explorer.kinds.spectrum import KERNEL_WIDTH, SpectrumLook
from explorer.kinds.spectrum_result import Spectrum
from explorer.kinds.surface import SURFACE, SurfaceSettings
from explorer.pages import _charts as charts
from explorer.pages import _controls as controls
from explorer.pages import _spectrum as words
from explorer.pages._export import export_chart, export_line
from explorer.pages._links import kind_link
from explorer.pages._terms import term_help
from explorer.render.spectrum import draw
from explorer.render.spectrum_density import fitted_overlays
from explorer.wording import counted
from store import records

TENSOR_NAMES_WIDTH = 265  # px beside a plot for the tensors' names


def show_density(spectrum: Spectrum) -> SpectrumLook:
    """The density with its controls, and what is drawn over it; returns how it is drawn."""
    with st.container(horizontal=True, vertical_alignment="bottom"):
        log = controls.choose_scale("density-scale", log=True)
        share = st.slider(
            "Kernel width, % of the range",
            0.1,
            5.0,
            100 * KERNEL_WIDTH,
            0.1,
            key="kernel",
            width=190,
            help="Standard deviation of the Gaussian that each node of the quadrature becomes.",
        )
        overlay_names = st.multiselect("Overlays", REFERENCE_NAMES, key="overlays", width=230)
    look = SpectrumLook(
        log=log,
        kernel=share / 100,
        overlays=tuple(overlay_names),
        ratio=_choose_ratio(spectrum) if set(overlay_names) - {REFERENCE_NAMES[0]} else 1.0,
        width=charts.plot_width(),
    )
    if spectrum.ends is None:
        st.skeleton(height=340)
        return look
    charts.show_chart(draw(spectrum, look), "Density of the eigenvalues", spectrum.ends)
    legend_texts = [
        "Upright lines: extreme eigenvalues, numbered from the top, −1 smallest; bars: residuals"
    ]
    if len(spectrum.probes) > 1 and not spectrum.facts.dense:
        legend_texts.append(f"band: ± 1 standard deviation over {len(spectrum.probes)} probes")
    st.caption("; ".join(legend_texts) + ".")
    _explain_references(spectrum, look)
    words.show_outliers(spectrum)
    return look


def _choose_ratio(spectrum: Spectrum) -> float:
    """Phi of the references: parameters over examples times outputs."""
    facts, settings = spectrum.facts, spectrum.settings
    outputs = facts.classes or 1
    usual = spectrum.size / max(1, (facts.examples or 1) * outputs)
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
            f"({facts.examples or 1:,} × {outputs}).",
        )
    )


def _explain_references(spectrum: Spectrum, look: SpectrumLook) -> None:
    """The parameters of what is laid over, and why something is missing."""
    fitted_references = fitted_overlays(spectrum, look)
    for name in look.overlays:
        if name in fitted_references:
            parameter_texts = ", ".join(
                f"{n} {words.five_digits(v)}" for n, v in fitted_references[name].parameters.items()
            )
            st.caption(f"{name}: {parameter_texts}.")
        else:
            st.caption(
                f"{name} does not fit: it needs a mean above 0, and the sum a variance above φ "
                "times its square."
            )


def export_density(
    name: str, question: records.Question, spectrum: Spectrum, look: SpectrumLook
) -> None:
    """The density as a figure, and all numbers of the answer."""
    export_line({name: question}, {name: spectrum}, partial(draw, spectrum, look))


def show_pairs(question: records.Question, spectrum: Spectrum) -> None:
    """The extreme pairs as a chart and a table."""
    st.subheader("Extreme eigenvalues", anchor=False)
    log = controls.choose_scale("pairs-scale", label="Scale of the eigenvalues")
    look = SpectrumLook(picture="pairs", log=log, width=charts.plot_width())
    chart = partial(draw, spectrum, look)
    charts.show_chart(chart(), "Extreme eigenvalues in their order", spectrum.eigenvalues[0])
    words.show_pair_table(spectrum)
    if spectrum.settings.matrix == "hessian" and not spectrum.settings.layer and spectrum.size > 1:
        link_planes(spectrum)
    export_chart("eigenvalues", chart, [question])


def link_planes(spectrum: Spectrum) -> None:
    """The ways to the loss over planes of eigenvectors, for the model and data of the page."""
    objective = {
        field.name: getattr(spectrum.settings, field.name) for field in fields(ObjectiveSettings)
    }
    planes = {"the two largest": (1, 2), "the largest and the smallest": (1, -1)}
    with st.container(horizontal=True):
        for which, (x_rank, y_rank) in planes.items():
            kind_link(
                SURFACE,
                f"Plane of {which}",
                st.session_state["model"],
                step=st.query_params.get("step"),
                settings=SurfaceSettings(
                    **objective, direction="eigenvector", x_rank=x_rank, y_rank=y_rank
                ),
                help="The loss along their eigenvectors, on the page Surface",
            )


def show_traces(question: records.Question, spectrum: Spectrum) -> None:
    """Sums over all eigenvalues, and the trace tensor by tensor."""
    sums = ("trace", "squared_frobenius_norm", "effective_dimension", "log_determinant")
    st.subheader("Traces", anchor=False, help=term_help(*sums))
    z = st.number_input(
        "z",
        1e-12,
        1e12,
        1.0,
        format="%.3g",
        key="z",
        width=160,
        help="Of the effective dimension, the sum of λ / (λ + z) over positive eigenvalues λ, and "
        "of the log-determinant, the sum of ln(max(λ, 0) + z).",
    )
    words.show_trace_table(spectrum, float(z))
    if spectrum.layers:
        look = SpectrumLook(picture="layers", width=charts.plot_width(TENSOR_NAMES_WIDTH))
        chart = partial(draw, spectrum, look)
        charts.show_chart(chart(), "Trace of each tensor's block")
        count = len(spectrum.probes)
        st.caption(
            f"Trace of each tensor's block; grey: 95 % interval over {counted(count, 'probe')}."
        )
        export_chart("layers", chart, [question])


def show_escape(question: records.Question, spectrum: Spectrum) -> None:
    """The loss along the last pair's vector."""
    facts, lowest = spectrum.facts, float(spectrum.eigenvalues[0][-1])
    escapes = spectrum.settings.matrix == "hessian" and lowest < -spectrum.tolerance
    title = "Escape direction" if escapes else "Along the eigenvector of the smallest eigenvalue"
    st.subheader(title, anchor=False)
    look = SpectrumLook(picture="escape", width=charts.plot_width())
    chart = partial(draw, spectrum, look)
    charts.show_chart(chart(), "Loss along the eigenvector of the smallest eigenvalue")
    text = (
        "Along the eigenvector v of the smallest eigenvalue λ, in its downhill sense: the loss, "
        "and as predicted loss + slope t + λ t² / 2 with slope "
        f"{words.five_digits(facts.escape_slope)} and λ = {words.five_digits(lowest)}."
    )
    if spectrum.settings.matrix != "hessian":
        text += " λ is that of this matrix, which is not the loss's own curvature."
    st.caption(text)
    export_chart("escape", chart, [question])


def show_batches(question: records.Question, spectrum: Spectrum) -> None:
    """Largest eigenvalues of mini-batches."""
    st.subheader("Largest eigenvalue of mini-batches", anchor=False)
    count = len(spectrum.of(MatrixRole.BATCH)[1])
    if not count:
        st.caption("The first mini-batch is on its way.")
        return
    look = SpectrumLook(picture="batches", width=charts.plot_width())
    chart = partial(draw, spectrum, look)
    charts.show_chart(chart(), "Histogram of the largest eigenvalues of mini-batches")
    batches = counted(count, "mini-batch", "mini-batches")
    st.caption(f"{batches} of {counted(spectrum.settings.batch_examples, 'example')}.")
    export_chart("batches", chart, [question])
