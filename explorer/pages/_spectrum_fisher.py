"""What a spectrum says of signs, of its escape direction, and of Fisher matrices beside it."""

import math
from functools import partial

import streamlit as st

from explorer.kinds.estimates import Estimate
from explorer.kinds.matrix import MATRIX_WORDS
from explorer.kinds.spectrum import SpectrumLook
from explorer.kinds.spectrum_result import Spectrum
from explorer.pages import _charts as charts
from explorer.pages import _controls as controls
from explorer.pages._brought import show_brought_directions, show_brought_points
from explorer.pages._export import export_chart
from explorer.pages._spectrum import five_digits, interval_text
from explorer.pages._terms import cited, term_help
from explorer.render.spectrum import draw
from store import Catalog, records


def show_signs(spectrum: Spectrum) -> None:
    """How many eigenvalues are negative, zero and positive, and by which threshold."""
    threshold = "0 within"
    rows: list[dict[str, str]] = []
    if exact := spectrum.exact_signs:
        rounding = f"{five_digits(spectrum.tolerance)}, rounding"
        rows.append({threshold: rounding, **{name: f"{n:,}" for name, n in exact.items()}})
    estimates = {name: e for name, e in spectrum.signs.items() if e is not None}
    if estimates:
        reach = f"{five_digits(spectrum.resolution)}, a thousandth of the largest"
        rows.append({threshold: reach, **{name: _count_text(e) for name, e in estimates.items()}})
    if rows:
        st.table(rows, hide_index=True)


def _count_text(estimate: Estimate) -> str:
    """An estimated count in whole numbers, not below 0, with its interval."""
    text = f"{max(0.0, estimate.value):,.0f}"
    if estimate.low == estimate.high or not math.isfinite(estimate.low):
        return text
    return f"{text} ({max(0.0, estimate.low):,.0f} to {estimate.high:,.0f})"


def show_escape_points(catalog: Catalog, question: records.Question) -> None:
    """Where the escape direction leads: lines and planes along it, its lowest point."""
    points = catalog.answer_points(key=question.key)
    if not points:
        return
    st.caption(
        "The direction is stored, of length 1 and downhill, and where the loss is lower somewhere "
        "along it the lowest point: a start for searches, or for training on from there."
    )
    show_brought_directions(catalog, question)
    show_brought_points(catalog, question)


def show_comparisons(question: records.Question, spectrum: Spectrum) -> None:
    """How far a Fisher matrix is from the Hessian, and how gradients vary beside it."""
    settings = spectrum.settings
    if settings.has_gap:
        other = MATRIX_WORDS[settings.fisher_gap]
        title = f"Hessian against {other}"
        st.subheader(title, anchor=False, help=term_help("fisher_gap"))
        gap = spectrum.fisher_gap
        value = "on its way" if gap is None else f"**{interval_text(gap)}**"
        st.markdown(f"norm(H − F) / norm(H), of Frobenius: {value}.")
        st.caption(
            "It falls towards 0 where the model fits all examples: what the Hessian has beside "
            "Gauss-Newton is weighed by the derivatives of the loss by the outputs."
        )
    if settings.covariance:
        show_covariance(question, spectrum)


def show_covariance(question: records.Question, spectrum: Spectrum) -> None:
    """The covariance of the examples' gradients beside the Hessian."""
    st.subheader("Covariance of gradients", anchor=False, help=term_help("covariance_overlap"))
    alignment = spectrum.alignment
    if alignment is None:
        st.caption("It is on its way.")
        return
    log = controls.choose_scale("covariance-scale", log=True, label="Scale of the eigenvalues")
    look = SpectrumLook(picture="covariance", log=log, width=charts.plot_width())
    chart = partial(draw, spectrum, look)
    charts.show_chart(chart(), "Eigenvalues of the gradients' covariance", alignment.values)
    count = len(alignment.values)
    shares = [f"{100 * share:.1f} %" for share in (alignment.overlap, alignment.by_chance[-1])]
    text = (
        f"The spaces of the {count:,} largest eigenvalues of both overlap by {shares[0]}, and "
        f"random ones would by {shares[1]} (Gur-Ari et al. 2018). Gradient noise is largest where "
        "the loss is most curved if they are alike (Thomas et al. 2020). Largest residual "
        f"{five_digits(float(alignment.residuals.max()))}."
    )
    st.caption(cited(text))
    export_chart("covariance", chart, [question])
