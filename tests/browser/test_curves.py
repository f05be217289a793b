"""Curves in a real browser: the rule goes through all plots, the legend hides, the mouse dims."""

import io
from collections.abc import Iterator

import numpy as np
import pytest
from PIL import Image
from playwright import sync_api

from tests.browser.server import Server, in_a_browser
from tests.tiny import ROOT

pytestmark = in_a_browser
COLOURS = {"one": (0xE6, 0x6D, 0x28), "two": (0x96, 0x08, 0xF4)}
SCRIPT = """
import numpy as np, streamlit as st
from explorer.render.drawing import unchecked
from explorer.render.linked import LinkedChart, LinkedCharts
from explorer.render.marks import curves
from explorer.render.marks.curve import Curve, Row

x = np.linspace(-1, 1, 21)
whole = np.ones(21, dtype=bool)
def chart(high):
    lines = {"one": Curve(x, high * x**2, whole), "two": Curve(x, high * (2 - x**2), whole)}
    return curves.chart([Row("loss", lines, colours=("#e66d28", "#9608f4"))], "x", 300)
charts = [LinkedChart(chart(1.0), "first"), LinkedChart(chart(2.0), "second")]
st.altair_chart(unchecked(LinkedCharts(charts, 2, 300)), width="content", key="curves")
"""


@pytest.fixture(scope="module")
def page(
    context: sync_api.BrowserContext, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[sync_api.Page]:
    """A page with two plots of two curves under one rule, 300 px each."""
    folder = tmp_path_factory.mktemp("app")
    (folder / "app.py").write_text(f"import sys\nsys.path.insert(0, {str(ROOT)!r})\n{SCRIPT}")
    running = Server(folder / "catalog", (), folder / "app.py")
    opened = context.new_page()
    opened.goto(running.address)
    opened.locator(".marks").wait_for()
    opened.wait_for_timeout(500)
    yield opened
    opened.close()
    running.end()


def picture(page: sync_api.Page) -> np.ndarray:
    """The plots as they show, (H, W, 3)."""
    page.wait_for_timeout(300)
    shot = page.locator(".marks").screenshot()
    return np.asarray(Image.open(io.BytesIO(shot)).convert("RGB")).astype(int)


def places(shown: np.ndarray, name: str) -> np.ndarray:
    """Rows and columns of the pixels that have a curve's whole colour, (N, 2)."""
    return np.argwhere(np.abs(shown - COLOURS[name]).max(axis=2) < 40)


def halves(shown: np.ndarray, name: str) -> tuple[int, int]:
    """How many of them are in either plot, without the legend."""
    rows, columns = places(shown, name).T
    below = rows > rows.min() + 20
    left = columns < shown.shape[1] / 2
    return int((below & left).sum()), int((below & ~left).sum())


def move(page: sync_api.Page, row: int, column: int) -> None:
    box = page.locator(".marks").bounding_box()
    assert box
    page.mouse.move(box["x"] + column - 2, box["y"] + row)
    page.mouse.move(box["x"] + column, box["y"] + row)


def test_the_rule_and_the_dimming_go_through_all_plots(page: sync_api.Page) -> None:
    """The mouse on a curve of the first plot: a rule in both, the other curve faint in both."""
    page.mouse.move(2, 2)
    before = picture(page)
    rows, columns = places(before, "one").T
    at = np.flatnonzero((columns == columns.min() + 150) & (rows > rows.min() + 20))[-1]
    move(page, int(rows[at]), int(columns[at]))
    after = picture(page)
    for here, there in zip(halves(before, "two"), halves(after, "two"), strict=True):
        assert there < here / 5
    for here, there in zip(halves(before, "one"), halves(after, "one"), strict=True):
        assert there > here * 0.8
    darker = (before - after).max(axis=2) > 20
    tall = np.flatnonzero(darker.sum(axis=0) > 200)  # columns of the picture
    middle = after.shape[1] / 2
    assert (tall < middle).any() and (tall > middle).any()


def test_a_click_in_the_legend_hides_a_curve_and_another_brings_it_back(
    page: sync_api.Page,
) -> None:
    """In the plots; the legend keeps the name. Several can be hidden at once."""
    page.mouse.move(2, 2)
    before = picture(page)
    marks = page.locator(".marks")
    symbols = {}
    for name in COLOURS:
        rows, columns = places(before, name).T
        first = np.lexsort((columns, rows))[0]
        symbols[name] = {"x": int(columns[first]) + 12, "y": int(rows[first]) + 1}
    marks.click(position=symbols["one"])
    page.mouse.move(2, 2)
    hidden = picture(page)
    assert places(hidden, "one").size < places(before, "one").size / 5
    assert places(hidden, "two").size > places(before, "two").size * 0.9
    marks.click(position=symbols["two"], modifiers=["Shift"])
    page.mouse.move(2, 2)
    assert places(picture(page), "two").size < places(before, "two").size / 5
    for name in COLOURS:
        marks.click(position=symbols[name])
    page.mouse.move(2, 2)
    after = picture(page)
    for name in COLOURS:
        assert places(after, name).size == pytest.approx(places(before, name).size, rel=0.1)
