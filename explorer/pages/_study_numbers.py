"""The models of a study by their numbers: one against another, or many side by side."""

import math
from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING

import streamlit as st

from explorer.ask.study_cells import Cell
from explorer.ask.study_quantities import (
    Quantity,
    groupings_of,
    quantities_of,
    rank_correlation,
    summarised,
)
from explorer.kinds.numbers import NumberPair
from explorer.kinds.summaries import SUMMARIES
from explorer.pages import _charts as charts
from explorer.pages._address import check_address
from explorer.pages._controls import choose_scale
from explorer.pages._downloads import figure_download
from explorer.pages._study_head import Matrix
from explorer.pages._terms import quantities_help, term_help
from explorer.pages._text import as_text
from explorer.render.marks.ticks import number_text
from explorer.wording import counted
from store import records

if TYPE_CHECKING:
    from explorer.render.drawing import Drawing

GAP = "loss, test minus train"  # what sharpness is most often set against
NO_GROUP = "nothing"
EACH_MODEL = "each model"
LEGEND_WIDTH = 220  # px of axis and legend
FIRST_COLUMNS = 6  # of parallel coordinates, until others are chosen


def show_scatter(matrix: Matrix, all_cells: Sequence[Cell]) -> None:
    """One number of the models against another, alone or by groups, with their rank correlation."""
    from explorer.render.scatter import ScatterLook, draw_scatter, drawable

    quantities = {q.name: q for q in quantities_of(matrix.catalog, matrix.study, all_cells)}
    if len(quantities) < 2:
        st.info("There are no two numbers yet: compute what is missing, or add a question.")
        return
    names = list(quantities)
    charts.measure_column()
    with st.container(horizontal=True, vertical_alignment="bottom"):
        x = _choose_quantity("x", names, 0)
        y = _choose_quantity("y", names, names.index(GAP) if GAP in names else 1)
        groups, summary = _choose_groups(matrix)
        log_x = choose_scale("scale_x", label="Scale of x")
        log_y = choose_scale("scale_y", label="Scale of y")
    width = charts.plot_width(LEGEND_WIDTH)
    look = ScatterLook(width, charts.plot_height(width), log_x, log_y)
    pairs = _pairs(quantities[x], quantities[y], matrix.labels, groups, summary)
    dots = drawable(pairs, look)
    draw = partial(draw_scatter, dots, x, y, look)
    try:
        chart = draw()
    except ValueError as error:
        st.info(as_text(f"{error}.", 200))
        return
    what = "model" if summary == EACH_MODEL else "group"
    charts.show_chart(chart, f"{y} against {x} of {counted(len(dots), what)}")
    _explain(pairs, dots_left_out=len(pairs) - len(dots), summary=summary)
    _offer_figure("scatter", draw, all_cells)


def show_parallel(matrix: Matrix, all_cells: Sequence[Cell]) -> None:
    """Several numbers of each model as one line."""
    from explorer.render.scatter import ScatterLook, draw_parallel

    quantities = {q.name: q for q in quantities_of(matrix.catalog, matrix.study, all_cells)}
    charts.measure_column()
    with st.container(horizontal=True, vertical_alignment="bottom"):
        chosen = _choose_columns(list(quantities))
        groups, _ = _choose_groups(matrix, summaries=False)
        log = choose_scale("scale")
    columns = {
        name: [math.nan if n is None else n.value for n in quantities[name].numbers]
        for name in chosen
    }
    look = ScatterLook(width=charts.plot_width(LEGEND_WIDTH), height=360, log_y=log)
    draw = partial(draw_parallel, columns, matrix.labels, groups, look)
    try:
        chart = draw()
    except ValueError as error:
        st.info(as_text(f"{error}.", 200))
        return
    charts.show_chart(chart, f"{', '.join(chosen)} of {counted(len(matrix.labels), 'model')}")
    words = "Each number runs from its least, below, to its largest"
    st.caption(f"{words}; log where all are above 0." if log else f"{words}.")
    _offer_figure("parallel", draw, all_cells)


