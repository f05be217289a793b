"""Contour charts: every value at its own place, none invented or lost, valid for any values."""

import base64
import io
import json
import subprocess
import sys
from typing import Any

import numpy as np
import pytest
import vl_convert
from PIL import Image

from explorer.kinds.grid import axis_values, coarse_to_fine, level
from explorer.kinds.preview import preview
from explorer.kinds.surface import Surface, SurfaceLook
from explorer.render.export.table import point_rows, to_csv
from explorer.render.export.views import whole_spec
from explorer.render.marks.colours import colour_table
from explorer.render.marks.hover import estimate_text
from explorer.render.marks.scale import colour_scale
from explorer.render.marks.ticks import number_text, tick_label, ticks
from tests.drawing import drawn_surface


def a_surface(values: np.ndarray, computed: np.ndarray | None = None) -> Surface:
    rows, columns = values.shape
    mask = np.ones(values.shape, dtype=bool) if computed is None else computed
    grid = np.where(mask, values, np.nan)
    x, y = axis_values(-1, 2, columns), axis_values(-3, 1, rows)
    return Surface(x, y, {"loss": grid, "accuracy": np.where(mask, 0.5, np.nan)}, mask)


def layers(chart: Any, mark: str) -> list[dict[str, Any]]:
    """Layers with that kind of mark, their rows under "rows"."""
    spec = whole_spec(chart)
    with_mark = [layer for layer in spec["layer"] if layer["mark"]["type"] == mark]
    return [{**layer, "rows": spec["datasets"][layer["data"]["name"]]} for layer in with_mark]


def picture(chart: Any) -> tuple[np.ndarray, dict[str, Any]]:
    """Pixels of the image layer, and its row (its edges)."""
    row = layers(chart, "image")[0]["rows"][0]
    data = base64.b64decode(row["url"].split(",")[1])
    return np.asarray(Image.open(io.BytesIO(data))), row


def pixel_at(drawn: tuple[np.ndarray, dict[str, Any]], x: float, y: float) -> np.ndarray:
    pixels, row = drawn
    height, width = pixels.shape[:2]
    column = (x - row["left"]) / (row["right"] - row["left"]) * width
    line = (row["top"] - y) / (row["top"] - row["bottom"]) * height
    return pixels[int(line), int(column)]


def bowl(shape: tuple[int, int]) -> np.ndarray:
    rows, columns = np.indices(shape)
    return (rows - shape[0] / 3) ** 2 + 5.0 * (columns - shape[1] / 2) ** 2 + 0.1


@pytest.mark.parametrize("shape", [(9, 9), (4, 7), (6, 5), (2, 3)])
@pytest.mark.parametrize("log", [False, True])
def test_a_spike_is_at_its_own_coordinate(shape, log):
    """Image, contour and tooltip show an asymmetric spike of any grid at the same x and y."""
    values = np.ones(shape)
    j, i = 1, shape[1] - 2
    values[j, i] = 100
    surface = a_surface(values)
    x, y = surface.x[i], surface.y[j]
    chart = drawn_surface(surface, log=log)
    top = colour_table("viridis")[-1]
    pixels, row = picture(chart)
    yellow = np.argwhere((pixels[..., :3] == top).all(axis=-1))
    size = np.array(pixels.shape[:2])
    centre = (yellow.mean(axis=0) + 0.5) / size  # of the yellow cell, from above left
    assert row["left"] + centre[1] * (row["right"] - row["left"]) == pytest.approx(x, abs=1e-9)
    assert row["top"] - centre[0] * (row["top"] - row["bottom"]) == pytest.approx(y, abs=1e-9)
    assert len(yellow) == np.prod(size) / np.prod(shape)  # one cell and nothing else
    told = [r for r in layers(chart, "rect")[0]["rows"] if r["loss"] == "100"]
    assert [(r["cell x"], r["cell y"]) for r in told] == [pytest.approx((x, y), abs=1e-8)]
    assert (told[0]["x"], told[0]["y"]) == (number_text(x), number_text(y))
    drawn = np.array([(r["x"], r["y"]) for line in layers(chart, "line") for r in line["rows"]])
    step = np.array([np.diff(surface.x)[0], np.diff(surface.y)[0]])
    # Lines between 1 and 100 lie on the edges from the spike to its neighbours, nowhere else.
    assert (np.abs(drawn - [x, y]) <= step * (1 + 1e-5)).all()
    inner = 0 < j < shape[0] - 1 and 0 < i < shape[1] - 1
    middle = (drawn.min(axis=0) + drawn.max(axis=0)) / 2
    if inner:  # 1e-5: rows are rounded to six places
        assert middle == pytest.approx([x, y], abs=1e-5)


