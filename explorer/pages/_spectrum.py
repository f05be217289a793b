"""What a spectrum says in words and tables: verdict, pairs, traces, badges, summary."""

import math

import streamlit as st

from explorer.kinds.eigenvalues import outliers, summary
from explorer.kinds.estimates import Estimate
from explorer.kinds.matrix import MATRIX_WORDS, MatrixRole
from explorer.kinds.spectrum_result import Spectrum
from explorer.pages._checks import moved_parameters_badge
from explorer.pages._terms import cited, columns_help, term_help
from explorer.render.marks.ticks import number_text
from store import records

VERDICTS = {
    "not critical": "**Not a critical point**: the gradient is too large",
    "minimum": "**Minimum**: every eigenvalue found is positive",
    "maximum": "**Maximum**: every eigenvalue found is negative",
    "saddle": "**Saddle**: there are eigenvalues of both signs",
    "degenerate minimum": "**Degenerate minimum**: no eigenvalue is below 0, some are 0",
    "degenerate maximum": "**Degenerate maximum**: no eigenvalue is above 0, some are 0",
    "flat": "**Flat**: no eigenvalue can be told from 0",
}
SEMIDEFINITE = ("gauss_newton", "empirical_fisher", "fisher")  # their signs say nothing of the loss


def five_digits(value: float) -> str:
    """A number for people."""
    return number_text(value, 5)


def interval_text(estimate: Estimate | None) -> str:
    """An estimate with its interval and what it rests on."""
    if estimate is None:
        return "no probe yet"
    if estimate.low == estimate.high:
        return f"{five_digits(estimate.value)} (exact)"
    rests = f"{estimate.probes} probes" if estimate.probes else "products for it alone"
    if not math.isfinite(estimate.low):
        return f"{five_digits(estimate.value)} (1 probe: no interval)"
    ends = f"{five_digits(estimate.low)} to {five_digits(estimate.high)}"
    return f"{five_digits(estimate.value)} ({ends}, {rests})"


def show_verdict(spectrum: Spectrum) -> None:
    """What the point is, on what grounds, and how many directions go down."""
    facts, values = spectrum.facts, spectrum.eigenvalues[0]
    if not len(values):
        st.caption("The extreme pairs are on their way.")
        return
    settings = spectrum.settings
    scale = float(abs(values).max())
    step = facts.gradient_norm / scale if scale else math.inf
    grounds = (
        f"norm of the gradient {five_digits(facts.gradient_norm)}; a Newton step of at least "
        f"{five_digits(step)} beside parameters of norm {five_digits(facts.theta_norm)}"
    )
    if settings.matrix in SEMIDEFINITE:
        word = MATRIX_WORDS[settings.matrix]
        st.markdown(
            f"The {word} matrix has no negative eigenvalues: it tells no saddle. ({grounds})"
        )
        return
    st.markdown(
        f"{VERDICTS[spectrum.kind_of_point]} ({grounds}).",
        help="A point counts as critical when the gradient over the largest absolute eigenvalue "
        "is below a thousandth of the norm of the parameters. Signs are those of eigenvalues "
        f"beyond {five_digits(spectrum.tolerance)}, the largest residual or rounding.",
    )
    st.markdown(index_line(spectrum))


def index_line(spectrum: Spectrum) -> str:
    """The index: exact, or a sure bound and an estimate."""
    exact = len(spectrum.of(MatrixRole.ALL)[1])
    if exact:
        return (
            f"Index: **{spectrum.index:,}** of {spectrum.size:,} eigenvalues are below "
            f"−{five_digits(spectrum.tolerance)} (all are known)."
        )
    line = (
        f"Index: at least **{spectrum.index:,}** of {spectrum.size:,} eigenvalues are below "
        f"−{five_digits(spectrum.tolerance)}, the number of pairs found there"
    )
    negative_count = spectrum.negative
    if negative_count is None:
        return f"{line}."
    low = max(0.0, negative_count.low)
    line += f"; estimated {negative_count.value:,.0f}"
    if math.isfinite(negative_count.low):
        line += f" ({low:,.0f} to {negative_count.high:,.0f}, {negative_count.probes} probes)"
    return f"{line} below −{five_digits(spectrum.resolution)}, the resolution of the quadrature."


