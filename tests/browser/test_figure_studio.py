"""The page Figure in a real browser: keys that undo and redo."""

from collections.abc import Iterator

import pytest
from playwright import sync_api

from explorer.figures.recipe import FIGURE, FigurePanel, Recipe
from explorer.kinds.line import LINE, LineSettings
from store import Catalog
from tests.browser.server import Server, in_a_browser
from tests.filling import add_answer, add_tiny, new_catalog

pytestmark = in_a_browser


@pytest.fixture
def catalog(tmp_path_factory: pytest.TempPathFactory) -> Catalog:
    """A line, and a figure of it."""
    place = tmp_path_factory.mktemp("studio")
    catalog = new_catalog(place / "catalog")
    model = add_tiny(catalog, place, "one", [0])
    key = add_answer(catalog, LINE, LineSettings(x_count=5), (model, "")).key
    catalog.add_document(FIGURE, "One", Recipe(panels=(FigurePanel(key=key),)).to_json())
    catalog.close()
    return catalog


@pytest.fixture
def page(context: sync_api.BrowserContext, catalog: Catalog) -> Iterator[sync_api.Page]:
    """The page Figure with that figure."""
    server = Server(catalog.folder)
    opened = context.new_page()
    opened.goto(server.url("figure"))
    opened.get_by_text("One · 6.75 in wide").wait_for()
    opened.locator("dialog[aria-label=Keys] kbd").first.wait_for(state="attached")
    yield opened
    opened.close()
    server.end()


def test_ctrl_z_undoes_and_is_a_field_s_own_within_it(page: sync_api.Page) -> None:
    """In a field the key is the browser's; elsewhere it undoes, and with Shift does it again."""
    heading = page.get_by_role("textbox", name="Heading")
    heading.fill("A line")
    heading.press("Enter")
    undo = page.locator(".st-key-undo-edit button").first
    sync_api.expect(undo).to_be_enabled()
    heading.press("Control+z")  # of the browser: the field is as it was, nothing is stored
    sync_api.expect(heading).not_to_have_value("A line")
    heading.fill("A line")
    heading.press("Enter")
    heading.press("Escape")
    page.keyboard.press("Control+z")
    heading = page.get_by_role("textbox", name="Heading")
    sync_api.expect(heading).to_have_value("")
    sync_api.expect(undo).to_be_disabled()
    page.keyboard.press("Control+Shift+z")
    sync_api.expect(page.get_by_role("textbox", name="Heading")).to_have_value("A line")
