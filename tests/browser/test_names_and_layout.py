"""Names that mean something to Markdown, HTML or Vega, and charts in columns of any width."""

import contextlib
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlparse

import pytest
from playwright import sync_api

from explorer.contracts.checkpoint import Checkpoint
from explorer.kinds import Kind
from explorer.kinds.convexity import CONVEXITY, ConvexitySettings
from explorer.kinds.critical import CRITICAL
from explorer.kinds.critical_settings import CriticalSettings
from explorer.kinds.difference import DIFFERENCE, DifferenceSettings
from explorer.kinds.interpolation import INTERPOLATION, InterpolationSettings
from explorer.kinds.line import LINE, LineSettings
from explorer.kinds.matrix import SpectrumSettings
from explorer.kinds.run import RUN, RunSettings
from explorer.kinds.sharpness import SHARPNESS
from explorer.kinds.sharpness_settings import SharpnessSettings
from explorer.kinds.spectrum import SPECTRUM
from explorer.kinds.stability import STABILITY
from explorer.kinds.stability_settings import StabilitySettings
from explorer.kinds.surface import SURFACE, SurfaceSettings
from explorer.pages._text import JOINER
from tests.browser.server import Server, in_a_browser
from tests.filling import add_answer, add_model, new_catalog
from tests.tiny import ROOT, agreed, checkpoint

pytestmark = [*in_a_browser, pytest.mark.campaign]  # a tour of all pages

FETCHED = "![i](http://192.0.2.1/i.png)"  # an address that nobody has
NAME = f"{FETCHED} <img src=//192.0.2.1/h> bob's :red[net] $x$"
SPLIT, METRIC = "tr'ain [a](http://192.0.2.1/s)", "image"
FILE = "a'b [f](http:%d).safetensors"
PROBLEM = f"""
import sys
from dataclasses import replace
sys.path.insert(0, {str(ROOT)!r})
from tests.tiny_problem import problem as tiny

def problem():
    made = tiny()
    data = {{**made.data, {SPLIT!r}: made.data["test"]}}
    return replace(made, data=data, metrics={{{METRIC!r}: made.metrics["accuracy"]}})
"""
QUICK: dict[str, int] = {"x_count": 5, "y_count": 5}
SEARCH: dict[str, int] = {"starts": 1, "every": 2, "steps": 5, "products": 5}
FEW = ("gradient_norm", "sam")
ASKED: list[tuple[Kind, Any]] = [
    (SURFACE, SurfaceSettings(**QUICK)),
    (LINE, LineSettings(x_count=5)),
    (RUN, RunSettings(**QUICK)),
    (CONVEXITY, ConvexitySettings(x_count=3, y_count=3)),
    (STABILITY, StabilitySettings(probes=2)),
    (SPECTRUM, SpectrumSettings(top=4, bottom=2, probes=2)),
    (SHARPNESS, SharpnessSettings(measures=FEW)),
    (INTERPOLATION, InterpolationSettings(batchnorm="frozen", x_count=5)),
    (DIFFERENCE, DifferenceSettings(x_count=5)),
    (CRITICAL, CriticalSettings(**SEARCH)),
]
ADDRESSES: dict[str, dict[str, Any]] = {
    "surface": QUICK,
    "line": {"x_count": 5},
    "run": QUICK,
    "convexity": {"x_count": 3, "y_count": 3},
    "stability": {"probes": 2},
    "spectrum": {"top": 4, "bottom": 2, "probes": 2},
    "sharpness": {"measures": list(FEW)},
    "interpolation": {"batchnorm": "frozen", "x_count": 5},
    "critical": SEARCH,
}
FITTED = 40_000  # milliseconds until a chart that does not fit is a fault
OTHERS = ("", "jobs", "import", "difference")  # without a chart at these addresses


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """The app over a catalog whose every name is hostile, with an answer of each kind."""
    folder = tmp_path_factory.mktemp("names")
    catalog = new_catalog(folder / "catalog")
    problem = folder / "problem" / "hostile.py"
    problem.parent.mkdir()
    problem.write_text(PROBLEM)
    agreed(problem, *(ROOT / "tests" / name for name in ("__init__.py", "tiny_problem.py")))
    files = [Checkpoint(file=checkpoint(folder / (FILE % k), seed=k)) for k in range(4)]
    model = add_model(catalog, problem, files, NAME, lr=0.1)
    start, end = (model, catalog.points(model.id)[0].point_id), (model, model.point_id)
    for kind, settings in ASKED:
        others = [start] if kind in (SHARPNESS, DIFFERENCE) else []
        subjects = [start, end] if kind is INTERPOLATION else [(model, ""), *others]
        add_answer(catalog, kind, settings, *subjects)
    catalog.close()
    running = Server(folder / "catalog")
    yield running
    running.end()


@pytest.fixture
def page(context: sync_api.BrowserContext) -> Iterator[sync_api.Page]:
    opened = context.new_page()
    yield opened
    opened.close()


WIDTHS = (1100, 2560)
LEADS_AWAY = """(element) => ![location.host, "arxiv.org", "doi.org"]
  .includes(new URL(element.href ?? element.src).host)"""  # what a figure is cited by may
