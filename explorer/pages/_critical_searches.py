"""All searches for critical points in a table, with what was found at their ends."""

from collections.abc import Collection

import streamlit as st

from explorer.kinds.critical_result import Critical
from explorer.pages._terms import columns_help
from explorer.render.marks.ticks import number_text

SEARCH_TERMS = {  # heads of columns -> what they are
    "index": "index",
    "loss before": "loss",
    "loss after": "loss",
    "gradient after": "gradient_norm",
    "relative": "relative_gradient",
    "Newton step": "newton_step",
    "λ min": "lambda_min",
    "± residual min": "residual",
    "λ max": "lambda_max",
    "± residual max": "residual",
    "‖Hg‖ / ‖g‖": "gradient_flat",
    "left by a Newton step": "left",
    "distance": "distance",
    "products": "products",
}


def show_search_table(searches: Critical, starts: list[str], metrics: Collection[str]) -> None:
    """All searches with what was found at their ends.

    Args:
        searches: the answer.
        starts: where each began, in words.
        metrics: of the problem, by name.
    """
    from explorer.render.critical_rows import index_text

    units_made = [unit for unit in range(len(starts)) if searches.computed[unit]]

    def of(name: str, digits: int = 4) -> list[str]:
        return [number_text(float(searches.values[name][unit]), digits) for unit in units_made]

    columns = {
        "search": [unit + 1 for unit in units_made],
        "start": [starts[unit] for unit in units_made],
        "ended": [searches.end_words[unit] for unit in units_made],
        "class": [searches.classes[unit] for unit in units_made],
        "index": [index_text(searches, unit) for unit in units_made],
        "loss before": of("start_loss"),
        "loss after": of("loss", 6),
        "gradient after": of("gradient", 2),
        "relative": [
            number_text(float(searches.relative_gradient[unit]), 2) for unit in units_made
        ],
        "Newton step": [number_text(float(searches.relative_step[unit]), 2) for unit in units_made],
        "λ min": of("lambda_min"),
        "± residual min": of("residual_min", 2),
        "λ max": of("lambda_max"),
        "± residual max": of("residual_max", 2),
        "‖Hg‖ / ‖g‖": of("hessian_gradient", 2),
        "left by a Newton step": of("left", 2),
        "distance": of("distance"),
        "steps": of("steps"),
        "products": of("products", 6),
        **{name: of(name) for name in searches.values if name in metrics},
    }
    config = columns_help(SEARCH_TERMS, pinned=("search", "start"))
    st.dataframe(columns, column_config=config, hide_index=True, width="stretch")
    st.caption(
        "Relative: the gradient's norm over the largest absolute eigenvalue times the parameters' "
        "norm; next: the length of a Newton step in parameters' norms. Both are below a thousandth "
        "at critical points. The index counts eigenvalues below minus a millionth of the largest "
        "absolute one, or its residual; an estimate, those below minus a thousandth."
    )
