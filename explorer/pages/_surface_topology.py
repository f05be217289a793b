"""The topology of a surface: its basins above a threshold, barcode, merge tree, numbers."""

import math
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import streamlit as st

from explorer.ask.subject_names import subject_names
from explorer.kinds.penalty import with_penalty
from explorer.kinds.surface import Surface, SurfaceLook
from explorer.kinds.topology import AT_NOISE_FLOOR, GridTopology, grid_topology
from explorer.pages import _charts as charts
from explorer.pages._address import check_address
from explorer.pages._downloads import figure_download, numbers_download
from explorer.pages._export import file_name
from explorer.pages._provenance import show_provenance
from explorer.pages._surface_basins import show_basins, show_distances
from explorer.pages._surface_distance import show_distance
from explorer.pages._terms import term_help
from explorer.render.marks.ticks import number_text
from store import Catalog, records

if TYPE_CHECKING:
    from explorer.render.drawing import Drawing

FLOOR = "noise floor"  # of the threshold
PICTURES = {"basins": "Basins", "barcode": "Barcode", "merge tree": "Merge tree"}
LADDER = (1, 2, 5)  # times powers of ten: the thresholds that are offered
BELOW_FLOOR = 100  # the smallest of them is the floor over this
POWERS = (1e-300, 1e307)  # thresholds lie between: numbers that can be printed and read again
TREE_AXES = 80  # px beside the plots of barcode and merge tree
DIGITS = 4


def show_topology(
    catalog: Catalog, question: records.Question, surface: Surface, look: SurfaceLook
) -> None:
    """The basins of a whole surface; of one that grows, that they have to wait.

    Args:
        catalog: where other surfaces are.
        question: whose answer it is.
        surface: the answer.
        look: which value is shown, and how.
    """
    if not surface.computed.all():
        st.info("The topology waits until all points are computed: a gap would look like a wall.")
        return
    values = with_penalty(surface.values, look.decay)
    at_floor = grid_topology(values, surface.computed, look.value)
    threshold = choose_threshold(at_floor)
    look = replace(look, threshold=threshold)
    topology = at_floor
    if threshold >= 0:
        topology = grid_topology(values, surface.computed, look.value, threshold)
    _show_numbers(topology)
    _show_pictures(catalog, question, surface, look)
    st.caption(_rule_words(topology))
    show_basins(surface, topology)
    show_distances(topology)
    show_distance(catalog, question, topology, look)
    with st.popover("Export", icon=":material/download:"):
        *figures, numbers = st.tabs([*PICTURES.values(), "Numbers"])
        for tab, picture in zip(figures, PICTURES, strict=True):
            with tab:
                _picture_download(catalog, question, surface, replace(look, picture=picture))
        with numbers:
            numbers_download(file_name(question), question, surface)
    show_provenance(catalog, question, surface.facts)


def choose_threshold(topology: GridTopology) -> float:
    """The least persistence that a basin must have; below 0 for the noise floor.

    Args:
        topology: at its noise floor.
    """
    rungs = _rungs(topology)
    held = st.session_state.get("threshold", st.query_params.get("threshold", FLOOR))
    check_address("threshold", f"{FLOOR}, or a number of at least 0", _is_threshold)
    if held not in rungs and _is_threshold(str(held)):
        rungs = sorted([*rungs, str(held)], key=lambda rung: _level(rung, topology))
    chosen = st.select_slider(
        "Least persistence",
        rungs,
        FLOOR,
        key="threshold",
        bind="query-params",
        help="A basin that joins a deeper one after a smaller rise is part of that. It starts at "
        "the noise floor: the median standard error of the loss at the saddles.",
    )
    return AT_NOISE_FLOOR if chosen == FLOOR else float(chosen)


def _is_threshold(text: str) -> bool:
    try:
        return text == FLOOR or (float(text) >= 0 and math.isfinite(float(text)))
    except ValueError:
        return False


def _level(rung: str, topology: GridTopology) -> float:
    return topology.noise_floor if rung == FLOOR else float(rung)


