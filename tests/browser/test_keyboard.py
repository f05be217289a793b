"""Keys of the whole app, as a real browser sends them."""

from collections.abc import Iterator

import pytest
from playwright import sync_api

from explorer.kinds.line import LINE, LineSettings
from tests.browser.server import Server, in_a_browser
from tests.filling import add_answer, add_tiny, new_catalog

pytestmark = in_a_browser
COUNTS = (5, 7)  # points of the two lines, the older first


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """The app over a catalog of two lines of one model, without sample models."""
    place = tmp_path_factory.mktemp("keyboard")
    catalog = new_catalog(place / "catalog")
    model = add_tiny(catalog, place, "one", [0])
    for count in COUNTS:
        add_answer(catalog, LINE, LineSettings(x_count=count), (model, ""))
    catalog.close()
    running = Server(catalog.folder)
    yield running
    running.end()


SETTLED = """!document.querySelector('[data-testid=stStatusWidget]')
    && !document.querySelector('[data-stale=true]')"""


@pytest.fixture
def page(context: sync_api.BrowserContext, server: Server) -> Iterator[sync_api.Page]:
    """The older line's page."""
    opened = context.new_page()
    opened.goto(server.url("line", model="one", x_count=COUNTS[0]))
    opened.get_by_text("Provenance", exact=True).wait_for()
    opened.locator("dialog[aria-label=Keys] kbd").first.wait_for(state="attached")
    yield opened
    opened.close()


def test_keys_step_through_analyses_and_lead_to_the_search(page: sync_api.Page) -> None:
    """K goes to the newer line and J back; / leads to the catalog's search and types nothing."""
    page.locator(".st-key-go-newer a").first.wait_for()
    page.keyboard.press("k")
    page.get_by_text("7 points are stored").wait_for()
    page.wait_for_function("location.search.includes('x_count=7')")
    page.locator(".st-key-go-older a").first.wait_for()
    page.wait_for_function(SETTLED)  # a key finds the link of a page that is being made anew
    page.keyboard.press("j")
    page.get_by_text("5 points are stored").wait_for()
    page.keyboard.press("/")
    search = page.get_by_role("textbox", name="Search")
    search.wait_for()
    sync_api.expect(search).to_be_focused()
    page.keyboard.type("jk/pe")  # letters in a field are letters
    sync_api.expect(search).to_have_value("jk/pe")
    page.keyboard.press("Escape")
    sync_api.expect(search).not_to_be_focused()


def test_keys_export_and_pin_and_are_listed(page: sync_api.Page) -> None:
    """E opens the export, Escape closes it, P pins; Ctrl+/ lists the keys and can end them."""
    page.keyboard.press("e")
    page.get_by_role("button", name="Download PDF").wait_for()
    page.keyboard.press("Escape")
    page.get_by_role("button", name="Download PDF").wait_for(state="hidden")
    page.keyboard.press("p")
    unpin = page.get_by_role("button", name="keep_off icon").first
    unpin.wait_for()
    page.keyboard.press("Control+/")
    dialog = page.get_by_role("dialog", name="Keys")
    dialog.wait_for()
    dialog.get_by_role("checkbox").uncheck()
    dialog.get_by_role("button", name="Close").click()
    page.keyboard.press("p")
    page.keyboard.press("Control+/")
    dialog.get_by_role("checkbox").check()
    dialog.get_by_role("button", name="Close").click()
    assert unpin.is_visible()  # the single key did nothing
