"""Curves by name: what a click in the legend hides, what the mouse is on, what a file shows."""

import json
from typing import Any

import numpy as np
import pytest
import vl_convert

from explorer.kinds.grid import axis_values
from explorer.kinds.line import Line
from explorer.kinds.numbers import NumberPair, ResultNumber
from explorer.kinds.surface import Surface
from explorer.render.drawing import Chart, as_chart
from explorer.render.export.views import static_spec, whole_spec
from explorer.render.linked import LinkedChart, LinkedCharts, can_be_linked
from explorer.render.marks.curve import Curve, Row, axis_limits
from explorer.render.marks.curves import chart
from explorer.render.marks.series import CURSOR, SHOWN
from explorer.render.scatter import ScatterLook, draw_parallel, draw_scatter
from tests.drawing import drawn_line, drawn_surface, rows

AXIS = np.array([-1.0, 0.0, 1.0])


def a_line(losses: list[float]) -> Line:
    loss = np.array([losses])
    values = {"loss": loss, "accuracy": loss / 10}
    return Line(axis_values(-1, 1, len(losses)), values, np.ones(loss.shape, dtype=bool))


def two_lines(**look: Any) -> Chart:
    return drawn_line({"one": a_line([1, 2, 3]), "it's": a_line([5, 4, 3, 4, 5])}, **look)


def scatter() -> Chart:
    pairs = [
        NumberPair(n, n[0], ResultNumber(x), ResultNumber(x)) for n, x in (("a1", 1), ("b1", 2))
    ]
    return as_chart(draw_scatter(pairs, "x", "y", ScatterLook()))


def parallel() -> Chart:
    columns = {"x": [1.0, 2.0], "y": [3.0, 1.0]}
    return as_chart(draw_parallel(columns, ["a", "b"], ["", ""], ScatterLook()))


CHARTS = {"lines": two_lines, "scatter": scatter, "parallel": parallel}


@pytest.mark.parametrize("name", CHARTS)
def test_a_file_shows_all_and_knows_no_mouse(name: str) -> None:
    """Without parameters, filters and dimming; it is drawn as it stands."""
    spec = static_spec(CHARTS[name]())
    text = json.dumps({key: part for key, part in spec.items() if key != "datasets"})
    assert not any(word in text for word in (SHOWN, CURSOR, "feels", "strokeOpacity"))
    assert vl_convert.vegalite_to_svg(spec).count("aria-roledescription") > 0


def curves_drawn(spec: dict[str, Any]) -> int:
    return vl_convert.vegalite_to_svg(spec).count('aria-roledescription="line mark"')


@pytest.mark.parametrize("second", ["", "accuracy"])
def test_what_is_taken_out_of_the_legend_is_not_drawn(second: str) -> None:
    """At first all curves of all plots; with one name left, one a plot; a name may have quotes."""
    spec = whole_spec(two_lines(second=second))
    plots = 2 if second else 1
    assert curves_drawn(spec) == 2 * plots
    (shown,) = [one for one in spec["params"] if one["name"] == SHOWN]
    assert [one["line"] for one in shown["value"]] == ["one", "it's"]
    shown["value"] = [{"line": "it's"}]
    assert curves_drawn(spec) == plots


@pytest.mark.parametrize("name", ["scatter", "parallel"])
def test_what_is_taken_out_of_the_legend_of_models_is_not_drawn(name: str) -> None:
    """A group's dots, or a model's line, go with its name; the others stay."""
    spec = whole_spec(CHARTS[name]())
    before = vl_convert.vegalite_to_svg(spec)
    (shown,) = [one for one in spec["params"] if one["name"] == SHOWN]
    shown["value"] = shown["value"][1:]
    after = vl_convert.vegalite_to_svg(spec)
    assert 'aria-roledescription="' in after
    assert after.count('aria-roledescription="point"') < before.count(
        'aria-roledescription="point"'
    )


@pytest.mark.parametrize("log", [False, True])
def test_the_mouse_is_on_the_curve_that_it_is_near(log: bool) -> None:
    """Each cell of a curve holds its value at its x, and the cells reach from end to end."""
    chart = two_lines(log=log)
    cells = [row for row in rows(chart, "hover-curves") if row["line"] == "it's"]
    assert min(cell["left"] for cell in cells) == -1.0
    assert max(cell["right"] for cell in cells) == pytest.approx(1.0)
    values = dict(zip(axis_values(-1, 1, 5), [5, 4, 3, 4, 5], strict=True))
    over = [cell for cell in cells if cell["left"] < cell["x"] < cell["right"]]
    assert over
    assert all(cell["low"] < values[cell["x"]] < cell["high"] for cell in over)


