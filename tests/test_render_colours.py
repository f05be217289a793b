"""Colours that keep their meaning and are seen by all; ticks and names that read as they are."""

import itertools
import json
from functools import cache
from typing import Any

import numpy as np
import pytest
import vl_convert

from explorer.kinds.line import Line
from explorer.kinds.look import COLOUR_MAPS, CurvesLook, SubjectName
from explorer.kinds.surface import Surface
from explorer.kinds.trajectory import Trajectory
from explorer.render import (
    critical,
    sharpness,
    spectrum_parts,
    spectrum_spikes,
    stability,
    training,
)
from explorer.render.export import paper_style
from explorer.render.export.views import whole_spec
from explorer.render.marks import curves
from explorer.render.marks.arrow import column_name, tooltip_title
from explorer.render.marks.colours import (
    BLUE,
    SERIES_COLOURS,
    colour_table,
    contrast_ratio,
    series_colours,
)
from explorer.render.marks.curve import GREY, Curve, Row
from explorer.render.marks.scale import ink_colour
from explorer.render.marks.ticks import tick_label_expression, tick_labels, ticks
from explorer.render.trajectories import chart_until, make_tracks
from tests.colour_vision import EYES, least_gap, seen_lab
from tests.drawing import drawn_line, drawn_surface

DIVERGING_MAPS = ("coolwarm", "vik")
PAGES = ("#ffffff", "#0e1117")  # Streamlit's light and dark page
HOSTILE = (
    "bob's net",
    'a "quoted" [name].with \\ backslash',
    "ends in \\",
    "{{a}} ${b} `c`",
    "line\nbreak",
    "datum['x']; //",
    "=1+1",
    "损失²",
)


@pytest.mark.parametrize(
    "colour",
    [
        *SERIES_COLOURS,
        *critical.COLOURS.values(),
        *stability.COLOURS,
        spectrum_spikes.SPIKE_COLOUR,
        GREY,
    ],
)
def test_every_series_stands_out_on_both_pages(colour: str) -> None:
    """WCAG's 3 to 1 for graphics, on white and on Streamlit's dark page."""
    assert min(contrast_ratio(colour, page) for page in PAGES) >= 3


def test_labels_on_colours_have_enough_contrast() -> None:
    """WCAG's 4.5 to 1 for text, on every colour of every map."""
    assert contrast_ratio("#000000", "#ffffff") == pytest.approx(21)
    for name in ("viridis", "magma", "coolwarm"):
        for colour in colour_table(name):
            assert contrast_ratio(ink_colour(colour), "#" + bytes(colour).hex()) >= 4.5


@pytest.mark.parametrize("eyes", EYES)
@pytest.mark.parametrize(
    ("palette", "least"),
    [
        (SERIES_COLOURS, 17),
        (tuple(critical.COLOURS.values()), 17),
        (stability.COLOURS, 17),
        ((BLUE, spectrum_spikes.SPIKE_COLOUR), 17),  # also positive and negative eigenvalues
        (paper_style.COLOURS, 16),
    ],
    ids=["series", "ends of searches", "edge of stability", "spikes", "paper"],
)
def test_colours_side_by_side_are_told_apart_by_all_eyes(
    eyes: str, palette: tuple[str, ...], least: float
) -> None:
    """Any two colours of a palette are apart in CIELAB, also without one of the three cones."""
    assert least_gap(palette, eyes) > least


@pytest.mark.parametrize("eyes", EYES)
@pytest.mark.parametrize("name", sorted({*COLOUR_MAPS} - {*DIVERGING_MAPS}))
def test_higher_values_are_lighter_to_all_eyes(name: str, eyes: str) -> None:
    """Lightness rises along a map of losses, by 65 at least; it falls nowhere by 0.2.

    The tables are of whole numbers: their rounding is about as much.
    """
    lightness = seen_lab(colour_table(name), eyes)[:, 0]
    assert lightness[-1] - lightness[0] > 65
    assert (np.maximum.accumulate(lightness) - lightness).max() < 0.2


@pytest.mark.parametrize("eyes", EYES)
@pytest.mark.parametrize("name", DIVERGING_MAPS)
def test_the_two_sides_of_a_difference_are_told_apart_by_all_eyes(name: str, eyes: str) -> None:
    """A map that diverges is lightest in its middle, and its ends are not one colour."""
    lab = seen_lab(colour_table(name), eyes)
    assert 120 <= int(lab[:, 0].argmax()) <= 135
    sides = np.linalg.norm(lab[:64] - lab[:-65:-1], axis=1)
    assert sides.min() > 17


def test_colours_hang_on_meaning_not_on_order() -> None:
    """Splits have theirs in any company; a model keeps its own when the order changes."""
    both = dict(zip(("train", "test"), series_colours(["train", "test"]), strict=True))
    again = dict(zip(("test", "train"), series_colours(["test", "train"]), strict=True))
    assert both == again
    assert series_colours(["val", "train", "mlp"])[1] == both["train"]
    assert series_colours(["validation"]) == series_colours(["val"])
    names = ["mlp_a", "mlp_b", "cnn", "test", "deep"]
    colours = dict(zip(names, series_colours(names), strict=True))
    for order in itertools.islice(itertools.permutations(names), 0, 120, 7):
        assert dict(zip(order, series_colours(order), strict=True)) == colours
    assert len(set(colours.values())) == len(names)
    many = series_colours([f"model {n}" for n in range(20)])
    assert max(many.count(colour) for colour in SERIES_COLOURS) == 3