def cases() -> dict[str, np.ndarray]:
    huge = 10 ** np.linspace(-8, 30, 63).reshape(7, 9)
    holes = bowl((8, 6))
    holes[1, 2], holes[3, 4], holes[5, 5] = np.inf, -np.inf, np.nan
    single = np.full((5, 5), np.nan)
    single[3, 1] = 2.5
    return {
        "51x51": bowl((51, 51)),
        "4x7": bowl((4, 7)),
        "2x2": bowl((2, 2)),
        "all NaN": np.full((5, 6), np.nan),
        "all Inf": np.full((5, 6), np.inf),
        "all equal": np.full((5, 6), 3.0),
        "all zero": np.zeros((5, 6)),
        "negative": -bowl((5, 6)),
        "one value": single,
        "huge range": huge,
        "largest floats": np.array([[-1.7e308, 0.0, 1.0], [5e-324, 1e-300, 1.7e308]]),
        "last digits": 1 + np.arange(20.0).reshape(4, 5) * 2**-52,
        "with Inf": holes,
    }


@pytest.mark.parametrize("log", [False, True])
@pytest.mark.parametrize("name", cases())
def test_any_values_make_a_valid_chart(name, log):
    """Vega-Lite draws every case; the JSON is strict; the legend counts the holes exactly."""
    values = cases()[name]
    chart = drawn_surface(a_surface(values), log=log)
    spec = whole_spec(chart)
    hover = layers(chart, "rect")[0]["rows"]
    assert [row["loss"] for row in hover] == [number_text(v) for v in values.ravel()]
    legend = json.dumps(spec, allow_nan=False)
    for word, where in (
        ("NaN", np.isnan(values)),
        ("Infinite", np.isinf(values)),
        ("Not above 0", np.isfinite(values) & (values <= 0) & log),
    ):
        assert (f'"{word}, {where.sum()}"' in legend) == bool(where.any())
    assert vl_convert.vegalite_to_svg(spec).startswith("<svg")


def test_holes_are_drawn_and_nothing_else_is():
    """Grey pixels are exactly those of the NaN and Inf cells."""
    values = bowl((8, 6))
    values[1, 2], values[5, 0] = np.nan, np.inf
    surface = a_surface(values)
    drawn = picture(drawn_surface(surface))
    for (j, i), value in np.ndenumerate(values):
        red, green, blue, alpha = map(int, pixel_at(drawn, surface.x[i], surface.y[j]))
        assert (red == green == blue) == (not np.isfinite(value))
        assert alpha == 255


def test_zero_and_negative_are_holes_on_a_log_scale_only():
    """The same zero is coloured on a linear scale and hatched, with a note, on a log scale."""
    values = bowl((5, 5))
    values[2, 3] = 0
    surface = a_surface(values)
    at = surface.x[3], surface.y[2]
    linear, log = (pixel_at(picture(drawn_surface(surface, log=k)), *at) for k in (False, True))
    assert (linear[:3] == colour_table("viridis")[0]).all()
    assert log[0] == log[1] == log[2]


def test_before_a_level_the_nearest_value_stands_in():
    """A place not computed shows its nearest computed value, pale; the values stay as they are."""
    values = bowl((9, 9))
    computed = np.zeros((9, 9), dtype=bool)
    computed[4, 4] = computed[0, 0] = True
    values[0, 0] = np.nan
    surface = a_surface(values, computed)
    before = surface.loss.copy()
    chart = drawn_surface(surface)
    assert pixel_at(picture(chart), surface.x[4], surface.y[4])[3] == 255
    assert pixel_at(picture(chart), surface.x[5], surface.y[5])[3] < 255
    np.testing.assert_array_equal(surface.loss, before)
    assert "Not computed, 79" in json.dumps(whole_spec(chart))
    assert "Interpolated" not in json.dumps(whole_spec(chart)) and not layers(chart, "line")
    told = {r["loss"] for r in layers(chart, "rect")[0]["rows"]}
    assert told == {"NaN", number_text(values[4, 4])}


def half_done(shape: tuple[int, int] = (25, 25)) -> Surface:
    """A bowl of which every second row and column is computed, with one NaN among them."""
    values = bowl(shape)
    values[8, 12] = np.nan
    computed = np.zeros(shape, dtype=bool)
    computed[level(shape, 2)] = True
    return a_surface(values, computed)