def _rungs(topology: GridTopology) -> list[str]:
    """Round thresholds from far below the noise floor to above all that persists, and that."""
    bars = topology.whole.persistence[topology.whole.joins]
    high = float(np.clip(bars.max(), *POWERS)) if len(bars) else 1.0
    low = topology.noise_floor / BELOW_FLOOR if 0 < topology.noise_floor < high else high / 1000
    low = max(low, POWERS[0])
    powers = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    numbers = [float(f"{digit}e{power}") for power in powers for digit in LADDER]
    beyond = next(number for number in numbers if number >= high)
    rungs = ["0", *(f"{number:g}" for number in numbers if low <= number <= beyond), FLOOR]
    return sorted(rungs, key=lambda rung: _level(rung, topology))


def _show_numbers(topology: GridTopology) -> None:
    """How many basins there are, and what they come down to."""
    smad = topology.saddle_minimum_distances["tree edges"]
    words = {
        "basins": f"{len(topology.tree):,} of {len(topology.whole):,}",
        "smad": number_text(smad, DIGITS),
        "total_persistence": number_text(topology.total_persistence, DIGITS),
        "noise_floor": number_text(topology.noise_floor, DIGITS) if _has_saddle(topology) else "–",
    }
    labels = ("Basins", "SMAD", "Total persistence", "Noise floor")
    with st.container(horizontal=True, gap="large"):
        for label, (term, text) in zip(labels, words.items(), strict=True):
            st.metric(label, text, help=term_help(term), width="content")


def _has_saddle(topology: GridTopology) -> bool:
    return bool(topology.whole.joins.any())


def _show_pictures(
    catalog: Catalog, question: records.Question, surface: Surface, look: SurfaceLook
) -> None:
    """The basins from above, and below them the barcode beside the merge tree."""
    key = question.key[:12]
    basins = _draw(catalog, question, surface, replace(look, picture="basins"))
    words = "Basins of the surface, a colour each, with their numbers from the deepest on"
    charts.show_chart(basins, words, key=f"basins-{key}")
    width = max(charts.SMALLEST_WIDTH, charts.column_width() // 2 - TREE_AXES)
    own = replace(look, width=width)
    for picture, column in zip(list(PICTURES)[1:], st.columns(2), strict=True):
        with column:
            st.markdown(f"**{PICTURES[picture]}**", help=term_help(picture))
            chart = _draw(catalog, question, surface, replace(own, picture=picture))
            charts.show_chart(chart, f"{PICTURES[picture]} of the basins", key=f"{picture}-{key}")


def _draw(
    catalog: Catalog, question: records.Question, surface: Surface, look: SurfaceLook
) -> "Drawing":
    from explorer.render.surface import draw

    return draw(surface, look, subject_names(catalog, question))


def _picture_download(
    catalog: Catalog, question: records.Question, surface: Surface, look: SurfaceLook
) -> None:
    name = f"{file_name(question)}-{look.picture.replace(' ', '-')}"

    def draw() -> "Drawing":
        return _draw(catalog, question, surface, look)

    figure_download(name, draw, [question], f"figure-{look.picture}")


def _rule_words(topology: GridTopology) -> str:
    """What counts as a basin, and what as noise."""
    words = (
        "A basin counts where the level must rise by more than the threshold before it joins a "
        "deeper one; it is pale above the level at which it joins. Points are joined to the four "
        "beside them. The plane is a slice: what is apart here may be joined outside of it."
    )
    floor = number_text(topology.noise_floor, DIGITS)
    if not _has_saddle(topology):
        words += " There is no saddle, and so no noise floor: no basin joins another."
    elif topology.from_errors:
        words += (
            f" The noise floor is the median standard error of the loss at the saddles, {floor}: "
            "a lower rise may be chance of which examples the mean is over."
        )
    else:
        words += (
            f" Without standard errors the noise floor is a millionth of the values at the "
            f"saddles, {floor}: a lower rise is rounding."
        )
    walls = int((topology.tree.basins < 0).sum())
    if walls:
        words += f" {walls:,} points are NaN or infinite: they are walls between basins."
    return words
