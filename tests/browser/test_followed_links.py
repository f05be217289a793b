"""Links followed in a browser: the page then shows what the link says, and Back is one step."""

from collections.abc import Iterator

import pytest
from playwright import sync_api

from explorer.ask.study import Study, StudyQuestion, add_study, study_model
from explorer.kinds.line import LINE, LineSettings
from explorer.kinds.matrix import SpectrumSettings
from explorer.kinds.spectrum import SPECTRUM
from explorer.kinds.surface import SURFACE, SurfaceSettings
from explorer.pages._recent import note_recent
from tests.browser.server import Server, in_a_browser
from tests.filling import add_answer, add_tiny, new_catalog

pytestmark = in_a_browser
TEST = {"model": "one", "split": "test"}
LINK = '[data-testid="stMain"] [data-testid="stPageLink-NavLink"], [data-testid="stPopoverBody"] a'
CONTROLS = """() => {
  const main = document.querySelector("[data-testid=stMain]");
  const fields = [...main.querySelectorAll("input")].map((field) => field.ariaLabel + field.value);
  const pressed = [...main.querySelectorAll("[aria-checked=true]")].map((one) => one.innerText);
  return [...fields, ...pressed, main.querySelector("h1, h3").innerText];
}"""
QUIET = """() => !document.querySelector(
  "[data-testid=stStatusWidget], [data-testid=stSkeleton], [data-stale=true]")"""


@pytest.fixture(scope="module")
def panels() -> list[str]:
    """Keys of the analyses that are compared; filled with the catalog."""
    return []


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, panels: list[str]) -> Iterator[Server]:
    """One model's answers on each data set, a study of them, all of them looked at."""
    folder = tmp_path_factory.mktemp("links")
    catalog = new_catalog(folder / "catalog")
    model = add_tiny(catalog, folder, "one")
    lines = [LineSettings(x_count=3), LineSettings(x_count=3, split="test")]
    panels += [add_answer(catalog, LINE, settings, (model, "")).key for settings in lines]
    add_answer(catalog, SURFACE, SurfaceSettings(x_count=3, y_count=3), (model, ""))
    spectrum = SpectrumSettings(top=2, bottom=2, probes=2, split="test")
    for key in (*panels, add_answer(catalog, SPECTRUM, spectrum, (model, "")).key):
        note_recent(catalog, key)
    question = StudyQuestion(kind=LINE.name, settings={"x_count": 3, "split": "test"})
    add_study(catalog, "sweep", Study(models=(study_model(model),), questions=(question,)))
    catalog.close()
    running = Server(folder / "catalog")
    yield running
    running.end()


def settled(page: sync_api.Page) -> None:
    """Wait until the page has stopped to change."""
    page.get_by_test_id("stMain").locator("h1, h3").first.wait_for()
    page.wait_for_timeout(500)
    page.wait_for_function(QUIET)
    page.wait_for_timeout(500)


def opened(context: sync_api.BrowserContext, address: str) -> sync_api.Page:
    page = context.new_page()
    page.goto(address)
    settled(page)
    return page


def follow(page: sync_api.Page, address: str) -> None:
    """Press the link to that address."""
    page.locator(LINK).and_(page.locator(f'[href="{address}"]')).first.click()
    settled(page)


def test_a_link_shows_exactly_what_it_says(
    context: sync_api.BrowserContext, server: Server, panels: list[str]
) -> None:
    """As the same address does in a new window, from wherever it is followed; Back undoes it.

    From a page of other settings to the same page; to another page that has controls of the same
    names, with what they say and without; from the catalog, its list, a comparison and a study.
    """
    compared = {"panel": panels}
    plane = "surface?model=one&split=test&direction=eigenvector"
    ways = [
        (server.url("surface", **TEST, seed=3), "surface?model=one&x_count=3&y_count=3"),
        (server.url("spectrum", **TEST, top=2, bottom=2, probes=2), plane),
        (server.url("compare", **compared), "line?model=one&x_count=3"),
        (server.url("compare", **compared), "line?model=one&split=test&x_count=3"),
        (server.url("study", study="sweep"), "line?model=one&split=test&x_count=3"),
        (server.url("", view="Cards"), "line?model=one&x_count=3"),
    ]
    for start, link in ways:
        page, fresh = opened(context, start), opened(context, f"{server.address}/{link}")
        before = page.url, controls(page)
        follow(page, link)
        assert page.url == fresh.url == f"{server.address}/{link}"
        assert controls(page) == controls(fresh), link
        page.go_back()
        settled(page)
        assert (page.url, controls(page)) == before, link
        page.close()
        fresh.close()


def controls(page: sync_api.Page) -> list[str]:
    """What the page's controls and its heading say, once it has one."""
    page.locator('[data-testid="stMain"]').locator("h1, h3").first.wait_for()
    said: list[str] = page.evaluate(CONTROLS)
    return said


def test_pages_are_one_step_each_of_the_history(
    context: sync_api.BrowserContext, server: Server
) -> None:
    """By the sidebar, by what was looked at last, and two pages on, with settings changed between.

    Each way back shows the settings that the page was left with.
    """
    page = opened(context, server.url("line", **TEST))
    page.get_by_test_id("stSidebarNavLink").filter(has_text="Spectrum").click()
    settled(page)
    assert page.url == server.url("spectrum", model="one")
    page.get_by_role("radio", name="test").click()
    settled(page)
    page.get_by_test_id("stSidebarNavLink").filter(has_text="Catalog").click()
    settled(page)
    page.get_by_role("button", name="Recent").click()
    follow(page, "line?model=one&x_count=3")
    assert page.url == server.url("line", model="one", x_count=3)
    for _ in range(2):
        page.go_back()
        settled(page)
    assert page.url == server.url("spectrum", **TEST)
    assert page.get_by_role("radio", name="test").is_checked()
    page.go_back()
    settled(page)
    assert page.url == server.url("line", **TEST)
    page.close()
