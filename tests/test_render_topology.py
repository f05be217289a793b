"""Pictures of basins, barcode and merge tree: valid in light and dark, nothing invented or lost."""

import base64
import io
from typing import Any

import numpy as np
import pytest
import vl_convert
from PIL import Image

from explorer.kinds.surface import SURFACE_PICTURES, Surface, SurfaceLook
from explorer.render.drawing import as_chart
from explorer.render.export.views import whole_spec
from explorer.render.surface import draw
from explorer.render.surface_tree import branch_columns
from explorer.topology.merge_tree import merge_tree

AXIS = np.linspace(-2, 2, 41)
X, Y = np.meshgrid(AXIS, AXIS)
WELLS = X**4 - 2 * X**2 + 2 * (Y**4 - 2 * Y**2) + 0.1 * X + 0.05 * Y + 5  # four of unlike depth
TOPOLOGY = SURFACE_PICTURES[1:]


def surface_of(values: np.ndarray) -> Surface:
    return Surface(AXIS, AXIS, {"loss": values}, np.ones(values.shape, dtype=bool))


def rows_of(values: np.ndarray, mark: str, **look: Any) -> list[dict[str, Any]]:
    """The rows of all layers of that mark."""
    spec = whole_spec(as_chart(draw(surface_of(values), SurfaceLook(**look))))
    layers = [layer for layer in spec["layer"] if layer["mark"]["type"] == mark]
    datasets = [layer.get("data", spec.get("data"))["name"] for layer in layers]
    return [row for name in datasets for row in spec["datasets"][name]]


@pytest.mark.parametrize("picture", TOPOLOGY)
@pytest.mark.parametrize("values", [WELLS, X**2 + Y**2, np.where(abs(X) < 0.1, np.nan, WELLS)])
def test_pictures_are_valid_in_light_and_dark(picture: str, values: np.ndarray) -> None:
    """Of wells, of a bowl and across a wall: Vega-Lite's schema and compiler take each."""
    chart = as_chart(draw(surface_of(values), SurfaceLook(picture=picture, log=True)))
    chart.to_dict(validate=True)
    spec = whole_spec(chart)
    drawn = [vl_convert.vegalite_to_svg(spec, theme=theme) for theme in ("default", "dark")]
    assert all(svg.startswith("<svg") and "<path" in svg for svg in drawn)
    assert drawn[0] != drawn[1]


def test_each_basin_has_one_colour_and_its_number_at_its_lowest_point() -> None:
    """Four hues for four wells, numbers where the minima are, a cross for each of three saddles."""
    (row,) = rows_of(WELLS, "image", picture="basins")
    data = base64.b64decode(row["url"].split(",")[1])
    pixels = np.asarray(Image.open(io.BytesIO(data)).convert("HSV"))[..., 0][::-1]
    cells = pixels[:: pixels.shape[0] // 41, :: pixels.shape[1] // 41][:41, :41].astype(int)
    tree = merge_tree(WELLS)
    hues = [set(cells[tree.basins == place].tolist()) for place in range(len(tree))]
    assert [max(hue) - min(hue) <= 4 for hue in hues] == [True] * 4  # rounding of 8 bits
    middles = [np.mean(list(hue)) for hue in hues]
    assert min(abs(a - b) for n, a in enumerate(middles) for b in middles[:n]) > 8
    numbers = [r for r in rows_of(WELLS, "text", picture="basins") if "number" in r]
    expected = {(str(n + 1), X.flat[p], Y.flat[p]) for n, p in enumerate(tree.minima)}
    assert {(r["number"], r["x"], r["y"]) for r in numbers} == expected
    crosses = [r for r in rows_of(WELLS, "point", picture="basins") if "words" in r]
    assert len({r["words"] for r in crosses}) == 3


def test_a_barcode_holds_each_finite_bar_and_greys_those_below_the_threshold() -> None:
    """Longest first, from birth to death; of a bowl it says that there is none."""
    tree = merge_tree(WELLS)
    rows = rows_of(WELLS, "rule", picture="barcode")
    bars = [(row["birth"], row["death"]) for row in rows]
    lengths = [death - birth for birth, death in bars]
    assert sorted(bars) == sorted(map(tuple, tree.bars.tolist()))
    assert lengths == sorted(lengths, reverse=True)
    threshold = sum(lengths[:2]) / 2
    rows = rows_of(WELLS, "rule", picture="barcode", threshold=threshold)
    assert [row["basin"] == "below the threshold" for row in rows] == [False, True, True]
    (empty,) = rows_of(X**2 + Y**2, "text", picture="barcode")
    assert empty["words"] == "no bar: one basin, and no other"
    assert rows_of(X**2 + Y**2, "rule", picture="barcode") == []


def test_branches_of_a_merge_tree_never_cross() -> None:
    """The way across to what a branch joins passes no branch that is alive at that level."""
    tree = merge_tree(np.random.default_rng(0).normal(size=(14, 14)))
    columns = branch_columns(tree)
    assert sorted(columns) == list(range(len(tree)))
    for place in np.flatnonzero(tree.joins):
        left, right = sorted((columns[place], columns[tree.parents[place]]))
        between = (columns > left) & (columns < right)
        level = tree.deaths[place]
        assert not (between & (tree.births < level) & (tree.deaths > level)).any()


def test_a_surface_that_grows_has_no_topology_yet() -> None:
    """A gap would look like a wall: one sentence says that it waits, and the plane is drawn."""
    computed = np.ones(WELLS.shape, dtype=bool)
    computed[3, 4] = False
    surface = Surface(AXIS, AXIS, {"loss": np.where(computed, WELLS, np.nan)}, computed)
    draw(surface, SurfaceLook())
    for picture in TOPOLOGY:
        with pytest.raises(ValueError, match="must wait until all points are computed"):
            draw(surface, SurfaceLook(picture=picture))