FILLED = 0.4  # of its column's width: a square that a screen holds leaves more of a wide one
MISFITS = """(filled) => {
  const drawn = [...document.querySelectorAll("[data-testid=stVegaLiteChart]")]
    .map((chart) => [chart, chart.querySelector("canvas, svg")])
    .filter(([, picture]) => picture?.checkVisibility({ visibilityProperty: true }));
  if (!drawn.length) return ["no chart"];
  return drawn.map(([chart, picture]) => {
    const box = picture.getBoundingClientRect();
    const column = chart.closest("[data-testid=stVerticalBlock]").getBoundingClientRect();
    return { over: box.right - column.right, share: box.width / column.width,
             told: chart.querySelector("[aria-label]")?.getAttribute("aria-label") ?? "Vega" };
  }).filter(({ over, share, told }) => over > 1 || share < filled || told.includes("Vega"));
}"""


def settled(page: sync_api.Page) -> None:
    """Wait until nothing is on its way; no error is shown."""
    page.get_by_test_id("stMain").locator("h1, h3").first.wait_for()
    page.wait_for_function("() => !document.querySelector('[data-testid=stSkeleton]')")
    page.wait_for_function("() => !document.querySelector('[data-stale=true]')")
    assert page.get_by_test_id("stException").count() == 0


def misfits(page: sync_api.Page) -> list[Any]:
    """The charts in view that reach beyond their column, leave it empty or are not told.

    The browser tells its width and the page is drawn anew: it may take a while until all fit.
    """
    try:
        page.wait_for_function(f"filled => !({MISFITS})(filled).length", arg=FILLED, timeout=FITTED)
    except sync_api.TimeoutError:
        return list(page.evaluate(MISFITS, FILLED))
    return []


def test_names_are_text_and_charts_fit(
    page: sync_api.Page,
    context: sync_api.BrowserContext,
    server: Server,
) -> None:
    """Of all pages with hostile names: nothing is fetched, linked, formatted; names are read.

    No chart reaches beyond its column at any width, none leaves most of it empty, each is told.
    """
    context.asked.clear()
    complaints: list[str] = []
    wrong: list[tuple[str, Any]] = []
    page.on("pageerror", lambda error: complaints.append(str(error)))
    for slug in (*ADDRESSES, *OTHERS):
        page.set_viewport_size({"width": WIDTHS[0], "height": 1000})
        page.goto(server.url(slug, **ADDRESSES.get(slug, {})))
        settled(page)
        wrong += [(slug, fault) for fault in _formatted(page, named=slug in ADDRESSES)]
        if slug not in ADDRESSES:
            continue
        if slug == "sharpness":
            page.get_by_role("tab", name="Chart").click()
        for width in WIDTHS:
            page.set_viewport_size({"width": width, "height": 1000})
            wrong += [(f"{slug} at {width}", misfit) for misfit in misfits(page)]
        assert page.get_by_test_id("stException").count() == 0
    hosts = {urlparse(url).netloc for url in context.asked if not url.startswith(("data", "blob"))}
    assert hosts == {urlparse(server.address).netloc}
    assert wrong == complaints == []


def _formatted(page: sync_api.Page, named: bool) -> Iterator[str]:
    """What is wrong with a page's hostile names; `named`: the heading tells the model's."""
    main = page.get_by_test_id("stMain")
    if main.evaluate(f"main => [...main.querySelectorAll('a, img')].some({LEADS_AWAY})"):
        yield "a link or a picture"
    if main.locator(".katex, .stMarkdownColoredText").count():
        yield "a formula or a colour"
    if named:
        with contextlib.suppress(sync_api.TimeoutError):  # the tab's title comes after the page
            page.wait_for_function("fetched => document.title.includes(fetched)", arg=FETCHED)
        heading = main.locator("h3").first.inner_text().replace(JOINER, "")
        yield from (words for words in (heading, page.title()) if FETCHED not in words)


def test_compute_is_near_and_stays_in_view(page: sync_api.Page, server: Server) -> None:
    """Reached by fewer than 20 Tabs from the page's start, in view also at the end of the page."""
    page.set_viewport_size({"width": 1280, "height": 700})
    page.goto(server.url("surface", x_count=7, y_count=7))
    button = page.get_by_role("button", name="Compute 49 points")
    button.wait_for()
    settled(page)
    assert "Stored with other settings" in page.get_by_test_id("stMain").inner_text()
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")  # skips the list of pages
    for _ in range(20):
        if button.evaluate("element => element === document.activeElement"):
            break
        page.keyboard.press("Tab")
    assert button.evaluate("element => element === document.activeElement")
    page.get_by_label("Points").last.scroll_into_view_if_needed()
    page.mouse.move(400, 500)
    page.mouse.wheel(0, 5000)
    page.wait_for_timeout(300)
    box = button.bounding_box()
    assert box and 0 <= box["y"] < 700 - box["height"]


def test_three_dimensions_say_how_to_turn_and_come_back(
    page: sync_api.Page, server: Server
) -> None:
    """A hint, a reset, a full screen."""
    page.goto(server.url("surface", view="3-D", **QUICK))
    page.locator("canvas.scene").wait_for()
    page.get_by_text("Drag to turn").wait_for()
    page.get_by_role("button", name="Full screen").click()
    page.get_by_role("button", name="Leave full screen").click()
    page.get_by_role("button", name="Full screen").wait_for()
    page.get_by_role("button", name="Reset").click()
    assert page.get_by_test_id("stException").count() == 0