def show_outliers(spectrum: Spectrum) -> None:
    """How many eigenvalues stand out at the top, beside the number of classes."""
    values = spectrum.eigenvalues[0][: spectrum.settings.top]
    count = outliers(values, spectrum.tolerance)
    if count is None:
        return
    text = f"{count} of the {len(values)} largest stand before their widest gap"
    if spectrum.facts.classes is not None:
        text += f"; classes − 1 is {spectrum.facts.classes - 1}"
    st.caption(
        f"{text}.",
        help="The widest gap is that of the largest ratio between neighbours among those found. "
        f"{cited('Sagun et al. 2017')} saw about one outlier a class in trained classifiers; "
        "it is no law.",
    )


def show_pair_table(spectrum: Spectrum) -> None:
    """The extreme eigenvalues with their residuals."""
    values, residuals = spectrum.eigenvalues
    limit = spectrum.settings.tolerance * float(abs(values).max()) if len(values) else 0.0
    st.dataframe(
        {
            "number": spectrum.ranks,
            "eigenvalue": [five_digits(value) for value in values],
            "± residual": [number_text(value, 3) for value in residuals],
            "converged": [bool(r <= limit) for r in residuals],
        },
        column_config=columns_help(
            {"eigenvalue": "lambda_max", "± residual": "residual", "converged": "converged"}
        ),
        hide_index=True,
        width="stretch",
        height=min(320, 38 + 35 * max(1, len(values))),
    )


def show_trace_table(spectrum: Spectrum, z: float) -> None:
    """Sums over all eigenvalues, each with its 95 % interval."""
    rows = {
        "Trace": spectrum.trace,
        "Squared Frobenius norm": spectrum.quadrature.squared_norm,
        f"Effective dimension at z = {five_digits(z)}": spectrum.quadrature.effective_dimension(z),
        f"log det of the positive part + {five_digits(z)}": spectrum.quadrature.log_determinant(z),
    }
    st.table({"": list(rows), "value (95 % interval)": [interval_text(e) for e in rows.values()]})


def show_summary_table(spectrum: Spectrum) -> None:
    """Numbers about all eigenvalues of a small matrix."""
    _, every, _ = spectrum.of(MatrixRole.ALL)
    if not len(every):
        return
    help = term_help("density", "condition_number", "trace")
    st.subheader("All eigenvalues", anchor=False, help=help)
    summary_values = summary(every, spectrum.tolerance)
    summary_texts = {name: five_digits(value) for name, value in summary_values.items()}
    summary_texts["share negative"] = f"{summary_values['share negative']:.2%}"
    sign = summary_values["sign of the determinant"]
    summary_texts["sign of the determinant"] = {1.0: "+", -1.0: "−"}.get(sign, "0 within rounding")
    st.table({"": list(summary_texts), "value": list(summary_texts.values())})


def show_spectrum_badges(question: records.Question, spectrum: Spectrum) -> None:
    """Self-checks of the answer, each green or telling what is off."""
    facts = spectrum.facts
    with st.container(horizontal=True, gap="small"):
        moved_parameters_badge(facts)
        if facts.converged is not None:
            _convergence_badge(spectrum)
            st.badge(
                f"symmetric to {facts.asymmetry:.0e}",
                icon=":material/check:",
                color="green",
                help="Difference of u'Hv and v'Hu over their size, for random u and v; above 1e-4 "
                "nothing would have been computed.",
            )
            st.badge(
                "all eigenvalues, exact" if facts.dense else "Lanczos and quadrature",
                icon=":material/grid_on:" if facts.dense else ":material/casino:",
                color="green" if facts.dense else "blue",
                help=f"{spectrum.size:,} rows; matrices of up to 3,000 are made whole.",
            )
        probes = len(spectrum.probes)
        if probes and not facts.dense:
            st.badge(
                f"{probes} probes of {question.settings['steps']} steps",
                icon=":material/shuffle:",
                color="blue" if probes >= 10 else "orange",
                help="Bands and intervals are from the spread of the probes; ten or more are "
                "advised.",
            )
        if facts.examples < facts.available:
            count, of = facts.examples, facts.available
            st.badge(
                f"{question.settings['subset']} {count:,} of {of:,} examples",
                icon=":material/casino:",
                color="blue",
                help="The matrix is that of the loss over these examples.",
            )


def _convergence_badge(spectrum: Spectrum) -> None:
    facts, (_, residuals) = spectrum.facts, spectrum.eigenvalues
    good = facts.converged
    largest = number_text(float(residuals.max()), 2)
    st.badge(
        "pairs converged" if good else "pairs not converged",
        icon=":material/check:" if good else ":material/warning:",
        color="green" if good else "orange",
        help=f"Largest residual norm(Hv − λv) {largest}; an eigenvalue lies within its residual. "
        + ("" if good else "Allow more search steps, or ask for fewer pairs."),
    )