@pytest.mark.parametrize(
    ("low", "high"),
    [
        (1.0000001, 1.0000002),
        (1.0, 1.0 + 2**-50),
        (123456.0, 123456.5),
        (-1e-12, 1e-12),
        (0.1234567, 0.1234568),
        (1e300, 1.0000001e300),
        (99999.0, 100001.0),
        (-3.00000001, -3.0),
    ],
)
@pytest.mark.parametrize("log", [False, True])
def test_no_two_ticks_read_the_same(low: float, high: float, log: bool) -> None:
    """However small the range is beside its values."""
    if log and low <= 0:
        low, high = abs(high) / 10, abs(high)
    for count in (2, 5, 7, 12):
        values = ticks(low, high, log, count)
        texts = tick_labels(values)
        assert len(set(texts)) == len(set(values)) == len(values) >= 1
        assert all(low <= value <= high for value in values)
        assert all(text in tick_label_expression(values) for text in texts)
    assert tick_labels([1.0000001, 1.00000012]) == ["1.0000001", "1.00000012"]
    assert tick_labels([1.0, 1.0 + 2**-40]) == ["1", "+9.09×10⁻¹³"]
    assert tick_labels([0.0, 0.5, 1e5]) == ["0", "0.5", "10⁵"]


def test_contour_lines_reach_the_border() -> None:
    """Of a plane, lines begin and end on the edge of the picture; a hole at the edge stays open."""
    x, y = np.linspace(-1, 1, 9), np.linspace(0, 4, 5)
    values = 2 * x[None, :] + y[:, None]
    for hole in (False, True):
        if hole:
            values[0, 4] = np.nan
        surface = Surface(x, y, {"loss": values}, np.ones(values.shape, dtype=bool))
        spec = whole_spec(drawn_surface(surface))
        drawn: dict[tuple[str, int], list[tuple[float, float]]] = {}
        for layer in spec["layer"]:
            if layer["mark"].get("style") == "contour":
                name = layer["data"]["name"]
                for row in spec["datasets"][name]:
                    drawn.setdefault((name, row["line"]), []).append((row["x"], row["y"]))
        edges = {"x": (-1.125, 1.125), "y": (-0.5, 4.5)}
        ends = np.array([end for line in drawn.values() for end in (line[0], line[-1])])
        outside = np.minimum(
            np.abs(ends[:, :1] - edges["x"]).min(axis=1),
            np.abs(ends[:, 1:] - edges["y"]).min(axis=1),
        )
        if not hole:
            assert outside.max() < 1e-5  # rows are rounded to six places
        else:
            near = np.abs(ends - [x[4], y[0]]) <= [0.25 + 1e-5, 1.0 + 1e-5]
            assert (near.all(axis=1) | (outside < 1e-5)).all() and near.all(axis=1).any()


@cache
def hostile_charts() -> dict[str, Any]:
    """A chart of each builder that takes names, with names that mean something to Vega."""
    x = np.linspace(-1, 1, 3)
    lines = {
        n: Line(x, {m: np.ones((1, 3)) for m in ("loss", *HOSTILE)}, np.ones((1, 3), bool))
        for n in HOSTILE
    }
    curve = Curve(x, x**2, np.ones(3, dtype=bool))
    grid = {name: np.add.outer(x**2, x**2) for name in ("loss", "x", *HOSTILE)}
    plane = drawn_surface(Surface(x, x, grid, np.ones((3, 3), dtype=bool)), value=HOSTILE[1])
    values = dict.fromkeys(("loss", *HOSTILE), x)
    paths = [Trajectory(x=x, y=x, out=x, moved=x, values=values) for _ in HOSTILE]
    tracks = make_tracks(paths, [SubjectName(name, HOSTILE[:3]) for name in HOSTILE])
    return {
        "lines": drawn_line(lines, value=HOSTILE[0], second=HOSTILE[1], title=HOSTILE[2]),
        "rows": curves.chart([Row(name, {name: curve}) for name in HOSTILE], HOSTILE[1], 200),
        "training": training.curves_chart(
            {n: {m: {HOSTILE[0]: [(0, 1.0), (1, 2.0)]} for m in HOSTILE} for n in HOSTILE},
            CurvesLook(log=True),
        ),
        "surface": plane,
        "paths": chart_until(plane, tracks)(2),
    }


@pytest.mark.parametrize("name", ["lines", "rows", "training", "surface", "paths"])
def test_names_are_names_to_vega(name: str) -> None:
    """Quotes, dots, brackets, backslashes and line ends: it draws, and tooltips say the name."""
    spec = whole_spec(hostile_charts()[name])
    assert vl_convert.vegalite_to_svg(spec, allowed_base_urls=[]).startswith("<svg")
    held = {field for rows in spec["datasets"].values() for row in rows for field in row}
    for tip in tips(spec):
        assert tip["field"] in held, tip


def tips(view: Any) -> list[dict[str, Any]]:
    """All tooltips of a specification."""
    if isinstance(view, list):
        return [tip for part in view for tip in tips(part)]
    if not isinstance(view, dict):
        return []
    own = view.get("tooltip", [])
    field_tips = [tip for tip in (own if isinstance(own, list) else [own]) if "field" in tip]
    return field_tips + [
        tip for name, part in view.items() if name != "datasets" for tip in tips(part)
    ]


def test_no_two_names_are_one_column() -> None:
    """What Vega would read as a path or an expression is written as its code."""
    names = [*HOSTILE, "a.b", "a[b", "a%2eb", "a b", "a_b"]
    assert len({column_name(name) for name in names}) == len(names)
    assert column_name("test accuracy_2") == "test accuracy_2"
    assert tooltip_title("a\\b\nc") == "a\\\\b c"
    assert json.loads(json.dumps(column_name("\ud800"))) == column_name("\ud800")


def test_builders_share_one_palette() -> None:
    """No chart has a palette of its own beside it."""
    for module in (spectrum_parts, sharpness):
        assert module.BLUE in SERIES_COLOURS
