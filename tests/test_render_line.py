"""Line charts: the points as they are, gaps where there is none, one mark for each."""

import json
from typing import Any

import numpy as np
import pytest
import vl_convert

from explorer.kinds.grid import axis_values
from explorer.kinds.line import Line, LineFacts, LineLook
from explorer.render.export.views import whole_spec
from tests.drawing import drawn_line, rows, small_picture


def a_line(losses: Any, computed: Any = None) -> Line:
    losses = np.atleast_2d(np.asarray(losses, dtype=float))
    mask = np.ones(losses.shape, dtype=bool) if computed is None else np.atleast_2d(computed)
    values = {"loss": np.where(mask, losses, np.nan), "accuracy": np.where(mask, 0.5, np.nan)}
    return Line(axis_values(-1, 1, losses.shape[1]), values, mask)


def test_gaps_and_marks():
    """Finite points are drawn unchanged; NaN and Inf start a new part and mark their x."""
    losses = [3, 2, np.nan, 1, np.inf, 2, 3]
    chart = drawn_line(a_line(losses))
    drawn = rows(chart, "profile")
    assert [r["y"] for r in drawn] == [v for v in losses if np.isfinite(v)]
    assert [r["gap"] for r in drawn] == [0, 0, 1, 2, 2]
    x = axis_values(-1, 1, 7)
    assert [(r["x"], r["value"]) for r in rows(chart, "rug")] == [(x[2], "NaN"), (x[4], "Inf")]
    assert [r["y"] for r in rows(chart, "profile-point")] == [1]  # alone between two gaps
    assert "No loss: 1 NaN, 1 infinite" in json.dumps(whole_spec(chart))


def test_points_not_computed_are_no_holes():
    """What is not computed yet makes neither a gap nor a mark, and the rule says so."""
    line = a_line([3, 2, 1, 2, 3], [True, False, True, True, True])
    chart = drawn_line(line)
    assert {r["gap"] for r in rows(chart, "profile")} == {0}
    assert rows(chart, "rug") == []
    told = [r["value "] for r in rows(chart, "hover")]
    assert told == ["3", "not computed", "1", "2", "3"]


def test_log_scale_shows_zero_as_a_hole():
    """On a log scale a zero is a gap with a mark; on a linear one it is a point."""
    line = a_line([1, 0, 1])
    assert len(rows(drawn_line(line), "profile")) == 3
    assert len(rows(drawn_line(line, log=True), "profile")) == 2
    assert [r["value"] for r in rows(drawn_line(line, log=True), "rug")] == ["0"]


@pytest.mark.parametrize("log", [False, True])
@pytest.mark.parametrize("second", [None, "accuracy"])
def test_any_values_make_a_valid_chart(log, second):
    """Vega-Lite draws NaN only, equal, huge, single and not computed lines, alone and together."""
    cases = {
        "NaN": a_line([np.nan] * 3),
        "equal": a_line([2.0] * 4),
        "huge.[x] 'quoted'": a_line(10 ** np.linspace(-8, 30, 9)),
        "largest": a_line([-1.7e308, 5e-324, 1.7e308]),
        "none yet": a_line([1, 2, 3], [False] * 3),
        "one": a_line([1, 2, 3], [False, True, False]),
    }
    for lines in [*cases.values(), cases]:
        spec = whole_spec(drawn_line(lines, log=log, second=second, title="Lines"))
        assert vl_convert.vegalite_to_svg(spec).startswith("<svg")


def test_two_lines_keep_their_own_axes():
    """Lines with different x are told apart, and the rule knows both at every x."""
    one, two = a_line([1, 2, 3]), a_line([5, 4, 3, 4, 5])
    chart = drawn_line({"one": one, "two": two}, second="accuracy")
    assert len(whole_spec(chart)["vconcat"]) == 2
    hover = rows(chart, "hover")[:5]
    assert [r["value one"] for r in hover] == ["1", "", "2", "", "3"]
    assert [r["value two"] for r in hover] == ["5", "4", "3", "4", "5"]