def test_where_a_curve_has_a_gap_the_mouse_is_not_on_it() -> None:
    """Next to a NaN there is no stroke, and no cell."""
    chart = drawn_line({"gap": a_line([1, 2, np.nan, 2, 1]), "whole": a_line([5, 5, 5, 5, 5])})
    cells = rows(chart, "hover-curves")
    assert {row["x"] for row in cells if row["line"] == "gap"} == {-1.0, -0.5, 0.5, 1.0}
    assert not any(-0.4 < (c["left"] + c["right"]) / 2 < 0.4 for c in cells if c["line"] == "gap")


def test_one_curve_has_no_legend_and_dims_nothing() -> None:
    """There is nothing to tell it from."""
    spec = whole_spec(drawn_line(a_line([1, 2, 3])))
    assert [one["name"] for one in spec["params"]] == [CURSOR]
    assert rows(drawn_line(a_line([1, 2, 3])), "hover-curves") == []


def linked(*charts: Chart, **titles: str) -> dict[str, Any]:
    """The charts under one rule, as Vega-Lite with its rows."""
    pictures = [
        LinkedChart(chart, title) for chart, title in zip(charts, titles.values(), strict=True)
    ]
    return LinkedCharts(pictures, across=2, title_width=300).to_dict()


def test_charts_side_by_side_have_one_rule_and_their_own_legends() -> None:
    """One parameter follows the mouse in all plots; each legend hides its own; titles are text."""
    title = "<b>it's</b> \\ $x$"
    spec = linked(
        two_lines(second="accuracy"), two_lines(), drawn_line(a_line([1, 2])), a=title, b="", c="c"
    )
    params = {param["name"]: param["views"] for param in spec["params"]}
    assert params == {
        CURSOR: ["feels_0_0", "feels_1_0", "feels_0_1", "feels_0_2"],
        f"{SHOWN}_0": ["legend_0_0_0"],
        f"{SHOWN}_1": ["legend_0_0_1"],
    }
    svg = vl_convert.vegalite_to_svg(spec)
    assert curves_drawn(spec) == 7
    assert "&lt;b&gt;it's&lt;/b&gt;" in svg
    (shown,) = [one for one in spec["params"] if one["name"] == f"{SHOWN}_1"]
    shown["value"] = shown["value"][:1]
    assert curves_drawn(spec) == 6


def test_equal_charts_can_stand_beside_each_other() -> None:
    """Two answers with the same values: no two views share a name."""
    spec = linked(two_lines(), two_lines(), a="a", b="b")
    views = [view for param in spec["params"] for view in param["views"]]
    assert len(set(views)) == len(views)
    assert curves_drawn(spec) == 4


def test_only_curves_have_a_rule() -> None:
    """A plane has none to go through."""
    surface = Surface(
        AXIS, AXIS, {"loss": AXIS[:, None] ** 2 + AXIS**2}, np.ones((3, 3), dtype=bool)
    )
    assert can_be_linked(two_lines())
    assert not can_be_linked(drawn_surface(surface))


@pytest.mark.parametrize("rows_count", [1, 2])
def test_nothing_moves_when_values_are_told(rows_count: int) -> None:
    """The room for them is there before: one place for words above each plot of several."""
    chart = two_lines(second="accuracy") if rows_count == 2 else two_lines()
    text = json.dumps(linked(chart, a="a"))
    assert text.count('"hover-room"') == text.count('"hover-words"') == rows_count


def test_cells_are_no_finer_than_a_hand() -> None:
    """Of a thousand points there are some hundred cells, without a hole between them."""
    losses = [float(value) for value in np.linspace(1, 2, 1000)]
    chart = drawn_line({"a": a_line(losses), "b": a_line([3, 4])}, width=400)
    cells = [row for row in rows(chart, "hover-curves") if row["line"] == "a"]
    assert 50 < len(cells) <= 101
    assert [c["left"] for c in cells[1:]] == pytest.approx([c["right"] for c in cells[:-1]])
    assert all(cell["low"] <= cell["high"] for cell in cells)


def test_words_above_a_plot_are_told_of_names_as_text() -> None:
    """What a name contains is text of the expression, not part of it."""
    chart = drawn_line({"a'+b": a_line([1, 2]), 'q"\\': a_line([3, 4])})
    text = json.dumps(whole_spec(chart))
    assert vl_convert.vegalite_to_svg(whole_spec(chart)).startswith("<svg")
    assert json.dumps(json.dumps(" · a'+b ")).strip('"') in text
    assert json.dumps(json.dumps(' · q"\\ ')).strip('"') in text


@pytest.mark.parametrize("value", [1.7e308, 1.0, 2.3e-308, 5e-324])
@pytest.mark.parametrize("log", [True, False])
def test_a_flat_curve_at_the_end_of_the_floats_is_drawn(value: float, log: bool) -> None:
    """The axis has room around it, and its lower end below its upper one."""
    row = Row("loss", {"": Curve(AXIS, np.full(3, value), np.ones(3, dtype=bool))}, 200, log)
    low, high = axis_limits(row)
    assert low < high and value <= high
    chart([row], "x", 300, "").to_dict()
