"""One browser for all tests in this folder; a module has windows of its own."""

from collections.abc import Iterator

import pytest
from playwright import sync_api

from tests.browser.server import CHROMIUM, FLAGS, PATIENCE

# What waits glitters, which takes a processor as long as a page does: each movement happens once.
NOTHING_FLICKERS = """
new MutationObserver((_, observer) => {
  if (!document.head) return;
  observer.disconnect();
  const style = document.createElement("style");
  style.textContent = `*, *::before, *::after { animation-duration: 1ms !important;
    animation-iteration-count: 1 !important; transition-duration: 1ms !important; }`;
  document.head.append(style);
}).observe(document, { childList: true, subtree: true });
"""


@pytest.fixture(scope="package")
def playwright() -> Iterator[sync_api.Playwright]:
    with sync_api.sync_playwright() as started:
        yield started


@pytest.fixture(scope="package")
def browser(playwright: sync_api.Playwright) -> Iterator[sync_api.Browser]:
    launched = playwright.chromium.launch(executable_path=str(CHROMIUM), args=FLAGS)
    yield launched
    launched.close()


@pytest.fixture(scope="module")
def context(browser: sync_api.Browser) -> Iterator[sync_api.BrowserContext]:
    """Its windows; `context.asked` is every address that they asked for."""
    opened = browser.new_context(viewport={"width": 1440, "height": 1000})
    opened.set_default_timeout(PATIENCE)
    opened.add_init_script(NOTHING_FLICKERS)
    opened.asked, opened.complaints = [], []
    opened.on("request", lambda request: opened.asked.append(request.url))
    opened.on("weberror", lambda error: opened.complaints.append(str(error.error)))
    yield opened
    opened.close()