def test_refusals():
    """No lines, an unknown value and a chart too small are refused with what must hold."""
    with pytest.raises(ValueError, match="at least one line"):
        drawn_line({})
    with pytest.raises(ValueError, match="value must be one of loss, accuracy"):
        drawn_line(a_line([1, 2]), value="f1")
    with pytest.raises(ValueError, match="width must be from 50"):
        LineLook(width=10)


def test_many_lines_of_one_model_are_thin_around_their_mean() -> None:
    """Every line as it is, their mean, and a band of one standard deviation; the legend's words."""
    losses = np.array([[4.0, 1.0, 2.0], [2.0, 1.0, 6.0]])
    chart = drawn_line(a_line(losses))
    assert [r["y"] for r in rows(chart, "faint")] == losses.ravel().tolist()
    assert [r["y"] for r in rows(chart, "profile")] == [3.0, 1.0, 4.0]
    mean, spread = losses.mean(axis=0), losses.std(axis=0, ddof=1)
    assert [r["y"] for r in rows(chart, "band")] == pytest.approx(mean + spread)
    assert [r["low"] for r in rows(chart, "band")] == pytest.approx(mean - spread)
    text = json.dumps(whole_spec(chart), ensure_ascii=False)
    assert all(words in text for words in ("mean of 2 directions", "each", "± 1 SD"))
    told = [r["value "] for r in rows(chart, "hover")]
    assert told[1] == "1 (1 to 1)" and told[0].startswith("3 (1.586 to 4.414")


def test_several_models_have_means_and_bands_only() -> None:
    """Thin lines of several models would hide each other."""
    many = a_line(np.ones((3, 4)))
    chart = drawn_line({"one": many, "two": many})
    assert rows(chart, "faint") == []
    assert {r["line"] for r in rows(chart, "band")} == {"one", "two"}


def test_a_mean_waits_for_all_its_lines() -> None:
    """Where one line is not computed yet there is no mean; the other lines are shown."""
    chart = drawn_line(a_line(np.ones((2, 3)), [[True, True, True], [True, False, True]]))
    assert [r["x"] for r in rows(chart, "profile")] == [-1.0, 1.0]
    assert len(rows(chart, "faint")) == 5


def with_errors(line: Line, error: float) -> Line:
    values = {**line.values, "loss_se": np.full(line.loss.shape, error)}
    return Line(line.x, values, line.computed, LineFacts(examples=100))


def test_a_single_line_has_its_interval_where_it_shows() -> None:
    """A visible interval is drawn, a narrow one and one that is turned off are not."""
    line = a_line([3, 1, 3])
    wide = rows(drawn_line(with_errors(line, 0.1)), "band")
    assert [r["y"] - 1.0 for r in wide][1] == pytest.approx(0.1 * 1.984, rel=1e-3)  # t of 99
    assert rows(drawn_line(with_errors(line, 0.001)), "band") == []
    assert rows(drawn_line(with_errors(line, 0.1), band=False), "band") == []
    assert rows(drawn_line(line), "band") == []


def test_a_band_on_a_log_scale_ends_at_the_axis() -> None:
    """Below 0 there is no place: the band is cut off at the lowest value shown."""
    chart = drawn_line(with_errors(a_line([3, 1, 3]), 1.0), log=True)
    assert min(r["low"] for r in rows(chart, "band")) > 0
    assert vl_convert.vegalite_to_svg(whole_spec(chart)).startswith("<svg")


def test_very_many_points_are_thinned() -> None:
    """64 lines of 2,001 points: the thin lines keep every seventh, the mean all."""
    chart = drawn_line(a_line(np.random.default_rng(0).random((64, 2001))))
    assert len(rows(chart, "profile")) == 2001
    assert len(rows(chart, "faint")) < 21_000


def test_a_thumbnail_of_many_lines() -> None:
    """It is a PNG, also of lines that are not computed yet or not finite."""
    for losses in (np.ones((3, 4)), [[np.nan, np.inf, 1.0]], [[1.0, 2.0]]):
        assert small_picture("line", a_line(losses)).startswith(b"\x89PNG")
    assert small_picture("line", a_line([1, 2], [False, False])).startswith(b"\x89PNG")