def test_interpolated_cells_are_pale_and_say_what_they_are():
    """Cells between computed ones have the preview's colour, pale; the legend counts them."""
    surface = half_done()
    shown = preview(surface.loss, surface.computed)
    chart = drawn_surface(surface, log=True)
    scale = colour_scale(surface.loss[surface.computed], SurfaceLook(log=True))
    drawn = picture(chart)
    for j, i in ((2, 3), (3, 3), (20, 21), (24, 24), (8, 12), (8, 13)):
        pixel = pixel_at(drawn, surface.x[i], surface.y[j])
        assert (pixel[3] == 255) == surface.computed[j, i]
        if np.isfinite(shown.values[j, i]):
            assert (pixel[:3] == scale.colours(shown.values[j, i])).all()
    legend = json.dumps(whole_spec(chart))
    gap = int(shown.interpolated.sum())
    assert gap == 625 - 169 - 8
    assert all(f'"{text}"' in legend for text in ("NaN, 1", f"Interpolated, {gap}"))
    assert '"Not computed, 8"' in legend  # around the NaN


def test_tooltips_tell_a_computed_value_from_an_estimate():
    """Computed cells tell all values; interpolated ones their own place and an uncertainty."""
    surface = half_done()
    shown = preview(surface.loss, surface.computed)
    rows = layers(drawn_surface(surface), "rect")[0]["rows"]
    assert len(rows) == 625
    for row, (j, i) in zip(rows, np.ndindex(25, 25), strict=True):
        if surface.computed[j, i]:
            assert row["loss"] == number_text(surface.loss[j, i]) and row["accuracy"] == "0.5"
        elif shown.interpolated[j, i]:
            likely = estimate_text(shown.values[j, i], shown.uncertainty[j, i])
            assert row["loss"] == f"{likely} (interpolated)" and "±" in row["loss"]
            assert row["accuracy"] == "not computed"
            assert (row["x"], row["y"]) == (number_text(surface.x[i]), number_text(surface.y[j]))
        else:
            assert row["loss"] in {number_text(v) for v in surface.loss[6:11:2, 10:15:2].ravel()}


def test_estimates_are_as_short_as_their_uncertainty():
    """The value ends at the first digit of its uncertainty, but keeps one digit of its own."""
    assert estimate_text(1.2345, 0.0213) == "≈ 1.23 ± 0.02"
    assert estimate_text(1234.5, 21.3) == "≈ 1230 ± 20"
    assert estimate_text(3.2e-8, 4e-10) == "≈ 3.2e-8 ± 4e-10"
    assert estimate_text(1.2345, 40.0) == "≈ 1 ± 40"
    assert estimate_text(3.0, 0.0) == "≈ 3 ± 0"
    assert estimate_text(0.0, 0.1) == "≈ 0 ± 0.1"


def test_contours_run_through_the_preview():
    """Half done, the lines lie where the function has their values, and none near the NaN."""
    x, y = axis_values(-1, 2, 33), axis_values(-3, 1, 25)
    values = np.exp(x[None, :] + y[:, None] / 2)
    computed = np.zeros(values.shape, dtype=bool)
    computed[level(values.shape, 4)] = True
    values[8, 16] = np.nan
    chart = drawn_surface(Surface(x, y, {"loss": values}, computed), log=True)
    levels = np.log(ticks(np.nanmin(values), np.nanmax(values), True, 12))
    drawn = np.array([(r["x"], r["y"]) for line in layers(chart, "line") for r in line["rows"]])
    values_there = drawn[:, 0] + drawn[:, 1] / 2
    assert np.abs(values_there[:, None] - levels).min(axis=1).max() < 1e-5  # rounded to six places
    near = np.abs(drawn - [x[16], y[8]]) < 3.5 * np.array([x[1] - x[0], y[1] - y[0]])
    assert not near.all(axis=1).any()


def test_a_preview_is_never_exported():
    """After drawing, the numbers to download are still only those computed."""
    surface = half_done()
    before = to_csv(surface)
    drawn_surface(surface)
    assert to_csv(surface) == before
    told = point_rows(surface).to_pydict()
    computed = np.array(told["computed"])
    assert computed.sum() == 169 and np.isnan(np.array(told["loss"])[~computed]).all()


