"""What is known of many minima: a number of all pairs, the tree, the plane of their distances."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
import streamlit as st

from explorer.ask.pair_wishes import path_kinds
from explorer.kinds.minima import DISTANCE_NUMBER, LOSS_NUMBER, LOWEST_PASS, Minima, distance_plane
from explorer.pages import _charts as charts
from explorer.pages._address import check_address
from explorer.pages._controls import choose_scale
from explorer.pages._export import export_chart
from explorer.pages._minima_choice import ChosenPairs
from explorer.pages._minima_links import ShownWays
from explorer.pages._terms import term_help
from explorer.pages._text import as_text
from explorer.wording import counted
from store import records

if TYPE_CHECKING:
    from explorer.render.drawing import Chart
    from explorer.render.minima import MinimaLook

NAMES_WIDTH = 250  # px beside a matrix for names and the bar of colours
MATRIX_WIDTH, GRAPH_WIDTH = 820, 720  # px at most
MOST_NAMED = 6  # pairs that one sentence names


def show_minima(chosen: ChosenPairs, ways: ShownWays, minima: Minima) -> None:
    """The matrix, the disconnectivity tree and the plane of distances, as far as they are known.

    Args:
        chosen: the models, and what is asked of each two.
        ways: the answers, and where the pairs lead.
        minima: what the answers say.
    """
    from explorer.render.minima import MinimaLook, draw_matrix
    from explorer.render.minima_tree import draw_tree

    number, log = _choose_number(chosen)
    look = MinimaLook(number, log, charts.plot_width(NAMES_WIDTH, MATRIX_WIDTH))
    linked = replace(look, links=ways.addresses)
    words = f"{number.replace('_', ' ')} between {counted(len(minima), 'model')}"
    charts.show_chart(draw_matrix(minima, linked), words, minima.matrix(number))
    _explain_matrix(minima)
    export_chart("minima-matrix", partial(draw_matrix, minima, look), ways.questions)
    st.subheader("Disconnectivity tree", anchor=False, help=term_help("disconnectivity_tree"))
    wide = replace(look, width=charts.plot_width())
    _show_tree(partial(draw_tree, minima, wide), minima, ways.questions)
    st.subheader("Weight space", anchor=False, help=term_help("weight_space_plane"))
    _show_plane(minima, linked, ways.questions)


def _choose_number(chosen: ChosenPairs) -> tuple[str, bool]:
    """The number of the pairs that is shown, and whether its scale is logarithmic."""
    from explorer.render.minima import number_title

    kinds = path_kinds() if chosen.lowest else [chosen.kind]
    names = list(dict.fromkeys(name for kind in kinds for name in kind.numbers))
    names.insert(names.index(LOSS_NUMBER) + 1, LOWEST_PASS)
    titles = {number_title(name): name for name in names}
    check_address("number", f"one of {', '.join(titles)}", titles.__contains__)
    with st.container(horizontal=True, vertical_alignment="bottom"):
        title = st.selectbox(
            "Number",
            list(titles),
            key="number",
            bind="query-params",
            width=210,
            help=term_help(*names),
        )
        return titles[title], choose_scale()


def _explain_matrix(minima: Minima) -> None:
    """What is missing from the matrix, and the way to the pairs."""
    sentences = ["A cell opens its pair; grey is what is not finite."]
    if bad := minima.not_finite:
        pairs = [" to ".join(minima.names[place] for place in pair) for pair in bad[:MOST_NAMED]]
        others = len(bad) - len(pairs)
        names = ", ".join(map(as_text, pairs)) + (f" and {others} more" if others else "")
        sentences.append(f"The loss is NaN or infinite on the way {names}.")
    st.caption(" ".join(sentences))


def _show_tree(
    draw: "Callable[[], Chart]", minima: Minima, questions: Sequence[records.Question]
) -> None:
    try:
        chart = draw()
    except ValueError as error:
        st.info(as_text(f"{error}.", 200))
        return
    charts.show_chart(chart, f"Disconnectivity tree of {counted(len(minima), 'minimum', 'minima')}")
    possible = len(minima) * (len(minima) - 1) // 2
    sentences = ["Branches meet at the lowest loss over which one way leads between their minima."]
    if len(minima.pairs) < possible:
        sentences.append(f"{len(minima.pairs):,} of {possible:,} pairs are known yet.")
    if len(minima.groups) > 1:
        sort = "known" if len(minima.pairs) < possible else "finite"
        sentences.append(f"No {sort} way joins the {len(minima.groups)} trees.")
    sentences.append("Ways that are better trained can only lower it.")
    st.caption(" ".join(sentences))
    export_chart("minima-tree", draw, questions)


def _show_plane(minima: Minima, look: "MinimaLook", questions: Sequence[records.Question]) -> None:
    from explorer.render.minima_graph import draw_graph

    plane = distance_plane(minima.matrix(DISTANCE_NUMBER))
    if plane is None:
        st.info("The distances known yet do not join all models: it comes with more pairs.")
        return
    width = charts.plot_width(NAMES_WIDTH, GRAPH_WIDTH)
    draw = partial(draw_graph, minima, plane, replace(look, links={}, width=width))
    shown = draw_graph(minima, plane, replace(look, width=width))
    distances = minima.matrix(DISTANCE_NUMBER)
    charts.show_chart(shown, f"{counted(len(minima), 'model')} in the plane of their distances")
    sentences = [
        f"The plane holds {plane.share:.0%} of the squared distances, which are from "
        f"{np.nanmin(distances):.3g} to {np.nanmax(distances):.3g}; strong lines are the spanning "
        "tree of the saddle losses."
    ]
    if plane.guessed:
        sentences.append(f"{counted(plane.guessed, 'distance')} not known yet: by way of others.")
    st.caption(" ".join(sentences))
    export_chart("minima-plane", draw, questions)
