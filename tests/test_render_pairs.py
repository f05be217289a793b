"""Charts of two points: chord and rings of an interpolation, band and zero of a difference."""

import json
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import vl_convert

from explorer.kinds.difference import Difference
from explorer.kinds.facts import ChordFacts
from explorer.kinds.interpolation import Interpolation
from explorer.render.export.figure import save_figure
from explorer.render.export.views import whole_spec
from tests.drawing import drawn_difference, drawn_interpolation, rows, small_picture

FACTS = {"examples": 50, "own": [{"loss": 1.1, "accuracy": 0.9}, {"loss": 2.0, "accuracy": 0.8}]}


def an_interpolation(losses: Any = (3, 1, 4, 2, 3), **facts: Any) -> Interpolation:
    loss = np.asarray(losses, dtype=float)
    x = np.linspace(-0.5, 1.5, len(loss))
    values = {"loss": loss, "accuracy": np.linspace(0.5, 1, len(loss))}
    return Interpolation(x, values, np.ones(len(x), dtype=bool), ChordFacts(**FACTS | facts))


def a_difference(**values: Any) -> Difference:
    x = np.linspace(-1, 1, 3)
    first, second = np.array([2.0, 1.0, 2.0]), np.array([2.5, 0.5, 2.0])
    losses = {"loss_first": first, "loss_second": second, "difference": first - second}
    losses |= {f"{name}_se": np.full(3, 0.1) for name in losses}
    return Difference(x, losses | values, np.ones(3, dtype=bool), ChordFacts(**FACTS))


def test_chord_and_rings() -> None:
    """The chord joins the curve at 0 and 1; a ring is a point by itself, with its name."""
    chart = drawn_interpolation(an_interpolation(), ends=("a", "b at step 3"))
    assert [(r["x"], r["y"]) for r in rows(chart, "chord")] == [(0, 1), (1, 2)]
    rings = rows(chart, "end")
    assert [(r["x"], r["y"], r["words"]) for r in rings] == [(0, 1.1, "a"), (1, 2, "b at step 3")]
    assert "a: 0 is a, 1 is b at step 3" in json.dumps(whole_spec(chart))


def test_two_splits_in_one_chart() -> None:
    """Each has its curve, its chord and its rings, of its own colour."""
    named = {"train": an_interpolation(), "test": an_interpolation((5, 4, 6, 4, 5))}
    chart = drawn_interpolation(named, second="accuracy")
    assert {r["line"] for r in rows(chart, "profile")} == {"train", "test"}
    assert {r["line"] for r in rows(chart, "end")} == {"train", "test"}
    assert len(rows(chart, "chord")) == 2 * 2 * 2


@pytest.mark.parametrize(("count", "banded"), [(1, 1), (2, 2), (3, 0)])
def test_bands_that_would_hide_each_other_are_left_out(count: int, banded: int) -> None:
    """One curve and two have theirs; three paths in one picture have none."""
    line = an_interpolation((3, 1, 4, 2, 3), examples=50)
    values = {**line.values, "loss_se": np.full(5, 0.5)}
    lines = {f"path {n}": replace(line, values=values) for n in range(count)}
    chart = drawn_interpolation(lines)
    assert len({row["line"] for row in rows(chart, "band")}) == banded


@pytest.mark.parametrize("log", [False, True])
def test_any_interpolation_makes_a_valid_chart(log: bool) -> None:
    """NaN, infinite, zero, negative and unknown ends are drawn or left out, never an error."""
    cases = [
        an_interpolation((3, np.nan, 4, np.inf, 3)),
        an_interpolation((0, 0, 0, 0, 0)),
        an_interpolation((-1, -2, -3, -4, -5)),
        Interpolation(np.linspace(0, 1, 3), {"loss": np.full(3, np.nan)}, np.zeros(3, dtype=bool)),
        an_interpolation(own=[{"loss": np.nan}, {"loss": -1.0}]),
    ]
    for line in cases:
        spec = whole_spec(drawn_interpolation(line, log=log))
        assert vl_convert.vegalite_to_svg(spec).startswith("<svg")
        assert small_picture("interpolation", line).startswith(b"\x89PNG")


def test_an_unknown_value_is_refused() -> None:
    """A value that the lines lack, and no lines at all."""
    with pytest.raises(ValueError, match="at least one line with 'f1'"):
        drawn_interpolation(an_interpolation(), value="f1")
    with pytest.raises(ValueError, match="at least one line with 'loss'"):
        drawn_interpolation({})


def test_a_difference_has_its_band_and_zero() -> None:
    """Both losses by name, their difference with the paired interval, and a dashed line at 0."""
    chart = drawn_difference(a_difference(), names=("a", "b"))
    assert {r["line"] for r in rows(chart, "profile")} == {"a", "b", ""}
    assert [r["y"] for r in rows(chart, "profile") if r["line"] == ""] == [-0.5, 0.5, 0.0]
    assert [(r["x"], r["y"]) for r in rows(chart, "chord")] == [(-1, 0), (1, 0)]
    band = rows(chart, "band")
    half = 0.1 * 2.00958  # of Student's t with 49 degrees of freedom
    assert [r["low"] for r in band] == pytest.approx([-0.5 - half, 0.5 - half, -half], rel=1e-5)


def test_a_model_against_itself_has_two_names() -> None:
    """The same words twice would be one curve."""
    chart = drawn_difference(a_difference(), names=("a", "a"))
    assert {r["line"] for r in rows(chart, "profile")} == {"a (first)", "a (second)", ""}


def test_differences_that_are_no_numbers() -> None:
    """NaN and Inf have no place in the plot and are marked at its foot."""
    line = a_difference(difference=np.array([np.nan, 0.5, np.inf]))
    chart = drawn_difference(line, log=True)
    assert [r["value"] for r in rows(chart, "rug")] == ["NaN", "Inf"]
    assert vl_convert.vegalite_to_svg(whole_spec(chart)).startswith("<svg")
    assert small_picture("difference", line).startswith(b"\x89PNG")


def test_both_go_into_a_paper() -> None:
    """As PDFs of one column."""
    for chart in (
        drawn_interpolation(
            {"train": an_interpolation(), "test": an_interpolation()}, second="accuracy"
        ),
        drawn_difference(a_difference(), names=("mlp_a", "mlp_b at step 700")),
    ):
        assert save_figure(chart, "pdf", 3.25).startswith(b"%PDF")
