"""A search for critical points: choose, ask, see what was found, index against loss."""

import math
from collections.abc import Mapping
from dataclasses import replace
from functools import partial

import streamlit as st

from explorer.ask import questions
from explorer.ask.subject_names import subject_names
from explorer.contracts.facts import ModelFacts, ProblemFacts
from explorer.kinds.critical import CRITICAL, CriticalLook
from explorer.kinds.critical_result import END_WORDS, KERNEL_CURVATURE, KERNEL_REMAINDER, Critical
from explorer.kinds.critical_settings import CriticalSettings
from explorer.kinds.matrix import MAX_DENSE_PARAMETERS
from explorer.pages import _asking as asking
from explorer.pages import _charts as charts
from explorer.pages import _checks as checks
from explorer.pages import _controls as controls
from explorer.pages import _forms as forms
from explorer.pages import _parts as parts
from explorer.pages._brought import show_brought_points
from explorer.pages._critical_searches import show_search_table
from explorer.pages._export import export_chart, export_line
from explorer.pages._facts import facts_line
from explorer.pages._objective import choose_objective
from explorer.pages._offers import offer_stored
from explorer.pages._provenance import show_provenance
from explorer.pages._terms import cited, term_help
from explorer.render.marks.ticks import number_text
from explorer.wording import counted
from store import Catalog, records

START_NAMES = ("starts", "every", "seed", "noise")
SEARCH_NAMES = ("steps", "products", "target")
INDEX_NAMES = ("bottom", "probes", "room", "tolerance")


def choose(catalog: Catalog) -> tuple[dict[str, records.Model], CriticalSettings]:
    """The models by label, and the question about them, from the left column."""
    model = controls.choose_model(catalog)
    label = next(name for name, m in parts.known_models(catalog).items() if m.id == model.id)
    others = controls.choose_runs(
        catalog,
        model,
        "Also from",
        fewest=CRITICAL.fewest,
        own=False,
        help="Models of the same problem, from which searches begin too.",
    )
    usual = few_starts(max(m.points for m in (model, *others.values())))
    values: forms.Values = {}
    with st.expander("Starts", expanded=True):
        values |= forms.choose_all(CriticalSettings, START_NAMES, usual=usual)
    with st.expander("Search", expanded=True):
        values["method"] = forms.choose(CriticalSettings, "method", menu=True)
        values |= forms.choose_all(CriticalSettings, SEARCH_NAMES)
    with st.expander("Objective"):
        values |= choose_objective(CriticalSettings, catalog.problem(model.problem_id))
    if (ModelFacts.of(model.facts).parameters or 0) > MAX_DENSE_PARAMETERS:
        with st.expander("Index"):
            values |= forms.choose_all(CriticalSettings, INDEX_NAMES)
    return {label: model, **others}, forms.checked_settings(CriticalSettings, values)


def few_starts(snapshots: int) -> dict[str, int]:
    """Few searches at first, which are slow: from three of the snapshots and a copy."""
    return {"starts": 2, "every": max(1, math.ceil(snapshots / 3))}


def show(catalog: Catalog, stored_questions: Mapping[str, records.Question]) -> None:
    """What was found so far, in words, charts and a table."""
    from explorer.render.critical import draw
    from explorer.render.critical_rows import start_labels

    (question,) = stored_questions.values()
    searches = questions.result_as(catalog, question, Critical)
    names = subject_names(catalog, question)
    st.markdown(outcome_counts(searches))
    wide = CriticalLook.usual(searches).log  # once it is, the choice begins anew
    log = controls.choose_scale(f"loss-scale-{wide:d}", wide, "Scale of the loss")
    look = CriticalLook(log=log, width=charts.plot_width())
    chart = partial(draw, searches, look, names)
    description = "Loss against the share of negative eigenvalues where searches from "
    description += f"{', '.join(name.text for name in names)} ended"
    charts.show_chart(chart(), description, searches.loss[searches.computed])
    explain(searches)
    show_search_badges(searches)
    export_line({"": question}, {"": searches}, chart)
    st.subheader("Before and after", anchor=False)
    gradients = replace(look, picture="gradients", height=320)
    before = partial(draw, searches, gradients, names)
    charts.show_chart(before(), "Norm of the gradient before and after each search")
    st.caption(
        "Grey marks: norm of the gradient where a search began; circles: where it ended, filled if "
        f"critical. Dashed: the target, {number_text(searches.settings.target, 3)}."
    )
    export_chart("gradients", before, [question])
    st.subheader("All searches", anchor=False)
    metrics = ProblemFacts.of(catalog.problem(question.problem_id).facts).metrics
    show_search_table(searches, start_labels(searches, names), metrics)
    show_brought_points(catalog, question)
    show_provenance(catalog, question, searches.facts)