def test_a_growing_surface_is_valid_at_every_size():
    """From nothing computed to everything, coarse points first, Vega-Lite draws each state."""
    values = bowl((12, 9))
    order = coarse_to_fine(values.shape)
    for count in (0, 1, 2, 10, 40, 107, 108):
        computed = np.zeros(values.shape, dtype=bool)
        computed[tuple(order[:count].T)] = True
        chart = drawn_surface(a_surface(values, computed), log=True)
        assert vl_convert.vegalite_to_svg(whole_spec(chart)).startswith("<svg")


def test_contours_lie_where_the_function_has_that_value():
    """Each vertex of the level of a plane lies on it, after simplification too."""
    x, y = axis_values(-1, 2, 31), axis_values(-3, 1, 21)
    values = 2 * x[None, :] + y[:, None]
    chart = drawn_surface(Surface(x, y, {"loss": values}, np.ones(values.shape, dtype=bool)))
    levels = np.array(ticks(values.min(), values.max(), False, 12))
    drawn = np.array([(r["x"], r["y"]) for line in layers(chart, "line") for r in line["rows"]])
    values_there = 2 * drawn[:, 0] + drawn[:, 1]
    distance = np.abs(values_there[:, None] - levels).min(axis=1)
    assert distance.max() < 1e-5  # rows are rounded to six places


def test_square_cells_and_clip():
    """Comparable ranges share one scale per unit; clipping changes colours, never the tooltips."""
    surface = a_surface(bowl((9, 7)))
    spec = whole_spec(drawn_surface(surface, clip=20.0))
    assert "autosize" not in spec  # whoever shows it says that: a chart beside another may not
    x_span, y_span = 3 * 7 / 6, 4 * 9 / 8
    assert spec["height"] / spec["width"] == pytest.approx(y_span / x_span, abs=1 / spec["width"])
    assert "clipped at 20" in json.dumps(spec)
    told = layers(drawn_surface(surface, clip=20.0), "rect")[0]["rows"]
    assert [r["loss"] for r in told] == [number_text(v) for v in surface.loss.ravel()]


def test_payload_stays_small():
    """A 201 x 201 surface, even pure noise, stays below 1 MB and its tooltips below 0.4 MB."""
    values = np.random.default_rng(0).lognormal(size=(201, 201))
    chart = drawn_surface(a_surface(values))
    assert len(json.dumps(layers(chart, "rect")[0]["rows"])) < 400_000
    assert len(json.dumps(whole_spec(chart))) < 1_000_000
    for side in (60, 201):
        computed = np.zeros((side, side), dtype=bool)
        computed[level((side, side), 2)] = True
        growing = drawn_surface(a_surface(values[:side, :side], computed))
        assert len(json.dumps(layers(growing, "rect")[0]["rows"])) < 400_000


def test_ticks_are_round_and_few():
    """Ticks have short labels, lie inside the range, and are never many more than asked for."""
    assert ticks(-1, 1, False, 5) == [-1.0, -0.5, 0.0, 0.5, 1.0]
    assert ticks(0.1, 0.7, False, 6) == [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7]
    assert ticks(0.02, 400, True, 7) == [0.1, 1.0, 10.0, 100.0]
    random = np.random.default_rng(1)
    for _ in range(300):
        low, high = np.sort(10 ** random.uniform(-30, 30, 2))
        for log in (False, True):
            values = ticks(low, high, log, 7)
            assert 1 <= len(values) <= 10
            assert all(low <= v <= high and len(number_text(v)) <= 8 for v in values)
    assert (tick_label(1e-8), tick_label(3e5), tick_label(0.3)) == ("10⁻⁸", "3×10⁵", "0.3")


def test_limits_are_shared_and_styles_refuse():
    """The same limits give the same colour scale; bad styles and values are refused."""
    look = SurfaceLook(limits=(0.0, 10.0))
    assert colour_scale(np.array([3.0]), look) == colour_scale(np.array([1.0, 99.0]), look)
    for bad in ({"levels": -1}, {"width": 3}, {"clip": np.inf}, {"limits": (2.0, 1.0)}):
        with pytest.raises(ValueError, match="must"):
            SurfaceLook(**bad)
    with pytest.raises(ValueError, match="value must be one of loss, accuracy"):
        drawn_surface(a_surface(bowl((3, 3))), value="f1")


def test_no_heavy_imports():
    """Importing the 2-D renderers brings in neither streamlit nor torch nor pyvista (nor VTK)."""
    code = (
        "import sys, explorer.render.surface, explorer.render.line, explorer.render.export.figure, "
        "explorer.render.export.table; "
        "print([m for m in ('streamlit', 'torch', 'pyvista', 'vtk', 'duckdb') if m in sys.modules])"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout.strip() == "[]"