def _choose_columns(names: list[str]) -> list[str]:
    """The numbers that are drawn, kept in the address; at first the first few."""
    if any(name not in names for name in st.query_params.get_all("columns")):
        check_address("columns", "numbers that the study has", lambda _: False)
    chosen = st.session_state.get("columns", names[:FIRST_COLUMNS])
    help = quantities_help(chosen)
    return st.multiselect(
        "Numbers", names, names[:FIRST_COLUMNS], key="columns", bind="query-params", help=help
    )


def _choose_quantity(axis: str, names: Sequence[str], first: int) -> str:
    named = st.query_params.get(axis, "")
    place = names.index(named) if named in names else first
    chosen = str(st.session_state.get(axis, names[place]))
    help = quantities_help([chosen])
    return st.selectbox(axis, names, place, key=axis, bind="query-params", width=230, help=help)


def _choose_groups(matrix: Matrix, summaries: bool = True) -> tuple[list[str], str]:
    """The word that groups each model, all empty without groups; and what is drawn of a group."""
    groupings = groupings_of(matrix.catalog, matrix.study, matrix.labels)
    if not groupings:
        return [""] * len(matrix.labels), EACH_MODEL
    options = [NO_GROUP, *groupings]
    named = st.query_params.get("group", "")
    group = st.selectbox(
        "Group by",
        options,
        options.index(named) if named in options else 0,
        key="group",
        bind="query-params",
        width=190,
        help="Models of one group are drawn in one colour, or as one: as runs with several seeds.",
    )
    if group == NO_GROUP:
        return [""] * len(matrix.labels), EACH_MODEL
    summary = EACH_MODEL
    if summaries:
        summary = st.selectbox(
            "Drawn as",
            [EACH_MODEL, *SUMMARIES],
            key="summary",
            bind="query-params",
            width=170,
            help="; ".join(f"{name}: {words}" for name, words in SUMMARIES.items()),
        )
    return groupings[group], summary


def _pairs(
    x: Quantity, y: Quantity, labels: Sequence[str], groups: Sequence[str], summary: str
) -> list[NumberPair]:
    """Name, group and both numbers of each model that has both, or of each group of such."""
    both = [
        NumberPair(label, group, first, second)
        for label, group, first, second in zip(labels, groups, x.numbers, y.numbers, strict=True)
        if first is not None and second is not None
    ]
    if summary == EACH_MODEL:
        return both
    finite = _finite(both)  # a group's two numbers are of the same models
    words = [pair.group for pair in finite]
    across = summarised([pair.x for pair in finite], words, summary)
    along = summarised([pair.y for pair in finite], words, summary)
    return [NumberPair(word, word, across[word], along[word]) for word in across]


def _finite(pairs: Sequence[NumberPair]) -> list[NumberPair]:
    """Those of which both numbers are finite."""
    return [p for p in pairs if math.isfinite(p.x.value) and math.isfinite(p.y.value)]


def _explain(pairs: Sequence[NumberPair], dots_left_out: int, summary: str) -> None:
    """How the two numbers go together, what the bars are, and what has no place."""
    finite = _finite(pairs)
    tau = rank_correlation([p.x.value for p in finite], [p.y.value for p in finite])
    what = "model" if summary == EACH_MODEL else "group"
    parts = []
    if tau is not None:
        ends = f"{number_text(tau.low, 2)} to {number_text(tau.high, 2)}"
        parts.append(
            f"Kendall's rank correlation {number_text(tau.value, 3)} (95 % interval {ends}, by "
            f"bootstrap over {counted(len(finite), what)}). It says nothing of causes."
        )
    elif finite:
        parts.append(f"{counted(len(finite), what)}: too few for a rank correlation.")
    bars = (
        "95 % intervals, or where a number must lie"
        if summary == EACH_MODEL
        else SUMMARIES[summary]
    )
    parts.append(f"Bars: {bars}.")
    if dots_left_out:
        parts.append(f"{counted(dots_left_out, what)} without a place on these axes.")
    st.caption(" ".join(parts), help=term_help("kendall"))


def _offer_figure(name: str, draw: "Callable[[], Drawing]", all_cells: Sequence[Cell]) -> None:
    questions: list[records.Question] = [cell.stored for cell in all_cells if cell.stored]
    with st.popover("Export", icon=":material/download:", key=f"export-{name}"):
        figure_download(f"study-{name}", draw, questions, key=f"figure-{name}")