def outcome_counts(searches: Critical) -> str:
    """How many searches ended in which way."""
    ended = [words for words in searches.end_words if words]
    counts = {words: ended.count(words) for words in END_WORDS.values() if words in ended}
    classes = [kind for kind in searches.classes if kind not in ("", "not critical")]
    kinds = ", ".join(f"{classes.count(kind)} × {kind}" for kind in sorted(set(classes)))
    text = f"**{counts.get('critical', 0)} of {len(ended)} searches** ended at a critical point"
    text += f" ({kinds})" if kinds else ""
    text += f", of {searches.levels} different losses" if searches.levels > 1 else ""
    rest = ", ".join(f"{count} {words}" for words, count in counts.items() if words != "critical")
    return f"{text}; {rest}." if rest else f"{text}."


def explain(searches: Critical) -> None:
    """What the marks mean."""
    explanation = (
        "Each mark is where a search ended: filled, a critical point; hollow, none, whatever its "
        "eigenvalues are. *Gradient-flat*: the gradient is nearly in the kernel of the Hessian (a "
        f"Newton step would leave {100 * KERNEL_REMAINDER:.0f} % of it, or ‖Hg‖ is below "
        f"{number_text(KERNEL_CURVATURE)} "
        "‖H‖ ‖g‖), so that its norm is stationary and the "
        "loss is not (Frye et al. 2021). *Levelling off*: "
        "the gradient is below the target, but a Newton step would still go far, "
        "as where a cross-entropy goes to 0 while the weights grow."
    )
    if searches.exact:
        explanation += " The index is counted from all eigenvalues."
    else:
        explanation += (
            f" Above {MAX_DENSE_PARAMETERS:,} parameters the index is an estimate by "
            f"{searches.settings.probes} probes; the bar is its 95 % interval, cut at the sure "
            "lower bound."
        )
    terms = ("critical_points", "index", "gradient_flat", "left")
    st.caption(cited(explanation), help=term_help(*terms))


def show_search_badges(searches: Critical) -> None:
    """What to keep in mind."""
    with st.container(horizontal=True, gap="small"):
        checks.moved_parameters_badge(searches.facts)
        if searches.settings.precision == "float32":
            st.badge(
                "float32",
                icon=":material/warning:",
                color="orange",
                help="Its rounding hides gradients below about 1e-6; choose float64 to tell a "
                "critical point from a flat one.",
            )
        st.badge(
            "exact index" if searches.exact else "estimated index",
            icon=":material/grid_on:" if searches.exact else ":material/casino:",
            color="green" if searches.exact else "blue",
            help=f"{searches.parameters:,} parameters; Hessians of up to {MAX_DENSE_PARAMETERS:,} "
            "are made whole.",
        )


app = parts.start_page()
sides = parts.sides()
with sides.left:
    models, settings = choose(app.catalog)
    wish = asking.WantedQuestion(CRITICAL, settings, tuple((m, "") for m in models.values()))
    stored_question = asking.find_questions(app.catalog, {"": wish})[""]
with sides.top:
    missing = asking.ask_button(app, {"": stored_question}, {"": wish})
with sides.right:
    first, *_ = models.values()
    parts.show_heading(f"Critical points from {', '.join(models)}")
    st.caption(f"{counted(first.points, 'snapshot')} · {facts_line(first)}")
    if stored_question is None:
        st.info(f"Not computed yet: {asking.PRESS_COMPUTE}.", icon=CRITICAL.icon)
        offer_stored(app, missing)
    else:
        asking.show_answers(app, {"": stored_question}, partial(show, app.catalog))
