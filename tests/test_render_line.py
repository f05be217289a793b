"""Line charts: the points as they are, gaps where there is none, one mark for each."""

import json
from typing import Any

import numpy as np
import pytest
import vl_convert

from explorer.kinds.grid import axis_values
from explorer.kinds.line import Line
from explorer.render.line import LineStyle, profile


def a_line(losses: Any, computed: Any = None) -> Line:
    losses = np.atleast_2d(np.asarray(losses, dtype=float))
    known = np.ones(losses.shape, dtype=bool) if computed is None else np.atleast_2d(computed)
    values = {"loss": np.where(known, losses, np.nan), "accuracy": np.where(known, 0.5, np.nan)}
    return Line(axis_values(-1, 1, losses.shape[1]), values, known)


def rows(chart: Any, style: str) -> list[dict[str, Any]]:
    """Rows behind the layers of that style."""
    spec = chart.to_dict()
    views = spec.get("vconcat", [spec])
    names = [
        v["data"]["name"] for view in views for v in view["layer"] if v["mark"]["style"] == style
    ]
    return [row for name in names for row in spec["datasets"][name]]


def test_gaps_and_marks():
    """Finite points are drawn unchanged; NaN and Inf start a new part and mark their x."""
    losses = [3, 2, np.nan, 1, np.inf, 2, 3]
    chart = profile(a_line(losses))
    drawn = rows(chart, "profile")
    assert [r["y"] for r in drawn] == [v for v in losses if np.isfinite(v)]
    assert [r["gap"] for r in drawn] == [0, 0, 1, 2, 2]
    x = axis_values(-1, 1, 7)
    assert [(r["x"], r["value"]) for r in rows(chart, "rug")] == [(x[2], "NaN"), (x[4], "Inf")]
    assert [r["y"] for r in rows(chart, "profile-point")] == [1]  # alone between two gaps
    assert "No loss: 1 NaN, 1 infinite" in json.dumps(chart.to_dict())


def test_points_not_computed_are_no_holes():
    """What is not computed yet makes neither a gap nor a mark, and the rule says so."""
    line = a_line([3, 2, 1, 2, 3], [True, False, True, True, True])
    chart = profile(line)
    assert {r["gap"] for r in rows(chart, "profile")} == {0}
    assert rows(chart, "rug") == []
    told = [r["value "] for r in rows(chart, "hover")]
    assert told == ["3", "not computed", "1", "2", "3"]


def test_log_scale_shows_zero_as_a_hole():
    """On a log scale a zero is a gap with a mark; on a linear one it is a point."""
    line = a_line([1, 0, 1])
    assert len(rows(profile(line), "profile")) == 3
    assert len(rows(profile(line, LineStyle(log=True)), "profile")) == 2
    assert [r["value"] for r in rows(profile(line, LineStyle(log=True)), "rug")] == ["0"]


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
    style = LineStyle(log=log, second=second)
    for lines in [*cases.values(), cases]:
        spec = profile(lines, style, title="Lines").to_dict()
        assert vl_convert.vegalite_to_svg(spec).startswith("<svg")


def test_two_lines_keep_their_own_axes():
    """Lines with different x are told apart, and the rule knows both at every x."""
    one, two = a_line([1, 2, 3]), a_line([5, 4, 3, 4, 5])
    chart = profile({"one": one, "two": two}, LineStyle(second="accuracy"))
    assert len(chart.to_dict()["vconcat"]) == 2
    hover = rows(chart, "hover")[:5]
    assert [r["value one"] for r in hover] == ["1", "", "2", "", "3"]
    assert [r["value two"] for r in hover] == ["5", "4", "3", "4", "5"]


def test_refusals():
    """No lines, an unknown value and a chart too small are refused with what must hold."""
    with pytest.raises(ValueError, match="at least one line"):
        profile({})
    with pytest.raises(ValueError, match="value must be one of loss, accuracy"):
        profile(a_line([1, 2]), LineStyle(value="f1"))
    with pytest.raises(ValueError, match="at least 50 px"):
        LineStyle(width=10)
