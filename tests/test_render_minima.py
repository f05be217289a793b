"""Charts of many minima: valid, complete, and honest about what is not finite."""

import math
import re

import numpy as np
import pytest
import vl_convert

from explorer.kinds.minima import DISTANCE_NUMBER, LOWEST_PASS, Minima, distance_plane
from explorer.render.drawing import Chart, unchecked
from explorer.render.minima import MinimaLook, draw_matrix
from explorer.render.minima_graph import draw_graph
from explorer.render.minima_tree import draw_tree


def minima(count: int) -> Minima:
    """Minima with all numbers of all pairs but 1-2, on whose way the loss is NaN, and 0-2."""
    rng = np.random.default_rng(count)
    losses, points = rng.random(count), rng.normal(size=(count, 9))
    pairs = {}
    for i in range(count):
        for j in range(i + 1, count):
            saddle = max(losses[i], losses[j]) + rng.random()
            distance = float(np.linalg.norm(points[i] - points[j]))
            pairs[i, j] = {"saddle": float(saddle), DISTANCE_NUMBER: distance}
    pairs[1, 2]["saddle"] = math.nan
    del pairs[0, 2]
    return Minima(tuple(f"net {n:02}" for n in range(count)), losses, pairs)


def svg_of(chart: Chart) -> str:
    """The chart as the browser draws it; it is valid Vega-Lite."""
    chart.to_dict(validate=True)
    svg: str = vl_convert.vegalite_to_svg(unchecked(chart).to_dict())
    return svg


@pytest.mark.parametrize("count", [3, 20])
@pytest.mark.parametrize("log", [False, True])
def test_each_chart_names_all_minima(count: int, log: bool) -> None:
    """Matrix, tree and plane can be drawn, with the name of every model, on either scale."""
    some = minima(count)
    plane = distance_plane(some.matrix(DISTANCE_NUMBER))
    assert plane is not None
    look = MinimaLook(log=log)
    for chart in (draw_matrix(some, look), draw_tree(some, look), draw_graph(some, plane, look)):
        svg = svg_of(chart)
        assert all(f">{name}</text>" in svg for name in some.names)


def test_a_matrix_says_what_is_not_finite_and_leaves_unknown_pairs_empty() -> None:
    """Both cells of the pair say NaN; those of the pair without an answer say nothing."""
    svg = svg_of(draw_matrix(minima(3), MinimaLook()))
    assert svg.count(">NaN</text>") == 2
    values = re.findall(r">([\d.]+)</text>", svg)
    assert len([text for text in values if len(text) > 3]) >= 2  # of the pair 0-1


def test_cells_are_links_where_the_look_has_some() -> None:
    """On the page each pair's two cells lead to its address; files have no links."""
    some = minima(3)
    links = {pair: f"page?pair={pair[0]}{pair[1]}" for pair in some.pairs}
    assert svg_of(draw_matrix(some, MinimaLook(links=links))).count("page?pair=01") >= 2
    assert "href" not in svg_of(draw_matrix(some, MinimaLook()))


def test_a_tree_has_a_dot_for_each_merge_at_its_loss() -> None:
    """Branches meet at the lowest pass, whose loss is written there."""
    some = minima(3)
    svg = svg_of(draw_tree(some, MinimaLook()))
    (merge,) = some.merges
    assert f">{merge.saddle:.3g}</text>" in svg
    assert svg_of(draw_matrix(some, MinimaLook(LOWEST_PASS))).count(f">{merge.saddle:.3g}<") == 2


def test_a_tree_of_losses_that_a_scale_cannot_show_is_refused() -> None:
    """Losses of 0 and below have no place on a log scale: a sentence says so."""
    some = Minima(("a", "b"), np.array([0.0, -1.0]), {(0, 1): {"saddle": 1.0}})
    with pytest.raises(ValueError, match="linear scale"):
        draw_tree(some, MinimaLook(log=True))
    assert ">a</text>" in svg_of(draw_tree(some, MinimaLook()))
