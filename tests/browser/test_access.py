"""The door of the app in a real browser: no token, the token, a foreign name that leads here."""

import re
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright import sync_api

from tests.browser.server import CHROMIUM, FLAGS, PATIENCE, Server, in_a_browser
from tests.filling import new_catalog
from tests.tiny import until

pytestmark = in_a_browser
FOREIGN = "evil.example"
CONNECT = """address => new Promise(done => {
    const socket = new WebSocket(address, ["streamlit"])
    socket.onopen = () => done("open")
    socket.onclose = () => done("closed")
})"""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """The app as a user starts it, with its token; no samples are imported behind the door."""
    catalog = new_catalog(tmp_path_factory.mktemp("door") / "catalog")
    catalog.close()
    running = Server(catalog.folder, arguments=())
    yield running
    running.end()


@pytest.fixture(scope="module")
def address(server: Server) -> str:
    """What the terminal says."""
    log = Path(server.log.name)
    return until(lambda: re.search(r"http://\S+token=\S+", log.read_text()))[0]


@pytest.fixture(scope="module")
def misled(playwright: sync_api.Playwright) -> Iterator[sync_api.Browser]:
    """A browser for which a foreign name leads to this machine."""
    rules = f"--host-resolver-rules=MAP {FOREIGN} 127.0.0.1"
    launched = playwright.chromium.launch(executable_path=str(CHROMIUM), args=[*FLAGS, rules])
    yield launched
    launched.close()


@pytest.fixture
def page(misled: sync_api.Browser) -> Iterator[sync_api.Page]:
    """A window without cookies."""
    context = misled.new_context()
    context.set_default_timeout(PATIENCE)
    yield context.new_page()
    context.close()


def test_the_printed_address_opens_and_is_remembered(page: sync_api.Page, address: str) -> None:
    """The token leads in and leaves the address; the next visit needs none."""
    place = address.split("?")[0]
    assert page.goto(f"{place}jobs").status == 403
    page.get_by_text("This app asks for its token").wait_for()
    assert page.get_by_test_id("stApp").count() == 0
    page.goto(address)
    page.get_by_role("heading", name="Loss Surface Explorer").wait_for()
    assert "token" not in page.url
    page.goto(f"{place}jobs")
    page.get_by_role("heading", name="Jobs").wait_for()


def test_the_token_can_be_typed(page: sync_api.Page, address: str) -> None:
    """The page that refuses takes the token too."""
    place, _, token = address.partition("?token=")
    page.goto(place)
    page.get_by_label("Token").fill(token)
    page.get_by_role("button", name="Open").click()
    page.get_by_role("heading", name="Loss Surface Explorer").wait_for()


def test_a_foreign_name_reaches_nothing(page: sync_api.Page, server: Server, address: str) -> None:
    """DNS rebinding: under another name neither pages nor WebSocket answer, even with the token."""
    foreign = f"http://{FOREIGN}:{server.port}"
    assert page.goto(address).status == 200
    assert page.goto(f"{foreign}/?{address.partition('?')[2]}").status == 400
    for host in (FOREIGN, "127.0.0.1", "localhost"):  # from the foreign page
        stream = f"ws://{host}:{server.port}/_stcore/stream"
        assert page.evaluate(CONNECT, stream) == "closed", host


def test_another_user_s_client_is_refused(server: Server) -> None:
    """A program that has no token gets a refusal for a page, a file and an upload."""
    for path in ("/", "/_stcore/host-config", "/static/index.html", "/media/a.png"):
        with pytest.raises(urllib.error.HTTPError) as refused:
            urllib.request.urlopen(server.address + path)
        assert refused.value.code == 403, path
